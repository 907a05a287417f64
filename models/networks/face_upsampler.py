"""The ``call`` network: keyframe + five 8×8 pictures + 54 points of the face + 200 ms of speech → one 256×256 frame.

The paper's idea (pictures and speech drive the keyframe) with a dense flow in place of keypoints::

    keyframe 256 ──► Identity: features at 128, 64, 32, 16, 8         once per keyframe   identity.onnx
    5 × 8×8 ──► visual ──┐
    points ───► hint ────┤
    speech ───► audio ───┴► 8 ─► 16 (attention to the keyframe, flow) ─► 32 (warp, flow) ─► 64 (warp, flow, mask, F_int)
                                                                                              │            step.onnx
    keyframe 256 ── warped by the flow ─► + light from the 8×8 ─► generator at 128 ─► residual and mask at 256

The part that runs for every frame is small, so a frame costs few GFLOP. Training begins with only
``FaceUpsamplerNet.coarse``, at 64×64. The points may be missing; pictures of 16×16 or 32×32 add their detail.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import CrossAttention, ResBlock, up, warp, zero_conv
from models.networks.emphasis import emphasised
from models.networks.shape_hint import CHANNELS as HINT
from models.networks.shape_hint import hint


@dataclass(frozen=True)
class FaceUpsamplerConfig:
    """Channels of the keyframe's features at each scale (``c…``), and of the features computed for each frame (``p…``,
    None: as many). The defaults are those of the shipped ``call``."""

    c128: int = 24
    c64: int = 32
    c32: int = 48
    c16: int = 112
    c8: int = 192
    p64: int | None = None
    p32: int | None = None
    p16: int | None = None
    p8: int | None = None
    visual: int = 128
    audio: int = 64
    generator: int = 24
    visual_blocks: int = 2
    blocks8: int = 3
    blocks16: int = 3
    blocks32: int = 3
    generator_blocks: int = 2

    @property
    def predicted(self) -> tuple[int, int, int, int]:
        """Channels of the frame's own features at 64, 32, 16 and 8."""
        return self.p64 or self.c64, self.p32 or self.c32, self.p16 or self.c16, self.p8 or self.c8


def _block(cin: int, cout: int, count: int = 1, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1), *[ResBlock(cout) for _ in range(count)], nn.LeakyReLU(0.2))


class IdentityEncoder(nn.Module):
    """Keyframe at 64×64 → features at 64, 32, 16 and 8."""

    def __init__(self, c: FaceUpsamplerConfig) -> None:
        super().__init__()
        self.s64 = _block(3, c.c64, 1)
        self.s32 = _block(c.c64, c.c32, 1, 2)
        self.s16 = _block(c.c32, c.c16, 2, 2)
        self.s8 = _block(c.c16, c.c8, 2, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        f64 = self.s64(x * 2 - 1)
        f32 = self.s32(f64)
        f16 = self.s16(f32)
        return f64, f32, f16, self.s8(f16)


class VisualEncoder(nn.Module):
    """Five pictures (N, 5, 3, 8, 8) and the keyframe's own (N, 3, 8, 8) → (N, C, 8, 8); time is
    folded into the channels."""

    def __init__(self, c: FaceUpsamplerConfig) -> None:
        super().__init__()
        self.net = _block(15 + 15 + 3, c.visual, c.visual_blocks)

    def forward(self, pictures: Tensor, own: Tensor) -> Tensor:
        change = (pictures - own[:, None]).flatten(1, 2) * 4
        return self.net(torch.cat([pictures.flatten(1, 2) * 2 - 1, change, own * 2 - 1], 1))


LEAK = 0.1
"""Slope of the audio encoder's units below zero. Without one, all units of a layer died at a high learning rate."""


class AudioEncoder(nn.Module):
    """Log-mel (N, 20, 80) → (N, C, 8, 8): 1-D convolutions over time, then spread over the picture.

    The convolutions have the shapes of those of :class:`models.lipsync.syncnet.Matcher`, and can be
    initialised from its trained weights (:func:`models.lipsync.audio_initialisation.initialise_audio`).
    """

    def __init__(self, c: FaceUpsamplerConfig) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(80, 128, 3), nn.LeakyReLU(LEAK), nn.Conv1d(128, 128, 4, 2), nn.LeakyReLU(LEAK),
            nn.Conv1d(128, 128, 4, 2), nn.LeakyReLU(LEAK), nn.Conv1d(128, 256, 3), nn.LeakyReLU(LEAK),
        )  # fmt: skip
        self.spread = nn.Linear(256, c.audio * 4)
        self.place = nn.Parameter(torch.randn(1, 4, 1, 8, 8) * 0.5)
        self.channels = c.audio

    def forward(self, mel: Tensor) -> Tensor:
        h = self.spread(self.net(mel.transpose(1, 2)).flatten(1))
        h = h.reshape(-1, 4, self.channels, 1, 1) * self.place.to(h.dtype)
        return h.sum(1)


@dataclass
class Coarse:
    """Output of the coarse half: flow (N, 2, 64, 64), F_int (N, 3, 64, 64), mask (N, 1, 64, 64),
    features at 64."""

    flow: Tensor
    f_int: Tensor
    mask: Tensor
    features: Tensor

    def painted(self, keyframe: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Keyframe at S×S, S a multiple of 64, and the sent picture → (picture at S×S, warped keyframe with light)."""
        scale = keyframe.shape[-1] // 64
        flow, f_int, mask = (x if scale == 1 else up(x, scale) for x in (self.flow, self.f_int, self.mask))
        moved = warp(keyframe, flow)
        warped = moved + lit(moved, picture)
        return mask * warped + (1 - mask) * f_int, warped


class CoarsePredictor(nn.Module):
    """Pictures, speech and the keyframe's features → flow, intermediate picture F_int and mask at 64×64.

    ``detail`` (N, 3, 64, 64) is what a picture larger than 8×8 adds to the 8×8 one, both enlarged;
    zero where there is only the 8×8 one.
    """

    def __init__(self, c: FaceUpsamplerConfig) -> None:
        super().__init__()
        p64, p32, p16, p8 = c.predicted
        self.visual, self.audio = VisualEncoder(c), AudioEncoder(c)
        self.fuse8 = _block(c.visual + c.audio + c.c8, p8, c.blocks8)
        self.to16 = _block(p8, p16, 1)
        self.detail16, self.detail32 = zero_conv(3, p16), zero_conv(3, p32)
        self.attend = CrossAttention(p16, c.c16, 16)
        self.found = nn.Conv2d(p16 + 8, p16, 3, padding=1)
        self.flow16 = zero_conv(p16 + 8, 2)
        self.fuse16 = _block(p16 + c.c16, p16, c.blocks16)
        self.to32 = _block(p16 + 2, p32, 0)
        self.fuse32 = _block(p32 + c.c32, p32, c.blocks32)
        self.flow32 = zero_conv(p32, 2)
        self.to64 = _block(p32 + 2, p64, 0)
        self.fuse64 = _block(p64 + c.c64 + 3, p64, 1)
        self.flow64 = zero_conv(p64, 2)
        self.head = zero_conv(p64, 4)
        nn.init.constant_(self.head.bias[3:], 2.0)  # type: ignore[index]
        self.shape16, self.shape32, self.shape64 = (zero_conv(HINT, width) for width in (p16, p32, p64))
        # One parameter each: the exporter would fold a vector into constants without names.
        self.lean16, self.lean32, self.lean64 = (nn.Parameter(torch.tensor(share)) for share in (0.5, 0.5, 0.3))

    @staticmethod
    def _blend_hint(flow: Tensor, shape: Tensor, lean: Tensor) -> Tensor:
        """The flow, blended towards the hint by the hint's confidence times a learnt share."""
        return flow + lean * shape[:, 2:3] * (shape[:, :2] - flow)

    def forward(
        self, pictures: Tensor, mel: Tensor, detail: Tensor, shape: Tensor, own: Tensor,
        f64: Tensor, f32: Tensor, f16: Tensor, f8: Tensor, key: Tensor, value: Tensor,
    ) -> Coarse:  # fmt: skip
        h = torch.cat([self.visual(pictures, own), self.audio(mel), f8], 1)
        shape32, shape16 = F.avg_pool2d(shape, 2), F.avg_pool2d(shape, 4)
        h = self.to16(up(self.fuse8(h), 2)) + self.detail16(F.avg_pool2d(detail, 4) * 4) + self.shape16(shape16)
        update, shift = self.attend(h, key, value)
        h = h + update
        both = torch.cat([h, shift.to(h.dtype)], 1)
        flow = self._blend_hint(self.flow16(both), shape16, self.lean16)
        h = self.fuse16(torch.cat([self.found(both), warp(f16, flow)], 1))
        flow = up(flow.float(), 2)
        h = self.to32(torch.cat([up(h, 2), flow.to(h.dtype)], 1)) + self.detail32(F.avg_pool2d(detail, 2) * 4)
        h = h + self.shape32(shape32)
        h = self.fuse32(torch.cat([h, warp(f32, flow)], 1))
        flow = up(self._blend_hint(flow + self.flow32(h), shape32, self.lean32).float(), 2)
        h = self.to64(torch.cat([up(h, 2), flow.to(h.dtype)], 1)) + self.shape64(shape)
        target = up(pictures[:, 2], 8) + detail
        h = self.fuse64(torch.cat([h, warp(f64, flow), target.to(h.dtype) * 2 - 1], 1))
        flow = self._blend_hint(flow + self.flow64(h).float(), shape, self.lean64)
        head = self.head(h).float()
        return Coarse(flow, target + head[:, :3], torch.sigmoid(head[:, 3:]), h)


GENERATED_SHARE = 0.85
"""Share of the generator's picture in the finished one; the rest is the warped keyframe. Chosen on
training people for LPIPS (docs/decisions.md); the losses are computed without it."""
SHARPENING = 0.3
"""Strength of the sharpening that follows; chosen in the same way, and by DISTS."""


def finished(picture: Tensor, warped: Tensor) -> Tensor:
    """The picture as it is shown: :data:`GENERATED_SHARE`, :data:`SHARPENING`."""
    picture = warped + GENERATED_SHARE * (picture - warped)
    return picture + SHARPENING * (picture - F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False))


DOUBT_FROM, DOUBT_WHOLE = 0.10, 0.16
"""Doubt is 0 below the first and 1 above the second; chosen on dev clips with their own keyframe and with another person's
(docs/decisions.md)."""


def doubt(light: Tensor, mask: Tensor) -> Tensor:
    """How little the keyframe explains the face, in [0, 1], for each sample (N, 1, 1, 1).

    ``light`` (N, 3, 8, 8): the sent picture minus the warped keyframe's means; ``mask`` (N, 1, S, S):
    how far the network itself relies on the warped keyframe.
    """
    lacking = (light * light).mean((1, 2, 3), keepdim=True).sqrt() * (1 - mask.mean((1, 2, 3), keepdim=True))
    return ((lacking - DOUBT_FROM) * (1 / (DOUBT_WHOLE - DOUBT_FROM))).clamp(0, 1)


def no_detail(pictures: Tensor) -> Tensor:
    """The detail input (N, 3, 64, 64) where there are only 8×8 pictures."""
    return pictures.new_zeros(len(pictures), 3, 64, 64)


def no_shape(pictures: Tensor) -> Tensor:
    """The hint (N, 9, 64, 64) where the face's points are not known."""
    return pictures.new_zeros(len(pictures), HINT, 64, 64)


def lit(warped: Tensor, picture: Tensor) -> Tensor:
    """What to add to ``warped`` so that its 8×8 means follow ``picture``: changes of colour and light,
    enlarged."""
    side = warped.shape[-1]
    return up(picture - F.avg_pool2d(warped, side // 8), side // 8)


class Generator(nn.Module):
    """At 128×128: warped keyframe (as 2×2 blocks), warped features and the coarse result → residual
    and mask at 256×256."""

    def __init__(self, c: FaceUpsamplerConfig) -> None:
        super().__init__()
        self.join = nn.Conv2d(12 + c.c128 + c.predicted[0] + 3 + 1 + 3, c.generator, 1)
        self.body = nn.Sequential(*[ResBlock(c.generator) for _ in range(c.generator_blocks)])
        self.head = zero_conv(c.generator, 16)
        nn.init.constant_(self.head.bias[12:], 2.0)  # type: ignore[index]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.head(F.leaky_relu(self.body(self.join(x)), 0.2)).float()
        return F.pixel_shuffle(h[:, :12], 2), torch.sigmoid(F.pixel_shuffle(h[:, 12:], 2))


class Identity(nn.Module):
    """``set_identity``: keyframe (N, 3, 256, 256) in [0, 1] → everything that stays the same until
    the next keyframe."""

    def __init__(self, c: FaceUpsamplerConfig) -> None:
        super().__init__()
        self.encoder = IdentityEncoder(c)
        self.s128 = _block(12, c.c128, 1)
        self.crisp = zero_conv(c.c128, 12)

    def small(self, keyframe64: Tensor, attend: CrossAttention) -> tuple[Tensor, ...]:
        f64, f32, f16, f8 = self.encoder(keyframe64)
        return (F.avg_pool2d(keyframe64, 8), f64, f32, f16, f8, *attend.keys(f16))


class FaceUpsamplerNet(nn.Module):
    """The whole network. ``coarse`` for the first stage of training, ``forward`` for a frame."""

    def __init__(self, config: FaceUpsamplerConfig | None = None) -> None:
        super().__init__()
        self.config = config or FaceUpsamplerConfig()
        self.identity = Identity(self.config)
        self.predictor = CoarsePredictor(self.config)
        self.generator = Generator(self.config)

    def coarse(
        self, keyframe: Tensor, pictures: Tensor, mel: Tensor, detail: Tensor | None = None, shape: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Coarse]:
        """Keyframe at S×S, S a multiple of 64 → (picture at S×S, warped keyframe with light, coarse result)."""
        parts = self.identity.small(F.avg_pool2d(keyframe, keyframe.shape[-1] // 64), self.predictor.attend)
        shape_hint = no_shape(pictures) if shape is None else hint(shape)
        result = self.predictor(pictures, mel, no_detail(pictures) if detail is None else detail, shape_hint, *parts)
        return *result.painted(keyframe, pictures[:, 2]), result

    def set_identity(self, keyframe: Tensor) -> tuple[Tensor, ...]:
        """Keyframe (N, 3, 256, 256) → the inputs of :meth:`step` that depend only on it.

        The last is the keyframe to be warped: it is sharpened here, once, because warping will blur it.
        """
        small = self.identity.small(F.avg_pool2d(keyframe, 4), self.predictor.attend)
        f128 = self.identity.s128(F.pixel_unshuffle(keyframe, 2) * 2 - 1)
        return (*small, f128, keyframe + F.pixel_shuffle(self.identity.crisp(f128), 2))

    def step(
        self, parts: tuple[Tensor, ...], pictures: Tensor, mel: Tensor, detail: Tensor | None = None, still: bool = False,
        shape: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """One frame: (picture (N, 3, 256, 256), warped keyframe with light), both in about [0, 1].
        In training mode it is not :func:`finished`, and the points are not :func:`emphasised`."""
        shape = shape if self.training else emphasised(shape)
        picture, warped, *_ = self.render_parts(parts, pictures, mel, detail, still, shape)
        return picture if self.training else finished(picture, warped), warped

    def render_with_doubt(
        self, parts: tuple[Tensor, ...], pictures: Tensor, mel: Tensor, detail: Tensor | None = None, shape: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One frame as it is shown: (picture (N, 3, 256, 256) in [0, 1], its :func:`doubt` (N,)). F_int, which
        is soft, is blended in by the doubt."""
        picture, warped, light, mask, f_int = self.render_parts(parts, pictures, mel, detail, shape=emphasised(shape))
        doubted = doubt(light, mask)
        picture = finished(picture, warped)
        return (picture + doubted * (up(f_int, 4) - picture)).clamp(0, 1), doubted.flatten()

    def render_parts(
        self, parts: tuple[Tensor, ...], pictures: Tensor, mel: Tensor, detail: Tensor | None = None, still: bool = False,
        shape: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        """(picture before :func:`finished`, warped keyframe with light; the sent picture minus the
        warped keyframe's means without light (N, 3, 8, 8), mask and F_int at 64×64).

        ``detail``: see :class:`CoarsePredictor`. ``still``: without motion, to measure what motion adds.
        """
        shape_hint = no_shape(pictures) if shape is None else hint(shape)
        c = self.predictor(pictures, mel, no_detail(pictures) if detail is None else detail, shape_hint, *parts[:-2])
        if still:
            c = replace(c, flow=torch.zeros_like(c.flow))
        warped = warp(parts[-1], up(c.flow, 4))
        lacking = pictures[:, 2] - F.avg_pool2d(warped, 32)
        light = up(lacking, 16)
        joined = torch.cat([
            F.pixel_unshuffle(warped, 2) * 2 - 1, warp(parts[-2], up(c.flow, 2)), up(c.features, 2),
            up(c.f_int, 2) * 2 - 1, up(c.mask, 2), light * 4,
        ], 1)  # fmt: skip
        residual, mask = self.generator(joined)
        warped = warped + up(light, 2)
        mask = mask * up(c.mask, 4)
        picture = mask * warped + (1 - mask) * up(c.f_int, 4) + residual
        return picture, warped, lacking, c.mask, c.f_int

    def forward(
        self, keyframe: Tensor, pictures: Tensor, mel: Tensor, detail: Tensor | None = None, shape: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return self.step(self.set_identity(keyframe), pictures, mel, detail, shape=shape)
