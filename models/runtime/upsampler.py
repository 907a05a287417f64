"""Running the exported networks: no torch here.

``Upsampler``: :meth:`set_identity` once per keyframe, then :meth:`step` for each frame.
``Interpolator``: five pictures at 5 FPS in, the newest tick's five at 25 FPS out. Both must be made
and warmed up before a call starts.
"""

from importlib import resources
from pathlib import Path

import numpy as np

from codec.media.types import Float32, UInt8
from models.face.shape_points import COUNT
from models.runtime.backends import load, load_working

KeyframeFeatures = dict[str, Float32]
"""A keyframe as the network knows it: 3.5 MB of features."""
FRAMES = 5
"""Frames in a tick of 200 ms, and pictures in the network's window."""
DRIVEN = ("pictures", "speech", "detail", "shape")
"""The inputs that change with every frame."""
NO_DETAIL = np.zeros((1, 3, 64, 64), np.float32)
SEATS = "seats"
"""Input (N,) int64 of a step graph for batches (:mod:`models.runtime.onnx_batch`): the seat of each frame."""
RGB = "rgb"
"""Output (N, 256, 256, 3) uint8 of such a graph."""
NO_SHAPE = np.zeros((1, 2, COUNT, 2), np.float32)
"""Input for unknown face points; older networks, made before the shape existed, lack this input."""


class WeightsMissingError(RuntimeError):
    """A network's file is not where it should be; the message says where."""


def weights_folder(folder: Path | None = None) -> Path:
    """The folder that holds the networks; the installed one by default. Raises :class:`WeightsMissingError`."""
    found = folder or Path(str(resources.files("models").joinpath("weights")))
    if folder and not folder.is_dir():
        raise WeightsMissingError(f"{folder}: no such folder")
    for name in ("identity.onnx", "step.onnx", "interpolator.onnx"):
        if not (found / name).is_file():
            raise WeightsMissingError(f"{name} is missing from {found}: install again, or run 'facewire export'")
    return found


class Upsampler:
    """Keyframe + pictures + speech → frames. Not thread-safe: drive it from one thread."""

    def __init__(self, folder: Path | None = None, device: str = "auto", threads: int = 2) -> None:
        """``device``: see :func:`models.runtime.backends.choose`; ``threads``: CPU threads of one inference.

        Raises :class:`WeightsMissingError`, ``ValueError``.
        """
        folder = weights_folder(folder)
        self._step, device = load_working(folder / "step.onnx", device, threads)
        self._identity = load(folder / "identity.onnx", device, threads, exact=True)
        if lacking := set(self._step.inputs) - {"keyframe", *self._identity.outputs, *DRIVEN}:
            raise ValueError(f"step.onnx needs {', '.join(sorted(lacking))}, which identity.onnx lacks: export both again")
        self._fixed: KeyframeFeatures = {}
        self.doubt = 0.0
        """How little the keyframe explained the newest frame, in [0, 1]; at 1 the whole frame is soft."""

    @property
    def runtime(self) -> str:
        """What runs the frames: an ONNX Runtime provider, or OpenVINO."""
        return self._step.name

    @property
    def ready(self) -> bool:
        """Whether an identity is set."""
        return bool(self._fixed)

    def set_identity(self, keyframe: UInt8) -> None:
        """Keyframe RGB (256, 256, 3). Raises ``ValueError`` for another shape."""
        self.use(self.identity(keyframe))

    def identity(self, keyframe: UInt8) -> KeyframeFeatures:
        """The features of a keyframe RGB (256, 256, 3), to be kept for :meth:`use`. Raises ``ValueError``
        for another shape."""
        if keyframe.shape != (256, 256, 3):
            raise ValueError(f"keyframe is {keyframe.shape}, not (256, 256, 3)")
        image = np.ascontiguousarray(keyframe.transpose(2, 0, 1)[None], np.float32) / 255.0
        known = {"keyframe": image, **self._identity.run({"keyframe": image})}
        return {name: known[name] for name in self._step.inputs if name in known}

    def use(self, identity: KeyframeFeatures) -> None:
        """Render this person from now on. ``identity``: what :meth:`identity` of the same networks returned."""
        self._fixed = identity

    def step(self, pictures: Float32, speech: Float32, detail: Float32 | None = None, shape: Float32 | None = None) -> UInt8:
        """Pictures (5, 3, 8, 8) RGB in [0, 1] around the frame and log-mel (20, 80) → frame RGB (256, 256, 3).

        ``detail`` (3, 64, 64): what a picture larger than 8×8 adds, see
        :func:`models.runtime.detail.detail_of`. ``shape`` (2, 54, 2): the face's points in the keyframe
        and now, in [-1, 1]. Raises ``RuntimeError`` before the first :meth:`set_identity`.
        """
        if not self._fixed:
            raise RuntimeError("no identity is set")
        inputs = {
            **self._fixed, "pictures": pictures[None].astype(np.float32), "speech": speech[None].astype(np.float32),
            "detail": NO_DETAIL if detail is None else detail[None].astype(np.float32),
            "shape": NO_SHAPE if shape is None else shape[None].astype(np.float32),
        }  # fmt: skip
        found = self._step.run({name: inputs[name] for name in self._step.inputs})
        frame, self.doubt = found["frame"][0], float(found["doubt"][0]) if "doubt" in found else 0.0
        return np.ascontiguousarray((frame * 255.0 + 0.5).astype(np.uint8).transpose(1, 2, 0))

    def warmup(self) -> None:
        """Run both networks once, so that the first frame of a call is not slow; forgets the identity."""
        self.set_identity(np.full((256, 256, 3), 128, np.uint8))
        self.step(np.full((FRAMES, 3, 8, 8), 0.5, np.float32), np.full((20, 80), -1.0, np.float32))
        self._fixed = {}


class Interpolator:
    """Pictures at 5 FPS → 25 FPS (paper section 3.2)."""

    def __init__(self, folder: Path | None = None) -> None:
        self._network = load(weights_folder(folder) / "interpolator.onnx", "cpu", 1)

    def tick(self, pictures: Float32) -> Float32:
        """The newest five pictures (5, 3, 8, 8), oldest first → the five frames of the newest tick
        (5, 3, 8, 8).

        The last of them is the newest picture itself.
        """
        frames = self._network.run({"pictures": pictures[None].astype(np.float32)})["frames"][0]
        return np.clip(frames[-FRAMES:], 0.0, 1.0)
