"""The exported graphs: the same results as torch, only operators that every runtime supports, half the size."""

import collections

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper

from models.export.averages import convolve_averages
from models.export.export import PARTS, call_graphs, export, interpolator_graph
from models.export.graph import ExportError, check, fold, halve
from models.export.grid_sample import gather_rows
from models.face.shape_points import COUNT
from models.networks.blocks import warp
from models.networks.face_upsampler import FaceUpsamplerConfig, FaceUpsamplerNet
from models.networks.interpolator import InterpolatorNet
from models.runtime.upsampler import weights_folder
from models.training.runs import run_export

SMALL = FaceUpsamplerConfig(c128=8, c64=8, c32=12, c16=16, c8=16, visual=16, audio=8, generator=8)
ALMOST = 1 / 255


def random_call(config: FaceUpsamplerConfig) -> FaceUpsamplerNet:
    """A network whose heads aren't neutral, so that flow, masks and residual all have an effect."""
    torch.manual_seed(11)
    call = FaceUpsamplerNet(config).eval()
    for name, parameter in call.named_parameters():
        parameter.data += torch.randn_like(parameter) * (0.02 if "flow" in name or "head" in name else 0.003)
    return call


def inputs():
    generator = torch.Generator().manual_seed(12)
    small = torch.rand(1, 3, 16, 16, generator=generator)
    keyframe = torch.nn.functional.interpolate(small, (256, 256), mode="bicubic").clamp(0, 1)
    pictures, speech = torch.rand(1, 5, 3, 8, 8, generator=generator), torch.randn(1, 20, 80, generator=generator) * 0.5
    detail = torch.randn(1, 3, 64, 64, generator=generator) * 0.1
    points = torch.rand(1, 1, COUNT, 2, generator=generator) * 1.2 - 0.6
    return keyframe, pictures, speech, detail, torch.cat([points + 0.05, points], 1)


def session(model) -> "ort.InferenceSession":
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def by_onnx(identity, step, keyframe, pictures, speech, detail, shape):
    parts = identity.run(list(PARTS), {"keyframe": keyframe.numpy()})
    fed = dict(zip(PARTS, parts, strict=True)) | {
        "pictures": pictures.numpy(), "speech": speech.numpy(),
        "detail": detail.numpy(), "shape": shape.numpy(),
    }  # fmt: skip
    return parts, step.run(["frame"], fed)[0]


@pytest.fixture(scope="module")
def small():
    call = random_call(SMALL)
    return call, *call_graphs(call)


def test_the_call_network_is_the_same_in_onnx(small):
    call, identity, step = small
    keyframe, pictures, speech, detail, shape = inputs()
    parts, frame = by_onnx(session(identity), session(step), keyframe, pictures, speech, detail, shape)
    with torch.no_grad():
        wanted_parts = call.set_identity(keyframe)
        raw, warped = call.step(wanted_parts, pictures, speech, detail, shape=shape)
        shown, doubted = call.render_with_doubt(wanted_parts, pictures, speech, detail, shape)
    assert frame.shape == (1, 3, 256, 256)
    assert 0 <= frame.min() <= frame.max() <= 1
    assert np.abs(frame - shown.numpy()).max() < ALMOST
    assert doubted.shape == (1,)
    assert len(parts) == len(wanted_parts) == len(PARTS)
    for got, wanted in zip(parts, wanted_parts, strict=True):
        assert np.abs(got - wanted.numpy()).max() < 0.01
    # Otherwise a network that only returns the keyframe would pass.
    assert (warped - keyframe).abs().mean() > 0.02
    assert (raw - warped).abs().mean() > 0.005


def test_every_input_has_an_effect(small):
    _, identity, step = small
    keyframe, pictures, speech, detail, shape = inputs()
    run = (session(identity), session(step))
    usual = by_onnx(*run, keyframe, pictures, speech, detail, shape)[1]
    for other in (
        (1 - keyframe, pictures, speech, detail, shape), (keyframe, 1 - pictures, speech, detail, shape),
        (keyframe, pictures, -speech, detail, shape), (keyframe, pictures, speech, -detail, shape),
        (keyframe, pictures, speech, detail, shape.flip(1)), (keyframe, pictures, speech, detail, torch.zeros_like(shape)),
    ):  # fmt: skip
        assert np.abs(by_onnx(*run, *other)[1] - usual).max() > 1e-4


def test_graphs_contain_only_operators_that_all_runtimes_support(small):
    _, identity, step = small
    for graph in (identity, step, interpolator_graph(InterpolatorNet())):
        kinds = collections.Counter(n.op_type for n in graph.graph.node)
        assert not kinds.keys() & {"ConvTranspose", "Shape", "Range", "Expand", "ConstantOfShape", "Constant"}
        assert all(o.version >= 20 for o in graph.opset_import if not o.domain)
    kinds = collections.Counter(n.op_type for n in step.graph.node)
    assert kinds["GridSample"] == 1  # for the picture; the features use gathers
    assert kinds["Gather"] >= 4 * 4
    assert "/generator/join/Conv/product" in {n.name for n in step.graph.node}


def test_weights_are_stored_in_fp16(small):
    call, identity, step = small
    _, plain = call_graphs(call, half=False)
    assert len(step.SerializeToString()) < 0.7 * len(plain.SerializeToString())
    # Only trained weights: the hint's grid and groups are constants and stay exact.
    named = {f"call.{n}" for n, _ in call.named_parameters()}
    held = [t for m in (identity, step) for t in m.graph.initializer if t.name.removesuffix(".half") in named]
    large = [t for t in held if np.prod(t.dims) >= 64]
    assert len(large) > 50
    assert {t.data_type for t in large} == {TensorProto.FLOAT16}


def test_the_interpolator_is_the_same_in_onnx():
    torch.manual_seed(13)
    model = InterpolatorNet().eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    pictures = inputs()[1]
    frames = session(interpolator_graph(model)).run(["frames"], {"pictures": pictures.numpy()})[0]
    with torch.no_grad():
        assert np.abs(frames - model(pictures).numpy()).max() < ALMOST
    assert np.array_equal(frames[:, 4::5], pictures.numpy())


def test_export_uses_the_averaged_weights(tmp_path):
    average, now = random_call(FaceUpsamplerConfig()), FaceUpsamplerNet()
    torch.save({"model": now.state_dict(), "ema": average.state_dict()}, tmp_path / "full.pt")
    torch.save(InterpolatorNet().state_dict(), tmp_path / "interpolator.pt")
    for name in ("step-int8.onnx", "step-small-int8.onnx"):  # made from earlier weights
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_bytes((weights_folder() / name).read_bytes())
    said: list[str] = []
    sizes = run_export(tmp_path / "full.pt", tmp_path / "interpolator.pt", tmp_path / "out", said.append)
    assert [line.split()[0] for line in said[-2:]] == ["step-int8.onnx", "step-small-int8.onnx"]
    assert all("belongs to other weights and is not used" in line for line in said[-2:])
    written = {p.name: p.stat().st_size for p in (tmp_path / "out").iterdir()}
    assert written == sizes
    assert set(sizes) == {"identity.onnx", "step.onnx", "interpolator.onnx", "step-int8.onnx", "step-small-int8.onnx"}
    keyframe, pictures, speech, detail, shape = inputs()
    options = {"providers": ["CPUExecutionProvider"]}
    identity, step = (ort.InferenceSession(tmp_path / "out" / n, **options) for n in ("identity.onnx", "step.onnx"))
    _, frame = by_onnx(identity, step, keyframe, pictures, speech, detail, shape)
    with torch.no_grad():
        assert np.abs(frame - average(keyframe, pictures, speech, detail, shape)[0].clamp(0, 1).numpy()).max() < ALMOST
        assert np.abs(frame - now(keyframe, pictures, speech, detail, shape)[0].clamp(0, 1).numpy()).max() > ALMOST


def test_files_of_the_wrong_kind_are_refused(tmp_path):
    torch.save({"model": {}}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="is no checkpoint of a network"):
        export(tmp_path / "a.pt", tmp_path / "b.pt", tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        export(tmp_path / "none.pt", tmp_path / "b.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    weights = FaceUpsamplerNet().state_dict()
    torch.save({"model": weights, "ema": weights}, tmp_path / "full.pt")
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"junk\.onnx is no ONNX file"):
        export(tmp_path / "full.pt", tmp_path / "junk.onnx", tmp_path / "out")
    with pytest.raises(ValueError, match=r"identity\.onnx is not the interpolator"):
        export(tmp_path / "full.pt", weights_folder() / "identity.onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class _Warp(torch.nn.Module):
    def forward(self, image, flow):
        return warp(image, flow)


@pytest.mark.parametrize(("channels", "rewritten"), [(12, 1), (3, 0)])
def test_row_gathers_equal_grid_sample(tmp_path, channels, rewritten):
    generator = torch.Generator().manual_seed(14)
    image = torch.rand(1, channels, 9, 14, generator=generator)
    flow = torch.randn(1, 2, 7, 11, generator=generator)  # many of its vectors point beyond the borders
    torch.onnx.export(_Warp(), (image, flow), str(tmp_path / "w.onnx"), opset_version=20, dynamo=False, input_names=["i", "f"])
    model = onnx.load(tmp_path / "w.onnx")
    fold(model)
    assert gather_rows(model) == rewritten
    check(model)
    run = session(model)
    assert np.abs(run.run(None, {"i": image.numpy(), "f": flow.numpy()})[0] - warp(image, flow).numpy()).max() < 1e-5
    lost = flow.clone()
    lost[..., 0, 0] = float("nan")
    rest = run.run(None, {"i": image.numpy(), "f": lost.numpy()})[0].reshape(channels, -1)[:, 1:]
    assert np.isfinite(rest).all()


class _Average(torch.nn.Module):
    def forward(self, image):
        inner = torch.nn.functional.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        return inner + torch.nn.functional.avg_pool2d(image, 3, 1, 1)  # the latter includes zeros beyond the border


def test_averages_of_neighbours_become_a_convolution(tmp_path):
    image = torch.rand(1, 3, 6, 9, generator=torch.Generator().manual_seed(15))
    torch.onnx.export(_Average(), (image,), str(tmp_path / "a.onnx"), opset_version=20, dynamo=False, input_names=["i"])
    model = onnx.load(tmp_path / "a.onnx")
    assert convolve_averages(model) == 1
    check(model)
    assert sum(node.op_type == "AveragePool" for node in model.graph.node) == 1
    assert np.abs(session(model).run(None, {"i": image.numpy()})[0] - _Average()(image).numpy()).max() < 1e-6


def _tiny(nodes, weights=(), output=(1, 2, 4, 4)):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("x", 1, [1, 2, 4, 4])], [value("y", 1, output)], [numpy_helper.from_array(w, n) for n, w in weights]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def test_check_refuses_transposed_convolution():
    model = _tiny(
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"])], [("w", np.zeros((2, 1, 2, 2), np.float32))], (1, 1, 5, 5)
    )
    with pytest.raises(ExportError, match="ConvTranspose"):
        check(model)


def test_a_weight_beyond_fp16_is_refused():
    big = np.full((2, 4, 4), 1e5, np.float32)
    model = _tiny([helper.make_node("Add", ["x", "w"], ["y"])], [("w", big)])
    with pytest.raises(ExportError, match="not finite"):
        halve(model, {"w"})


def test_only_learned_weights_are_rounded():
    third = np.full((2, 4, 4), 1 / 3, np.float32)
    for learned, kind in (({"w"}, TensorProto.FLOAT16), (set(), TensorProto.FLOAT)):
        model = _tiny([helper.make_node("Add", ["x", "w"], ["y"])], [("w", third)])
        halve(model, learned)
        assert model.graph.initializer[0].data_type == kind
