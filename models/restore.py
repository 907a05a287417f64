"""Trained weights back out of where they are kept: a checkpoint, or the ONNX files that were made of it.

The ONNX files hold every parameter, as fp16 (:func:`models.onnx_graph.halve`), nearly all under its name. So a lost checkpoint
costs the optimiser's state and the last bits of the weights, not the training.
"""

from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

PREFIX = "call."
"""What :class:`models.export.IdentityGraph` and ``StepGraph`` put before a parameter's name."""
_KEPT_IN = {"predictor.attend.place_k": "identity.onnx"}
"""Parameters that the exporter names anew, and which of the files they stay in; the others are in ``step.onnx``."""


def _tensors(path: Path) -> dict[str, np.ndarray]:
    try:
        model = onnx.load(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {path}") from None
    except Exception as error:  # protobuf raises types of its own
        raise ValueError(f"{path} is no ONNX file") from error
    return {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in model.graph.initializer}


def from_onnx(folder: Path, parameters: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """The ``parameters`` of a ``Call`` (as ``named_parameters()`` gives them) out of ``identity.onnx`` and ``step.onnx``.

    Raises ``FileNotFoundError``, and ``ValueError`` for files that don't hold every one of them.
    """
    files = {name: _tensors(folder / name) for name in ("identity.onnx", "step.onnx")}
    named = {k.removeprefix(PREFIX): v for tensors in files.values() for k, v in tensors.items() if k.startswith(PREFIX)}
    found: dict[str, Tensor] = {}
    for name, like in parameters:
        value = named.get(name)
        if value is None:
            file = _KEPT_IN.get(name, "step.onnx")
            fitting = [v for k, v in files[file].items() if not k.startswith(PREFIX) and v.shape == like.shape]
            if len(fitting) != 1:
                raise ValueError(f"{folder / file} does not hold {name}")
            value = fitting[0]
        if value.shape != like.shape:
            raise ValueError(f"{folder}: {name} is {list(value.shape)}, not {list(like.shape)}")
        found[name] = torch.from_numpy(value.astype(np.float32))
    return found


def learnt(path: Path, parameters: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Weights by name: of a checkpoint its average's, of a folder those in its ONNX files (:func:`from_onnx`).

    Raises ``FileNotFoundError`` and ``ValueError``.
    """
    if path.is_dir():
        return from_onnx(path, parameters)
    try:
        return torch.load(path, weights_only=True, map_location="cpu")["ema"]
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {path}") from None
    except (KeyError, TypeError, RuntimeError, EOFError, UnpicklingError) as error:
        raise ValueError(f"{path} is no checkpoint") from error
