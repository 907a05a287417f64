"""A stream of pictures over a link that loses, delays and reorders messages in both directions:
encoder and decoder never drift apart, and the stream never stalls."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import ReferenceMissingError
from codec.pictures.header import DISTANCE_MAX
from codec.pictures.picture import PictureDecoder, PictureEncoder
from codec.pictures.references import KEPT

LINK = st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=40, max_size=40)
"""For each message: None if it is lost, else its delay in ticks."""


def pictures(seed: int, count: int) -> list[np.ndarray]:
    """A random walk, so that the acknowledged picture is the better reference."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(-3, 4, (count, 8, 8, 3)).cumsum(axis=0)
    return [np.clip(128 + s, 0, 255).astype(np.uint8) for s in steps]


def grey() -> np.ndarray:
    return np.full((8, 8, 3), 128, np.uint8)


def coders(luma: int = 1) -> tuple[PictureEncoder, PictureDecoder]:
    encoder, decoder = PictureEncoder(luma, luma), PictureDecoder()
    encoder.set_keyframe(3, grey())
    decoder.set_keyframe(3, grey())
    return encoder, decoder


@given(seed=st.integers(0, 2**32 - 1), start=st.sampled_from([0, 100, 65510, 65535]), there=LINK, back=LINK, newest=st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_picture_that_arrives_decodes_to_the_encoders_result(
    seed: int, start: int, there: list[int | None], back: list[int | None], newest: bool
) -> None:
    encoder, decoder = coders()
    expected: dict[int, np.ndarray] = {}
    arriving: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)
    acknowledging: defaultdict[int, list[int]] = defaultdict(list)
    held: list[int] = []
    walk = pictures(seed, len(there))
    for tick in range(len(there) + 10):
        for number in acknowledging.pop(tick, []):
            encoder.acknowledge(number)
        if tick < len(there):
            number = (start + tick) & 0xFFFF
            data, expected[number] = encoder.encode(number, walk[tick])
            if (delay := there[tick]) is not None:
                arriving[tick + delay].append((number, data))
        for number, data in arriving.pop(tick, []):
            picture, header = decoder.decode(number, data)  # its reference is never missing, because it was acknowledged
            assert header.slot == 3
            assert np.array_equal(picture, expected[number])
            held.append((number - start) & 0xFFFF)
            if (delay := back[len(held) - 1]) is not None:
                # Acknowledge either the picture just decoded or the newest so far.
                told = max(held) if newest else held[-1]
                acknowledging[tick + 1 + delay].append((start + told) & 0xFFFF)
    assert len(encoder.references.pictures) <= KEPT
    assert len(decoder.references.pictures) <= KEPT


def test_acknowledged_pictures_are_used_as_references() -> None:
    encoder, decoder = coders()
    sizes, distances = [], []
    for number, picture in enumerate(pictures(1, 12)):
        data, _ = encoder.encode(number, picture)
        distances.append(decoder.decode(number, data)[1].distance)
        encoder.acknowledge(number)
        sizes.append(len(data))
    assert distances[0] == 0
    assert set(distances[4:]) == {1}


def test_old_and_unknown_acknowledgements_change_nothing() -> None:
    encoder, _ = coders()
    for number, picture in enumerate(pictures(2, 6), start=65533):
        encoder.encode(number & 0xFFFF, picture)
    encoder.acknowledge(1)
    for number in (0, 65535, 65533, 3, 40000):
        encoder.acknowledge(number)
        assert encoder.acknowledged == 1
    encoder.acknowledge(2)
    assert encoder.acknowledged == 2


def test_a_late_picture_does_not_replace_newer_references() -> None:
    encoder, decoder = coders()
    walk = pictures(3, 4)
    first, second = (encoder.encode(n, walk[n])[0] for n in (0, 1))
    decoder.decode(1, second)
    encoder.acknowledge(1)
    decoder.decode(0, first)
    data, expected = encoder.encode(2, walk[2])
    picture, header = decoder.decode(2, data)
    assert header.distance == 1
    assert np.array_equal(picture, expected)


def test_the_keyframe_is_the_reference_after_a_long_time_without_acknowledgements() -> None:
    encoder, decoder = coders()
    for number, picture in enumerate(pictures(4, DISTANCE_MAX + 3)):
        data, expected = encoder.encode(number, picture)
        picture, header = decoder.decode(number, data)
        if number == 0:
            encoder.acknowledge(0)
        assert header.distance in ((0,) if number == 0 or number > DISTANCE_MAX else (0, number))
    assert np.array_equal(picture, expected)


@pytest.mark.parametrize("gap", [300, 0x7FFF, 0x8000, *range(65536 - 40, 65536 + 40, 3), 65536])
def test_the_stream_recovers_after_a_pause_of_any_length(gap: int) -> None:
    """There are no pictures for ``gap`` bundles (camera off), and the first one after them is lost. An old
    picture of the same number must not be used in its place."""
    encoder, decoder = coders()
    walk = pictures(5, 12)
    for number in range(5):
        decoder.decode(number, encoder.encode(number, walk[number])[0])
        encoder.acknowledge(number)
    last = 4 + gap
    encoder.encode(last & 0xFFFF, walk[5])
    distances = []
    for number in range(last + 1, last + 5):
        data, expected = encoder.encode(number & 0xFFFF, walk[number - last + 5])
        picture, header = decoder.decode(number & 0xFFFF, data)
        assert np.array_equal(picture, expected)
        encoder.acknowledge(number & 0xFFFF)
        distances.append(header.distance)
    assert distances[-1] == 1, "acknowledgements must count again after the pause"


def test_a_new_decoder_lacks_only_pictures_whose_references_it_never_had() -> None:
    encoder, decoder = coders()
    walk = pictures(6, 2)
    decoder.decode(0, encoder.encode(0, walk[0])[0])
    encoder.acknowledge(0)
    data, _ = encoder.encode(1, walk[1])
    newcomer = PictureDecoder()
    with pytest.raises(ReferenceMissingError):
        newcomer.decode(1, data)
    newcomer.set_keyframe(3, grey())
    with pytest.raises(ReferenceMissingError, match="picture 0"):
        newcomer.decode(1, data)
    fresh, expected = PictureEncoder(), walk[1]
    fresh.set_keyframe(3, grey())
    data, expected = fresh.encode(2, walk[1])
    assert np.array_equal(newcomer.decode(2, data)[0], expected)


def test_a_change_of_keyframe_keeps_the_acknowledged_picture() -> None:
    encoder, decoder = coders()
    walk = pictures(7, 3)
    for number in (0, 1):
        decoder.decode(number, encoder.encode(number, walk[number])[0])
        encoder.acknowledge(number)
    for side in (encoder, decoder):
        side.set_keyframe(4, np.zeros((8, 8, 3), np.uint8))
    data, expected = encoder.encode(2, walk[2])
    picture, header = decoder.decode(2, data)
    assert header.slot == 4
    assert header.distance == 1
    assert np.array_equal(picture, expected)
