"""The networks with most convolutions in int8: how they are made and when they are used."""

import shutil
from itertools import islice

import numpy as np
import onnxruntime as ort
import pytest

from models.runtime import backends
from models.runtime.backends import int8_of, load
from models.runtime.upsampler import weights_folder

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")

from models.export.averages import SUMS
from models.export.int8 import EXACT, main, quantise, shorten, training_inputs


@pytest.fixture(scope="module")
def made(tiny_cache):
    return quantise(weights_folder() / "step.onnx", islice(training_inputs(tiny_cache, weights_folder()), 3))


def test_all_but_the_sensitive_convolutions_are_int8(made):
    quantised = {
        node.name: "DequantizeLinear" in _feeders(made, node)
        for node in made.graph.node
        if node.op_type == "Conv" and not node.name.endswith(f"/{SUMS}")
    }
    assert len(quantised) == 58
    for name, is_int8 in quantised.items():
        assert is_int8 is not any(part in name for part in EXACT), name
    assert all(any(part in name for name in quantised) for part in EXACT)


def _feeders(model, node):
    return {n.op_type for n in model.graph.node for name in node.input if name in n.output}


def test_weights_are_rounded_to_the_nearest_int8_for_each_channel(made):
    name = "/generator/body/body.0/a/Conv"
    (conv,) = (n for n in made.graph.node if n.name == name)
    held = {t.name: onnx.numpy_helper.to_array(t) for t in made.graph.initializer}
    held |= {
        n.output[0]: held[n.input[0]].astype(np.float32) for n in made.graph.node if n.op_type == "Cast" and n.input[0] in held
    }
    (back,) = (n for n in made.graph.node if conv.input[1] in n.output)
    small, scale = held[back.input[0]], held[back.input[1]]
    assert (small.dtype, small.shape[0]) == (np.int8, len(scale))
    exact = onnx.load(weights_folder() / "step.onnx")
    (plain,) = (n for n in exact.graph.node if n.name == name)
    (cast,) = (n for n in exact.graph.node if plain.input[1] in n.output)
    (truth,) = (onnx.numpy_helper.to_array(t) for t in exact.graph.initializer if t.name == cast.input[0])
    error = np.abs(small * scale[:, None, None, None] - truth.astype(np.float32)).max((1, 2, 3))
    assert (error <= scale * 0.51).all()


def test_shortening_names_changes_only_names(made):
    short = onnx.ModelProto()
    short.CopyFrom(made)
    shorten(short)
    assert len(short.SerializeToString()) < len(made.SerializeToString()) - 50_000
    values = {name: np.zeros([d.dim_value for d in value.type.tensor_type.shape.dim], np.float32) + 0.3
              for value in made.graph.input for name in (value.name,)}  # fmt: skip
    frames = [
        ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(["frame"], values)[0]
        for m in (made, short)
    ]
    assert np.array_equal(*frames)


def test_the_shipped_int8_network_was_made_from_the_shipped_weights():
    assert int8_of(weights_folder() / "step.onnx") == weights_folder() / "step-int8.onnx"
    assert int8_of(weights_folder() / "identity.onnx") is None


def test_an_int8_network_made_from_other_weights_is_not_used(tmp_path):
    for name in ("step.onnx", "step-int8.onnx"):
        shutil.copy(weights_folder() / name, tmp_path)
    model = onnx.load(tmp_path / "step.onnx")
    model.doc_string = "trained on"
    onnx.save(model, tmp_path / "step.onnx")
    assert int8_of(tmp_path / "step.onnx") is None
    assert load(tmp_path / "step.onnx", "cpu", 1).name == "CPUExecutionProvider"


def test_a_processor_without_int8_dot_products_uses_fp32(monkeypatch):
    monkeypatch.setattr(backends, "has_int8_dots", lambda: False)
    assert load(weights_folder() / "step.onnx", "cpu", 1).name == "CPUExecutionProvider"
    with pytest.raises(ValueError, match="openvino-int8 is unavailable on this machine: there is no int8 dot products"):
        load(weights_folder() / "step.onnx", "openvino-int8", 1)


def test_the_command_writes_the_int8_network_next_to_the_weights(tiny_cache, tmp_path, capsys):
    for name in ("step.onnx", "identity.onnx", "interpolator.onnx"):
        shutil.copy(weights_folder() / name, tmp_path)
    assert main([str(tiny_cache), str(tmp_path), "--samples", "1"]) == 0
    assert capsys.readouterr().out.startswith("step-int8.onnx 5.")
    assert int8_of(tmp_path / "step.onnx")
    assert not list(tmp_path.glob("*.part"))


def test_bad_input_gives_one_line_errors(tiny_cache, tmp_path, capsys):
    assert main([str(tmp_path), str(weights_folder())]) == 1
    assert main([str(tiny_cache), str(tmp_path)]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "index.json" in first
    assert "identity.onnx is missing" in second
