"""Distances of the student ``small`` from the teacher ``call`` and from the truth."""

import numpy as np
import torch
from torch import Tensor

from models.data.batch import Batch
from models.networks.face_upsampler import Coarse, FaceUpsamplerNet
from models.networks.shape_hint import hint
from models.training.losses import PerceptualDistance, crops, cut, importance

Metrics = dict[str, float]


def _apart(a: Tensor, b: Tensor, where: Tensor) -> Tensor:
    return (a - b).abs().mul(where).mean()


def _flow_loss(small: Coarse, call: Coarse, where: Tensor) -> Tensor:
    """Weighted L1 distance between both networks' flow, intermediate picture and mask at 64×64."""
    flow = _apart(small.flow, call.flow, where)
    return 10 * flow + 2 * _apart(small.f_int, call.f_int, where) + 0.5 * _apart(small.mask, call.mask, where)


def coarse_distance(small: FaceUpsamplerNet, call: FaceUpsamplerNet, batch: Batch) -> tuple[Tensor, Metrics]:
    """At 64×64: L1 of picture and warp to the truth, and of picture, flow, F_int and mask to ``call``'s."""
    with torch.no_grad():
        parts = call.identity.small(batch.keyframe, call.predictor.attend)
        given = (batch.pictures, batch.mel, batch.detail, hint(batch.shape))
        wanted = call.predictor(*given, *parts)
    got = small.predictor(*given, *parts)
    (mine, warped), (theirs, _) = (r.painted(batch.keyframe, batch.pictures[:, 2]) for r in (got, wanted))
    where = importance(batch.boxes, 64)
    rec, moved, like = _apart(mine, batch.truth, where), _apart(warped, batch.truth, where), _apart(mine, theirs, where)
    flow = _flow_loss(got, wanted, where)
    loss = 5 * rec + 10 * moved + 5 * like + flow
    return loss, {"rec": rec.item(), "warp": moved.item(), "like": like.item(), "flow": flow.item()}


def full_distance(
    small: FaceUpsamplerNet, call: FaceUpsamplerNet, batch: Batch, perceptual: PerceptualDistance, weight: float, crop: int,
    rng: np.random.Generator,
) -> tuple[Tensor, Metrics]:  # fmt: skip
    """At 256×256: L1 of picture and warp to the truth and to ``call``'s, of the mask to ``call``'s, LPIPS-VGG to the truth
    on crops."""
    with torch.no_grad():
        parts = call.set_identity(batch.keyframe)
        wanted = call.render_parts(parts, batch.pictures, batch.mel, batch.detail, shape=batch.shape)
    got = small.render_parts(parts, batch.pictures, batch.mel, batch.detail, shape=batch.shape)
    (mine, warped, _, mask, f_int), (theirs, moved, _, their_mask, their_f_int) = got, wanted
    where = importance(batch.boxes, 256)
    rec, like = _apart(mine, batch.truth, where), _apart(mine, theirs, where)
    warps = 2 * _apart(warped, batch.truth, where) + 2 * _apart(warped, moved, where)
    half = (len(mine) + 1) // 2
    places = crops(batch.boxes[:half], crop, rng, face=0.5)
    seen = perceptual(cut(mine[:half], places, crop), cut(batch.truth[:half], places, crop)).mean()
    rest = 0.5 * (mask - their_mask).abs().mean() + (f_int - their_f_int).abs().mean()
    loss = 1.5 * rec + 5 * like + warps + weight * seen + rest
    return loss, {"rec": rec.item(), "like": like.item(), "warps": warps.item(), "lpips": seen.item()}
