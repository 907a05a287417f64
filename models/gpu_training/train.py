"""Trains ``call`` at 256×256 for a given number of minutes: all batches are made on the GPU, nothing waits for the CPU."""

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.batch import Batch
from models.gpu_training.deform import on
from models.gpu_training.draw import GpuSampler, Wanted
from models.gpu_training.footage import Footage, find_pieces, load, read_member
from models.gpu_training.format import VGG, WEIGHTS
from models.networks.blocks import channels_last
from models.networks.face_upsampler import FaceUpsamplerConfig, FaceUpsamplerNet
from models.networks.small import SMALL, fix_features, shrunk
from models.training.checkpoint import Ema
from models.training.losses import EYES, LIPS, PerceptualDistance, consistency, importance, inside
from models.training.precision import autocast
from models.whole_file import write_whole

CONFIGS = {"call": FaceUpsamplerConfig(), "small": SMALL}


@dataclass(frozen=True)
class GpuTrainConfig:
    """``minutes`` of training. ``perceptual``: weight of LPIPS-VGG at first and from ``late`` on, a share of
    the time; ``face``: share of its crops around lips or eyes; ``warp``: weight of the warp's L1."""

    network: str = "call"
    minutes: float = 8.0
    batch: int = 64
    rate: float = 5e-4
    perceptual: tuple[float, float] = (6.0, 14.0)
    late: float = 0.55
    crop: int = 128
    face: float = 0.5
    warp: float = 3.0
    decay: float = 0.999
    evaluate_seconds: float = 60.0
    seed: int = 0


def rate_at(highest: float, step: int, done: float) -> float:
    """Rises over 200 steps; falls linearly to 2 % over the last 60 % of the time."""
    return highest * min(1.0, (step + 1) / 200) * min(1.0, max(0.02, (1 - done) / 0.6))


def places(boxes: Tensor, crop: int, face: float, rng: np.random.Generator) -> Tensor:
    """Top left corners (N, 2), x and y in whole pixels, of crops around lips, eyes or anywhere."""
    n, most, device = len(boxes), 256 - crop, boxes.device
    anywhere, jitter = on(device, rng.integers(0, most + 1, (n, 2))), on(device, rng.normal(0, crop / 8, (n, 2)))
    eyes, wanted = on(device, rng.random(n) < 0.5), on(device, rng.random(n) < face)
    box = torch.where(eyes[:, None], boxes[:, EYES], boxes[:, LIPS])
    around = (box[:, :2] + box[:, 2:]) / 2 + jitter - crop / 2
    return torch.where((wanted & (box[:, 2] > box[:, 0]))[:, None], around, anywhere.float()).round().clamp(0, most)


def cut(images: Tensor, corners: Tensor, crop: int) -> Tensor:
    """The crops (N, 3, crop, crop), their pixels unchanged."""
    at = (torch.arange(crop, device=images.device) + 0.5) / 128 - 1
    x, y = (at[None] + corners[:, i, None] / 128 for i in (0, 1))
    grid = torch.stack([x[:, None].expand(-1, crop, -1), y[:, :, None].expand(-1, -1, crop)], 3)
    return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


class GpuTrainer:
    """One run, trained on ``footage`` and evaluated on ``dev``. It starts from ``call``, weights by name, or else from the
    packed weights; ``small`` starts from a part of them and keeps ``call``'s keyframe features."""

    def __init__(
        self, config: GpuTrainConfig, pieces: Path, footage: Footage, dev: Footage | None, call: dict[str, Tensor] | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device = config, footage.device
        found = find_pieces(pieces)
        known = torch.load(io.BytesIO(read_member(found, WEIGHTS)), weights_only=True) if call is None else call
        self.model = FaceUpsamplerNet()
        self.model.load_state_dict(self.model.state_dict() | {k: v.float() for k, v in known.items()})
        self.model.to(self.device)
        self.sampler = GpuSampler(footage, config.seed)
        parameters = list(self.model.parameters())
        if config.network == "small":
            self.model = self._shrunk(self.model).to(self.device)
            parameters = fix_features(self.model)
        channels_last(self.model)
        self.ema = Ema(self.model, config.decay)
        fused = self.device.type == "cuda"
        torch.backends.cudnn.benchmark = True
        settings: dict[str, Any] = {"betas": (0.9, 0.99), "weight_decay": 1e-4, "fused": fused}
        self.optimiser = torch.optim.AdamW(parameters, config.rate, **settings)
        state = torch.load(io.BytesIO(read_member(found, VGG)), weights_only=True)
        self.perceptual = PerceptualDistance({k: v.float() for k, v in state.items()}, "vgg16", 4).to(self.device)
        if fused:
            channels_last(self.perceptual.bfloat16())
        self.dev = None if dev is None else GpuSampler(dev)
        self.rng = np.random.default_rng(config.seed + 1)
        clips = len(footage.clips)
        self.error, self.seen = (torch.zeros(clips, device=self.device) for _ in range(2))

    def _shrunk(self, call: FaceUpsamplerNet) -> FaceUpsamplerNet:
        batch = self.sampler.batch(self.sampler.draw_wanted(self.config.batch))
        return shrunk(call.eval(), lambda: call(batch.keyframe, batch.pictures, batch.mel, batch.detail, batch.shape))

    def loss(self, batch: Batch, done: float) -> tuple[Tensor, Tensor, Tensor]:
        """(what is minimised, its parts (3,) for the log, each sample's L1)."""
        config = self.config
        with autocast(self.device.type):
            out, warped = self.model(batch.keyframe, batch.pictures, batch.mel, batch.detail, batch.shape)
        where = importance(batch.boxes, out.shape[-1])
        each = (out - batch.truth).abs().mul(where).mean((1, 2, 3))
        rec, warp = each.mean(), (warped - batch.truth).abs().mul(where).mean()
        corners = places(batch.boxes, config.crop, config.face, self.rng)
        with autocast(self.device.type):
            seen = self.perceptual(cut(out, corners, config.crop), cut(batch.truth, corners, config.crop)).mean()
        weight = config.perceptual[done >= config.late]
        loss = 1.5 * rec + config.warp * warp + weight * seen + 2 * consistency(out, batch.truth)
        return loss, torch.stack([rec, warp, seen]).detach(), each.detach()

    def train_step(self, step: int, done: float) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.config.rate, step, done)
        self.model.train()
        wanted = self.sampler.draw_wanted(self.config.batch)
        loss, parts, each = self.loss(self.sampler.batch(wanted), done)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        if self.device.type == "cuda":
            # The fused optimiser skips the step where this is one; reading the norm on the CPU would stall the GPU.
            self.optimiser.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
            self.optimiser.step()
        elif torch.isfinite(norm):
            self.optimiser.step()
        self.ema.update(self.model, step)
        clip = on(self.device, wanted.clip)
        self.error.index_add_(0, clip, each)
        self.seen.index_add_(0, clip, torch.ones_like(each))
        return parts

    def look_up_difficulty(self) -> None:
        """Let clips with the largest errors be drawn more often from now on."""
        seen = self.seen.cpu().numpy()
        error = np.where(seen > 0, self.error.cpu().numpy() / np.maximum(seen, 1), np.nan)
        self.sampler.note(error)
        self.error *= 0.5
        self.seen *= 0.5

    def run(self, out: Path, say: Callable[[str], None]) -> dict[str, float]:
        """Train; writes ``NETWORK.pt`` (the average, fp16) at every evaluation and ``NETWORK.jsonl``; returns last figures."""
        config, began = self.config, time.monotonic()
        limit, step, judged = config.minutes * 60, 0, began
        parts: list[Tensor] = []
        while (now := time.monotonic()) - began < limit:
            parts.append(self.train_step(step, (now - began) / limit))
            step += 1
            if step % 200 == 0:
                self.look_up_difficulty()
                rec, warp, seen = torch.stack(parts).mean(0).tolist()
                parts = []
                row = {"step": step, "seconds": time.monotonic() - began, "rec": rec, "warp": warp, "lpips": seen}
                if now - judged > config.evaluate_seconds:
                    row |= self.evaluate()
                    self.save(out)
                    judged = time.monotonic()
                self._note(out, row, say)
        last = {"step": step, "seconds": time.monotonic() - began} | self.evaluate()
        self.save(out)
        self._note(out, last, say)
        return last

    def _note(self, out: Path, row: dict[str, float], say: Callable[[str], None]) -> None:
        with (out / f"{self.config.network}.jsonl").open("a") as log:
            log.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")
        say("  ".join(f"{k} {v:.4g}" for k, v in row.items()))

    def save(self, out: Path) -> None:
        """The averaged weights as fp16, and the settings."""
        half = {k: v.half().contiguous() for k, v in self.ema.model.state_dict().items()}
        state = {"ema": half, "config": asdict(CONFIGS[self.config.network])}
        write_whole(out / f"{self.config.network}.pt", partial(torch.save, state))

    @torch.no_grad()
    def evaluate(self, every: int = 19) -> dict[str, float]:
        """On dev people, first frame as keyframe, pictures at 5 FPS: PSNR and LPIPS-VGG as shown, with
        the points of every frame (``shape_…``) and without; PSNR at mouth and eyes."""
        if self.dev is None:
            return {}
        self.ema.model.eval()
        rows: dict[str, list[Tensor]] = {}
        for wanted in judged_frames(self.dev.footage, every, self.config.batch):
            batch = self.dev.batch(wanted, plain=True)
            for name, shape in (("", torch.zeros_like(batch.shape)), ("shape_", batch.shape)):
                with autocast(self.device.type):
                    out = self.ema.model(batch.keyframe, batch.pictures, batch.mel, batch.detail, shape)[0].float().clamp(0, 1)
                    seen = self.perceptual(out, batch.truth).float()
                rows.setdefault(f"{name}psnr", []).append(psnr(out, batch.truth, torch.ones_like(out[:, :1])))
                rows.setdefault(f"{name}seen", []).append(seen)
                for part, row in (("mouth", LIPS), ("eyes", EYES)):
                    rows.setdefault(f"{name}{part}", []).append(
                        psnr(out, batch.truth, inside(batch.boxes[:, row], 256).float()[:, None])
                    )
        return {name: float(torch.nanmean(torch.cat(values))) for name, values in rows.items()}


def psnr(output: Tensor, truth: Tensor, where: Tensor) -> Tensor:
    """PSNR in dB of each sample, where ``where`` is one; nan if it is one nowhere."""
    count = where.sum((1, 2, 3))
    error = (((output - truth) ** 2).mean(1, keepdim=True) * where).sum((1, 2, 3)) / count
    return -10 * torch.log10(error.clamp_min(1e-7))


def judged_frames(footage: Footage, every: int, batch: int) -> list[Wanted]:
    """Every ``every``-th frame of every clip, its first as keyframe."""
    pairs = [(i, c.start, c.start + f) for i, c in enumerate(footage.clips) for f in range(every // 2, c.frames, every)]
    out = []
    for at in range(0, len(pairs), batch):
        clip, key, frame = (np.array(x) for x in zip(*pairs[at : at + batch], strict=True))
        same = np.ones(len(clip), int)
        out.append(Wanted(clip, key, frame, 0 * same, 2 * same, 8 * same, -1 * same))
    return out


def run(pieces: Path, out: Path, runs: Sequence[GpuTrainConfig], say: Callable[[str], None], device: torch.device) -> None:
    """Load once, then train and write each network. Raises ``FileNotFoundError``, ``ValueError``."""
    out.mkdir(parents=True, exist_ok=True)
    footage, dev = (load(pieces, split, device, say) for split in ("train", "dev"))
    call = None
    for config in runs:
        say(f"{config.network}: {config.minutes:g} minutes")
        trainer = GpuTrainer(config, pieces, footage, dev, call)
        trainer.run(out, say)
        if config.network == "call":
            call = trainer.ema.model.state_dict()
