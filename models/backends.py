"""What runs an exported network: ONNX Runtime (CPU or CUDA), or OpenVINO (CPU), which needs a quarter less time for the same
picture (``pip install 'facewire[openvino]'``). Both compute in fp32: bf16 halves the time again, but it rounds the flow, and
that costs 0.3 to 0.6 dB.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

Float32 = npt.NDArray[np.float32]

DEVICES = ("auto", "cpu", "openvino", "cuda")


class Network(Protocol):
    """One loaded network. Not thread-safe."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def run(self, inputs: dict[str, Float32]) -> dict[str, Float32]:
        """All outputs by name, as new arrays."""


class OnnxRuntimeNetwork:
    """ONNX Runtime on the CPU or on CUDA."""

    def __init__(self, path: Path, cuda: bool, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Threads that spin between frames would take the cores from sound and network.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if cuda and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # CUDA and cuDNN from wheels, where they were installed as such
        providers = (["CUDAExecutionProvider"] if cuda else []) + ["CPUExecutionProvider"]
        self._session = ort.InferenceSession(str(path), options, providers=providers)
        self.outputs = tuple(o.name for o in self._session.get_outputs())
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self.name = str(self._session.get_providers()[0])
        if cuda and self.name != "CUDAExecutionProvider":
            raise ValueError("ONNX Runtime has CUDA, but finds no device that works: see 'facewire doctor'")

    def run(self, inputs: dict[str, Float32]) -> dict[str, Float32]:
        return dict(zip(self.outputs, self._session.run(self.outputs, inputs), strict=True))


class OpenVinoNetwork:
    """OpenVINO on the CPU, in fp32."""

    name = "OpenVINO"

    def __init__(self, path: Path, threads: int) -> None:
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        core: Any = openvino.Core()
        model = core.read_model(str(path))
        # Before it is compiled, for compiling gives them further names.
        self.inputs, self.outputs = (tuple(v.get_any_name() for v in values) for values in (model.inputs, model.outputs))
        self._request: Any = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(self, inputs: dict[str, Float32]) -> dict[str, Float32]:
        results = self._request.infer(inputs, share_inputs=True)
        return {name: np.array(results[i]) for i, name in enumerate(self.outputs)}


def choose(device: str = "auto", cuda: bool = True) -> str:
    """The device that ``auto`` means here: cuda (unless told not to), else openvino, else cpu; another is checked.

    Raises ``ValueError`` with what to install for one that is not to be had.
    """
    if device not in DEVICES:
        raise ValueError(f"device {device!r} is not {', '.join(DEVICES[:-1])} or {DEVICES[-1]}")
    have_cuda = cuda and "CUDAExecutionProvider" in ort.get_available_providers()
    have_openvino = find_spec("openvino") is not None
    if device == "cuda" and not have_cuda:
        raise ValueError("CUDA is not available to ONNX Runtime: pip install 'facewire[gpu]' on a machine with CUDA")
    if device == "openvino" and not have_openvino:
        raise ValueError("OpenVINO is not installed: pip install 'facewire[openvino]'")
    if device == "auto":
        return "cuda" if have_cuda else "openvino" if have_openvino else "cpu"
    return device


def load(path: Path, device: str, threads: int) -> Network:
    """Load a network for a device as :func:`choose` names it. Raises ``ValueError`` for a file or device that does not work."""
    try:
        return OpenVinoNetwork(path, threads) if device == "openvino" else OnnxRuntimeNetwork(path, device == "cuda", threads)
    except (ValueError, ImportError):
        raise
    except Exception as error:  # both libraries raise types of their own, some of them bare Exception
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path.name} cannot be loaded: {reason}") from error
