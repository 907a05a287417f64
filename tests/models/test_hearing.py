"""What the lip-sync expert knows about sound is taken over whole."""

import pytest

torch = pytest.importorskip("torch")

from models.call import AudioEncoder, CallConfig  # noqa: E402
from models.hearing import hear_as  # noqa: E402
from models.paper.syncnet import SyncNet  # noqa: E402


def test_the_encoder_hears_as_the_expert_does(tmp_path):
    expert = SyncNet(width=4, times=5)
    for layer in expert.matcher.sound.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):  # as after training, not as made
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.2, 3)
            torch.nn.init.uniform_(layer.weight, 0.5, 2)
            torch.nn.init.normal_(layer.bias)
    expert.eval()
    torch.save({"model": expert.state_dict(), "width": 4, "times": 5}, tmp_path / "sync.pt")
    encoder, mel = AudioEncoder(CallConfig()), torch.randn(3, 20, 80)
    with torch.no_grad():
        wanted = expert.matcher.sound[:6](mel.transpose(1, 2))
        assert not torch.allclose(encoder.net(mel.transpose(1, 2)), wanted, atol=1e-2)
        hear_as(encoder, tmp_path / "sync.pt")
        assert torch.allclose(encoder.net(mel.transpose(1, 2)), wanted, atol=1e-4)


def test_what_is_no_expert_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        hear_as(AudioEncoder(CallConfig()), tmp_path / "none.pt")
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises((KeyError, RuntimeError)):
        hear_as(AudioEncoder(CallConfig()), tmp_path / "other.pt")
