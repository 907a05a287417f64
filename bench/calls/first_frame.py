"""How long until there is a face: ``python -m bench.calls.first_frame OUT.json [--runs 3]``.

One side waits in a room, then the other is started. Reported is the time from that start to the first
frame that the receiver shows, and the part of it until the sender's stream begins. In half of the calls
the sender is started last, in the others the receiver. Use an idle machine; the calls are on loopback.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.demo import DemoError, run_peer, serve, shipped_clip
from bench.progress import clock
from bench.report_file import report_file
from codec.errors import reason
from signaling.rooms.server import create_app

WAIT = 8.0
"""Seconds given to the first side to become ready."""
SECONDS = 6.0


async def once(sender_last: bool) -> dict[str, float]:
    """``ready_s``: from the second side's start until the stream begins; ``first_frame_s``: until
    the first frame.

    Raises :class:`bench.demo.DemoError`.
    """
    server, url = await serve(create_app())
    with tempfile.TemporaryDirectory() as folder:
        common = ["first", "--server", url, "--light", folder]
        stats = Path(folder) / "stats.jsonl"
        send = ["send", *common, "--video", str(shipped_clip()), "--seconds", str(SECONDS)]
        receive = ["receive", *common, "--out", f"{folder}/out.mp4"]
        first, second = (receive, send) if sender_last else (send, receive)
        try:
            waiting = asyncio.create_task(run_peer(first, lambda _: None))
            await asyncio.sleep(WAIT)
            began = time.monotonic()
            async with asyncio.timeout(SECONDS + 60):
                await asyncio.gather(waiting, run_peer([*second, "--stats", str(stats)], lambda _: None))
        except TimeoutError:
            raise DemoError("the call did not end") from None
        finally:
            await server.cleanup()
        with np.load(f"{folder}/light-sent.npz") as sent, np.load(f"{folder}/light-shown.npz") as shown:
            return {"ready_s": float(sent["start"]) - began, "first_frame_s": float(shown["shown"][0]) - began}


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.first_frame", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    try:
        with clock(f"{2 * options.runs} calls"):
            found = {
                name: [asyncio.run(once(last)) for _ in range(options.runs)]
                for name, last in (("sender comes last", True), ("receiver comes last", False))
            }
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    except (OSError, DemoError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    write("| | stream begins after, s | first frame after, s | from one to the other, s |\n|---|---:|---:|---:|\n")
    for name, runs in found.items():
        ready, frame = (float(np.median([r[key] for r in runs])) for key in ("ready_s", "first_frame_s"))
        write(f"| {name} | {ready:.2f} | {frame:.2f} | {frame - ready:.2f} |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
