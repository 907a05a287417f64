"""Small passes over an ONNX graph: fold constants, store weights as fp16, reject operators that a runtime lacks."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from models.whole_file import write_whole

_SIZED_AT_RUN_TIME = ("Shape", "Range", "NonZero", "Loop", "If", "Expand", "ConstantOfShape")


class ExportError(ValueError):
    """The runtimes cannot take the exported graph, or a weight is not finite in fp16."""


def fixed_shapes(model: onnx.ModelProto) -> dict[str, list[int] | None]:
    """Each value's shape, None where a side isn't fixed."""
    graph, found = onnx.shape_inference.infer_shapes(model).graph, {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        found[value.name] = [d.dim_value for d in dims] if all(d.HasField("dim_value") for d in dims) else None
    return found


def attributes(node: onnx.NodeProto) -> dict[str, object]:
    """A node's attributes by their names."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


class Writer:
    """Collects the nodes and constants that replace one node; their names begin with ``prefix``."""

    def __init__(self, graph: onnx.GraphProto, prefix: str) -> None:
        self.graph, self.prefix, self.nodes = graph, prefix, list[onnx.NodeProto]()

    def constant(self, name: str, value: object, kind: type = np.float32) -> str:
        name = f"{self.prefix}/{name}"
        self.graph.initializer.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, outputs: int = 1, **attributes: Any) -> str:
        names = [f"{self.prefix}/{name}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"{self.prefix}/{name}", **attributes))
        return names[0]


def fold(model: onnx.ModelProto) -> None:
    """Replace every node that depends on no input and no weight by its value, in place.

    The shape of a tensor whose shape is fixed counts as a constant. Existing initialisers (the
    weights) stay as they are.
    """
    known: dict[str, np.ndarray] = {}
    changed = True
    while changed:  # a folded reshape can fix more shapes
        changed, shapes, kept = False, fixed_shapes(model), []
        for node in model.graph.node:
            if node.op_type == "Shape" and shapes.get(node.input[0]) and not node.attribute:
                known[node.output[0]] = np.array(shapes[node.input[0]], np.int64)
            elif node.output and all(i in known or not i for i in node.input) and node.op_type != "If":
                graph = helper.make_graph([node], "fold", [], [helper.make_empty_tensor_value_info(o) for o in node.output])
                single = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
                for item in node.input:
                    if item:
                        single.graph.initializer.append(numpy_helper.from_array(known[item], item))
                known |= dict(zip(node.output, ReferenceEvaluator(single).run(None, {}), strict=True))
            else:
                kept.append(node)
        changed = len(kept) < len(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend(kept)
        used = {i for n in kept for i in n.input}
        present = {t.name for t in model.graph.initializer}
        for name, array in known.items():
            if name in used and name not in present:
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
    for tensor in [t for t in model.graph.initializer if t.name in known and t.name not in used]:
        model.graph.initializer.remove(tensor)


def halve(model: onnx.ModelProto, learned: set[str]) -> None:
    """Store float initialisers as fp16 followed by a Cast to fp32, in place.

    Those named in ``learned`` are rounded; others (sampling grids and the like) only where fp16
    holds them exactly. Raises :class:`ExportError` for a weight that is not finite in fp16.
    """
    casts = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            small = array.astype(np.float16)
        exact = bool((small.astype(np.float32) == array).all())
        if tensor.name in learned and not np.isfinite(small).all():
            raise ExportError(f"{tensor.name} is not finite in fp16 (largest {np.abs(array).max():g})")
        if array.size < 8 or not (exact or tensor.name in learned):
            continue
        name = f"{tensor.name}.half"
        casts.append(helper.make_node("Cast", [name], [tensor.name], name=f"{name}.cast", to=TensorProto.FLOAT))
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(numpy_helper.from_array(small, name))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write ``path``, completely or not at all. Raises ``OSError``."""
    write_whole(path, lambda part: part.write_bytes(model.SerializeToString()))


def check(model: onnx.ModelProto) -> None:
    """Reject transposed convolution, any GridSample that is not 4-D, and shapes computed at run time.

    Raises :class:`ExportError`; what ONNX itself forbids raises ``onnx.checker.ValidationError``.
    """
    onnx.checker.check_model(model, full_check=True)
    shapes = fixed_shapes(model)
    for node in model.graph.node:
        if node.op_type == "ConvTranspose" or node.op_type in _SIZED_AT_RUN_TIME:
            raise ExportError(f"{node.op_type} in the graph: {node.name}")
        if node.op_type == "GridSample" and len(shapes.get(node.input[0]) or ()) != 4:
            raise ExportError(f"GridSample {node.name} is not known to be 4-D")
