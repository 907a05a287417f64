"""``small``: ``call`` with fewer channels and layers for each frame, for browsers without a GPU. It takes the same
keyframe features, so that ``identity.onnx`` serves both, and is initialised from a part of ``call``."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.networks.blocks import ResBlock
from models.networks.face_upsampler import AudioEncoder, CoarsePredictor, FaceUpsamplerConfig, FaceUpsamplerNet

SMALL = FaceUpsamplerConfig(
    p64=24, p32=32, p16=64, p8=88, visual=48, audio=32, generator=16, visual_blocks=1, blocks8=2, blocks16=2, blocks32=1,
    generator_blocks=1,
)  # fmt: skip
"""About a third of ``call``'s operations per frame."""
SHARED = ("identity.", "predictor.attend.key.", "predictor.attend.value.", "predictor.attend.place_k")
"""Prefixes of the names of the parameters that compute the keyframe's features: the same in both."""

Kept = Sequence[int]
"""Channels of ``call`` that ``small`` keeps."""


def own_parameters(small: FaceUpsamplerNet) -> list[nn.Parameter]:
    """The parameters that are trained."""
    return [p for name, p in small.named_parameters() if not name.startswith(SHARED)]


def fix_features(small: FaceUpsamplerNet) -> list[nn.Parameter]:
    """Freeze the parameters of the keyframe's features; returns those that are trained."""
    small.requires_grad_(False)
    own = own_parameters(small)
    for parameter in own:
        parameter.requires_grad_(True)
    return own


def _activation_std(call: FaceUpsamplerNet, run: Callable[[], object]) -> dict[nn.Module, Tensor]:
    """Standard deviation of each output channel of every convolution and block while ``run`` renders with ``call``."""
    found: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, _: object, out: Tensor) -> None:
        found[module] = out.float().transpose(0, 1).flatten(1).std(1)

    kinds = (nn.Conv2d, ResBlock, nn.Sequential, AudioEncoder)
    hooks = [m.register_forward_hook(note) for m in call.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return found


class _Shrinking:
    """Copies parts of ``call`` into ``small``: from each layer, the channels that contribute most to the next."""

    def __init__(self, std: dict[nn.Module, Tensor]) -> None:
        self._std = std

    def best(self, maker: nn.Module, users: Sequence[Tensor], count: int) -> Kept:
        """The ``count`` most important output channels of ``maker``, by their variance and by the weights (OUT, channels, …)
        that take them."""
        weight = sum((u.flatten(2) if u.dim() > 2 else u[..., None]).square().sum((0, 2)) for u in users)
        score = self._std[maker].square() * weight
        return sorted(score.topk(count).indices.tolist())

    @staticmethod
    def take(small: nn.Conv2d, call: nn.Conv2d, out: Kept | None, given: Kept | None) -> None:
        """Copy the convolution between kept channels; None: all."""
        weight, bias = call.weight.data, call.bias.data  # type: ignore[union-attr]
        if out is not None:
            weight, bias = weight[list(out)], bias[list(out)]
        small.weight.data.copy_(weight if given is None else weight[:, list(given)])
        small.bias.data.copy_(bias)  # type: ignore[union-attr]

    def blocks(self, small: nn.Sequential, call: nn.Sequential, kept: Kept) -> None:
        """Copy the first residual blocks for the kept channels."""
        pairs = zip((m for m in small if isinstance(m, ResBlock)), (m for m in call if isinstance(m, ResBlock)), strict=False)
        for mine, theirs in pairs:
            inner = self.best(theirs.a, [theirs.b.weight], len(kept))
            self.take(mine.a, theirs.a, inner, kept)
            self.take(mine.b, theirs.b, kept, inner)

    def tower(self, small: nn.Sequential, call: nn.Sequential, kept: Kept, given: Kept) -> None:
        """Copy a convolution and the residual blocks after it."""
        self.take(_entry(small), _entry(call), kept, given)
        self.blocks(small, call, kept)


def _entry(tower: nn.Sequential) -> nn.Conv2d:
    conv = tower[0]
    assert isinstance(conv, nn.Conv2d)
    return conv


def shrunk(call: FaceUpsamplerNet, run: Callable[[], object], config: FaceUpsamplerConfig = SMALL) -> FaceUpsamplerNet:
    """``small`` as a part of ``call``; ``run`` renders frames with ``call``, on which its channels are ranked."""
    small = FaceUpsamplerNet(config)
    known, own = call.state_dict(), small.state_dict()
    small.load_state_dict({k: known[k] if known[k].shape == v.shape else v for k, v in own.items()})
    s = _Shrinking(_activation_std(call, run))
    kept64 = _shrink_predictor(s, small, call)
    mine, theirs = small.generator, call.generator
    c, wide = call.config, call.config.predicted[0]
    before, after = 12 + c.c128, 12 + c.c128 + wide
    given = [*range(before), *(before + k for k in kept64), *range(after, after + 7)]
    kept = s.best(theirs.body, [theirs.head.weight], config.generator)
    s.take(mine.join, theirs.join, kept, given)
    s.blocks(mine.body, theirs.body, kept)
    s.take(mine.head, theirs.head, None, kept)
    return small


def _shrink_predictor(s: _Shrinking, small: FaceUpsamplerNet, call: FaceUpsamplerNet) -> Kept:
    """Copy the predictor's layers from 8 to 64; returns the kept channels at 64."""
    a, b, c, n = call.predictor, small.predictor, call.config, small.config
    p64, p32, p16, p8 = n.predicted
    first = _entry(a.fuse8).weight
    visual = s.best(a.visual.net, [first[:, : c.visual]], n.visual)
    s.tower(b.visual.net, a.visual.net, visual, range(33))
    heard = s.best(a.audio, [first[:, c.visual : c.visual + c.audio]], n.audio)
    rows = [part * c.audio + k for part in range(4) for k in heard]
    b.audio.spread.weight.data.copy_(a.audio.spread.weight.data[rows])
    b.audio.spread.bias.data.copy_(a.audio.spread.bias.data[rows])
    kept8 = s.best(a.fuse8, [_entry(a.to16).weight], p8)
    given = [*visual, *(c.visual + k for k in heard), *range(c.visual + c.audio, c.visual + c.audio + c.c8)]
    s.tower(b.fuse8, a.fuse8, kept8, given)

    wide = c.predicted[2]
    came = s.best(a.to16, [a.attend.query.weight, a.found.weight[:, :wide], a.flow16.weight[:, :wide]], p16)
    s.tower(b.to16, a.to16, came, kept8)
    s.take(b.attend.query, a.attend.query, None, came)
    s.take(b.attend.merge, a.attend.merge, came, None)
    for name in ("detail16", "shape16"):
        s.take(getattr(b, name), getattr(a, name), came, None)
    both = [*came, *range(wide, wide + 8)]
    s.take(b.flow16, a.flow16, None, both)
    found = s.best(a.found, [_entry(a.fuse16).weight[:, :wide]], p16)
    s.take(b.found, a.found, found, both)
    kept = s.best(a.fuse16, [_entry(a.to32).weight[:, :wide]], p16)
    s.tower(b.fuse16, a.fuse16, kept, [*found, *range(wide, wide + c.c16)])
    for side, width in ((32, p32), (64, p64)):
        kept = _shrink_scale(s, b, a, side, width, kept)
    s.take(b.head, a.head, None, kept)
    return kept


def _shrink_scale(s: _Shrinking, b: CoarsePredictor, a: CoarsePredictor, side: int, width: int, kept: Kept) -> Kept:
    """Copy the layers at 32 or 64; ``kept`` are the channels from the previous scale. Returns those kept here."""
    entry, fuse, flow = (a.to32, a.fuse32, a.flow32) if side == 32 else (a.to64, a.fuse64, a.flow64)
    wide, coarser = _entry(fuse).out_channels, _entry(entry).in_channels - 2
    came = s.best(entry, [_entry(fuse).weight[:, :wide]], width)
    s.take(_entry(getattr(b, f"to{side}")), _entry(entry), came, [*kept, coarser, coarser + 1])
    for name in ("shape32", "detail32") if side == 32 else ("shape64",):
        s.take(getattr(b, name), getattr(a, name), came, None)
    out = s.best(fuse, [flow.weight, _entry(a.to64).weight[:, :wide] if side == 32 else a.head.weight], width)
    s.tower(getattr(b, f"fuse{side}"), fuse, out, [*came, *range(wide, _entry(fuse).in_channels)])
    s.take(getattr(b, f"flow{side}"), flow, None, out)
    return out
