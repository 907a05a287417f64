"""``step.onnx`` → ``step-int8.onnx``, the same with most convolutions in int8: ``python -m
models.export.int8 CACHE FOLDER``.

CACHE is a training cache (``RUN/cache``), FOLDER that of the networks. There is a scale for each
output channel of the weights and one for each convolution's input, the latter calibrated on training
people; everything between the convolutions stays in fp32. The file holds the digest of the
``step.onnx`` that it was made from (:func:`models.runtime.backends.int8_of`), so that it is never
used with another. Needs the ``train`` extra; ``bench.speed.precision`` measures what it saves and
costs.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from codec.media.types import Float32
from models.data.cache import Cache
from models.data.clip import SIDE
from models.data.sampler import Sampler
from models.export.align import drop_alignment
from models.export.averages import convolve_averages
from models.export.graph import halve, save
from models.runtime.backends import int8_path, load
from models.runtime.upsampler import DRIVEN, WeightsMissingError, weights_folder
from models.runtime.weight_files import sha256

Inputs = dict[str, Float32]

SAMPLES = 192
EXACT = (
    "visual/net/net.0/", "fuse8.0/", "to16.0/", "fuse16.0/", "attend/query", "found", "flow", "detail", "predictor/shape",
    "predictor/head", "to64", "fuse64.0/", "generator/join", "generator/head",
)  # fmt: skip
"""Parts of the names of the convolutions that stay in fp32: those that take the pictures, that return
flow and picture, and that join a scale's features. Each of them alone in int8 changes the frame by more
(squared error 2.5e-7 to 6e-6) than most others, and together they take a quarter of the
multiplications. ``generator/join`` itself computes little (:mod:`models.export.early_products`)."""


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, inputs: Iterator[Inputs]) -> None:
        self._inputs = inputs

    def get_next(self) -> Inputs | None:
        return next(self._inputs, None)


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same, changed in place, with fp32 weights instead of fp16 ones and casts, because the
    quantiser needs a convolution's weights to be its direct input."""
    graph = model.graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "Cast" and n.input[0] in held]:
        narrow = held[node.input[0]]
        graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(narrow).astype(np.float32), node.output[0]))
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
    return model


def quantise(step: Path, inputs: Iterator[Inputs], exact: Sequence[str] = EXACT) -> onnx.ModelProto:
    """``step.onnx`` with its convolutions, except those in ``exact``, in int8. The scales of their inputs
    cover the range from least to largest value on ``inputs``, one frame each. Raises ``ValueError``
    without inputs, and what ``onnx.load`` raises."""
    model, made = onnx.load(step), sha256(step)
    drop_alignment(model)  # the alignment is only for WebGPU, which has no int8
    widened(model)
    nodes = [n.name for n in model.graph.node if n.op_type == "Conv" and not any(part in n.name for part in exact)]
    with tempfile.TemporaryDirectory() as folder:
        plain, out = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, plain)
        level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)  # it recommends a pass that this graph has already had
        try:
            quantize_static(
                str(plain), str(out), _Reader(inputs), quant_format=QuantFormat.QDQ, nodes_to_quantize=nodes,
                per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )  # fmt: skip
        finally:
            logging.getLogger().setLevel(level)
        model = onnx.load(out)
    convolve_averages(model)
    keep_narrow(model)
    halve(model, set())
    model.producer_name, model.producer_version = "facewire", ""
    onnx.helper.set_model_props(model, {"made-of-sha256": made})
    return model


def keep_narrow(model: onnx.ModelProto, least: int = 4096) -> None:
    """Store the weights of convolutions that run in fp32 as int8 and a scale for each output channel, in place; the runtime
    folds them at load."""
    graph, before = model.graph, list[onnx.NodeProto]()
    weights = {n.input[1] for n in graph.node if n.op_type == "Conv"}
    for tensor in [t for t in graph.initializer if t.name in weights and t.data_type == onnx.TensorProto.FLOAT]:
        wide = numpy_helper.to_array(tensor)
        if wide.size < least:
            continue
        scale = np.maximum(np.abs(wide).max(tuple(range(1, wide.ndim)), keepdims=True), 1e-12).astype(np.float32) / 127
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(np.rint(wide / scale).astype(np.int8), f"{tensor.name}.int8"))
        graph.initializer.append(numpy_helper.from_array(scale, f"{tensor.name}.scale"))
        cast, names = f"{tensor.name}.whole", [f"{tensor.name}.int8", f"{tensor.name}.scale"]
        before.append(onnx.helper.make_node("Cast", [names[0]], [cast], name=f"{cast}.cast", to=onnx.TensorProto.FLOAT))
        before.append(onnx.helper.make_node("Mul", [cast, names[1]], [tensor.name], name=f"{cast}.scaled"))
    nodes = before + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def shorten(model: onnx.ModelProto) -> None:
    """Give all tensors except inputs and outputs short names, and the nodes none: nothing uses the names."""
    graph = model.graph
    del graph.value_info[:]
    short = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    for tensor in graph.initializer:
        tensor.name = short.setdefault(tensor.name, f"t{len(short)}")
    for node in graph.node:
        node.ClearField("name")
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                names[i] = short.setdefault(name, f"t{len(short)}")


def training_inputs(cache: Path, folder: Path, seed: int = 0) -> Iterator[Inputs]:
    """Endless inputs of ``step.onnx`` as in a call, for pairs of training frames of ``CACHE/train``. Samples that
    training makes harder than calls are (moved keyframes, larger pictures) would widen the scales, which costs
    0.02 dB. Raises ``FileNotFoundError``."""
    identity, names = load(folder / "identity.onnx", "cpu", 2, exact=True), _inputs(folder / "step.onnx")
    sampler, step = Sampler(Cache(cache / "train", in_memory=False), SIDE, 1, seed, harder=False), 0
    while True:
        batch, step = sampler.draw(step), step + 1
        keyframe = np.ascontiguousarray(batch.keyframe.numpy())
        known = {"keyframe": keyframe, **identity.run({"keyframe": keyframe})}
        known |= dict(zip(DRIVEN, (x.numpy() for x in (batch.pictures, batch.mel, batch.detail, batch.shape)), strict=True))
        yield {name: known[name] for name in names}


def _inputs(step: Path) -> list[str]:
    return [value.name for value in onnx.load(step, load_external_data=False).graph.input]


def write(cache: Path, folder: Path, samples: int = SAMPLES, seed: int = 0) -> Path:
    """Make ``FOLDER/step-int8.onnx``, completely or not at all. Raises ``OSError``, and what the functions above raise."""
    step = folder / "step.onnx"
    model, path = quantise(step, islice(training_inputs(cache, folder, seed), samples)), int8_path(step)
    shorten(model)
    save(model, path)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m models.export.int8", description=__doc__)
    for name in ("cache", "folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="pairs of frames to calibrate the scales on")
    given = parser.parse_args(arguments)
    if given.samples < 1:
        parser.error(f"{given.samples} samples: at least 1")
    try:
        path = write(given.cache, weights_folder(given.folder), given.samples)
    except (OSError, ValueError, KeyError, WeightsMissingError) as error:
        print(f"int8: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    print(f"{path.name} {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
