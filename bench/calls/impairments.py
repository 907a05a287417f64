"""Calls on bad networks, one after the other, and what is seen and heard in each. ``python -m
bench.calls.impairments OUT.json``.

Two processes, real WebRTC, every datagram through :mod:`bench.calls.relay`. The machine should be
idle: the peers work in real time.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.calls.relay import Impairment, SignalingProxy, UdpRelay
from bench.demo import DemoError, delays, run_peer, serve, shipped_clip
from bench.progress import run_cases
from bench.report_file import report_file
from signaling.rooms.server import create_app

FROZEN = 0.4
"""After this many seconds without a new frame the picture counts as frozen: two ticks."""


@dataclass(frozen=True)
class Case:
    """One network. ``blackout``: seconds without any datagram, from the middle of the call on;
    ``cut``: in the middle every path between the peers ends for good, as when an address changes;
    ``more``: options of ``send``."""

    name: str
    network: Impairment
    blackout: float = 0.0
    cut: bool = False
    more: tuple[str, ...] = ()


CASES = (
    Case("loopback", Impairment()),
    Case("loss 1 %", Impairment(loss=0.01, delay=0.04)),
    Case("loss 5 %", Impairment(loss=0.05, delay=0.04)),
    Case("loss 10 %", Impairment(loss=0.10, delay=0.04)),
    Case("loss 30 %", Impairment(loss=0.30, delay=0.04)),
    Case("loss 10 % in bursts of 4", Impairment(loss=0.10, burst=4, delay=0.04)),
    Case("jitter ± 100 ms", Impairment(delay=0.12, jitter=0.1)),
    Case("10 % twice, reordered", Impairment(delay=0.25, jitter=0.24, duplicates=0.1)),
    Case("15 kbit/s", Impairment(kbps=15, delay=0.04)),
    Case("20 kbit/s, --limit 40", Impairment(kbps=20, delay=0.04), more=("--limit", "40")),
    Case("another address", Impairment(delay=0.04), cut=True),
    Case("blackout of 10 s", Impairment(delay=0.04), blackout=10.0),
)


def judge(times: np.ndarray, delay: np.ndarray, received: dict[str, Any], sent: dict[str, Any]) -> dict[str, float]:
    """The figures of a call. ``times``: when frames were shown; ``delay``: of each, from capture to
    display; both in seconds.

    ``fps``; ``frozen_s``: time beyond :data:`FROZEN` in gaps between frames; ``longest_s``: the
    longest gap; ``delay_ms``: median delay; ``delay_end_ms``: that of the last quarter; ``concealed``:
    share of ticks whose sound was concealed; ``late``: bundles that came too late; ``out_kbps``;
    ``tick_ms`` at the end. Raises :class:`bench.demo.DemoError` if nothing was seen.
    """
    if len(times) < 2:
        raise DemoError("no picture came through")
    gaps = np.diff(times)
    last = delay[-max(1, len(delay) // 4) :]
    return {
        "fps": (len(times) - 1) / (times[-1] - times[0]), "frozen_s": float(np.clip(gaps - FROZEN, 0, None).sum()),
        "longest_s": float(gaps.max()), "delay_ms": float(np.median(delay) * 1e3), "delay_end_ms": float(np.median(last) * 1e3),
        "concealed": received["ticks_concealed"] / max(1, received["ticks"]), "late": float(received["bundles_late"]),
        "out_kbps": sent["wire_kbps_out"], "tick_ms": float(sent["tick_ms"]),
    }  # fmt: skip


async def call(case: Case, seconds: float, video: Path) -> dict[str, float]:
    """Run one case. Raises :class:`bench.demo.DemoError`."""
    server, direct = await serve(create_app())
    relay = UdpRelay(case.network)
    proxy, url = await serve(SignalingProxy(direct, relay).app)
    with tempfile.TemporaryDirectory() as folder:
        common = ["bad", "--server", url, "--trace", folder]
        sending = ["send", *common, "--video", str(video), "--loop", "--seconds", str(seconds), *case.more]
        tasks = [
            asyncio.create_task(run_peer(["receive", *common, "--out", f"{folder}/out.mp4"], lambda _: None)),
            asyncio.create_task(run_peer(sending, lambda _: None)),
        ]
        try:
            async with asyncio.timeout(seconds + 90):
                if case.cut:
                    await asyncio.sleep(seconds / 2)
                    relay.cut()
                if case.blackout:
                    await asyncio.sleep(seconds / 2)
                    relay.blocked = True
                    await asyncio.sleep(case.blackout)
                    relay.blocked = False
                received, sent = await asyncio.gather(*tasks)
        except TimeoutError:
            raise DemoError("the call did not end") from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await proxy.cleanup()
            await server.cleanup()
            relay.close()
        with np.load(f"{folder}/sent.npz") as a, np.load(f"{folder}/shown.npz") as b:
            return judge(b["times"], delays(a, b), received, sent)


def table(found: dict[str, dict[str, float]]) -> str:
    """Markdown, one row for each network."""
    lines = [
        "| network | FPS | frozen, s | longest gap, s | delay, ms | at the end | concealed | late | sent, kbit/s | tick, ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, f in found.items():
        cells = f"{f['fps']:.1f} | {f['frozen_s']:.1f} | {f['longest_s']:.2f} | {f['delay_ms']:.0f} | {f['delay_end_ms']:.0f}"
        lines.append(
            f"| {name} | {cells} | {f['concealed']:.0%} | {f['late']:.0f} | {f['out_kbps']:.1f} | {f['tick_ms']:.0f} |"
        )  # fmt: skip
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.impairments", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each call")
    parser.add_argument("--video", type=Path, default=shipped_clip())
    parser.add_argument("--only", help="only cases whose name contains this")
    options = parser.parse_args(arguments)
    found, well = run_cases(
        CASES, options.only, options.seconds, options.out,
        lambda case: asyncio.run(call(case, options.seconds, options.video)),
        lambda name, figures: table({name: figures}).splitlines()[-1], (OSError, DemoError), write,
    )  # fmt: skip
    write(table(found) + "\n")
    return int(not well)


if __name__ == "__main__":
    sys.exit(main())
