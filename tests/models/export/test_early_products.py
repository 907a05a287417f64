"""A convolution over concatenated parts, computed before they are upsampled and warped: the results stay the same."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from models.export.early_products import multiply_early
from models.export.graph import check, fixed_shapes, fold
from models.networks.blocks import up, warp

SIDE = 12


class _Joined(torch.nn.Module):
    """Parts of 2, 6, 7 and 3 channels; the second is warped, the last two are upsampled. If ``shown``, the upsampled 7 channels
    are an output as well, so that another node needs them."""

    def __init__(self, shown: bool = False, kernel: int = 1) -> None:
        super().__init__()
        self.join, self.shown = torch.nn.Conv2d(18, 5, kernel, padding=kernel // 2), shown

    def forward(self, plain, moving, flow, small, thin):
        large = up(small, 2)
        y = self.join(torch.cat([plain, warp(moving, flow), large, up(thin, 2)], 1))
        return torch.cat([y, large], 1) if self.shown else y


def inputs():
    torch.manual_seed(16)
    half = SIDE // 2
    sizes = ((2, SIDE), (6, SIDE), (2, SIDE), (7, half), (3, half))
    return [torch.randn(1, channels, side, side) for channels, side in sizes]


def exported(module, folder):
    names = ["plain", "moving", "flow", "small", "thin"]
    path = str(folder / "joined.onnx")
    torch.onnx.export(module, tuple(inputs()), path, opset_version=20, dynamo=False, input_names=names, output_names=["y"])
    model = onnx.load(path)
    fold(model)
    return model


def result(model):
    feeds = dict(zip((v.name for v in model.graph.input), (x.numpy() for x in inputs()), strict=True))
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(["y"], feeds)[0]


def channels_into(model, kind):
    shapes = fixed_shapes(model)
    return sorted(shapes[node.input[0]][1] for node in model.graph.node if node.op_type == kind)


@pytest.mark.parametrize(("shown", "enlarged"), [(False, [3, 5]), (True, [3, 7])])
def test_the_product_is_computed_before_upsampling_and_warping(tmp_path, shown, enlarged):
    module = _Joined(shown)
    model = exported(module, tmp_path)
    weights = {t.name: t.SerializeToString() for t in model.graph.initializer if t.name.startswith("join.")}
    assert channels_into(model, "Resize") == [3, 7]
    assert multiply_early(model) == 1
    check(model)
    # Three channels stay, because they would become five. A part that another node needs stays, too.
    assert channels_into(model, "Resize") == enlarged
    assert channels_into(model, "GridSample") == [5]
    with torch.no_grad():
        assert np.abs(result(model) - module(*inputs()).numpy()).max() < 1e-5
    # The weights stay complete and keep their names, so that training can continue from the file.
    assert weights == {t.name: t.SerializeToString() for t in model.graph.initializer if t.name.startswith("join.")}
    assert len(weights) == 2


def test_a_convolution_with_a_larger_kernel_is_unchanged(tmp_path):
    model = exported(_Joined(kernel=3), tmp_path)
    before = model.SerializeToString()
    assert multiply_early(model) == 0
    assert model.SerializeToString() == before


class _Twice(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = _Joined(), _Joined()

    def forward(self, *given):
        return self.first(*given) + self.second(*given)


def test_several_convolutions_are_all_split(tmp_path):
    module = _Twice()
    model = exported(module, tmp_path)
    assert multiply_early(model) == 2
    check(model)
    assert channels_into(model, "GridSample") == [5, 5]
    with torch.no_grad():
        assert np.abs(result(model) - module(*inputs()).numpy()).max() < 1e-5
