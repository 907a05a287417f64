"""The frame rate that rendering chooses, and its slot for one waiting frame."""

import asyncio
import threading

import numpy as np

from receiver.render import FRAME, Pace, RenderThreads
from receiver.tick_decoder import FrameInput
from tests.waiting import until


def run(pace: Pace, seconds: float, frame_seconds: float, now: float = 0.0) -> float:
    end = now + seconds
    while now < end:
        now += max(frame_seconds, FRAME * pace.stride)
        pace.rendered(frame_seconds, now)
    return now


def test_a_fast_machine_stays_at_25() -> None:
    pace = Pace()
    run(pace, 10, 0.02)
    assert pace.stride == 2
    pace = Pace(50)
    run(pace, 10, 0.01)
    assert pace.stride == 1


def test_slower_machines_fall_to_a_rate_that_they_can_hold() -> None:
    for fps, seconds, stride in ((25, 0.06, 4), (25, 0.15, 10), (50, 0.03, 2), (50, 0.06, 4)):
        pace = Pace(fps)
        run(pace, 20, seconds)
        assert pace.stride == stride


def test_the_rate_recovers_after_a_temporary_load() -> None:
    pace = Pace()
    now = run(pace, 5, 0.06, 1.0)
    assert pace.stride == 4
    run(pace, 10, 0.02, now)
    assert pace.stride == 2


def test_a_rate_that_fails_is_tried_more_and_more_rarely() -> None:
    pace, now, rises = Pace(), 1.0, []
    for _ in range(3000):
        before = pace.stride
        seconds = 0.046 if pace.stride == 2 else 0.040  # just too slow for 25 FPS, although it seems fast enough at 12.5
        now += max(seconds, FRAME * pace.stride)
        pace.rendered(seconds, now)
        if pace.stride < before:
            rises.append(now)
    gaps = np.diff(rises)
    assert len(gaps) > 2
    assert gaps[-1] > 2 * gaps[0]


class SlowUpsampler:
    """Replaces the network in tests of the thread: each frame waits until it is released."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)

    def set_identity(self, keyframe: np.ndarray) -> None:
        pass

    def step(
        self, pictures: np.ndarray, speech: np.ndarray, detail: np.ndarray | None = None, shape: object = None
    ) -> np.ndarray:
        self.go.acquire()
        return np.zeros((256, 256, 3), np.uint8)


async def test_the_slot_keeps_only_the_newest() -> None:
    upsampler, done = SlowUpsampler(), []
    thread = RenderThreads([upsampler], 25, lambda frame, rgb: done.append(frame.number), asyncio.get_running_loop())  # type: ignore[arg-type]
    thread.set_keyframe(0, np.zeros((256, 256, 3), np.uint8))
    empty = np.zeros((5, 3, 8, 8), np.float32), np.zeros((20, 80), np.float32), 0
    thread.submit(FrameInput(0, *empty))
    await until(lambda: thread._slot is None)  # it is being rendered
    for number in range(1, 6):
        thread.submit(FrameInput(number, *empty))
    for _ in range(2):
        upsampler.go.release()
    await until(lambda: len(done) == 2)
    assert done == [0, 5]
    assert thread.count.dropped == 4
    thread.submit(FrameInput(6, np.zeros((5, 3, 8, 8), np.float32), empty[1], 9))  # no such keyframe
    await until(lambda: thread._slot is None)
    upsampler.go.release()
    thread.close()
    assert done == [0, 5]
