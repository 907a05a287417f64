"""Input channels padded to multiples of four: the results stay the same, and every runtime accepts the graph."""

import numpy as np
import onnxruntime as ort
import pytest

pytest.importorskip("onnx")
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.export.align import FOURS, align_channels, drop_alignment
from models.export.graph import check, fixed_shapes
from models.runtime.upsampler import weights_folder


def _value(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


@pytest.fixture
def model():
    """Convolutions over a joined tensor (5 channels), over a tensor with two consumers (3 channels) and over one with 4."""
    rng = np.random.default_rng(0)
    weights = {"w5": (4, 5, 3, 3), "w3": (2, 3, 3, 3), "w4": (2, 4, 3, 3), "w1": (2, 3, 1, 1)}
    nodes = [
        helper.make_node("Concat", ["a", "b"], ["joined"], axis=1),
        helper.make_node("Conv", ["joined", "w5"], ["five"], pads=[1] * 4),
        helper.make_node("Conv", ["b", "w3"], ["three"], pads=[1] * 4),
        helper.make_node("Conv", ["five", "w4"], ["four"], pads=[1] * 4),
        helper.make_node("Conv", ["b", "w1"], ["pointwise"]),
        helper.make_node("Sum", ["three", "four", "pointwise"], ["out"]),
    ]
    held = [numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name) for name, shape in weights.items()]
    graph = helper.make_graph(nodes, "g", [_value("a", 1, 2, 8, 8), _value("b", 1, 3, 8, 8)], [_value("out", 1, 2, 8, 8)], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model):
    rng = np.random.default_rng(1)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    fed = {i.name: rng.random([d if isinstance(d, int) else 1 for d in i.shape]).astype(np.float32) for i in session.get_inputs()}
    return session.run(None, fed)


def test_the_results_stay_and_channels_become_multiples_of_four(model):
    before, plain = run(model), model.SerializeToString()
    assert align_channels(model) == 2
    check(model)
    for x, y in zip(before, run(model), strict=True):
        assert np.allclose(x, y, atol=1e-5)
    shapes = fixed_shapes(model)
    (five, three) = (n for n in model.graph.node if n.output[0] in ("five", "three"))
    assert [shapes[name][1] for node in (five, three) for name in node.input] == [8, 8, 4, 4]
    (joined,) = (n for n in model.graph.node if n.op_type == "Concat")
    assert list(joined.input) == ["a", "b/filled3"], "the large joined tensor must not be copied"
    drop_alignment(model)
    assert model.SerializeToString() == plain
    assert align_channels(model) == 2


def test_channels_of_the_shipped_network_are_multiples_of_four():
    model = onnx.load(weights_folder() / "step.onnx")
    shapes = fixed_shapes(model) | {t.name: list(t.dims) for t in model.graph.initializer}
    inputs = [shapes[n.input[0]] for n in model.graph.node if n.op_type == "Conv" and shapes[n.input[1]][2] > 1]
    assert len(inputs) > 40
    assert all(shape[1] % FOURS == 0 for shape in inputs if len(shape) == 4)
