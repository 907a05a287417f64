"""Several calls' frames from one set of networks: on CUDA as one batch, elsewhere one after the other."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from codec.errors import reason
from codec.extras import PIP
from codec.media.types import Float32, UInt8
from models.runtime.backends import choose, load_cuda, ort_options
from models.runtime.upsampler import DRIVEN, NO_DETAIL, NO_SHAPE, RGB, SEATS, KeyframeFeatures, Upsampler, weights_folder

log = logging.getLogger(__name__)


@dataclass
class FrameRequest:
    """A request for one frame: its seat, and the arguments of :meth:`models.runtime.upsampler.Upsampler.step`."""

    seat: int
    pictures: Float32
    speech: Float32
    detail: Float32 | None = None
    shape: Float32 | None = None


class ManyUpsampler(Protocol):
    """Renders for several seats, one for each call. Not thread-safe."""

    runtime: str

    def set_identity(self, seat: int, keyframe: UInt8) -> None:
        """Use keyframe RGB (256, 256, 3) for a seat. Raises ``ValueError`` for another shape."""

    def step(self, wanted: Sequence[FrameRequest]) -> list[UInt8]:
        """A frame RGB (256, 256, 3) for each request. Raises ``KeyError`` for a seat without a keyframe."""


class EachInTurn:
    """One frame after the other: for CPUs, whose cores one frame keeps busy, and where batches do not work."""

    def __init__(self, upsampler: Upsampler) -> None:
        self._upsampler, self._identities = upsampler, dict[int, KeyframeFeatures]()
        self.runtime = upsampler.runtime

    def set_identity(self, seat: int, keyframe: UInt8) -> None:
        self._identities[seat] = self._upsampler.identity(keyframe)

    def step(self, wanted: Sequence[FrameRequest]) -> list[UInt8]:
        frames = []
        for one in wanted:
            self._upsampler.use(self._identities[one.seat])
            frames.append(self._upsampler.step(one.pictures, one.speech, one.detail, one.shape))
        return frames


class AsBatch:
    """ONNX Runtime with bound inputs and outputs: the keyframes' features stay on the device until one
    of them changes; only a frame's few kilobytes of input and its pixels are copied. Needs the package
    ``onnx`` (extra ``gpu``)."""

    def __init__(self, folder: Path | None, seats: int, cuda: bool, threads: int = 2) -> None:
        """``cuda`` False: the same on the CPU. Raises ``WeightsMissingError``, ``ValueError``."""
        folder = weights_folder(folder)
        try:
            self._session, self._driven = _batched_session(folder / "step.onnx", cuda, threads)
        except ImportError as error:
            raise ValueError(f"batches need the package onnx: {PIP} install onnx") from error
        except Exception as error:  # onnx, protobuf and ONNX Runtime raise types of their own
            raise ValueError(f"step.onnx cannot be loaded: {reason(error)[:160]}") from error
        self.runtime = str(self._session.get_providers()[0])
        if cuda and self.runtime != "CUDAExecutionProvider":
            raise ValueError("ONNX Runtime has CUDA, but finds no device that works: see 'facewire doctor'")
        self._device = "cuda" if cuda else "cpu"
        self._identity = Upsampler(folder, "cuda" if cuda else "cpu-fp32", threads)
        self._seats = seats
        self._held: KeyframeFeatures = {}
        self._on_device: dict[str, Any] | None = None
        self._known: set[int] = set()

    def set_identity(self, seat: int, keyframe: UInt8) -> None:
        for name, value in self._identity.identity(keyframe).items():
            self._held.setdefault(name, np.zeros((self._seats, *value.shape[1:]), np.float32))[seat] = value[0]
        self._known.add(seat)
        self._on_device = None

    def warmup(self) -> None:
        """Render one frame for every seat, so that a call's first frame is not slow; forgets the keyframes. Raises
        ``ValueError``."""
        grey, quiet = np.full((256, 256, 3), 128, np.uint8), np.full((20, 80), -1.0, np.float32)
        try:
            for seat in range(self._seats):
                self.set_identity(seat, grey)
            self.step([FrameRequest(seat, np.full((5, 3, 8, 8), 0.5, np.float32), quiet) for seat in range(self._seats)])
        except Exception as error:  # ONNX Runtime raises types of its own, as for a cuDNN that does not fit
            raise ValueError(f"{self.runtime} cannot render: {reason(error)[:160]}") from error
        self._known.clear()

    def step(self, wanted: Sequence[FrameRequest]) -> list[UInt8]:
        if lacking := {one.seat for one in wanted} - self._known:
            raise KeyError(f"no keyframe for seat {min(lacking)}")
        if self._on_device is None:
            self._on_device = {
                name: ort.OrtValue.ortvalue_from_numpy(value, self._device, 0) for name, value in self._held.items()
            }  # fmt: skip
        binding: Any = self._session.io_binding()
        for name, value in self._on_device.items():
            binding.bind_ortvalue_input(name, value)
        for name, value in _stacked(wanted).items():
            if name in (SEATS, *self._driven):
                binding.bind_cpu_input(name, value)
        binding.bind_output(RGB, "cpu")
        self._session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu()[0])


def _batched_session(path: Path, cuda: bool, threads: int) -> tuple[ort.InferenceSession, list[str]]:
    """(step.onnx for batches, its inputs that change with every frame)."""
    import onnx

    from models.runtime.onnx_batch import batched

    model = onnx.load(path)
    driven = [name for name in DRIVEN if name in {value.name for value in model.graph.input}]
    model = batched(model, driven)
    if cuda:
        load_cuda()
    # The default searches for the best algorithm at every new batch size, in the middle of a call.
    gpu: list[Any] = [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})] if cuda else []
    providers = [*gpu, "CPUExecutionProvider"]
    return ort.InferenceSession(model.SerializeToString(), ort_options(threads), providers=providers), driven


def _stacked(wanted: Sequence[FrameRequest]) -> dict[str, npt.NDArray[Any]]:
    details = [NO_DETAIL[0] if one.detail is None else one.detail for one in wanted]
    shapes = [NO_SHAPE[0] if one.shape is None else one.shape for one in wanted]
    return {
        SEATS: np.array([one.seat for one in wanted], np.int64),
        "pictures": np.stack([one.pictures for one in wanted]).astype(np.float32),
        "speech": np.stack([one.speech for one in wanted]).astype(np.float32),
        "detail": np.stack(details).astype(np.float32),
        "shape": np.stack(shapes).astype(np.float32),
    }


def many_upsampler(folder: Path | None, device: str, seats: int, threads: int) -> ManyUpsampler:
    """The upsampler that suits ``device`` (:func:`models.runtime.backends.choose`), warmed up. Raises
    ``WeightsMissingError``, ``ValueError``."""
    failed: ValueError | None = None
    if choose(device) == "cuda":
        try:
            batch = AsBatch(folder, seats, True, threads)
            batch.warmup()
            return batch
        except ValueError as error:
            if device != "auto":
                raise
            failed = error
    upsampler = Upsampler(folder, device, threads)
    upsampler.warmup()
    if failed:
        log.warning("no batches on CUDA (%s): frames are rendered one by one on %s", failed, upsampler.runtime)
    return EachInTurn(upsampler)
