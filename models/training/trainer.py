"""Training of ``call``: ``coarse`` and ``medium`` (motion and light at 64×64, 128×128), ``full``
and ``finish`` (256×256), ``speech`` (lips that follow the sound), and ``further``."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.data.batch import Batch
from models.data.cache import Cache
from models.data.sampler import Sampler
from models.data.speech_sampler import SpeechSampler
from models.gpu_training.cached import DeformingSampler
from models.lipsync.audio_initialisation import initialise_audio
from models.lipsync.syncnet import load_sync
from models.networks.face_upsampler import FaceUpsamplerNet
from models.training.checkpoint import learnt
from models.training.evaluate import evaluate_coarse, evaluate_full
from models.training.loop import Loop, LoopConfig
from models.training.losses import PerceptualDistance, coarse_loss, full_loss, speech_loss
from models.training.speech_losses import SpeechLoss

if TYPE_CHECKING:
    from models.data.batch import MakeBatchSource


@dataclass(frozen=True)
class TrainConfig(LoopConfig):
    """``perceptual``: weight of LPIPS-VGG; ``crop``: side of the crops that it sees, in pixels;
    ``face``: share of them that lie around lips or eyes; ``side``: the picture's; ``deformed``: batches are drawn
    as in training on a GPU. ``sync``: a trained SyncNet, which initialises the audio encoder in the coarse stage and
    computes losses in the speech stage. In the speech stage ``batch`` counts runs of five frames.
    """

    perceptual: float = 0.6
    crop: int = 96
    side: int = 256
    face: float = 2 / 3
    sync: Path | None = None
    deformed: bool = False


SHAPE = ("predictor.shape", "predictor.lean")
"""Prefixes of parameters that older weights, trained without points, lack."""
WHOLE = ("full", "finish", "speech", "further")
"""Stages that train the whole network at 256×256."""
FRESH = ("generator.", "identity.s128.", "identity.crisp.")
"""Prefixes of parameters that the coarse stage does not use; the full stage trains them at the full rate."""
LEARNT_RATE = {"full": 0.2, "finish": 0.2, "speech": 0.6}
"""Share of the learning rate for what the coarse stage has learnt. At the full rate and a third of
the batch it was unlearnt: both L1 and LPIPS on the training people rose by a tenth within 300
steps. The movements that follow the sound are also learnt in that part."""


class Trainer(Loop[TrainConfig, FaceUpsamplerNet]):
    """One run of a stage of ``call``. ``start``: the weights it starts from, as
    :func:`models.training.checkpoint.learnt` reads them. Raises ``ValueError`` for those of another network."""

    untrained: tuple[str, ...] = ()
    """Parameters that ``start`` lacks, which start untrained."""

    def __init__(self, config: TrainConfig, start: Path | None = None) -> None:
        torch.manual_seed(config.seed)
        model = FaceUpsamplerNet()
        if start:
            own, known = model.state_dict(), learnt(start, model.named_parameters(), SHAPE if start.is_dir() else ())
            # What an older network lacked, or had in another shape, starts untrained.
            fitting = {k: v for k, v in known.items() if k in own and v.shape == own[k].shape}
            if 2 * len(fitting) < len(own):
                raise ValueError(f"{start} is of another network")
            self.untrained = tuple(name for name in own if name not in fitting)
            model.load_state_dict(own | fitting)
        if config.sync and config.stage == "coarse":
            initialise_audio(model.predictor.audio, config.sync)
        groups = []
        for fresh, scale in ((True, 1.0), (False, LEARNT_RATE.get(config.stage, 1.0))):
            named = [p for n, p in model.named_parameters() if n.startswith(FRESH) == fresh]
            groups.append({"params": named, "scale": scale})
        super().__init__(config, model, groups)
        self.perceptual = PerceptualDistance(config.weights / "lpips_vgg16.pth", "vgg16", 4).to(self.device)
        if self.bf16:
            self.perceptual.bfloat16()
        self.speech = SpeechLoss(load_sync(config.sync).to(self.device)) if config.stage == "speech" and config.sync else None
        if config.stage == "speech" and self.speech is None:
            raise ValueError("the speech stage needs a trained lip-sync expert")

    def maker(self) -> "MakeBatchSource":
        if self.config.deformed:
            return DeformingSampler
        return SpeechSampler if self.config.stage == "speech" else partial(Sampler, side=self.config.side)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        config = self.config
        # Seeded by the step, so that a resumed run draws the same crops, and by the batch in it, so that batches differ.
        seeds = [self.group.seed(config.seed), self.step, self.part]
        rng = np.random.default_rng(seeds if self.part else seeds[:2])
        if self.speech:
            return speech_loss(self.model, batch, self.perceptual, self.speech, config.perceptual, config.crop, rng, config.face)
        given = (self.model, batch, self.perceptual, config.perceptual, config.crop, rng)
        return full_loss(*given, config.face) if config.stage in WHOLE else coarse_loss(*given)

    def evaluate(self, dev: Cache) -> dict[str, float]:
        if self.config.stage not in WHOLE:
            return evaluate_coarse(self.ema.model, dev, bf16=self.bf16)
        judge = PerceptualDistance(self.config.weights / "lpips_alexnet.pth", "alexnet").to(self.device)
        return evaluate_full(self.ema.model, dev, judge, bf16=self.bf16)
