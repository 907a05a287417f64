"""Two bundles in one message: what is held back, and when it goes."""

from codec.bundle import Bundle
from codec.bundle_pair import split_bundles
from signaling.call.pairing import ROOM, Pairing, messages


def test_each_goes_at_once_where_pairs_are_not_wanted() -> None:
    pairing = Pairing()
    assert [pairing.put(Bundle(i, i), paired=False) for i in range(3)] == [[Bundle(i, i)] for i in range(3)]
    assert pairing.put(None, paired=False) == []


def test_every_second_waits_for_the_next() -> None:
    pairing, bundles = Pairing(), [Bundle(i, i) for i in range(5)]
    assert [pairing.put(b, paired=True) for b in bundles] == [[], bundles[:2], [], bundles[2:4], []]


def test_a_held_one_goes_at_the_next_tick_whatever_that_brings() -> None:
    held, last = Bundle(1, 1), Bundle(2, 2, pausing=True)
    for following, going in ((None, [held]), (last, [held, last])):
        pairing = Pairing()
        assert pairing.put(held, paired=True) == []
        assert pairing.put(following, paired=True) == going
    pairing = Pairing()
    pairing.put(held, paired=True)
    assert pairing.put(last, paired=False) == [held, last]
    assert pairing.put(last, paired=True) == [last], "nobody waits in a pause"


def test_what_was_held_for_a_connection_that_is_gone_is_never_sent() -> None:
    pairing = Pairing()
    pairing.put(Bundle(1, 1), paired=True)
    pairing.drop()
    assert pairing.put(None, paired=True) == []


def test_two_that_fill_more_than_a_packet_go_alone() -> None:
    small, large = Bundle(1, 1, sound=(bytes(100),)), Bundle(2, 2, sound=(bytes(ROOM - 50),))
    (pair,) = messages([small, small])
    assert split_bundles(pair) == (small.pack(), small.pack())
    assert messages([small, large]) == [small.pack(), large.pack()]
    assert messages([large]) == [large.pack()]
