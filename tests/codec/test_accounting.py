"""codec.accounting: the paper's bits per pixel and the wire's kilobits, computed by hand."""

import pytest

from codec.accounting import MESSAGE_OVERHEAD, PIXELS, BitCount
from codec.bundle import Bundle
from codec.media.timing import FRAME_RATE


def test_nothing_sent_is_zero_and_not_a_division_by_zero() -> None:
    count = BitCount()
    assert (count.bpp_video, count.bpp_with_keyframe, count.bits_per_picture, count.wire_kbps) == (0, 0, 0, 0)


def test_ten_seconds_by_hand() -> None:
    count = BitCount(keyframe_bytes=3000)
    for tick in range(50):
        count.add_bundle(200, Bundle(tick, 0, 0, bytes(40) if tick % 2 else None, (bytes(150),)), 0.2)
    assert count.pictures == 25
    assert count.bundles == 50
    assert count.sound_bytes == 7500
    assert count.seconds == pytest.approx(10)
    assert count.bits_per_picture == 320
    assert count.bpp_video == pytest.approx(25 * 40 * 8 / (10 * 25 * 65536))
    assert count.bpp_with_keyframe == pytest.approx((25 * 40 + 3000) * 8 / (10 * 25 * 65536))
    assert count.wire_kbps == pytest.approx(50 * (200 + 85) * 8 / 1000 / 10)


def test_shapes_are_counted_as_video_and_also_separately() -> None:
    count = BitCount(keyframe_bytes=100)
    count.add_bundle(90, Bundle(0, 0, 0, bytes(40), shape=bytes(10)), 0.2)
    count.add_bundle(80, Bundle(1, 10, 0, bytes(40)), 0.2)
    assert (count.picture_bytes, count.shape_bytes, count.video_bytes) == (80, 10, 90)
    assert count.bpp_video == pytest.approx(90 * 8 / (10 * PIXELS))
    assert count.bpp_shape == pytest.approx(10 * 8 / (10 * PIXELS))
    assert count.bpp_with_keyframe == pytest.approx(190 * 8 / (10 * PIXELS))
    assert count.bits_per_picture == 320


def test_the_papers_figure() -> None:
    """Raw 8x8 RGB, 192 bytes a picture: 0.023 BPP at 25 FPS, 0.0046 at 5 (paper, section 4.4)."""
    assert round(192 * 8 / PIXELS, 3) == 0.023
    count = BitCount()
    for _ in range(5):
        count.add_bundle(192, Bundle(0, 0, 0, bytes(192)), 0.2)
    assert count.bpp_video == pytest.approx(192 * 8 * 5 / (PIXELS * FRAME_RATE))
    assert abs(count.bpp_video - 0.0046) < 0.0001


def test_overhead_is_the_sum_of_the_headers() -> None:
    ip, udp, dtls, sctp = 20, 8, 13 + 16, 12 + 16
    assert ip + udp + dtls + sctp == MESSAGE_OVERHEAD
