"""Later keyframes are sent in pieces, within the limit of the wire rate."""

import numpy as np
import pytest

from codec.control import KeyframeAssembler
from codec.keyframe import encode_keyframe
from signaling.call.pacing import DEPTH, HEADROOM, OVERHEAD, OWED, PIECE_MAX, PIECE_MIN, KeyframePieces, Pacer


@pytest.fixture(scope="module")
def keyframe():
    noise = np.random.default_rng(3).integers(0, 255, (32, 32, 3), np.uint8)
    return encode_keyframe(noise.repeat(8, 0).repeat(8, 1), 40)


def test_the_rate_over_a_minute_stays_within_the_limit(keyframe):
    pacer, sent, pieces = Pacer(12.0), 0, 0
    way = KeyframePieces(1, keyframe)
    for tick in range(300):  # ticks of 200 ms, each with a bundle of 280 bytes on the wire: 11.2 kbit/s
        piece = way.next(pacer.room(sent, 100 + tick * 0.2))
        if piece:
            pieces += 1
            sent += len(piece.data) + OVERHEAD
        if way.done:
            way = KeyframePieces(1, keyframe)
        sent += 280
    assert sent * 8 / 60 <= 12_000 * 1.02
    assert sent * 8 / 60 > 11_700  # the available rate is used
    assert pieces > 10


def test_at_most_a_second_of_rate_is_saved_and_at_most_eight_are_owed():
    pacer = Pacer(8.0)  # 1000 bytes a second
    assert pacer.room(0, 10.0) == 0
    assert pacer.room(0, 100.0) == 1000 * DEPTH
    assert pacer.room(50_000, 100.2) == -1000 * OWED
    assert pacer.room(50_000, 108.2) == 0
    assert pacer.room(50_100, 108.7) == 400


def test_pieces_add_up_to_the_keyframe(keyframe):
    way, assembler, whole, sizes = KeyframePieces(3, keyframe), KeyframeAssembler(), None, []
    while not way.done:
        assert whole is None
        assert way.next(OVERHEAD + PIECE_MIN - 1) is None or way.done
        piece = way.next(OVERHEAD + 200 if len(sizes) % 2 else 5000)
        if piece is None:
            break
        sizes.append(len(piece.data))
        whole = assembler.add(piece)
    assert whole == (3, keyframe)
    assert set(sizes[:2]) == {PIECE_MAX, 200}
    assert way.next(5000) is None


def test_the_pace_is_limited_by_what_the_network_carries():
    pacer = Pacer(40)
    pacer.carried(12)
    pacer.room(0, 1.0)
    assert pacer.room(0, 1.5) == int(0.5 * 12 * 125 * HEADROOM)
    pacer.carried(400)
    assert pacer.room(0, 1.6) == int(0.5 * 12 * 125 * HEADROOM + 0.1 * 40 * 125)
