"""Lip-sync expert: do these five frames' mouths and this sound belong together? (paper section 3.2)

Two networks with a common embedding space, as in SyncNet (Chung & Zisserman, 2016) and Wav2Lip
(2020), trained by :mod:`models.lipsync.trainer` and then frozen as L_sync. Unlike those, both run
along a whole clip at once, so that each mouth is processed once for all its windows, and the mouth's
features are also trained to give the lips' landmarks: with minutes of speech instead of hundreds of
hours, sound alone does not teach a network to see them.

    frames, boxes → mouths_of → MouthNet (each frame) → Matcher.faces (T frames) → embedding
    log-mel ──────────────────────────────────────────→ Matcher.sounds (4T rows) → embedding
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.training.checkpoint import load_state

EPSILON = 1e-6
MOUTH = (48, 72)
"""Height and width of a mouth's picture."""
MEL_ROWS = 4
"""Rows of log-mel for a video frame."""
FEATURES = 128
HIDDEN = 128
EMBEDDING = 256
USUAL_BOX = (79.0, 139.0, 175.0, 203.0)
"""Where a mouth is in most of the training pictures (256×256): used where no landmarks are given."""
_LUMA = (0.299, 0.587, 0.114)


def mouth_box(boxes: Tensor) -> Tensor:
    """Region boxes (..., 4, 4) of :mod:`models.data.regions` → (..., 4) mouth and chin, x0, y0, x1,
    y1, three wide to two high.

    Placed by the nose and the eyes' distance, which speech does not change: a box around the lips would
    follow them and hide how far the mouth opens. Where no face was found it is :data:`USUAL_BOX`.
    """
    boxes = boxes.float()
    lips, nose, eyes = boxes[..., 0, :], boxes[..., 1, :], boxes[..., 2, :]
    # When the head turns, the eyes come closer to each other; when it nods, eyes and nose do; seldom both.
    size = torch.maximum(eyes[..., 2] - eyes[..., 0], 1.8 * (nose[..., 3] - (eyes[..., 1] + eyes[..., 3]) / 2))
    x, y = (lips[..., 0] + lips[..., 2]) / 2, nose[..., 3] + 0.25 * size
    box = torch.stack([x - 0.525 * size, y - 0.35 * size, x + 0.525 * size, y + 0.35 * size], -1)
    return torch.where(lips[..., 2:3] > lips[..., :1], box, box.new_tensor(USUAL_BOX))


def mouths_of(frames: Tensor, boxes: Tensor | None) -> Tensor:
    """Frames (N, T, 3, S, S) RGB in [0, 1] and region boxes (N, T, 4, 4) at 256×256, or None → luma
    (N, T, 48, 72)."""
    n, times, _, _, _ = frames.shape
    if boxes is None:
        boxes = torch.zeros(n, times, 4, 4, device=frames.device)
    low, high = (mouth_box(boxes).flatten(0, 1).to(frames.dtype) / 128 - 1).split(2, -1)
    theta = torch.zeros(n * times, 2, 3, device=frames.device, dtype=frames.dtype)
    theta[:, 0, 0], theta[:, 1, 1] = ((high - low) / 2).unbind(-1)
    theta[..., 2] = (high + low) / 2
    luma = (frames.flatten(0, 1) * frames.new_tensor(_LUMA).reshape(3, 1, 1)).sum(1, keepdim=True)
    grid = F.affine_grid(theta, [n * times, 1, *MOUTH], align_corners=False)
    return F.grid_sample(luma, grid, padding_mode="border", align_corners=False).reshape(n, times, *MOUTH)


def _conv(cin: int, cout: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout), nn.ReLU())


def _along(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Sequential:
    # Without padding: a window gives the same embedding alone as in the middle of a clip.
    return nn.Sequential(nn.Conv1d(cin, cout, kernel, stride, bias=False), nn.BatchNorm1d(cout), nn.ReLU())


class _Same(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


class MouthNet(nn.Module):
    """Mouths (N, L, 48, 72) luma in [0, 1] → features (N, L, 128), for each frame separately; 13 MMAC a
    frame at ``width`` 16."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.layers = nn.Sequential(
            _conv(1, w, 5, 2), _Same(w), _conv(w, 2 * w, 3, 2), _Same(2 * w), _conv(2 * w, 4 * w, 3, 2), _Same(4 * w),
            _conv(4 * w, 8 * w, 3, 2), _Same(8 * w), nn.Conv2d(8 * w, FEATURES, (3, 5)),
        )  # fmt: skip

    def forward(self, mouths: Tensor) -> Tensor:
        x = (mouths * 4 - 2).flatten(0, 1)[:, None].contiguous(memory_format=torch.channels_last)
        return self.layers(x).reshape(*mouths.shape[:2], FEATURES)


class Matcher(nn.Module):
    """Features (N, L, 128) of frames and log-mel (N, 4L, 80) → two embeddings (N, L − times + 1,
    256) without negative entries."""

    def __init__(self, times: int = 5) -> None:
        super().__init__()

        def end() -> list[nn.Module]:
            last = nn.Conv1d(HIDDEN, EMBEDDING, times - 2), nn.ReLU(), nn.Conv1d(EMBEDDING, EMBEDDING, 1), nn.ReLU()
            return [nn.Dropout(0.2), *last]

        self.face = nn.Sequential(_along(FEATURES, HIDDEN, 1), _along(HIDDEN, HIDDEN, 3), *end())
        # 20 rows → 18 → 8 → 3 → 1 for times 5, and another position for each four rows more.
        self.sound = nn.Sequential(_along(80, HIDDEN, 3), _along(HIDDEN, HIDDEN, 4, 2), _along(HIDDEN, HIDDEN, 4, 2), *end())

    def faces(self, features: Tensor) -> Tensor:
        return self.face(features.transpose(1, 2)).transpose(1, 2)

    def sounds(self, mel: Tensor) -> Tensor:
        return self.sound(mel.transpose(1, 2)).transpose(1, 2)


class SyncNet(nn.Module):
    """Frames (N, T, 3, S, S) RGB in [0, 1] and log-mel (N, 4T, 80) → two embeddings (N, 256)
    without negative entries.

    The sound's rows are those that :meth:`models.data.cache.Cache.speech` returns for the middle
    frame. ``boxes`` (N, T, 4, 4) are the landmark regions at 256×256; without them the mouth's usual
    position is taken, which is less reliable. No entry is negative, so the cosine of
    two embeddings lies in [0, 1] and its logarithm is defined. Differentiable in the frames. Raises
    ``ValueError`` for another number of frames than ``times`` (at least 3).
    """

    def __init__(self, width: int = 16, times: int = 5) -> None:
        super().__init__()
        self.width, self.times = width, times
        self.mouth, self.matcher = MouthNet(width), Matcher(times)

    def embed_faces(self, mouths: Tensor) -> Tensor:
        """Luma (N, L, 48, 72) in [0, 1] → (N, L − T + 1, 256): one embedding for each window of T frames."""
        return self.matcher.faces(self.mouth(mouths))

    def embed_sounds(self, mel: Tensor) -> Tensor:
        """Log-mel (N, 4L, 80) → (N, L − T + 1, 256): one embedding for each window of 4T rows, four rows apart."""
        return self.matcher.sounds(mel)

    def forward(self, frames: Tensor, mel: Tensor, boxes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        times = frames.shape[1]
        if times != self.times:
            raise ValueError(f"made for {self.times} frames, got {times}")
        return self.embed_faces(mouths_of(frames, boxes))[:, 0], self.embed_sounds(mel)[:, 0]


def cosine(face: Tensor, sound: Tensor) -> Tensor:
    """f·a / max(‖f‖‖a‖, ε) of each pair, in [0, 1] for :class:`SyncNet`'s embeddings."""
    return (face * sound).sum(1) / (face.norm(dim=1) * sound.norm(dim=1)).clamp_min(EPSILON)


def sync_loss(face: Tensor, sound: Tensor) -> Tensor:
    """L_sync = −(1/N) Σ log(cosine); a cosine of 0 counts as ε, so that the loss stays finite."""
    return -torch.log(cosine(face, sound).clamp_min(EPSILON)).mean()


def match_loss(face: Tensor, sound: Tensor, sharpness: float) -> Tensor:
    """Embeddings (N, P, E) of N runs' windows and sounds → how badly they are distinguished within each run.

    Cross-entropy of picking a window's own sound among all of its run's, and the other way round; the logits are
    cosines times ``sharpness``. The sounds one frame off are left out: no label is that exact.
    """
    face, sound = (x.float() / x.float().norm(dim=2, keepdim=True).clamp_min(EPSILON) for x in (face, sound))
    place = torch.arange(face.shape[1], device=face.device)
    beside = (place[:, None] - place).abs() == 1
    logits = (face @ sound.transpose(1, 2) * sharpness).masked_fill(beside, -1e4)
    target = place.expand(len(face), -1)
    return (F.cross_entropy(logits.transpose(1, 2), target) + F.cross_entropy(logits, target)) / 2


def load_sync(path: Path) -> SyncNet:
    """The trained expert, frozen, in evaluation mode, with the weights that ``SyncTrainer`` saved in ``OUT.pt``. Raises
    ``FileNotFoundError``, and ``ValueError`` for another file."""
    state = load_state(path)
    try:
        model = SyncNet(state["width"], state["times"])
        model.load_state_dict(state["model"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} is no lip-sync expert") from error
    return model.eval().requires_grad_(False)
