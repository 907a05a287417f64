"""Whether a browser removes what the call's page plays from its microphone's sound: ``python -m
bench.calls.echo OUT.json``.

Chromium shows the page of a call, and its microphone gets what its loudspeakers play at full level: it
is the monitor of a PulseAudio null sink. The page uses the browser's echo canceller; reported is how
loud the peer's speech is without and with it, second by second. The effects of a room, of a real
loudspeaker and of two people who speak at once are not measured.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from bench.calls.page_record import PageRecord
from bench.demo import DemoError, shipped_clip, two_peers
from bench.progress import clock
from bench.report_file import report_file
from codec.errors import reason

METER = """
window.heard = {};
const listen = async (name, echoCancellation) => {
  const audio = { echoCancellation, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  const meter = context.createAnalyser();
  meter.fftSize = 4096;
  context.createMediaStreamSource(stream).connect(meter);
  const samples = new Float32Array(meter.fftSize);
  window.heard[name] = [];
  setInterval(() => {
    meter.getFloatTimeDomainData(samples);
    window.heard[name].push(samples.reduce((sum, v) => sum + v * v, 0) / samples.length);
  }, 50);
};
listen("without", false);
listen("with", true);
"""
SECOND = 20
"""Values of a meter in a second."""


def levels(power: Sequence[float]) -> npt.NDArray[np.float64]:
    """Mean squares (N,), twenty a second → dB of full scale for each second, at least −100."""
    whole = np.array(power[: len(power) // SECOND * SECOND], np.float64).reshape(-1, SECOND)
    return np.asarray(10 * np.log10(np.maximum(whole.mean(1), 1e-10)), np.float64)


async def measure(seconds: float) -> dict[str, list[float]]:
    """``without_db`` and ``with_db``, a value a second. Raises :class:`DemoError`."""
    async with PageRecord() as record:
        heard: list[asyncio.Task[dict[str, list[float]]]] = []

        async def watch(url: str) -> dict[str, list[float]]:
            await record.open(url)
            await asyncio.sleep(4)  # until somebody speaks
            await record.browser.run(METER)
            await asyncio.sleep(seconds)
            return dict(await record.browser.run("return window.heard"))

        def line(text: str) -> None:
            if "http://localhost" in text and not heard:
                heard.append(asyncio.create_task(watch(text[text.index("http://") :].split()[0])))

        await two_peers(["--out", "page"], ["--video", str(shipped_clip()), "--loop"], seconds + 12, line)
        if not heard:
            raise DemoError("the receiver printed no page address")
        found = await heard[0]
    if len(found) < 2:
        raise DemoError("the browser found no microphone")
    return {f"{name}_db": [round(v, 1) for v in levels(values)] for name, values in sorted(found.items())}


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.echo", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args(arguments)
    try:
        with clock("calling", 2 * options.seconds):
            found = asyncio.run(measure(options.seconds))
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    except (OSError, DemoError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    write("| | median | loudest second |\n|---|---:|---:|\n")
    for name, text in (("without_db", "as the microphone hears it"), ("with_db", "echo cancelled")):
        write(f"| {text} | {np.median(found[name]):.0f} dB | {max(found[name]):.0f} dB |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
