"""The runtimes of the networks: they render the same picture."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from models.runtime.backends import DEVICES, choose, has_int8_dots, load, load_working
from models.runtime.upsampler import FRAMES, Upsampler, weights_folder
from models.runtime.weight_files import made_from

needs_openvino = pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is optional")


def face() -> np.ndarray:
    """A picture with edges and gradients, RGB (256, 256, 3)."""
    y, x = np.mgrid[:256, :256].astype(np.float32)
    oval = ((x - 128) / 80) ** 2 + ((y - 120) / 100) ** 2 < 1
    eyes = ((abs(x - 128) - 32) / 14) ** 2 + ((y - 100) / 7) ** 2 < 1
    mouth = ((x - 128) / 30) ** 2 + ((y - 170) / 8) ** 2 < 1
    rgb = np.stack([60 + x / 4, 70 + y / 5, 90 - x / 8], -1)
    rgb[oval] = [200, 160, 140]
    rgb[eyes] = [40, 30, 30]
    rgb[mouth] = [150, 60, 70]
    return rgb.astype(np.uint8)


def rendered(device: str) -> tuple[str, np.ndarray]:
    """(runtime, a rendered frame of the face with the head moved a little)"""
    upsampler = Upsampler(device=device, threads=1)
    upsampler.set_identity(face())
    moved = np.roll(face(), 6, 1).reshape(8, 32, 8, 32, 3).mean((1, 3)).transpose(2, 0, 1) / 255.0
    pictures = np.repeat(moved[None], FRAMES, 0).astype(np.float32)
    return upsampler.runtime, upsampler.step(pictures, np.full((20, 80), -1.0, np.float32)).astype(np.float64)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(((a - b) ** 2).mean(), 1e-9)))


@needs_openvino
@pytest.mark.parametrize("device", ["openvino", "openvino-fp32"])
def test_openvino_renders_the_same_frames_as_onnx_runtime(device):
    _, reference = rendered("cpu-fp32")
    runtime, frame = rendered(device)
    assert runtime.startswith("OpenVINO")
    assert "bf16" not in runtime or device == "openvino"
    assert psnr(frame, reference) > 55  # rounding to whole levels alone gives 59
    assert np.abs(frame - reference).max() <= (8 if "bf16" in runtime else 2)  # at the edges of the test picture


@pytest.mark.skipif(not has_int8_dots(), reason="this processor has no int8 dot products")
@pytest.mark.parametrize("device", ["cpu", pytest.param("openvino-int8", marks=needs_openvino)])
def test_int8_renders_almost_the_same_frame(device):
    exact, reference = rendered("cpu-fp32")
    runtime, frame = rendered(device)
    assert exact == "CPUExecutionProvider"
    assert runtime.endswith(", int8")
    assert psnr(frame, reference) > 36


@needs_openvino
def test_the_keyframes_network_is_exact_on_request():
    path = weights_folder() / "identity.onnx"
    image = face().transpose(2, 0, 1)[None].astype(np.float32) / 255.0
    reference = load(path, "cpu", 1).run({"keyframe": image})
    found = load(path, "openvino", 1, exact=True).run({"keyframe": image})
    for name, value in reference.items():
        np.testing.assert_allclose(found[name], value, atol=2e-3)


def test_devices_are_checked():
    assert choose("auto") in DEVICES
    with pytest.raises(ValueError, match="not auto"):
        choose("tpu")


def test_with_a_broken_openvino_the_cpu_is_used(tmp_path, monkeypatch):
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text("raise ImportError('a library is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    network, device = load_working(weights_folder() / "interpolator.onnx", "auto", 1, cuda=False)
    assert device == "cpu"
    assert network.name.startswith("CPUExecutionProvider")
    with pytest.raises(ValueError, match="a library is missing"):
        load_working(weights_folder() / "interpolator.onnx", "openvino", 1)


FOUR_AT_ONCE = """
import faulthandler, sys, threading
faulthandler.dump_traceback_later(120, exit=True)
from models.runtime.backends import load
from models.runtime.upsampler import weights_folder
import numpy as np
networks = [load(weights_folder() / "interpolator.onnx", "openvino-fp32", 1) for _ in range(4)]
together = threading.Barrier(4)
def run(network):
    together.wait()
    network.run({"pictures": np.zeros((1, 5, 3, 8, 8), np.float32)})
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=run, args=(network,)) for network in networks]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@needs_openvino
def test_networks_that_first_run_at_the_same_time_do_not_deadlock():
    done = subprocess.run([sys.executable, "-c", FOUR_AT_ONCE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


SIGNAL_AFTER = """
import os, signal, threading
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
from models.runtime.backends import load
from models.runtime.upsampler import weights_folder
networks = [load(weights_folder() / "interpolator.onnx", "openvino-fp32", 1)]
ending = threading.Thread(target=networks.clear)
ending.start()
ending.join()
os.kill(os.getpid(), signal.SIGUSR1)
"""


@needs_openvino
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other signals")
def test_a_signal_is_handled_after_another_thread_released_a_network():
    done = subprocess.run([sys.executable, "-c", SIGNAL_AFTER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr[-2000:]


def test_a_network_names_the_weights_that_it_was_made_for(tmp_path):
    shipped = weights_folder()
    assert made_from(shipped / "step-int8.onnx", shipped / "step.onnx")
    assert made_from(shipped / "step-small-int8.onnx", shipped / "identity.onnx")
    assert not made_from(shipped / "step-small-int8.onnx", shipped / "step.onnx")
    assert not made_from(tmp_path / "step-int8.onnx", shipped / "step.onnx")
