"""The networks get the same inputs as in ``decode_file``, and each variant differs from ours only as intended."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import receiver.decode_file
from bench.picture.variants import VARIANTS, Renderer, transmit
from codec.pictures.colour import ycbcr_to_rgb
from codec.pictures.sampling import sample
from models.data.cache import quantise
from models.networks.face_upsampler import FaceUpsamplerNet
from models.runtime.upsampler import Interpolator
from models.training.evaluate import STEP


@pytest.fixture(scope="module")
def sent(data, tmp_path_factory):
    """(the transmitted clip, the folder that contains its ``.fw`` file)"""
    folder = tmp_path_factory.mktemp("sent")
    return transmit(data / "dev" / "astronaut.mp4", folder, Interpolator()), folder


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(threads=1)


def test_inputs_equal_those_that_decode_file_gives_the_network(sent, tmp_path, monkeypatch):
    given, keyframes = [], []

    class Recorder:
        def __init__(self, *_: object) -> None: ...

        def set_identity(self, keyframe):
            keyframes.append(keyframe)

        def step(self, pictures, speech, detail=None, shape=None):
            given.append((pictures, speech))
            return np.zeros((256, 256, 3), np.uint8)

    monkeypatch.setattr(receiver.decode_file, "Upsampler", Recorder)
    found, folder = sent
    receiver.decode_file.decode_file(folder / "clip.fw", tmp_path / "out.mp4")
    assert len(given) == len(found.frames) == len(found.truth) == 43
    for (pictures, speech), frame in zip(given, found.frames, strict=True):
        assert np.array_equal(pictures, frame.pictures)
        assert np.array_equal(speech, frame.speech)
    assert np.array_equal(keyframes[0], found.keyframe.rgb)
    assert 0 < found.cost["bpp_video"] < 0.005
    assert found.cost["lowres_psnr_db"] > 42


def test_at_25_pictures_a_second_every_frame_has_its_own_picture(sent, data, tmp_path):
    every = transmit(data / "dev" / "astronaut.mp4", tmp_path, Interpolator(), 25)
    assert len(every.frames) == 43
    assert every.cost == {}
    for n in (0, 7, 21, 42):
        wanted = ycbcr_to_rgb(quantise(sample(every.truth[n]), STEP)).transpose(2, 0, 1) / 255
        assert np.allclose(every.frames[n].pictures[2], wanted, atol=1e-6)
        # The sound is the same, compared only up to the frame's own time: what follows isn't known in both cases.
        assert np.abs(every.frames[n].speech[:12] - sent[0].frames[n].speech[:12]).mean() < 0.1
    with pytest.raises(ValueError, match="5 or 25"):
        transmit(data / "dev" / "astronaut.mp4", tmp_path, Interpolator(), 10)


def test_baselines_use_the_same_keyframe_and_picture_as_ours(sent, renderer):
    clip, _ = sent
    held, difference, bicubic = (renderer.render(v, clip, [0, 30]) for v in ("held", "difference", "bicubic"))
    assert all(np.array_equal(x, clip.keyframe.rgb) for x in held)
    for at, n in enumerate((0, 30)):
        wanted = clip.frames[n].pictures[2].transpose(1, 2, 0)
        for image in (difference[at], bicubic[at]):
            small = image.reshape(8, 32, 8, 32, 3).mean((1, 3)) / 255
            assert np.abs(small - wanted).mean() < 0.03
    assert np.abs(np.diff(bicubic[1].astype(int), axis=0)).mean() < np.abs(np.diff(held[1].astype(int), axis=0)).mean()


def test_ablations_remove_speech_keyframe_or_shape(sent, renderer):
    clip, _ = sent
    variants = ("ours", "no_speech", "no_keyframe", "no_shape")
    ours, silent, plain, shapeless = (renderer.render(v, clip, [30])[0].astype(int) for v in variants)
    assert all(f.shape is not None for f in clip.frames)
    assert np.abs(ours - shapeless).mean() > 0.5
    truth = clip.truth[30].astype(int)
    assert np.abs(ours - silent).max() > 0
    assert np.abs(plain - truth).mean() > 1.5 * np.abs(ours - truth).mean()


def test_no_animation_needs_the_checkpoint_and_does_not_move_the_keyframe(sent, renderer, tmp_path):
    clip, _ = sent
    with pytest.raises(ValueError, match="no_animation cannot be drawn"):
        renderer.render("no_animation", clip, [0])
    torch.manual_seed(0)
    call = FaceUpsamplerNet()
    with torch.no_grad():
        call.predictor.flow64.bias.fill_(0.5)  # would move the keyframe by a quarter of its side
    torch.save({"ema": call.state_dict()}, tmp_path / "call.pt")
    able = Renderer(threads=1, checkpoint=tmp_path / "call.pt")
    assert able.variants == VARIANTS
    (still,) = able.render("no_animation", clip, [0])
    keyframe = clip.keyframe.rgb.astype(int)
    moved = np.roll(keyframe, (-64, -64), (0, 1))
    assert np.abs(still - keyframe).mean() < 0.5 * np.abs(still - moved).mean()
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(ValueError, match=r"text\.pt"):
        Renderer(threads=1, checkpoint=tmp_path / "text.pt")
