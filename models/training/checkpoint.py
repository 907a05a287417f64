"""The state from which a training run resumes exactly: weights, their average, optimiser, random
state; and trained weights read from a checkpoint or from the ONNX files made from it.

The ONNX files hold every parameter, as fp16 (:func:`models.export.graph.halve`), nearly all under
its name. So a lost checkpoint costs the optimiser's state and the last bits of the weights, not the
training.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models.whole_file import write_whole

M = TypeVar("M", bound=nn.Module)


class Ema(Generic[M]):
    """Exponential moving average of weights and statistics; the average is what is evaluated and shipped."""

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


def load_state(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The dict in a PyTorch file, loaded without running code from it. Raises ``FileNotFoundError``, ``ValueError`` for
    any other file, and ``OSError`` for one that cannot be read."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a checkpoint")
    try:
        state = torch.load(path, weights_only=True, map_location=device)
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {path}") from None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a broken file can make an unpickler raise anything
        raise ValueError(f"{path} is no checkpoint") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} is no checkpoint")
    return state


@dataclass
class RunState:
    """The state from which a run resumes exactly: model, average, optimiser, torch's random state,
    step and seconds."""

    model: nn.Module
    ema: Ema
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def load(self, path: Path, device: torch.device) -> None:
        """Restore what :meth:`save` wrote. Raises ``ValueError`` when it is of another network, or no checkpoint."""
        state = load_state(path, device)
        try:
            self.model.load_state_dict(state["model"])
            self.ema.model.load_state_dict(state["ema"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(f"{path} is of another network; name another folder") from error
        self.step, self.seconds = state["step"], state["seconds"]
        torch.set_rng_state(state["rng"].cpu())

    def save(self, path: Path) -> None:
        """Write the whole state, or leave ``path`` as it was."""
        state = {
            "model": self.model.state_dict(), "ema": self.ema.model.state_dict(), "rng": torch.get_rng_state(),
            "optimiser": self.optimiser.state_dict(), "step": self.step, "seconds": self.seconds,
        }  # fmt: skip
        write_whole(path, partial(torch.save, state))


def fill(model: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Put weights that came from ``path`` into ``model``. Raises ``ValueError`` where they are another network's."""
    try:
        model.load_state_dict(weights)
    except (RuntimeError, AttributeError) as error:
        raise ValueError(f"{path} is of another network") from error


PREFIX = "call."
"""What :class:`models.export.export.IdentityGraph` and ``StepGraph`` put before a parameter's name."""
_KEPT_IN = {"predictor.attend.place_k": "identity.onnx"}
"""Parameters that the exporter renames, and which file holds them; the others are in ``step.onnx``."""


def onnx_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of an ONNX file by name, without the suffix ``.half``. Raises ``FileNotFoundError``, ``ValueError``."""
    # Not at the module's top: benchmarks load checkpoints without onnx.
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {path}") from None
    except Exception as error:  # protobuf raises types of its own
        raise ValueError(f"{path} is no ONNX file") from error
    return {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in model.graph.initializer}


def renamed(tensors: dict[str, np.ndarray], name: str, like: Tensor, path: Path) -> np.ndarray:
    """A parameter that the exporter has renamed: the only tensor of its shape without a parameter's name. Raises
    ``ValueError``."""
    fitting = [v for k, v in tensors.items() if not k.startswith(PREFIX) and v.shape == like.shape]
    if len(fitting) != 1:
        raise ValueError(f"{path} does not hold {name}")
    return fitting[0]


def from_onnx(folder: Path, parameters: Iterable[tuple[str, Tensor]], missing: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The ``parameters`` of a ``FaceUpsamplerNet`` (as ``named_parameters()`` yields them) from
    ``identity.onnx`` and ``step.onnx``.

    ``missing``: prefixes of the names that may be absent. Raises ``FileNotFoundError``, and
    ``ValueError`` for files that lack another one.
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
    """Weights by name: those of a checkpoint's average, or those in a folder's ONNX files (:func:`from_onnx`).

    Raises ``FileNotFoundError`` and ``ValueError``.
    """
    if path.is_dir():
        return from_onnx(path, parameters, missing)
    return averaged(path)


def averaged(path: Path) -> dict[str, Tensor]:
    """A checkpoint's averaged weights by name. Raises ``FileNotFoundError`` and ``ValueError``."""
    weights = load_state(path).get("ema")
    if not isinstance(weights, dict):
        raise ValueError(f"{path} is no checkpoint of a network")
    return weights
