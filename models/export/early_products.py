"""Splits a 1×1 convolution over a concatenation: inputs enlarged or warped only for it are multiplied before that.

Bilinear enlargement and sampling are linear and the same for every channel, so a product of channels may come before them. It
then has fewer pixels, and fewer channels are enlarged or warped afterwards. The generator's first convolution is of this kind.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto

from models.export.graph import Writer, attributes, fixed_shapes

Chain = list[onnx.NodeProto]


def _chain(name: str, made_by: Mapping[str, onnx.NodeProto], used: Counter[str]) -> Chain:
    """The node that enlarges or warps to make ``name``, and the casts to fp32 after it; empty where another node uses any of
    their outputs."""
    chain = Chain()
    while (node := made_by.get(name)) is not None and used[name] == 1:
        chain.insert(0, node)
        kind = attributes(node)
        if node.op_type in ("Resize", "GridSample"):
            return chain if kind.get("mode") in (b"linear", b"bilinear") else []
        if node.op_type != "Cast" or kind.get("to") != TensorProto.FLOAT:
            return []
        name = node.input[0]
    return []


def _is_product(node: onnx.NodeProto) -> bool:
    defaults: dict[str, object] = {"group": 1, "pads": [0] * 4, "strides": [1, 1]}
    kind = defaults | attributes(node)
    return node.op_type == "Conv" and kind.get("kernel_shape") == [1, 1] and all(kind[k] == v for k, v in defaults.items())


def multiply_early(model: onnx.ModelProto) -> int:
    """Rewrite every 1×1 convolution over a concatenation of which some parts, not all, are enlarged or warped only for it and
    have at least as many channels as its output, in place; returns how many. The stored weights stay whole; the graph splits
    them, which runtimes do once, at load."""
    done = 0
    while _rewrite_one(model):
        done += 1
    return done


def _rewrite_one(model: onnx.ModelProto) -> bool:
    graph, shapes = model.graph, fixed_shapes(model)
    used = Counter(name for node in graph.node for name in node.input)
    made_by = {name: node for node in graph.node for name in node.output}
    for conv in filter(_is_product, graph.node):
        joined, out = made_by.get(conv.input[0]), shapes.get(conv.output[0])
        parts = [shapes.get(name) for name in joined.input] if joined is not None and joined.op_type == "Concat" else []
        if joined is None or not out or not parts or not all(parts) or used[conv.input[0]] != 1:
            continue
        channels = [part[1] for part in parts if part]
        chains = [_chain(name, made_by, used) for name in joined.input]
        chains = [chain if count >= out[1] else [] for chain, count in zip(chains, channels, strict=True)]
        if any(chains) and not all(chains):
            _take_apart(graph, conv, joined, channels, chains)
            return True
    return False


def _take_apart(
    graph: onnx.GraphProto, conv: onnx.NodeProto, joined: onnx.NodeProto, channels: Sequence[int], chains: Sequence[Chain]
) -> None:
    """``chains``: for each input of ``joined`` the nodes to move behind the product; empty where the input stays."""
    w = Writer(graph, conv.name)
    ends = np.cumsum(channels).tolist()
    places = [list(range(end - count, end)) for end, count in zip(ends, channels, strict=True)]

    def product(given: str, of: list[int], name: str, bias: Sequence[str]) -> str:
        weight = w.node("Gather", [conv.input[1], w.constant(f"{name}/channels", of, np.int64)], f"{name}/weight", axis=1)
        return w.node("Conv", [given, weight, *bias], name, kernel_shape=[1, 1])

    early = [i for i, chain in enumerate(chains) if chain]
    for i in early:
        chains[i][0].input[0] = product(chains[i][0].input[0], places[i], f"part{i}", [])
    stay = [i for i, chain in enumerate(chains) if not chain]
    rest = w.node("Concat", [joined.input[i] for i in stay], "rest", axis=1)
    total = product(rest, [k for i in stay for k in places[i]], "product", conv.input[2:])
    for i in early:
        total = w.node("Add", [total, chains[i][-1].output[0]], f"sum{i}")
    w.nodes[-1].output[0] = conv.output[0]
    del graph.value_info[:]  # some have fewer channels now
    nodes = [node for node in graph.node if node is not conv and node is not joined] + w.nodes
    ordered = _in_order(graph, nodes)
    del graph.node[:]
    graph.node.extend(ordered)


def _in_order(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes, each after those whose outputs it takes. Raises ``ValueError`` if there is no such order."""
    ready = {t.name for t in graph.initializer} | {v.name for v in graph.input} | {""}
    ordered = list[onnx.NodeProto]()
    while nodes:
        later = list[onnx.NodeProto]()
        for node in nodes:
            free = ready.issuperset(node.input)
            (ordered if free else later).append(node)
            ready.update(node.output if free else ())
        if len(later) == len(nodes):
            raise ValueError(f"{later[0].name} takes an input that nothing produces")
        nodes = later
    return ordered
