"""Weights are read back from the ONNX files that were made from them, and training continues from there."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from models.export.export import call_graphs, export
from models.lipsync.syncnet import load_sync
from models.networks.face_upsampler import FaceUpsamplerNet
from models.training.checkpoint import Ema, RunState, from_onnx, learnt
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
    """A parameter as the files store it: in fp16, except for the smallest."""
    value = parameter.detach()
    return value if value.numel() < 8 else value.half().float()


def test_every_parameter_is_read_back(exported):
    call, folder = exported
    found = from_onnx(folder, FaceUpsamplerNet().named_parameters())
    wanted = dict(call.named_parameters())
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], kept(value)), name


def test_training_starts_from_exported_weights(exported, tiny_cache, perceptual_weights, tmp_path):
    call, folder = exported
    config = TrainConfig("full", tiny_cache, perceptual_weights, tmp_path, threads=1)
    trainer = Trainer(config, folder)
    for name, value in trainer.model.named_parameters():
        assert torch.equal(value, kept(call.get_parameter(name))), name


def test_parameters_that_older_weights_lack_may_be_left_out(exported):
    _, folder = exported
    new = [("predictor.shape128.weight", torch.zeros(7)), ("generator.join.bias", torch.zeros(24))]
    assert from_onnx(folder, new, ("predictor.shape",)).keys() == {"generator.join.bias"}
    with pytest.raises(ValueError, match=r"does not hold predictor\.shape128"):
        from_onnx(folder, new)


def test_the_averaged_weights_of_a_checkpoint_are_used(tmp_path):
    torch.save({"model": {"a": torch.zeros(1)}, "ema": {"a": torch.ones(1)}}, tmp_path / "full.pt")
    assert learnt(tmp_path / "full.pt", ())["a"].item() == 1


def test_files_without_the_networks_weights_are_refused(exported, tmp_path):
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


def broken(path, kind):
    """Write a file that is not a checkpoint; ``kind`` names what is wrong with it."""
    if kind == "half":
        torch.save({"ema": {"a": torch.zeros(1000)}}, path)
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "a tensor":
        torch.save(torch.zeros(3), path)
    elif kind == "a module":
        torch.save(torch.nn.Linear(1, 1), path)
    else:
        path.write_bytes({"empty": b"", "text": b"no checkpoint"}[kind])


@pytest.mark.parametrize("kind", ["half", "empty", "text", "a tensor", "a module"])
def test_files_that_are_not_checkpoints_are_refused(tmp_path, kind):
    broken(path := tmp_path / "full.pt", kind)
    with pytest.raises(ValueError, match=r"full\.pt is no checkpoint"):
        learnt(path, ())
    with pytest.raises(ValueError, match=r"full\.pt is no checkpoint"):
        RunState(model := torch.nn.Linear(1, 1), Ema(model), torch.optim.SGD(model.parameters())).load(path, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"full\.pt is no checkpoint"):
        load_sync(path)


def test_weights_of_another_network_are_refused(tiny_cache, perceptual_weights, tmp_path):
    torch.save({"ema": {"predictor.flow64.weight": torch.zeros(1), "another": torch.zeros(3)}}, tmp_path / "paper.pt")
    config = TrainConfig("full", tiny_cache, perceptual_weights, tmp_path / "run", threads=1)
    with pytest.raises(ValueError, match=r"paper\.pt is of another network"):
        Trainer(config, tmp_path / "paper.pt")
    with pytest.raises(ValueError, match=r"paper\.pt is of another network"):
        export(tmp_path / "paper.pt", tmp_path / "paper.pt", tmp_path / "out")


def test_parameters_without_weights_are_named(tiny_cache, perceptual_weights, tmp_path):
    known = dict(FaceUpsamplerNet().state_dict())
    del known["predictor.shape16.weight"]
    torch.save({"ema": known}, tmp_path / "old.pt")
    config = TrainConfig("full", tiny_cache, perceptual_weights, tmp_path / "run", threads=1)
    assert Trainer(config, tmp_path / "old.pt").untrained == ("predictor.shape16.weight",)


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    model = torch.nn.Linear(1, 1)
    state, path = RunState(model, Ema(model), torch.optim.SGD(model.parameters())), tmp_path / "full.pt"
    state.save(path)
    before = path.read_bytes()

    def full(_, path):
        path.write_bytes(b"a beginning")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        state.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["full.pt"]
