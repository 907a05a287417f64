"""Distils the student network ``small`` from the teacher network ``call``, in two stages: ``coarse`` at 64×64, ``full`` at
256×256."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.data.batch import Batch
from models.data.cache import Cache
from models.data.sampler import Sampler
from models.distill.losses import coarse_distance, full_distance
from models.distill.weights import load_call, load_small
from models.networks.blocks import channels_last
from models.networks.face_upsampler import FaceUpsamplerNet
from models.networks.small import fix_features, shrunk
from models.runtime.upsampler import weights_folder
from models.training.evaluate import evaluate_coarse, evaluate_full
from models.training.loop import Loop, LoopConfig
from models.training.losses import PerceptualDistance

if TYPE_CHECKING:
    from models.data.batch import MakeBatchSource

RANKING_SAMPLES = 16
"""Samples by which the teacher's channels are ranked."""


@dataclass(frozen=True)
class DistillConfig(LoopConfig):
    """``call``: the teacher's weights, a folder of ONNX files or a checkpoint. ``perceptual``: weight of LPIPS-VGG
    in the full stage, on crops of ``crop`` pixels."""

    call: Path = field(default_factory=weights_folder)
    perceptual: float = 6.0
    crop: int = 96


class Distiller(Loop[DistillConfig, FaceUpsamplerNet]):
    """One run of a stage. ``start``: a checkpoint, or the int8 file, to start from; without one ``small`` starts as a
    part of ``call``."""

    def __init__(self, config: DistillConfig, start: Path | None = None) -> None:
        torch.manual_seed(config.seed)
        call = load_call(config.call)
        if start:
            small = load_small(start, call)
        else:
            batch = Sampler(Cache(config.cache / "train"), 256, RANKING_SAMPLES, config.seed, harder=False).draw(0)
            small = shrunk(call, lambda: call(batch.keyframe, batch.pictures, batch.mel, batch.detail, batch.shape))
        super().__init__(config, small, [{"params": fix_features(small)}])
        self.call = call.to(self.device)
        channels_last(self.call)
        self._of_call: dict[str, float] = {}
        if self.full:
            self.perceptual = PerceptualDistance(config.weights / "lpips_vgg16.pth", "vgg16", 3).to(self.device)
            if self.bf16:
                self.perceptual.bfloat16()

    @property
    def full(self) -> bool:
        """Whether whole frames are rendered."""
        return self.config.stage == "full"

    def maker(self) -> "MakeBatchSource":
        return partial(Sampler, side=256 if self.full else 64)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        if not self.full:
            return coarse_distance(self.model, self.call, batch)
        config, rng = self.config, np.random.default_rng([self.config.seed, self.step])
        return full_distance(self.model, self.call, batch, self.perceptual, config.perceptual, config.crop, rng)

    def evaluate(self, dev: Cache) -> dict[str, float]:
        """Figures of ``small`` and, as ``call_…``, of ``call``: without points, and with those of every frame (``shape_…``)."""
        if not self._of_call:  # the teacher never changes
            self._of_call = {f"call_{k}": v for k, v in self._judge(self.call, dev).items()}
        return self._judge(self.ema.model, dev) | self._of_call

    def _judge(self, model: FaceUpsamplerNet, dev: Cache) -> dict[str, float]:
        if not self.full:
            return evaluate_coarse(model, dev, 24, self.bf16)
        judge = PerceptualDistance(self.config.weights / "lpips_alexnet.pth", "alexnet").to(self.device)
        rows: dict[str, float] = {}
        for more, points in (("", False), ("shape_", True)):
            rows |= {f"{more}{k}": v for k, v in evaluate_full(model, dev, judge, 47, self.bf16, points).items()}
        return rows
