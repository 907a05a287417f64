"""The losses that the ``speech`` stage of ``call`` adds: for lips like the truth's and in sync with
the sound, and for motion like the truth's."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.data.batch import WINDOW, Batch
from models.lipsync.syncnet import SyncNet, mouths_of, sync_loss
from models.runtime.mel import SILENCE
from models.training.losses import LIPS, inside


@dataclass(frozen=True)
class SpeechWeights:
    """Weights of the mouths' features, L_sync, the changes from frame to frame, and the squared error of the lips."""

    lips: float = 1.0
    sync: float = 0.1
    motion: float = 4.0
    mouth: float = 6.0


def motion_loss(output: Tensor, truth: Tensor) -> Tensor:
    """L1 between the changes from each frame to the next of runs (N·5, 3, S, S)."""
    changes = [x.unflatten(0, (-1, WINDOW)).diff(dim=1) for x in (output, truth)]
    return (changes[0] - changes[1]).abs().mean()


def mouth_error(output: Tensor, truth: Tensor, boxes: Tensor) -> Tensor:
    """Mean squared error within the lips' boxes (N, 4, 4) of pictures (N, 3, S, S); pictures
    without lips are ignored."""
    where = inside(boxes[:, LIPS], output.shape[-1]).to(output.dtype)
    error = ((output - truth) ** 2).mean(1) * where
    return error.sum() / where.sum().clamp_min(1)


class SpeechLoss:
    """``expert``: a trained :class:`SyncNet`, which is frozen here; the distance of its mouth features
    is a loss of its own."""

    def __init__(self, expert: SyncNet, weights: SpeechWeights | None = None) -> None:
        self.expert = expert.eval().requires_grad_(False)
        self.weights = weights or SpeechWeights()

    def __call__(self, output: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """(the weighted sum, its parts for the log) of pictures (N·5, 3, 256, 256) for a batch of runs
        (:class:`models.data.speech_sampler.SpeechSampler`)."""
        lips, sync = self.in_step(output, batch)
        parts = {
            "lips": lips, "sync": sync, "motion": motion_loss(output, batch.truth),
            "mouth": mouth_error(output, batch.truth, batch.boxes),
        }  # fmt: skip
        total = output.new_zeros(())
        for name, value in parts.items():
            total = total + getattr(self.weights, name) * value
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def in_step(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """(L1 of the mouths' features, L_sync).

        L_sync (paper section 3.2) covers the runs with sound; it is 0 if there are none. Mouths in
        which no lips were found (boxes without area) are ignored.
        """
        runs = (-1, WINDOW)
        where = batch.boxes.unflatten(0, runs)
        seen = self.expert.mouth(mouths_of(output.unflatten(0, runs), where))
        with torch.no_grad():
            wanted = self.expert.mouth(mouths_of(batch.truth.unflatten(0, runs), where))
        found = (where[..., LIPS, 2] > where[..., LIPS, 0]).float()
        error = (seen.float() - wanted.float()).abs().mean(-1)
        lips = (error * found).sum() / found.sum().clamp_min(1)
        middle = batch.mel[WINDOW // 2 :: WINDOW]
        heard = (middle > SILENCE).flatten(1).any(1) & (found.min(1).values > 0)
        if not heard.any():  # a clip without sound has nothing to be in sync with
            return lips, lips.new_zeros(())
        face, sound = self.expert.matcher.faces(seen[heard])[:, 0], self.expert.embed_sounds(middle[heard])[:, 0]
        return lips, sync_loss(face.float(), sound.float())
