"""Turns the step graph of batch 1 into one that renders frames of several calls at once, from features that stay on the
device.

The shipped ``step.onnx`` has batch 1 and samples by row gathers, which is fastest on a CPU
(:mod:`models.export.grid_sample`). For a GPU the gathers become GridSample again, leading dimensions
of 1 become the batch's, each kind of keyframe features is one tensor for all seats, from which a frame
takes its seat's row, and frames are returned as bytes. Needs the package ``onnx``.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.runtime.upsampler import RGB, SEATS


def batched(model: onnx.ModelProto, driven: Sequence[str]) -> onnx.ModelProto:
    """``model``: step.onnx, changed in place. ``driven``: its inputs that change with every frame,
    whose first dimension becomes N; that of the others becomes the number of seats. Raises
    ``ValueError`` for a graph of another structure."""
    graph = model.graph
    _sample_again(graph)
    _free_shapes(graph)
    _take_seats(graph, driven)
    _give_bytes(graph)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def _sample_again(graph: onnx.GraphProto) -> None:
    """Put a GridSample in place of each group of nodes that
    :func:`models.export.grid_sample.gather_rows` made from one."""
    by_name = {node.name: node for node in graph.node}
    for name in [n.removesuffix("/rows/shape") for n in _constants(graph) if n.endswith("/rows/shape")]:
        image, grid, out = (by_name[f"{name}/{part}"] for part in ("channels_last", "points", "out"))
        sample = helper.make_node(
            "GridSample", [image.input[0], grid.input[0]], [out.output[0]], name=f"{name}/again", mode="linear",
            padding_mode="border", align_corners=0,
        )  # fmt: skip
        kept = [n for n in graph.node if not n.name.startswith(f"{name}/")]
        at = next(i for i, n in enumerate(graph.node) if n.name == out.name)
        before = sum(not n.name.startswith(f"{name}/") for n in list(graph.node)[:at])
        kept.insert(before, sample)
        del graph.node[:]
        graph.node.extend(kept)


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def _free_shapes(graph: onnx.GraphProto) -> None:
    """Let reshapes whose first dimension is 1 keep that of their input."""
    known = _constants(graph)
    for node in [n for n in graph.node if n.op_type == "Reshape"]:
        shape = known.get(node.input[1])
        if shape is None or shape[0] not in (1, -1):
            raise ValueError(f"{node.name} does not begin with the batch")
        if shape[0] == 1:
            free = np.concatenate([[0], shape[1:]]).astype(np.int64)
            graph.initializer.append(numpy_helper.from_array(free, f"{node.name}/free"))
            node.input[1] = f"{node.name}/free"


def _take_seats(graph: onnx.GraphProto, driven: Sequence[str]) -> None:
    takes = []
    for value in graph.input:
        first = value.type.tensor_type.shape.dim[0]
        first.ClearField("dim_value")
        if value.name in driven:
            first.dim_param = "N"
            continue
        first.dim_param = "held"
        for node in graph.node:
            for i, name in enumerate(node.input):
                if name == value.name:
                    node.input[i] = f"{value.name}/taken"
        takes.append(helper.make_node("Gather", [value.name, SEATS], [f"{value.name}/taken"], name=f"{value.name}/take", axis=0))
    nodes = [*takes, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(SEATS, TensorProto.INT64, ["N"]))


def _give_bytes(graph: onnx.GraphProto) -> None:
    """frame (N, 3, H, W) in [0, 1] → RGB (N, H, W, 3), rounded."""
    frame = next(value for value in graph.output if value.name == "frame")
    sides = [d.dim_value for d in frame.type.tensor_type.shape.dim[2:]]
    for name, value in (("rgb/255", 255.0), ("rgb/half", 0.5)):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    graph.node.extend([
        helper.make_node("Mul", [frame.name, "rgb/255"], ["rgb/scaled"], name="rgb/scaled"),
        helper.make_node("Add", ["rgb/scaled", "rgb/half"], ["rgb/raised"], name="rgb/raised"),
        helper.make_node("Cast", ["rgb/raised"], ["rgb/planes"], name="rgb/planes", to=TensorProto.UINT8),
        helper.make_node("Transpose", ["rgb/planes"], [RGB], name="rgb/pixels", perm=[0, 2, 3, 1]),
    ])  # fmt: skip
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(RGB, TensorProto.UINT8, ["N", *sides, 3]))
