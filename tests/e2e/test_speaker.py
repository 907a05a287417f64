"""The page's sound player (signaling/web/static/speaker.js) in a real browser, with the browser's own audio clock."""

import numpy as np
import pytest

from bench.browsers.chromium import Browser
from bench.demo import serve
from signaling.web.local import local_app
from tests.needs import BROWSER, needs

pytestmark = [pytest.mark.e2e, needs(*BROWSER)]

RATE = 48_000
QUANTUM = 128
PLAY = """
const [seconds, ticks, done] = [%f, %s, arguments[arguments.length - 1]];
const context = new OfflineAudioContext(1, seconds * 48000, 48000);
(async () => {
  await context.audioWorklet.addModule("/speaker.js");
  const node = new AudioWorkletNode(context, "speaker", { numberOfInputs: 0 });
  node.connect(context.destination);
  const left = [];
  ticks.forEach((at, number) => {
    context.suspend(at).then(() => {
      const pcm = Int16Array.from({ length: 9600 }, (_, i) => 16000 * Math.sin(2 * Math.PI * 200 * (number * 0.2 + i / 48000)));
      node.port.onmessage = ({ data }) => { left.push(data); context.resume(); };
      node.port.postMessage(pcm.buffer, [pcm.buffer]);
    });
  });
  const rendered = (await context.startRendering()).getChannelData(0);
  done([left, Array.from(rendered, (v) => Math.round(v * 32768))]);
})().catch((error) => done(String(error)));
"""


def quantum(seconds: float) -> float:
    """The nearest time in seconds at which an audio context can be suspended."""
    return round(seconds * RATE / QUANTUM) * QUANTUM / RATE


async def test_late_sound_leaves_a_gap_without_clicks_and_the_delay_shrinks_again() -> None:
    """Ticks of 200 ms: the third to the tenth come 35 ms late, all others in time."""
    ticks = [quantum(0.2 + 0.2 * n + (0.035 if 2 <= n < 10 else 0.0)) for n in range(60)]
    runner, url = await serve(local_app())
    try:
        async with Browser() as browser:
            await browser.open(url)
            left, samples = await browser.run_async(PLAY % (quantum(12.4), ticks))
    finally:
        await runner.cleanup()
    sound = np.array(samples) / 32768
    assert len(left) == 60
    assert left[1] == pytest.approx(0.01, abs=0.003)  # a reserve of 10 ms from the first tick on
    assert left[2:10] == pytest.approx([0.0] * 8, abs=0.004)
    assert left[11:25] == pytest.approx([0.035] * 14, abs=0.004)  # for some seconds, a reserve as large as the greatest delay
    assert max(left[40:]) <= 0.0105
    steps = np.abs(np.diff(sound))
    assert steps.max() < 3 * 0.49 * 2 * np.pi * 200 / RATE
    # There is a single gap, of 25 ms, before the first late tick.
    quiet = np.flatnonzero(np.abs(sound[int(0.25 * RATE) : int(12.1 * RATE)]) < 0.003)
    longest = max(map(len, np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1)))
    assert 0.010 < longest / RATE < 0.027


async def test_sound_that_comes_too_fast_is_cut() -> None:
    runner, url = await serve(local_app())
    try:
        async with Browser() as browser:
            await browser.open(url)
            left, samples = await browser.run_async(PLAY % (quantum(2.4), [quantum(0.2 + 0.01 * n) for n in range(20)]))
    finally:
        await runner.cleanup()
    assert max(left) <= 0.060001
    assert left[2:] == pytest.approx([0.06] * 18, abs=0.001)
    # The last tick is played whole, after at most 60 ms of earlier sound; then there is silence.
    loud = np.flatnonzero(np.abs(np.array(samples)) > 300)
    assert loud[-1] / RATE == pytest.approx(0.39 + 0.2 + 0.06, abs=0.01)
