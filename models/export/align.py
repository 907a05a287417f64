"""Pads the input channels of convolutions to multiples of four.

ONNX Runtime's WebGPU convolution (1.30) computes wrong sums for some numbers of input channels that are not multiples of
four: 9, 33 and 114 with 3×3 kernels, by as much as the largest value, while 3, 34, 50 and 67 were correct (docs/decisions.md).
Additional channels of zeros change nothing.
"""

from collections import Counter, defaultdict

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.export.graph import fixed_shapes

FOURS = 4
FILLED = "/filled"
"""Suffix of a padded tensor's name, followed by the number of added channels."""


def align_channels(model: onnx.ModelProto) -> int:
    """Pad the input of every convolution with a kernel larger than 1 with channels of zeros to a multiple of four, in place;
    returns how many were padded. The stored weights are unchanged; the graph pads them, which runtimes do once, at load."""
    graph, shapes, done = model.graph, fixed_shapes(model), 0
    weights = {t.name: list(t.dims) for t in graph.initializer}
    used = Counter(name for node in graph.node for name in node.input)
    joined = {n.output[0]: n for n in graph.node if n.op_type == "Concat" and used[n.output[0]] == 1}
    fills: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)  # by node: (index of the input, channels that it lacks)
    for node in graph.node:
        shape = shapes.get(node.input[0]) if node.op_type == "Conv" else None
        weight = (weights.get(node.input[1]) or shapes.get(node.input[1])) if shape else None
        if shape and weight and len(weight) == 4 and weight[1] == shape[1] and weight[2] > 1 and (lack := -shape[1] % FOURS):
            # Padding copies a tensor: where the input is concatenated only for this convolution, only the last part is padded.
            owner = joined.get(node.input[0], node)
            fills[owner.output[0]].append((len(owner.input) - 1 if owner is not node else 0, lack))
            fills[node.output[0]].append((1, lack))
            done += 1
    nodes, made = [], set[str]()
    for node in graph.node:
        for at, lack in fills[node.output[0]] if node.output else ():
            out = f"{node.input[at]}{FILLED}{lack}"
            if out not in made:
                made.add(out)
                graph.initializer.append(numpy_helper.from_array(np.array([0] * 5 + [lack] + [0] * 2, np.int64), f"{out}/ends"))
                nodes.append(helper.make_node("Pad", [node.input[at], f"{out}/ends"], [out], name=out))
            node.input[at] = out
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return done


def drop_alignment(model: onnx.ModelProto) -> None:
    """Undo :func:`align_channels`, in place."""
    graph = model.graph
    for pad in [n for n in graph.node if n.op_type == "Pad" and n.output[0].startswith(n.input[0] + FILLED)]:
        for node in graph.node:
            for at, name in enumerate(node.input):
                if name == pad.output[0]:
                    node.input[at] = pad.input[0]
        ends = next(t for t in graph.initializer if t.name == pad.input[1])
        graph.initializer.remove(ends)
        graph.node.remove(pad)
