"""The paper's complete network (section 3.1)::

    5 × 8×8 ─► VisualEncoder ─► f_v (512) ─┐
    mel ─────► AudioEncoder ──► f_a (512) ─┴► f_cat (1024) ─► StructurePredictor (DBPN) ─► F_int 256×256
                                                                                             │
    keyframe 256 ─► keypoints ─────────────────► dense motion, occlusion ◄───── keypoints ◄──┤
         └────────► features ─ warped, hidden ──► residual, mask ──────────────────────────► + ─► F_hr 256×256

The paper gives 143 M parameters and the sizes of f_v, f_a and f_cat, not the layer widths. FOMM's
parts have its authors' own widths (60 M); the others are chosen to reach the paper's total.
:func:`parameter_table` lists the parameters by part.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.paper.audio import AudioEncoder
from models.paper.dbpn import StructurePredictor
from models.paper.fomm import DenseMotion, KeypointDetector, Keypoints, Motion, ResidualGenerator
from models.paper.visual import VisualEncoder


@dataclass(frozen=True)
class PaperConfig:
    """Widths. ``stages``: (channels, scale, up-projections) of each DBPN stage, scales multiplying to 32.

    ``enlarged``: F_int is the bicubically enlarged picture plus what the structure predictor makes,
    as DBPN's authors' code offers (``--residual``). The paper does not mention it. Without it, a short
    training ends before F_int has the pictures' colours.
    """

    visual: tuple[int, ...]
    visual_blocks: int
    audio: tuple[int, int, int]
    stages: tuple[tuple[int, int, int], ...]
    keypoints: int
    detector: tuple[int, int]
    motion: tuple[int, int]
    generator: tuple[int, int, int]
    enlarged: bool = True

    @classmethod
    def full(cls) -> "PaperConfig":
        """The paper's size."""
        return cls(
            visual=(64, 128, 256, 512), visual_blocks=1, audio=(256, 512, 512),
            stages=((160, 4, 4), (64, 4, 3), (32, 2, 3)), keypoints=10,
            detector=(32, 1024), motion=(64, 1024), generator=(64, 512, 6),
        )  # fmt: skip

    @classmethod
    def reduced(cls) -> "PaperConfig":
        """The same network, narrow enough to be trained without a data-centre card."""
        return cls(
            visual=(32, 64, 128), visual_blocks=1, audio=(64, 128, 128),
            stages=((48, 4, 3), (24, 4, 2), (16, 2, 2)), keypoints=10,
            detector=(16, 256), motion=(24, 256), generator=(24, 192, 4),
        )  # fmt: skip


@dataclass
class PaperOutput:
    """For N windows of T pictures, frame t of window n at n·T + t; images in about [0, 1]. T is
    less where fewer frames were requested.

    ``f_int``, ``f_hr`` (N·T, 3, 256, 256); ``mask`` (N·T, 1, 256, 256); ``identity`` the keyframe's
    keypoints (N) and ``driving`` those of F_int (N·T).
    """

    f_int: Tensor
    f_hr: Tensor
    mask: Tensor
    identity: Keypoints
    driving: Keypoints
    motion: Motion


class PaperNetwork(nn.Module):
    """keyframe (N, 3, 256, 256), pictures (N, T, 3, 8, 8), both in [0, 1], mel (N, 4T, 80) →
    :class:`PaperOutput`.

    T is the paper's 5; the network itself takes any. ``frames`` as in :meth:`backbone`. Raises
    ``ValueError`` when mel and pictures don't span the same time.
    """

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        self.visual = VisualEncoder(config.visual, config.visual_blocks)
        self.audio = AudioEncoder(config.audio)
        self.structure = StructurePredictor(config.visual[-1] + config.audio[-1], config.stages)
        if config.enlarged:
            nn.init.normal_(self.structure.head.weight, std=1e-3)
            nn.init.zeros_(self.structure.head.bias)  # type: ignore[arg-type]
        self.detector = KeypointDetector(config.keypoints, *config.detector)
        self.motion = DenseMotion(config.keypoints, *config.motion)
        self.generator = ResidualGenerator(*config.generator)

    def backbone(self, pictures: Tensor, mel: Tensor, frames: Tensor | None = None) -> Tensor:
        """Only F_int (N·T, 3, 256, 256): what is pretrained first (Eq. 1).

        ``frames`` (N, F) picks F frames of each window, so that the others cost nothing beyond the encoders.
        """
        f_v, f_a = self.visual(pictures), self.audio(mel)
        if f_v.shape[1] != f_a.shape[1]:
            raise ValueError(f"{f_v.shape[1]} pictures but sound for {f_a.shape[1]}")
        f_cat = torch.cat([f_v, f_a], 2)
        if frames is not None:
            window = torch.arange(len(f_cat), device=frames.device)[:, None]
            f_cat, pictures = f_cat[window, frames], pictures[window, frames]
        f_int = self.structure(f_cat.flatten(0, 1))
        if self.config.enlarged:
            f_int = f_int + F.interpolate(pictures.flatten(0, 1), f_int.shape[2:], mode="bicubic", align_corners=False)
        return f_int

    def forward(self, keyframe: Tensor, pictures: Tensor, mel: Tensor, frames: Tensor | None = None) -> PaperOutput:
        f_int = self.backbone(pictures, mel, frames)
        identity, driving = self.detector(keyframe), self.detector(f_int)
        motion = self.motion(keyframe, identity, driving)
        residual, mask = self.generator(keyframe, motion)
        return PaperOutput(f_int, f_int + mask * residual, mask, identity, driving, motion)


_PARTS = {
    "visual": "3-D convolutions, pictures → f_v",
    "audio": "1-D convolutions and transposed ones, mel → f_a",
    "structure": "back-projection, f_cat → F_int",
    "detector": "FOMM: keypoints and Jacobians",
    "motion": "FOMM: dense motion and occlusion",
    "generator": "FOMM: residual and mask",
}


def parameter_counts(model: PaperNetwork) -> dict[str, int]:
    """Learned parameters of each part, and their ``total``."""
    counts = {name: sum(p.numel() for p in getattr(model, name).parameters()) for name in _PARTS}
    return counts | {"total": sum(p.numel() for p in model.parameters())}


def parameter_table(model: PaperNetwork) -> str:
    """The counts as lines of text, each with what the part does."""
    counts = parameter_counts(model)
    lines = [f"{name:<10}{count / 1e6:8.2f} M  {_PARTS.get(name, '')}" for name, count in counts.items()]
    return "\n".join(line.rstrip() for line in lines)
