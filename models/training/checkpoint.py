"""What a training run can be taken up from exactly: weights, their average, optimiser, random
state; and trained weights back out of a checkpoint or of the ONNX files that were made of it.

The ONNX files hold every parameter, as fp16 (:func:`models.export.graph.halve`), nearly all under
its name. So a lost checkpoint costs the optimiser's state and the last bits of the weights, not the
training.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Generic, TypeVar

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class Ema(Generic[M]):
    """Exponential moving average of weights and statistics; it is what is judged and shipped."""

    def __init__(self, model: M, decay: float = 0.998) -> None:
        self.model: M = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        mine, theirs = self.model.state_dict(), model.state_dict()
        smooth = [name for name, a in mine.items() if a.is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in smooth], [theirs[name] for name in smooth], 1 - decay)
        for name in mine.keys() - set(smooth):
            mine[name].copy_(theirs[name])


@dataclass
class RunState:
    """What a run can be taken up from exactly: model, average, optimiser, torch's random state,
    step and seconds."""

    model: nn.Module
    ema: Ema
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def load(self, path: Path, device: torch.device) -> None:
        """Take up what :meth:`save` wrote. Raises ``ValueError`` when it is of another network."""
        state = torch.load(path, weights_only=True, map_location=device)
        try:
            self.model.load_state_dict(state["model"])
            self.ema.model.load_state_dict(state["ema"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{path} is of another network; name another folder") from error
        self.step, self.seconds = state["step"], state["seconds"]
        torch.set_rng_state(state["rng"].cpu())

    def save(self, path: Path) -> None:
        """Write the whole state, or leave ``path`` as it was."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        torch.save({
            "model": self.model.state_dict(), "ema": self.ema.model.state_dict(), "rng": torch.get_rng_state(),
            "optimiser": self.optimiser.state_dict(), "step": self.step, "seconds": self.seconds,
        }, part)  # fmt: skip
        part.replace(path)


PREFIX = "call."
"""What :class:`models.export.export.IdentityGraph` and ``StepGraph`` put before a parameter's name."""
_KEPT_IN = {"predictor.attend.place_k": "identity.onnx"}
"""Parameters that the exporter names anew, and which of the files they stay in; the others are in
``step.onnx``."""


def onnx_tensors(path: Path) -> dict[str, np.ndarray]:
    """What an ONNX file holds, by name, without ``.half``. Raises ``FileNotFoundError``, ``ValueError``."""
    try:
        model = onnx.load(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {path}") from None
    except Exception as error:  # protobuf raises types of its own
        raise ValueError(f"{path} is no ONNX file") from error
    return {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in model.graph.initializer}


def renamed(tensors: dict[str, np.ndarray], name: str, like: Tensor, path: Path) -> np.ndarray:
    """A parameter that the exporter has named anew: the one tensor of its shape without a parameter's name. Raises
    ``ValueError``."""
    fitting = [v for k, v in tensors.items() if not k.startswith(PREFIX) and v.shape == like.shape]
    if len(fitting) != 1:
        raise ValueError(f"{path} does not hold {name}")
    return fitting[0]


def from_onnx(folder: Path, parameters: Iterable[tuple[str, Tensor]], missing: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The ``parameters`` of a ``Call`` (as ``named_parameters()`` gives them) out of
    ``identity.onnx`` and ``step.onnx``.

    Raises ``FileNotFoundError``, and ``ValueError`` for files that don't hold every one of them.
    """
    files = {name: onnx_tensors(folder / name) for name in ("identity.onnx", "step.onnx")}
    named = {k.removeprefix(PREFIX): v for tensors in files.values() for k, v in tensors.items() if k.startswith(PREFIX)}
    found: dict[str, Tensor] = {}
    for name, like in parameters:
        value = named.get(name)
        if value is None and name.startswith(missing):
            continue
        if value is None:
            file = _KEPT_IN.get(name, "step.onnx")
            value = renamed(files[file], name, like, folder / file)
        if value.shape != like.shape:
            raise ValueError(f"{folder}: {name} is {list(value.shape)}, not {list(like.shape)}")
        found[name] = torch.from_numpy(value.astype(np.float32))
    return found


def learnt(path: Path, parameters: Iterable[tuple[str, Tensor]], missing: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Weights by name: of a checkpoint its average's, of a folder those in its ONNX files (:func:`from_onnx`).

    Raises ``FileNotFoundError`` and ``ValueError``.
    """
    if path.is_dir():
        return from_onnx(path, parameters, missing)
    try:
        return torch.load(path, weights_only=True, map_location="cpu")["ema"]
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {path}") from None
    except (KeyError, TypeError, RuntimeError, EOFError, UnpicklingError) as error:
        raise ValueError(f"{path} is no checkpoint") from error
