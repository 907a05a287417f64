"""Weights come back out of the ONNX files that were made of them, and training goes on from there."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from models.export.export import call_graphs
from models.networks.face_upsampler import FaceUpsamplerNet
from models.training.checkpoint import from_onnx, learnt
from models.training.trainer import TrainConfig, Trainer


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network whose parameters all differ from one another, and a folder with its ONNX files."""
    torch.manual_seed(3)
    call, folder = FaceUpsamplerNet(), tmp_path_factory.mktemp("weights")
    for parameter in call.parameters():
        parameter.data += torch.randn_like(parameter) * 0.01
    for name, graph in zip(("identity", "step"), call_graphs(call), strict=True):
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
    return call, folder


def kept(parameter):
    """What the files hold of a parameter: fp16, but for the smallest."""
    value = parameter.detach()
    return value if value.numel() < 8 else value.half().float()


def test_every_parameter_comes_back(exported):
    call, folder = exported
    found = from_onnx(folder, FaceUpsamplerNet().named_parameters())
    wanted = dict(call.named_parameters())
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], kept(value)), name


def test_training_begins_with_them(exported, tiny_cache, perceptual_weights, tmp_path):
    call, folder = exported
    config = TrainConfig("full", tiny_cache, perceptual_weights, tmp_path, threads=1)
    trainer = Trainer(config, folder)
    for name, value in trainer.model.named_parameters():
        assert torch.equal(value, kept(call.get_parameter(name))), name


def test_what_older_weights_lack_may_be_left_out(exported):
    _, folder = exported
    new = [("predictor.shape128.weight", torch.zeros(7)), ("generator.join.bias", torch.zeros(24))]
    assert from_onnx(folder, new, ("predictor.shape",)).keys() == {"generator.join.bias"}
    with pytest.raises(ValueError, match=r"does not hold predictor\.shape128"):
        from_onnx(folder, new)


def test_a_checkpoint_gives_its_average(tmp_path):
    torch.save({"model": {"a": torch.zeros(1)}, "ema": {"a": torch.ones(1)}}, tmp_path / "full.pt")
    assert learnt(tmp_path / "full.pt", ())["a"].item() == 1


def test_what_does_not_hold_the_network_is_refused(exported, tmp_path):
    _, folder = exported
    with pytest.raises(FileNotFoundError, match=r"no such file: .*identity\.onnx"):
        learnt(tmp_path, FaceUpsamplerNet().named_parameters())
    (tmp_path / "identity.onnx").write_bytes(b"no graph")
    with pytest.raises(ValueError, match=r"identity\.onnx is no ONNX file"):
        learnt(tmp_path, FaceUpsamplerNet().named_parameters())
    with pytest.raises(ValueError, match=r"does not hold predictor\.more"):
        from_onnx(folder, [("predictor.more", torch.zeros(7))])
    with pytest.raises(ValueError, match=r"generator.join.bias is \[24\], not \[7\]"):
        from_onnx(folder, [("generator.join.bias", torch.zeros(7))])
    for content in (b"", b"no checkpoint"):
        (tmp_path / "full.pt").write_bytes(content)
        with pytest.raises(ValueError, match="is no checkpoint"):
            learnt(tmp_path / "full.pt", ())
