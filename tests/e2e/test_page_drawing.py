"""Frames rendered by WebGPU in Chromium, with SwiftShader in place of a GPU: they equal Python's. When the GPU is lost,
the small network continues."""

import json
from itertools import islice

import cv2
import numpy as np
import pytest

from bench.browsers.chromium import Browser
from bench.demo import shipped_clip
from codec.media.files import file_frames
from codec.media.types import UInt8
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.face.shape_points import network_points, pixels_of
from models.runtime.upsampler import Upsampler
from tests.needs import BROWSER, needs
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER), needs_runtime]

SOFTWARE_GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
LONG = 600.0
"""Limit in seconds: without a GPU, a processor takes ten seconds and more for a frame, on a busy machine a minute."""
LOSSLESS = 101
DRAW = """
const given = %s;
const floats = (values) => Float32Array.from(values);
Object.assign(window, { drawn: [], gone: 0, wrong: "" });
(async () => {
  const files = await (await fetch("/peer/files.json")).json();
  const { RenderWorkers } = await import("/peer/call/render_workers.js");
  const { compiled } = await import("/peer/workers/load.js");
  const driven = { pictures: floats(given.pictures), speech: floats(given.speech), detail: null, shape: floats(given.shape) };
  const ask = (port) => port.postMessage({ frame: { slot: 0, number: 0, driven }, due: performance.now() });
  const drawing = new RenderWorkers(compiled(files), { gpu: true, cores: 2, shared: false, step: "step.onnx" }, {
    port(port) {
      port.onmessage = ({ data }) => {
        if (data) window.drawn.push(Array.from(data.rgba));
        setTimeout(() => ask(port), 100);
      };
      ask(port);
    },
    gone: () => { window.gone += 1; },
    failed: (what) => { window.wrong = what; },
    loading() {}, ready() {}, chosen() {}, complete() {},
  });
  drawing.keyframe(0, Uint8Array.from(given.keyframe), "webp");
})().catch((error) => { window.wrong = String(error.stack ?? error); });
"""


def area(rgb: UInt8, side: int) -> UInt8:
    return np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


async def test_webgpu_renders_the_same_frames_as_python_and_rendering_survives_its_loss(server: str) -> None:
    frames = list(islice(file_frames(shipped_clip()), 31))
    keyframe, target = (area(frames[i], 256) for i in (0, 30))
    file = cv2.imencode(".webp", keyframe[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, LOSSLESS])[1]
    small = np.stack([area(target, 8).transpose(2, 0, 1) / 255] * 5).astype(np.float32)
    speech = np.random.default_rng(3).uniform(-1, 0.5, (20, 80)).astype(np.float32)
    detector, mesh = BlazeFace(), FaceMesh()
    shape = np.stack([network_points(pixels_of(mesh.points(f, detector.detect(f)[0])[0])) for f in (keyframe, target)])
    upsampler = Upsampler(device="cpu-fp32")
    upsampler.set_identity(keyframe)
    wanted = upsampler.step(small, speech, shape=shape).astype(int)
    assert np.abs(wanted - upsampler.step(small, speech)).mean() > 0.2  # the points have an effect

    given: dict[str, np.ndarray] = {
        "keyframe": np.asarray(file), "pictures": small, "speech": speech, "shape": shape,
    }  # fmt: skip
    words = json.dumps({name: values.reshape(-1).tolist() for name, values in given.items()})
    async with Browser(*SOFTWARE_GPU) as browser:

        async def drew(more: int = 0) -> bool:
            assert await browser.run("return window.wrong") == ""
            return bool(await browser.run(f"return window.drawn.length > {more}"))

        await browser.open(server.replace("127.0.0.1", "localhost") + "/peer/files.json")
        await browser.run(DRAW % words)
        await until(drew, LONG, 0.5)
        frame = np.array(await browser.run("return window.drawn[0]")).reshape(256, 256, 4)[..., :3]
        assert np.abs(frame - wanted).max() <= 2
        assert await browser.run("return window.gone") == 0
        await browser.develop("Browser.crashGpuProcess")
        await until(lambda: browser.run("return window.gone === 1"), LONG, 0.5)
        count = await browser.run("return window.drawn.length")
        await until(lambda: drew(count), LONG, 0.5)
        # The small network renders the same face.
        frame = np.array(await browser.run("return window.drawn.at(-1)")).reshape(256, 256, 4)[..., :3]
        assert np.abs(frame - wanted).mean() < 8
