"""How long two peers take to connect on bad networks: ``python -m bench.calls.connect OUT.json [--runs 64]``.

Measured from the creation of the offer until both data channels are open, through
:mod:`bench.calls.relay`; eight pairs at a time in one process. An attempt that takes longer than 20 s
has failed.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from bench.calls.relay import Impairment, behind
from bench.demo import serve
from bench.progress import clock
from bench.report_file import report_file
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.rooms.server import create_app
from signaling.transport.channels import PeerError
from signaling.transport.peer import Peer

AT_ONCE = 8
FAILED = 20.0
"""Seconds after which an attempt has failed."""
NETWORKS = {
    "loopback": Impairment(),
    "60 ms": Impairment(delay=0.06),
    "60 ± 30 ms, loss 10 %": Impairment(loss=0.10, delay=0.06, jitter=0.03),
    "60 ± 30 ms, loss 30 %": Impairment(loss=0.30, delay=0.06, jitter=0.03),
    "15 kbit/s": Impairment(kbps=15, delay=0.04),
}


async def once(server: str, network: Impairment, seed: int) -> float:
    """Seconds until both sides are connected; ``inf`` if they aren't after :data:`FAILED` seconds."""
    async with (
        behind(server, network, seed) as (_, url),
        SignalingClient(url, f"c{seed}") as first,
        SignalingClient(url, f"c{seed}") as second,
    ):
        pair = [(Peer(IceConfig(), lambda _: None, lambda _: None), client) for client in (first, second)]
        began = time.monotonic()
        try:
            async with asyncio.timeout(FAILED):
                await asyncio.gather(*(peer.connect(client, FAILED) for peer, client in pair))
            return time.monotonic() - began
        except (PeerError, TimeoutError):
            return float("inf")
        finally:
            await asyncio.gather(*(peer.close() for peer, _ in pair))


async def measure(network: Impairment, runs: int) -> list[float]:
    """Seconds of each of ``runs`` attempts."""
    times: list[float] = []
    while len(times) < runs:
        server, url = await serve(create_app())  # a new one each time: it limits how often an address may join
        some = range(len(times), min(runs, len(times) + AT_ONCE))
        times += await asyncio.gather(*(once(url, network, seed) for seed in some))
        await server.cleanup()
    return times


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.connect", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--runs", type=int, default=64)
    options = parser.parse_args(arguments)
    found = {}
    write("| | median s | 90 % s | worst s | over 3 s | failed |\n|---|---:|---:|---:|---:|---:|\n")
    for name, network in NETWORKS.items():
        with clock(f"{options.runs} connections, {name}"):
            times = np.array(asyncio.run(measure(network, options.runs)))
        found[name] = [round(t, 3) if np.isfinite(t) else None for t in times]
        good = times[np.isfinite(times)]
        median, most, worst = (np.median(good), np.percentile(good, 90), good.max()) if len(good) else [float("nan")] * 3
        slow, failed = int((times > 3).sum()), len(times) - len(good)
        write(f"| {name} | {median:.2f} | {most:.2f} | {worst:.2f} | {slow} of {len(times)} | {failed} |\n")
    try:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    except OSError as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
