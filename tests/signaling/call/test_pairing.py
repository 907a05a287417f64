"""Two bundles in one message: which bundles are held back, and when they are sent."""

from codec.bundle import Bundle
from codec.bundle_pair import split_bundles
from signaling.call.pairing import ROOM, Pairing, messages


def test_without_pairing_each_bundle_is_sent_at_once() -> None:
    pairing = Pairing()
    assert [pairing.put(Bundle(i, i), paired=False) for i in range(3)] == [[Bundle(i, i)] for i in range(3)]
    assert pairing.put(None, paired=False) == []


def test_every_other_bundle_waits_for_the_next() -> None:
    pairing, bundles = Pairing(), [Bundle(i, i) for i in range(5)]
    assert [pairing.put(b, paired=True) for b in bundles] == [[], bundles[:2], [], bundles[2:4], []]


def test_a_held_bundle_is_sent_at_the_next_tick_in_any_case() -> None:
    held, last = Bundle(1, 1), Bundle(2, 2, pausing=True)
    for following, going in ((None, [held]), (last, [held, last])):
        pairing = Pairing()
        assert pairing.put(held, paired=True) == []
        assert pairing.put(following, paired=True) == going
    pairing = Pairing()
    pairing.put(held, paired=True)
    assert pairing.put(last, paired=False) == [held, last]
    assert pairing.put(last, paired=True) == [last], "a bundle before a pause must not wait"


def test_a_bundle_held_for_a_lost_connection_is_never_sent() -> None:
    pairing = Pairing()
    pairing.put(Bundle(1, 1), paired=True)
    pairing.drop()
    assert pairing.put(None, paired=True) == []


def test_two_bundles_too_large_for_a_packet_are_sent_separately() -> None:
    small, large = Bundle(1, 1, sound=(bytes(100),)), Bundle(2, 2, sound=(bytes(ROOM - 50),))
    (pair,) = messages([small, small])
    assert split_bundles(pair) == (small.pack(), small.pack())
    assert messages([small, large]) == [small.pack(), large.pack()]
    assert messages([large]) == [large.pack()]
