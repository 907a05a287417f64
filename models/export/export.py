"""Trained weights → the three ONNX files that a call runs (``facewire export``).

``identity.onnx`` runs once per keyframe, ``step.onnx`` once per frame, ``interpolator.onnx`` once
per picture. All have a fixed batch of 1, operators that ONNX Runtime has on CPU, CUDA and in a
browser (no transposed convolution, no 5-D sampling), and weights kept as fp16 behind a Cast: half
the file, and fp32 arithmetic, since the Cast is folded at load.
"""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from codec.errors import reason
from models.data.clip import COARSE, SIDE
from models.export.align import align_channels
from models.export.early_products import multiply_early
from models.export.graph import check, fold, halve, save
from models.export.grid_sample import gather_rows
from models.face.shape_points import COUNT
from models.networks.face_upsampler import FaceUpsamplerConfig, FaceUpsamplerNet
from models.networks.interpolator import PICTURES, InterpolatorNet
from models.runtime.mel import BANDS, WINDOW_FRAMES
from models.training.checkpoint import averaged, fill, load_state

OPSET = 20
"""The first with GridSample's ``linear`` mode name."""
PARTS = ("own", "f64", "f32", "f16", "f8", "key", "value", "f128", "crisp")
"""Outputs of ``identity.onnx`` and inputs of ``step.onnx``, in the order of
:meth:`models.networks.face_upsampler.FaceUpsamplerNet.set_identity`."""


class IdentityGraph(nn.Module):
    """keyframe (1, 3, 256, 256) in [0, 1] → :data:`PARTS`."""

    def __init__(self, call: FaceUpsamplerNet) -> None:
        super().__init__()
        self.call = call

    def forward(self, keyframe: Tensor) -> tuple[Tensor, ...]:
        return self.call.set_identity(keyframe)


class StepGraph(nn.Module):
    """The nine :data:`PARTS`, pictures (1, 5, 3, 8, 8), speech (1, 20, 80), detail (1, 3, 64, 64),
    shape (1, 2, 54, 2) → frame, doubt.

    The frame is (1, 3, 256, 256) in [0, 1], doubt (1,) in [0, 1]
    (:meth:`models.networks.face_upsampler.FaceUpsamplerNet.render_with_doubt`); ``shape``: the face's points in the
    keyframe and now, zero where they are not known. ``detail`` is zero where the pictures are 8×8.
    """

    def __init__(self, call: FaceUpsamplerNet) -> None:
        super().__init__()
        self.call = call

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        *parts, pictures, speech, detail, shape = inputs
        return self.call.render_with_doubt(tuple(parts), pictures, speech, detail, shape)


def _trace(model: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        # The TorchScript exporter is deprecated, but the other needs onnxscript; shapes are fixed, so what its warnings
        # report, Python numbers that become constants, is intended.
        warnings.simplefilter("ignore")
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            model.eval(), inputs, str(path), input_names=list(names), output_names=list(outputs), opset_version=OPSET,
            dynamo=False, do_constant_folding=True,
        )  # fmt: skip
        return onnx.load(path)


def _finish(model: onnx.ModelProto, half: bool) -> onnx.ModelProto:
    learned = {t.name for t in model.graph.initializer}
    fold(model)
    multiply_early(model)
    gather_rows(model)
    align_channels(model)
    if half:
        halve(model, learned)
    check(model)
    model.producer_name, model.producer_version = "facewire", ""
    return model


def call_graphs(call: FaceUpsamplerNet, half: bool = True) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """(identity, step) as ONNX. Raises ``ExportError``."""
    keyframe = torch.rand(1, 3, SIDE, SIDE)
    with torch.no_grad():
        parts = call.eval().set_identity(keyframe)
    first = _trace(IdentityGraph(call), (keyframe,), ["keyframe"], PARTS)
    driven = (
        torch.rand(1, PICTURES, 3, 8, 8),
        torch.zeros(1, WINDOW_FRAMES, BANDS),
        torch.zeros(1, 3, COARSE, COARSE),
        torch.rand(1, 2, COUNT, 2),
    )
    inputs = (*parts, *driven)
    second = _trace(StepGraph(call), inputs, [*PARTS, "pictures", "speech", "detail", "shape"], ["frame", "doubt"])
    return _finish(first, half), _finish(second, half)


def interpolator_graph(model: InterpolatorNet, half: bool = True) -> onnx.ModelProto:
    """pictures (1, 5, 3, 8, 8) → frames (1, 25, 3, 8, 8) as ONNX. Raises ``ExportError``."""
    graph = _trace(model, (torch.rand(1, PICTURES, 3, 8, 8),), ["pictures"], ["frames"])
    return _finish(graph, half)


def _interpolator_file(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
        names = [[value.name for value in values] for values in (model.graph.input, model.graph.output)]
    except OSError:
        raise
    except Exception as error:  # protobuf raises types of its own
        raise ValueError(f"{path} is no ONNX file: {reason(error)}") from error
    if names != [["pictures"], ["frames"]]:
        raise ValueError(f"{path} is not the interpolator: its input is not 'pictures' or its output not 'frames'")
    return model


def export(
    checkpoint: Path, interpolator: Path, out: Path, half: bool = True, say: Callable[[str], None] = lambda _: None
) -> dict[str, int]:
    """Write ``identity.onnx``, ``step.onnx`` and ``interpolator.onnx`` into ``out``; returns their
    sizes in bytes.

    ``checkpoint`` is what :meth:`models.training.trainer.Trainer.save` wrote (its averaged weights
    are taken), ``interpolator`` a state dict, or an ONNX file that is taken as it is. All files are
    written before the first one replaces an older one. Raises ``FileNotFoundError``, and ``ValueError``, such as
    ``ExportError``, for other files.
    """
    call = FaceUpsamplerNet(FaceUpsamplerConfig())
    fill(call, averaged(checkpoint), checkpoint)
    if interpolator.suffix == ".onnx":
        last = _interpolator_file(interpolator)
    else:
        between = InterpolatorNet()
        fill(between, load_state(interpolator), interpolator)
        say("tracing the interpolator")
        last = interpolator_graph(between, half)
    say("tracing identity and step")
    identity, step = call_graphs(call, half)
    graphs = {"identity": identity, "step": step, "interpolator": last}
    sizes = {}
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        made = [Path(folder) / f"{name}.onnx" for name in graphs]
        for path, graph in zip(made, graphs.values(), strict=True):
            save(graph, path)
            sizes[path.name] = path.stat().st_size
        for path in made:
            path.replace(out / path.name)
    return sizes
