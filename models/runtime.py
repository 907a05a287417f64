"""Running the exported networks with ONNX Runtime: no torch here.

``Upsampler``: :meth:`set_identity` once per keyframe, then :meth:`step` for each frame. ``Interpolator``: five pictures at
5 FPS in, the newest tick's five at 25 FPS out. Both must be made and warmed up before a call starts.
"""

from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

FRAMES = 5
"""Frames in a tick of 200 ms, and pictures in the network's window."""
PARTS = ("own", "f64", "f32", "f16", "f8", "key", "value", "f128")


class WeightsMissingError(RuntimeError):
    """A network's file is not where it should be; the message says where."""


def providers(device: str = "auto") -> list[str]:
    """ONNX Runtime providers for ``device``: "cpu", "cuda", or "auto" (CUDA when there). Raises ``ValueError``."""
    have = ort.get_available_providers()
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device {device!r} is not auto, cpu or cuda")
    if device == "cuda" and "CUDAExecutionProvider" not in have:
        raise ValueError("CUDA is not available to ONNX Runtime: pip install 'facewire[gpu]' on a machine with CUDA")
    use_cuda = device != "cpu" and "CUDAExecutionProvider" in have
    return (["CUDAExecutionProvider"] if use_cuda else []) + ["CPUExecutionProvider"]


def weights_folder(folder: Path | None = None) -> Path:
    """The folder that holds the networks; the installed one by default. Raises :class:`WeightsMissingError`."""
    found = folder or Path(str(resources.files("models").joinpath("weights")))
    for name in ("identity.onnx", "step.onnx", "interpolator.onnx"):
        if not (found / name).is_file():
            raise WeightsMissingError(f"{name} is missing from {found}: install again, or run 'facewire export'")
    return found


def _session(path: Path, device: str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Threads that spin between frames would take the cores from sound and network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=providers(device))


class Upsampler:
    """Keyframe + pictures + speech → frames. Not thread-safe: drive it from one thread."""

    def __init__(self, folder: Path | None = None, device: str = "auto", threads: int = 2) -> None:
        """``threads``: CPU threads of one inference. Raises :class:`WeightsMissingError`, ``ValueError``."""
        folder = weights_folder(folder)
        self._identity = _session(folder / "identity.onnx", device, threads)
        self._step = _session(folder / "step.onnx", device, threads)
        self._fixed: dict[str, Float32] = {}

    @cached_property
    def provider(self) -> str:
        """The provider that runs the frames, as ONNX Runtime names it."""
        return str(self._step.get_providers()[0])

    @property
    def ready(self) -> bool:
        """Whether an identity is set."""
        return bool(self._fixed)

    def set_identity(self, keyframe: UInt8) -> None:
        """Keyframe RGB (256, 256, 3). Raises ``ValueError`` for another shape."""
        if keyframe.shape != (256, 256, 3):
            raise ValueError(f"keyframe is {keyframe.shape}, not (256, 256, 3)")
        image = np.ascontiguousarray(keyframe.transpose(2, 0, 1)[None], np.float32) / 255.0
        parts = self._identity.run(list(PARTS), {"keyframe": image})
        self._fixed = {"keyframe": image, **dict(zip(PARTS, parts, strict=True))}

    def step(self, pictures: Float32, speech: Float32) -> UInt8:
        """Pictures (5, 3, 8, 8) RGB in [0, 1] around the frame and log-mel (20, 80) → frame RGB (256, 256, 3).

        Raises ``RuntimeError`` before the first :meth:`set_identity`.
        """
        if not self._fixed:
            raise RuntimeError("no identity is set")
        inputs = {**self._fixed, "pictures": pictures[None].astype(np.float32), "speech": speech[None].astype(np.float32)}
        frame = self._step.run(["frame"], inputs)[0][0]
        return np.ascontiguousarray((frame * 255.0 + 0.5).astype(np.uint8).transpose(1, 2, 0))

    def warmup(self) -> None:
        """Run both networks once, so that the first frame of a call isn't the slow one; forgets the identity."""
        self.set_identity(np.full((256, 256, 3), 128, np.uint8))
        self.step(np.full((FRAMES, 3, 8, 8), 0.5, np.float32), np.full((20, 80), -1.0, np.float32))
        self._fixed = {}


class Interpolator:
    """Pictures at 5 FPS → 25 FPS (paper section 3.3)."""

    def __init__(self, folder: Path | None = None) -> None:
        self._session = _session(weights_folder(folder) / "interpolator.onnx", "cpu", 1)

    def tick(self, pictures: Float32) -> Float32:
        """The newest five pictures (5, 3, 8, 8), oldest first → the five frames of the newest tick (5, 3, 8, 8).

        The last of them is the newest picture itself.
        """
        frames: Float32 = self._session.run(["frames"], {"pictures": pictures[None].astype(np.float32)})[0][0]
        return np.clip(frames[-FRAMES:], 0.0, 1.0)
