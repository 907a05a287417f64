"""The 3×3 average around each pixel as a convolution: the same numbers, in WebAssembly in a third of the time.

ONNX Runtime's AveragePool asks for each pixel which of its neighbours lie in the picture.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.export.graph import fixed_shapes

SUMS = "/sums"
"""End of the name of each convolution that is made."""
_PLAIN = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1], "count_include_pad": 0, "ceil_mode": 0}


def convolve_averages(model: onnx.ModelProto) -> int:
    """Rewrite every 3×3 AveragePool that keeps the picture's size and leaves out what lies beyond the border, in place; gives
    how many. Others stay."""
    graph, shapes, nodes, done = model.graph, fixed_shapes(model), [], 0
    for node in graph.node:
        shape = shapes.get(node.input[0]) if node.op_type == "AveragePool" else None
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if not shape or {k: given.get(k, 0 if k in ("count_include_pad", "ceil_mode") else None) for k in _PLAIN} != _PLAIN:
            nodes.append(node)
            continue
        _, channels, height, width = shape
        held = {
            "ones": np.ones((channels, 1, 3, 3)), "across": _shares(width).reshape(1, 1, 1, -1),
            "down": _shares(height).reshape(1, 1, -1, 1),
        }  # fmt: skip
        ones, across, down = (f"{node.name}/{name}" for name in held)
        for name, value in held.items():
            graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), f"{node.name}/{name}"))
        sums, rows = f"{node.name}{SUMS}", f"{node.name}/rows"
        nodes += [
            helper.make_node("Conv", [node.input[0], ones], [sums], name=sums, group=channels, pads=[1] * 4),
            helper.make_node("Mul", [sums, across], [rows], name=rows),
            helper.make_node("Mul", [rows, down], [node.output[0]], name=f"{node.name}/average"),
        ]
        done += 1
    del graph.node[:]
    graph.node.extend(nodes)
    return done


def _shares(side: int) -> np.ndarray:
    """One part in as many as lie in the picture of a pixel and its two neighbours."""
    return 1 / np.convolve(np.ones(side), np.ones(3), "same")
