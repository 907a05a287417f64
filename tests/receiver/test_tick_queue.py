"""Bundles waiting for their tick."""

from codec.bundle import Bundle
from receiver.tick_queue import TickQueue


def test_a_lost_tick_ends_where_the_next_one_begins() -> None:
    queue = TickQueue()
    assert queue.put(900, Bundle(1, 45, 0))
    assert queue.put(1260, Bundle(8, 63, 2, sound=(b"a",)))
    assert [bundle.number for bundle in queue.drop_before(1200)] == [1]
    assert queue.take(1200) == (None, 60)
    assert queue.take(1260)[1] == 60
    assert queue.take(1320) == (None, 60)
    assert not queue
