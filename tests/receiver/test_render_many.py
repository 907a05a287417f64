"""One thread renders for several players: batches of the waiting frames, each with its own keyframe and pace."""

import asyncio
import threading

import numpy as np
import pytest

from receiver.render_many import RenderMany
from receiver.tick_decoder import FrameInput
from tests.waiting import until


class Slow:
    """Replaces the networks: a batch waits until it is released; each frame shows its seat's keyframe."""

    runtime = "none"

    def __init__(self):
        self.go, self.batches, self.identities = threading.Semaphore(0), [], {}

    def set_identity(self, seat, keyframe):
        self.identities[seat] = keyframe

    def step(self, wanted):
        self.go.acquire()
        self.batches.append([one.seat for one in wanted])
        return [self.identities[one.seat] for one in wanted]


def frame(number, slot=0):
    return FrameInput(number, np.zeros((5, 3, 8, 8), np.float32), np.zeros((20, 80), np.float32), slot)


def picture(value):
    return np.full((256, 256, 3), value, np.uint8)


@pytest.fixture
def many():
    slow = Slow()
    renderer = RenderMany(slow, 3)
    renderer.slow = slow
    yield renderer
    slow.go.release(100)
    renderer.close()


async def test_waiting_frames_form_one_batch_and_newer_ones_replace_older_ones(many):
    loop, shown = asyncio.get_running_loop(), []
    seats = [many.seat(25, lambda f, rgb, i=i: shown.append((i, f.number, int(rgb[0, 0, 0]))), loop) for i in range(3)]
    for i, seat in enumerate(seats):
        seat.set_keyframe(0, picture(10 * i))
    seats[0].submit(frame(1))
    await until(lambda: not many._streams[0].waiting)
    for number in (2, 3):
        for seat in seats:
            seat.submit(frame(number))
    many.slow.go.release(2)
    await until(lambda: len(shown) == 4)
    assert many.slow.batches == [[0], [0, 1, 2]]
    assert shown == [(0, 1, 0), (0, 3, 0), (1, 3, 10), (2, 3, 20)]
    assert [seat.count.dropped for seat in seats] == [1, 1, 1]
    assert [seat.count.rendered for seat in seats] == [2, 1, 1]


async def test_frames_without_their_keyframe_are_skipped_and_others_switch(many):
    loop, shown = asyncio.get_running_loop(), []
    seat = many.seat(25, lambda f, rgb: shown.append(int(rgb[0, 0, 0])), loop)
    many.slow.go.release(10)
    seat.submit(frame(1, slot=4))
    await until(lambda: not many._streams[0].waiting)
    seat.set_keyframe(4, picture(40))
    seat.set_keyframe(5, picture(50))
    for number, slot in ((20, 4), (30, 5), (40, 4)):  # numbers that are rendered at every pace
        await until(lambda: not many._streams[0].waiting)
        seat.submit(frame(number, slot))
    await until(lambda: len(shown) == 3)
    assert shown == [40, 50, 40]


async def test_a_seat_is_free_again_when_its_player_has_left(many):
    loop = asyncio.get_running_loop()
    seats = [many.seat(25, lambda f, rgb: None, loop) for _ in range(3)]
    with pytest.raises(RuntimeError, match="taken"):
        many.seat(25, lambda f, rgb: None, loop)
    seats[1].close()
    seats[1].submit(frame(1))  # ignored, because the seat is closed
    assert many.seat(50, lambda f, rgb: None, loop)._number == 1


async def test_after_an_error_rendering_continues(many):
    shown = []
    seat = many.seat(25, lambda frame, rgb: shown.append(frame.number), asyncio.get_running_loop())
    seat.set_keyframe(0, picture(1))
    step, tries = many.slow.step, []

    def failing(wanted):
        tries.append(wanted)
        if len(tries) == 1:
            raise RuntimeError("out of memory")
        return step(wanted)

    many.slow.step = failing
    many.slow.go.release(100)
    seat.submit(frame(0))
    await until(lambda: seat.count.failed == 1)
    seat.submit(frame(1))
    await until(lambda: shown == [1])
