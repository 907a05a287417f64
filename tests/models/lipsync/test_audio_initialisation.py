"""The audio encoder is initialised with the sound layers of the lip-sync expert."""

import pytest

torch = pytest.importorskip("torch")

from models.lipsync.audio_initialisation import initialise_audio
from models.lipsync.syncnet import SyncNet
from models.networks.face_upsampler import AudioEncoder, FaceUpsamplerConfig


def test_the_initialised_encoder_gives_the_experts_features(tmp_path):
    expert = SyncNet(width=4, times=5)
    for layer in expert.matcher.sound.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):  # statistics as after training, not the initial ones
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.2, 3)
            torch.nn.init.uniform_(layer.weight, 0.5, 2)
            torch.nn.init.normal_(layer.bias)
    expert.eval()
    torch.save({"model": expert.state_dict(), "width": 4, "times": 5}, tmp_path / "sync.pt")
    encoder, mel = AudioEncoder(FaceUpsamplerConfig()), torch.randn(3, 20, 80)
    with torch.no_grad():
        wanted = expert.matcher.sound[:6](mel.transpose(1, 2))
        assert not torch.allclose(encoder.net(mel.transpose(1, 2)), wanted, atol=1e-2)
        initialise_audio(encoder, tmp_path / "sync.pt")
        for layer in encoder.net:
            if isinstance(layer, torch.nn.LeakyReLU):  # the expert uses plain ReLU
                layer.negative_slope = 0.0
        assert torch.allclose(encoder.net(mel.transpose(1, 2)), wanted, atol=1e-4)


def test_files_that_are_not_an_expert_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        initialise_audio(AudioEncoder(FaceUpsamplerConfig()), tmp_path / "none.pt")
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="is no lip-sync expert"):
        initialise_audio(AudioEncoder(FaceUpsamplerConfig()), tmp_path / "other.pt")
