"""Delay of picture and sound, lip sync and frame rate of a real call: ``python -m bench.calls.delay OUT.json``.

Two processes on this machine. The sender's face brightens with a beep every 1.48 s. The receiver logs when it shows each
frame and outputs each sound; with ``--page`` the log holds what a browser shows and plays. The delay of a display and a sound
card is not included. Delay is the shift in time at which brightness, or loudness, at the output correlates best with the input,
over parts of the call; lip sync is the difference between the two. The machine should be idle.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.calls.page_record import PageRecord, Record
from bench.demo import DemoError, shipped_clip, two_peers
from bench.picture.crops import write_lossless
from bench.progress import clock
from bench.report_file import report_file
from codec.errors import reason
from codec.media.files import file_frames
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import Float64
from models.face.tracker import whole

Judged = dict[str, list[float]]

EVERY = 1.48
"""Seconds between two flashes: no multiple of a tick."""
LIT = 0.24
"""Seconds that a flash lasts."""
BEEP = 700.0
STEP = 0.002
"""Seconds: how finely the delay is looked for."""
LONGEST = 1.5
PART = 6.0
"""Seconds of each part of the call for which the delay is reported."""


def flashes(seconds: float, out: Path) -> None:
    """Write the test clip: the shipped clip's face, bright for each flash and dark between, with a beep at each flash."""
    faces = [whole(f).cut(f) for f in islice(file_frames(shipped_clip()), 50)]
    frames = []
    for n in range(round(seconds * FRAME_RATE)):
        face = faces[abs((n % 98) - 49)].astype(np.float32)  # to and fro
        lit = (n / FRAME_RATE) % EVERY < LIT
        frames.append((face * (1.0 if lit else 0.65)).astype(np.uint8))
    t = np.arange(round(seconds * RATE)) / RATE
    sound = 0.4 * np.sin(2 * np.pi * BEEP * t) * ((t % EVERY) < LIT)
    write_lossless(out, frames, sound.astype(np.float32))


def shift(times: Float64, values: Float64, then: Float64, before: Float64) -> float:
    """By how many seconds the series (``times``, ``values``) lags behind (``then``, ``before``):
    where they correlate best."""
    at = np.arange(then[0], then[-1], 0.005)
    source = np.interp(at, then, before)
    source = source - source.mean()
    best, found = -np.inf, np.nan
    for lag in np.arange(0.0, LONGEST, STEP):
        seen = np.interp(at + lag, times, values)
        seen = seen - seen.mean()
        alike = float(source @ seen / (np.linalg.norm(source) * np.linalg.norm(seen) + 1e-9))
        if alike > best:
            best, found = alike, float(lag)
    return found


def judge(sent: Mapping[str, npt.NDArray[Any]], shown: Mapping[str, npt.NDArray[Any]], part: float = PART) -> Judged:
    """``picture_ms``, ``sound_ms``, ``sync_ms`` (picture after sound) and ``fps`` of each part of
    the call, ``part`` seconds long, from what :class:`signaling.call.light_trace.LightTrace` has
    written."""
    start, captured, light = float(sent["start"]), sent["captured"], sent["light"]
    said_at = np.arange(start, captured[-1], 0.005) + 0.0025
    said = (((said_at - start) % EVERY) < LIT).astype(np.float64)
    order = np.argsort(shown["heard"], kind="stable")
    heard, loud = shown["heard"][order], shown["loud"][order]
    found: Judged = {"picture_ms": [], "sound_ms": [], "sync_ms": [], "fps": []}
    end = min(captured[-1] - 1.0, float(shown["shown"][-1]) - LONGEST / 2)
    for begin in np.arange(max(captured[0], float(shown["shown"][0])), end - part, part):
        mine, its = _between(captured, begin, part), _between(said_at, begin, part)
        seen = _between(shown["shown"], begin - 1, part + LONGEST + 2)
        listened = _between(heard, begin - 1, part + LONGEST + 2)
        picture = shift(shown["shown"][seen], shown["light"][seen], captured[mine], light[mine]) * 1e3
        sound = shift(heard[listened], loud[listened], said_at[its], said[its]) * 1e3
        during = _between(shown["shown"], begin + picture / 1e3, part)
        fps = (during.stop - during.start) / part
        for name, value in (("picture_ms", picture), ("sound_ms", sound), ("sync_ms", picture - sound), ("fps", fps)):
            found[name].append(round(value, 1))
    return found


def _between(times: Float64, begin: float, seconds: float) -> slice:
    return slice(*np.searchsorted(times, (begin, begin + seconds)))


def judge_folder(folder: str | Path, part: float = PART) -> Judged:
    """:func:`judge` what both sides have recorded in a folder (``--light``)."""
    with np.load(f"{folder}/light-sent.npz") as sent, np.load(f"{folder}/light-shown.npz") as shown:
        return judge(sent, shown, part)


async def call(limit: float, seconds: float, page: bool = False) -> Judged:
    """Make the call and judge it; with ``page``, by what a browser shows and plays. Raises
    :class:`bench.demo.DemoError`."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "flashes.mkv"
        flashes(seconds + 10, clip)
        light = ["--light", folder]
        sending = [*light, "--video", str(clip), "--limit", str(limit)]
        if page:
            found = await _call_page(Path(folder), sending, seconds)
        else:
            await two_peers([*light, "--out", f"{folder}/out.mp4"], sending, seconds)
            found = judge_folder(folder)
        if not found["sync_ms"]:
            raise DemoError(f"too little was seen and heard in {seconds:.0f} s to be judged")
        return found


async def _call_page(folder: Path, sending: list[str], seconds: float) -> Judged:
    async with PageRecord() as record:
        taken: list[asyncio.Task[Record]] = []

        async def watch(url: str) -> Record:
            await record.open(url)
            await asyncio.sleep(seconds)
            return await record.take()

        def line(text: str) -> None:
            if "http://localhost" in text and not taken:
                taken.append(asyncio.create_task(watch(text[text.index("http://") :].split()[0])))

        await two_peers(["--out", "page"], sending, seconds + 5, line)
        if not taken:
            raise DemoError("the receiver printed no page address")
        shown = await taken[0]
    with np.load(folder / "light-sent.npz") as sent:
        return judge(sent, shown)


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.delay", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--limit", type=float, default=12.0, help="kbit/s; above 12, ticks become shorter")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--page", action="store_true", help="judge what a browser shows and a sound server plays")
    options = parser.parse_args(arguments)
    try:
        with clock("calling", options.seconds):
            found = asyncio.run(call(options.limit, options.seconds, options.page))
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    except (OSError, DemoError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    write(f"| seconds from | {' | '.join(str(round(i * PART)) for i in range(len(found['sound_ms'])))} |\n")
    write("|---|" + "---:|" * len(found["sound_ms"]) + "\n")
    rows = ("mouth to ear, ms", "picture, ms", "picture after sound, ms", "frames a second")
    for name, text in zip(("sound_ms", "picture_ms", "sync_ms", "fps"), rows, strict=True):
        write(f"| {text} | {' | '.join(f'{v:.0f}' for v in found[name])} |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
