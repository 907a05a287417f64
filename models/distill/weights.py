"""``small`` as it ships: writes ``step-small-int8.onnx``, and reads its weights back.

``python -m models.distill.weights CHECKPOINT CACHE FOLDER`` writes it into FOLDER, which holds ``identity.onnx``.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor

from models.export.export import call_graphs
from models.export.graph import save
from models.export.int8 import SAMPLES, quantise, training_inputs
from models.networks.face_upsampler import FaceUpsamplerNet
from models.networks.small import SHARED, SMALL
from models.runtime.weight_files import sha256
from models.training.checkpoint import PREFIX, fill, learnt, onnx_tensors, renamed

NAME = "step-small-int8.onnx"
FEATURES = "features-of-sha256"
"""Key in the file's metadata: the digest of the ``identity.onnx`` whose features ``small`` takes."""


def load_call(path: Path) -> FaceUpsamplerNet:
    """``call`` with its weights, frozen. Raises ``FileNotFoundError``, ``ValueError``."""
    call = FaceUpsamplerNet()
    fill(call, call.state_dict() | learnt(path, call.named_parameters()), path)
    return call.requires_grad_(False).eval()


def load_small(path: Path, call: FaceUpsamplerNet) -> FaceUpsamplerNet:
    """``small`` from a checkpoint, or from its int8 file, with the keyframe features of ``call``. Raises
    ``FileNotFoundError``, and ``ValueError`` for other files."""
    small = FaceUpsamplerNet(SMALL)
    known = {k: v for k, v in call.state_dict().items() if k.startswith(SHARED)}
    if path.suffix == ".onnx":
        known |= _from_int8(path, {name: p for name, p in small.named_parameters() if not name.startswith(SHARED)})
    else:
        known |= learnt(path, small.named_parameters())
    fill(small, small.state_dict() | known, path)
    return small


def _from_int8(path: Path, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    held, found = onnx_tensors(path), dict[str, Tensor]()
    for name, like in wanted.items():
        full = PREFIX + name
        ways = tuple(
            (full + a, full + b) for a, b in ((".int8", ".scale"), ("_quantized", "_scale"), ("_quantized", "_quantized_scale"))
        )
        pair = next((way for way in ways if way[0] in held and way[1] in held), None)
        if pair:
            whole, scale = (held[key].astype(np.float32) for key in pair)
            value = whole * scale.reshape(-1, *[1] * (whole.ndim - 1))
        else:
            value = held[full] if full in held else renamed(held, name, like, path)
        found[name] = torch.from_numpy(value.astype(np.float32)).reshape(like.shape)
    return found


def write(checkpoint: Path, cache: Path, folder: Path, samples: int = SAMPLES) -> Path:
    """Make ``FOLDER/step-small-int8.onnx``, completely or not at all. Raises ``OSError``, ``ValueError``."""
    call, small = load_call(folder), FaceUpsamplerNet(SMALL)
    state = learnt(checkpoint, small.named_parameters())
    fill(small, state, checkpoint)
    theirs = call.state_dict()
    for name in (n for n in state if n.startswith(SHARED)):
        if not torch.allclose(state[name], theirs[name], atol=1e-3, rtol=1e-3):
            raise ValueError(f"{checkpoint} was trained on features that {folder / 'identity.onnx'} does not give ({name})")
    _, step = call_graphs(small)
    with tempfile.TemporaryDirectory() as made:
        plain = Path(made) / "step-small.onnx"
        plain.write_bytes(step.SerializeToString())
        model = quantise(plain, islice(training_inputs(cache, folder), samples))
    onnx.helper.set_model_props(model, {FEATURES: sha256(folder / "identity.onnx")})
    path = folder / NAME
    save(model, path)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m models.distill.weights", description=__doc__)
    for name in ("checkpoint", "cache", "folder"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(arguments)
    try:
        path = write(given.checkpoint, given.cache, given.folder)
    except (OSError, ValueError, KeyError) as error:
        print(f"distill: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    print(f"{path.name} {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
