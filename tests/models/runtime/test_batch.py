"""Frames rendered for several calls at once equal those rendered for one call after the other."""

import shutil

import numpy as np
import pytest

from models.runtime.batch import AsBatch, EachInTurn, FrameRequest, many_upsampler
from models.runtime.upsampler import NO_SHAPE, Upsampler, weights_folder

pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def keyframes():
    noise = np.random.default_rng(4).integers(0, 255, (3, 16, 16, 3), np.uint8)
    return [k.repeat(16, 0).repeat(16, 1) for k in noise]


@pytest.fixture(scope="module")
def wanted():
    random = np.random.default_rng(5)
    out = []
    for seat in (2, 0, 1, 0, 2):
        detail = random.standard_normal((3, 64, 64)).astype(np.float32) * 0.05 if seat else None
        pictures = random.random((5, 3, 8, 8)).astype(np.float32)
        shape = random.standard_normal(NO_SHAPE.shape[1:]).astype(np.float32) * 0.05 if seat != 1 else None
        out.append(FrameRequest(seat, pictures, random.standard_normal((20, 80)).astype(np.float32) * 0.3, detail, shape))
    return out


@pytest.fixture(scope="module")
def truth(keyframes, wanted):
    one, frames = Upsampler(device="cpu-fp32"), []
    for want in wanted:
        one.set_identity(keyframes[want.seat])
        frames.append(one.step(want.pictures, want.speech, want.detail, want.shape))
    return frames


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_batch_renders_the_same_frames_as_single_steps(keyframes, wanted, truth, count):
    many = AsBatch(None, 3, cuda=False)
    for seat, keyframe in enumerate(keyframes):
        many.set_identity(seat, keyframe)
    for frame, true in zip(many.step(wanted[:count]), truth, strict=False):
        assert frame.dtype == np.uint8
        assert np.abs(frame.astype(int) - true).max() <= 1
    assert np.std(truth[0].astype(float) - truth[1]) > 5  # and they are different frames


def test_another_keyframe_is_used_at_once(keyframes, wanted, truth):
    many = AsBatch(None, 3, cuda=False)
    many.set_identity(2, keyframes[0])
    other = many.step(wanted[:1])[0]
    many.set_identity(2, keyframes[2])
    assert np.abs(many.step(wanted[:1])[0].astype(int) - truth[0]).max() <= 1
    assert np.abs(other.astype(int) - truth[0]).max() > 20


def test_the_keyframes_of_the_warm_up_are_forgotten(keyframes, wanted, truth):
    many = AsBatch(None, 3, cuda=False)
    many.warmup()
    with pytest.raises(KeyError):
        many.step(wanted[:1])
    many.set_identity(2, keyframes[2])
    assert np.abs(many.step(wanted[:1])[0].astype(int) - truth[0]).max() <= 1


def test_each_in_turn_renders_the_same_frames(keyframes, wanted, truth):
    many = EachInTurn(Upsampler(device="cpu-fp32"))
    for seat, keyframe in enumerate(keyframes):
        many.set_identity(seat, keyframe)
    for frame, true in zip(many.step(wanted), truth, strict=True):
        assert (frame == true).all()


@pytest.mark.parametrize("make", [lambda: AsBatch(None, 2, cuda=False), lambda: EachInTurn(Upsampler(device="cpu-fp32"))])
def test_a_seat_without_a_keyframe_is_an_error(make, wanted, keyframes):
    many = make()
    with pytest.raises(KeyError):
        many.step(wanted[1:2])
    with pytest.raises(ValueError, match="not"):
        many.set_identity(0, keyframes[0][:100])


def test_a_damaged_network_is_a_value_error(tmp_path):
    for network in weights_folder().glob("*.onnx"):
        shutil.copy(network, tmp_path)
    (tmp_path / "step.onnx").write_bytes((tmp_path / "step.onnx").read_bytes()[:50_000])
    with pytest.raises(ValueError, match=r"step\.onnx cannot be loaded"):
        AsBatch(tmp_path, 1, cuda=False)


def test_without_cuda_calls_are_rendered_in_turn():
    assert isinstance(many_upsampler(None, "cpu", 4, 1), EachInTurn)
    with pytest.raises(ValueError, match="CUDA"):
        many_upsampler(None, "cuda", 4, 1)
