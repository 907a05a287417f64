"""Initialises an audio encoder from the lip-sync expert: there is too little speech to learn it from
scratch."""

from pathlib import Path

import torch
from torch import nn

from models.lipsync.syncnet import load_sync
from models.networks.face_upsampler import AudioEncoder


def _folded(conv: nn.Conv1d, norm: nn.BatchNorm1d) -> dict[str, torch.Tensor]:
    """Weight and bias of a convolution that does what ``conv`` and, after training, ``norm`` do."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return {"weight": conv.weight * scale[:, None, None], "bias": norm.bias - norm.running_mean * scale}


@torch.no_grad()
def initialise_audio(encoder: AudioEncoder, expert: Path) -> None:
    """Give ``encoder`` the convolutions of the SyncNet that :mod:`models.lipsync.trainer` saved as ``expert``.

    Raises ``FileNotFoundError``, and ``ValueError`` for another file.
    """
    sound = load_sync(expert).matcher.sound
    mine = [layer for layer in encoder.net if isinstance(layer, nn.Conv1d)]
    for mine_at, at in zip(mine[:3], range(3), strict=True):
        mine_at.load_state_dict(_folded(sound[at][0], sound[at][1]))  # type: ignore[index]
    mine[3].load_state_dict(sound[4].state_dict())
