"""What a call really costs: ``facewire bench --wire`` lets two peers talk through the UDP relay and
counts every datagram.

The relay sees what an operator would bill. What an encrypted packet contains follows from its size. The
bytes are divided into payload, SCTP, DTLS, UDP and IP, acknowledgements, consent checks and the handshake,
second by second and both ways.
"""

import asyncio
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.calls.relay import Impairment, SignalingProxy, UdpRelay
from bench.demo import DemoError, run_peer, serve
from bench.progress import clock
from codec.errors import reason
from codec.extras import install_command
from signaling.rooms.server import create_app

IP_UDP = 28
"""Bytes of IPv4 and UDP headers around a datagram."""
DTLS = 29
"""Bytes of a DTLS 1.2 record with ChaCha20-Poly1305: header 13, tag 16."""
SCTP = 28
"""Bytes of SCTP around a message: common header 12, DATA chunk 16."""
SACK_ALONE = DTLS + 28
"""UDP payload of a packet that contains only a SACK without gaps: 12 + 16 bytes of SCTP."""
PARTS = ("payload", "SCTP", "DTLS", "UDP and IP", "acknowledgements", "consent (STUN)", "handshake")
ROOM = "wire"
SIDES = ("a", "b")


class WireCallError(RuntimeError):
    """The call failed; the message is one line for the user."""


def parts_of(data: bytes) -> dict[str, int]:
    """One datagram's bytes by purpose, IP and UDP headers included (RFC 7983: the first byte tells STUN
    from DTLS).

    ``payload`` is the message, padded to four bytes, and the 16 bytes of a SACK if the packet has one.
    """
    first = data[0] if data else 0
    if first <= 3:
        return {"consent (STUN)": len(data) + IP_UDP}
    if first != 23:  # only application data is encrypted content; the rest of DTLS is its handshake and alerts
        return {"handshake": len(data) + IP_UDP}
    if len(data) <= SACK_ALONE:
        return {"acknowledgements": len(data) + IP_UDP}
    payload = max(0, len(data) - DTLS - SCTP)
    return {"payload": payload, "SCTP": len(data) - DTLS - payload, "DTLS": DTLS, "UDP and IP": IP_UDP}


@dataclass
class WireLog:
    """Bytes by direction, second and part, from the first datagram on; ``to`` is the side that a datagram is sent to."""

    started: float = math.inf
    """When the first datagram passed; ``ended``: when the last did."""
    ended: float = -math.inf
    seconds: dict[str, list[dict[str, int]]] = field(default_factory=lambda: {"offer": [], "answer": []})
    packets: dict[str, int] = field(default_factory=lambda: {"offer": 0, "answer": 0})

    def add(self, to: str, data: bytes, now: float | None = None) -> None:
        now = time.monotonic() if now is None else now
        self.started, self.ended = min(self.started, now), max(self.ended, now)
        second, rows = int(now - self.started), self.seconds[to]
        while len(rows) <= second:
            rows.append(dict.fromkeys(PARTS, 0))
        for part, size in parts_of(data).items():
            rows[second][part] += size
        self.packets[to] += 1

    def total(self, to: str, first: int = 0, last: int | None = None) -> dict[str, float]:
        """kbit/s by part over whole seconds ``first`` to ``last`` (None: to the last datagram), and their sum as ``all``."""
        rows = self.seconds[to][first:last]
        lasted = max(1.0, self.ended - self.started - first if last is None else len(rows))
        mean = {p: sum(r[p] for r in rows) * 8e-3 / lasted for p in PARTS}
        return mean | {"all": sum(mean.values())}


async def talk(
    videos: Sequence[Path], folder: Path, seconds: float, more: Sequence[str] = ()
) -> tuple[WireLog, list[dict[str, Any]]]:
    """Two peers call each other for ``seconds``, each with its own video → (what the relay saw, the
    peers' figures)."""
    runner, direct = await serve(create_app())
    relay, log = UdpRelay(Impairment()), WireLog()
    relay.on_datagram = log.add
    proxy, server = await serve(SignalingProxy(direct, relay).app)
    tasks = []
    for side, video in zip(SIDES, videos, strict=True):
        given = ["call", ROOM, "--server", server, "--video", str(video), "--audio", str(video), "--loop"]
        given += ["--seconds", str(seconds), "--out", str(folder / f"{side}.mp4"), *more]
        tasks.append(asyncio.create_task(run_peer(given, lambda _: None)))
    try:
        async with asyncio.timeout(seconds + 90):
            figures = await asyncio.gather(*tasks)
    except TimeoutError:
        raise WireCallError(f"the call did not end within {seconds + 90:.0f} s") from None
    except DemoError as error:
        raise WireCallError(reason(error)) from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for part in (proxy, runner):
            await part.cleanup()
        relay.close()
    return log, figures


def steady(log: WireLog, seconds: float) -> tuple[int, int]:
    """First and last second of the steady part of the call: from 5 s after the first payload, when
    handshake and keyframe are over, to the end."""
    first = min((i for rows in log.seconds.values() for i, r in enumerate(rows) if r["payload"]), default=0)
    return first + 5, max(first + 6, first + int(seconds))


def plot(log: WireLog, path: Path) -> None:
    """Both directions second by second, stacked. Needs matplotlib (the ``bench`` extra)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    for at, to in zip(figure.subplots(2, 1, sharex=True), ("offer", "answer"), strict=True):
        rows = log.seconds[to]
        values = [[r[p] * 8e-3 for r in rows] for p in PARTS]
        at.stackplot(range(len(rows)), values, labels=[f"{p}, {log.total(to)[p]:.2f}" for p in PARTS], step="mid")
        at.axhline(12, color="black", linewidth=0.8, linestyle="--")
        at.set_ylabel("kbit/s")
        at.set_title(f"to the side that {'offered' if to == 'offer' else 'answered'}: {log.total(to)['all']:.2f} kbit/s in all")
        at.legend(loc="upper right", fontsize=8)
    at.set_xlabel("seconds since the first datagram")
    figure.savefig(path, dpi=110)


def run_wire(
    videos: Sequence[Path], out: Path, seconds: float, say: Callable[[str], None], more: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure a call; writes ``wire.json`` and ``wire.png`` (if matplotlib is installed) into ``out``. ``more``: options of
    ``facewire call`` for both sides. Raises :class:`WireCallError`."""
    if not 1 <= len(videos) <= 2:
        raise WireCallError("one clip for both sides, or one for each")
    for video in videos:
        if not video.is_file():
            raise WireCallError(f"no such file: {video}")
    out.mkdir(parents=True, exist_ok=True)
    say(f"calling for {seconds:g} s")
    with tempfile.TemporaryDirectory(prefix="facewire-") as drawn, clock("calling", seconds):
        log, figures = asyncio.run(talk([videos[0], videos[-1]], Path(drawn), seconds, more))
    first, last = steady(log, seconds)
    found = {
        "seconds": seconds, "whole": {to: log.total(to) for to in log.seconds},
        "steady": {to: log.total(to, first, last) for to in log.seconds}, "packets": log.packets, "by_second": log.seconds,
        "peers": figures,
    }  # fmt: skip
    (out / "wire.json").write_text(json.dumps(found, indent=1) + "\n")
    try:
        plot(log, out / "wire.png")
    except ImportError:
        say(f"no plot: {install_command('bench')}")
    return found


def table(found: dict[str, Any]) -> str:
    """Markdown: kbit/s by part, both ways, over the whole call and without its first seconds."""
    lines = ["| kbit/s | whole, one way | other way | steady, one way | other way |", "|---|---:|---:|---:|---:|"]
    columns = [found[when][to] for when in ("whole", "steady") for to in ("offer", "answer")]
    lines += [f"| {part} | " + " | ".join(f"{c[part]:.2f}" for c in columns) + " |" for part in (*PARTS, "all")]
    return "\n".join(lines)
