"""codec.model and codec.tables: the syntax of one difference, and the trained tables' bounds."""

import itertools
import random

import pytest

from codec.errors import SyntaxLimitError
from codec.model import CONTEXTS, Contexts
from codec.rangecoder import Decoder, Encoder
from codec.tables import INITIAL


def test_every_context_has_a_probability_that_the_coder_takes() -> None:
    assert len(INITIAL) == CONTEXTS
    assert all(64 <= p <= 65472 for p in INITIAL)


def test_every_difference_in_every_context_comes_back() -> None:
    rng = random.Random(0)
    places = list(itertools.product(range(3), range(10), range(4), range(-2, 3), range(-1, 2)))
    rng.shuffle(places)
    values = [rng.choice([0, 1, -1, 7, -14, 15, -16, 255, -255, rng.randint(-255, 255)]) for _ in places]
    coder, contexts = Encoder(), Contexts()
    for value, place in zip(values, places, strict=True):
        assert contexts.difference(coder, value, *place) == value
    data = coder.finish()
    reader, contexts = Decoder(data), Contexts()
    assert [contexts.difference(reader, 0, *place) for place in places] == values


def test_every_size_that_the_escape_can_tell() -> None:
    for value in range(-525, 526):
        coder = Encoder()
        Contexts().difference(coder, value, 0, 0, 0, 0, 0)
        assert Contexts().difference(Decoder(coder.finish()), 0, 0, 0, 0, 0, 0) == value


def test_sizes_past_the_escape_are_refused_on_both_sides() -> None:
    with pytest.raises(SyntaxLimitError):
        Contexts().difference(Encoder(), 526, 0, 0, 0, 0, 0)
    with pytest.raises(SyntaxLimitError):
        Contexts().difference(Decoder(b"\xff" * 40), 0, 0, 0, 0, 0, 0)


def test_choice_comes_back() -> None:
    for value in range(3):
        coder = Encoder()
        assert Contexts().choice(coder, value, 3, 0) == value
        assert Contexts().choice(Decoder(coder.finish()), 0, 3, 0) == value
