"""What runs an exported network: ONNX Runtime (CPU or CUDA), or OpenVINO (CPU, ``pip install
'facewire[openvino]'``), and in which precision.

bf16 everywhere would round the flow's coordinates to half a pixel: 31 dB from the frames of fp32. So
only the convolutions use it; everything between them stays in fp32. OpenVINO does so where the
processor has bf16, and elsewhere uses fp32. ONNX Runtime is too slow in fp32 for 25 frames a second
on two cores, so most convolutions use int8 (``step-int8.onnx``, :mod:`models.export.int8`) where the
processor has instructions for it; the motion is then a little less smooth.
``bench.speed.precision`` measures what each costs, ``bench.speed.frame_time`` what it saves.
"""

import ctypes
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import onnxruntime as ort

from codec.errors import reason
from codec.extras import install_command, install_gpu_commands
from codec.media.types import Float32
from models.runtime.weight_files import made_from

log = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cpu-fp32", "openvino", "openvino-int8", "openvino-fp32", "cuda")
"""``cpu`` uses int8 and ``openvino`` bf16 where available, else fp32; the suffixes ``-fp32`` and
``-int8`` allow no other precision."""


class Network(Protocol):
    """One loaded network. Not thread-safe."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def run(self, inputs: dict[str, Float32]) -> dict[str, Float32]:
        """All outputs by name, as new arrays."""


def ort_options(threads: int) -> ort.SessionOptions:
    """ONNX Runtime's settings for running during a call."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Threads that spin between frames would take the cores from sound and network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def load_cuda() -> None:
    """Load CUDA and cuDNN from their wheels, if installed as such. Call it before the first session that needs them."""
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()


class OnnxRuntimeNetwork:
    """ONNX Runtime on the CPU or on CUDA."""

    def __init__(self, path: Path, cuda: bool, threads: int) -> None:
        if cuda:
            load_cuda()
        providers = (["CUDAExecutionProvider"] if cuda else []) + ["CPUExecutionProvider"]
        self._session = ort.InferenceSession(str(path), ort_options(threads), providers=providers)
        self.outputs = tuple(o.name for o in self._session.get_outputs())
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self.name = str(self._session.get_providers()[0])
        if path.stem.endswith("-int8"):
            self.name += ", int8"
        if cuda and self.name != "CUDAExecutionProvider":
            raise ValueError("ONNX Runtime has CUDA, but finds no device that works: see 'facewire doctor'")

    def run(self, inputs: dict[str, Float32]) -> dict[str, Float32]:
        return dict(zip(self.outputs, self._session.run(self.outputs, inputs), strict=True))


def has_int8_dots() -> bool:
    """Whether the processor accumulates int8 products directly in 32 bits (VNNI). On others the sums
    saturate, which degrades the picture. Detected on Linux, taken as missing elsewhere."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags


def int8_path(path: Path) -> Path:
    """Path of a network's int8 version: ``step.onnx`` → ``step-int8.onnx``."""
    return path.with_name(f"{path.stem}-int8{path.suffix}")


def int8_of(path: Path) -> Path | None:
    """Path of a network's int8 version; None where there is none, or it was made from other weights."""
    return found if made_from(found := int8_path(path), path) else None


def convolve_in_bf16(model: Any) -> int:
    """Let an OpenVINO model's convolutions take bf16 and return fp32; everything else is unchanged.
    Returns how many there are."""
    from openvino import opset13 as ops

    found = [op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    for op in found:
        for i in (0, 1):
            op.input(i).replace_source_output(ops.convert(op.input_value(i), "bf16").output(0))
        users = list(op.output(0).get_target_inputs())
        op.validate_and_infer_types()
        wide = ops.convert(op.output(0), "f32")
        for user in users:
            user.replace_source_output(wide.output(0))
    model.validate_nodes_and_infer_types()
    return len(found)


_INITIALISING = threading.Lock()


def _initialise_numpy_types() -> None:
    """Let OpenVINO initialise its table of NumPy types in one thread at a time.

    It uses C++ statics, whose hidden lock it holds while it waits for the GIL: two threads that reach
    them at the same time, as when two networks warm up, deadlock (explained in pybind11's pull request
    4877).
    """
    import openvino

    with _INITIALISING:
        openvino.Tensor(np.zeros(1, np.float32)).element_type.to_dtype()


class _SignalStack(ctypes.Structure):
    """``stack_t`` of sigaltstack(2) on Linux."""

    _fields_: ClassVar = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


@contextmanager
def _own_signal_stack() -> Iterator[None]:
    """Restores this thread's alternate signal stack on exit.

    OpenVINO gives the thread that compiles a network an alternate stack, and frees it with the network,
    whichever thread does that. The next signal with a Python handler, such as Ctrl-C, was then handled
    on freed memory, and the process crashed.
    """
    if sys.platform != "linux":
        yield
        return
    libc, before = ctypes.CDLL(None), _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)


class OpenVinoNetwork:
    """OpenVINO on the CPU, in fp32, with convolutions in bf16 if requested, or in int8 if the file's
    are."""

    def __init__(self, path: Path, threads: int, bf16: bool) -> None:
        import openvino

        _initialise_numpy_types()
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        core: Any = openvino.Core()
        model = core.read_model(str(path))
        bf16 = bf16 and bool(convolve_in_bf16(model))
        self.name = "OpenVINO, bf16" if bf16 else "OpenVINO, int8" if path.stem.endswith("-int8") else "OpenVINO"
        # Read before compiling, which adds further names.
        self.inputs, self.outputs = (tuple(v.get_any_name() for v in values) for values in (model.inputs, model.outputs))
        with _own_signal_stack():
            self._request: Any = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(self, inputs: dict[str, Float32]) -> dict[str, Float32]:
        results = self._request.infer(inputs, share_inputs=True)
        return {name: np.array(results[i]) for i, name in enumerate(self.outputs)}


def _has_bf16() -> bool:
    import openvino

    core: Any = openvino.Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def choose(device: str = "auto", cuda: bool = True) -> str:
    """The device that ``auto`` means here: cuda (unless ``cuda`` is False), else openvino, else cpu. Any
    other device is returned if it is available.

    Raises ``ValueError``, which names what to install, for an unavailable device.
    """
    if device not in DEVICES:
        raise ValueError(f"device {device!r} is not {', '.join(DEVICES[:-1])} or {DEVICES[-1]}")
    have_cuda = cuda and "CUDAExecutionProvider" in ort.get_available_providers()
    have_openvino = find_spec("openvino") is not None
    if device == "cuda" and not have_cuda:
        raise ValueError(f"CUDA is not available to ONNX Runtime; on a machine with an NVIDIA GPU: {install_gpu_commands()}")
    if device.startswith("openvino") and not have_openvino:
        raise ValueError(f"OpenVINO is not installed: {install_command('openvino')}")
    if device == "auto":
        return "cuda" if have_cuda else "openvino" if have_openvino else "cpu"
    return device


def load_working(path: Path, device: str, threads: int, exact: bool = False, cuda: bool = True) -> tuple[Network, str]:
    """Load a network, and return it with the device that runs it. ``auto`` takes the first that works: CUDA (if ``cuda``),
    OpenVINO, the CPU. Raises ``ValueError`` where none does."""
    chosen = choose(device, cuda)
    while True:
        try:
            return load(path, chosen, threads, exact), chosen
        except ValueError as error:  # a GPU build of ONNX Runtime on a machine without a GPU, or a broken OpenVINO
            if device != "auto" or chosen == "cpu":
                raise
            log.warning("%s does not work: %s", chosen, error)
            chosen = choose("auto", cuda=False) if chosen == "cuda" else "cpu"


def load(path: Path, device: str, threads: int, exact: bool = False) -> Network:
    """Load a network for a device as :func:`choose` names it; ``exact``: in fp32 throughout. Raises
    ``ValueError`` for a file or device that does not work, and for int8 where it is
    unavailable."""
    runtime, _, precision = device.partition("-")
    try:
        bf16 = not exact and device == "openvino" and _has_bf16()
        if not exact and device in ("cpu", "openvino-int8"):
            small = int8_of(path) if has_int8_dots() else None
            if precision == "int8" and small is None:
                lacks = f"{int8_path(path).name}, made of these weights" if has_int8_dots() else "int8 dot products (VNNI)"
                raise ValueError(f"{device} is unavailable on this machine: there is no {lacks}")
            path = small or path
        if runtime == "openvino":
            return OpenVinoNetwork(path, threads, bf16)
        return OnnxRuntimeNetwork(path, runtime == "cuda", threads)
    except ValueError:
        raise
    except Exception as error:  # both libraries raise types of their own, some of them bare Exception
        raise ValueError(f"{path.name} cannot be loaded: {reason(error)[:160]}") from error
