"""Pieces: no larger than requested, and with the contents that were packed."""

import tarfile

import numpy as np
import pytest
import torch

from bench.demo import shipped_clip
from models.data.cache import Cache
from models.gpu_training.footage import decode, find_pieces, load, read_member
from models.gpu_training.format import ARRAYS, WEIGHTS, mel_bytes, mel_of
from models.gpu_training.pack import pack

CPU = torch.device("cpu")


def test_pieces_keep_to_the_size_limits(pieces):
    found = find_pieces(pieces)
    assert len(found) > 2
    assert found[0].stat().st_size <= 16_000_000
    for piece in found[1:]:
        with tarfile.open(piece) as tar:
            assert piece.stat().st_size <= 60_000 or len(tar.getnames()) == 1


def test_frames_are_close_to_those_of_the_cache(pieces, cache):
    footage, kept = load(pieces, "train", CPU), Cache(cache / "train")
    assert [c.name for c in footage.clips] == [c.name for c in kept.clips]
    assert footage.full.shape == (72, 256, 256, 3)
    for at in (0, 30, 71):
        apart = np.abs(footage.full[at].numpy().astype(int) - kept.rgb256(at))
        assert apart.mean() < 1.5  # chroma is upsampled by OpenCV there, by FFmpeg here
        small = footage.coarse[at].permute(1, 2, 0).numpy().astype(int)
        assert np.abs(small - kept.coarse[at]).mean() < 1.5


def test_points_and_sound_are_close_to_those_of_the_cache(pieces, cache):
    footage, kept = load(pieces, "train", CPU), Cache(cache / "train")
    assert np.abs(footage.points.numpy() - kept.points).max() <= 1 / 4096
    assert not footage.points[17].any()
    assert np.abs(footage.mel.numpy() - kept.mel).max() < 0.01


def test_silence_stays_silence():
    assert np.array_equal(mel_of(mel_bytes(np.array([-1.0, 2.0]))), [-1, 2])


def test_clips_of_a_missing_piece_are_left_out(pieces, tmp_path):
    for piece in find_pieces(pieces)[:-1]:
        (tmp_path / piece.name).symlink_to(piece)
    footage, whole = load(tmp_path, "train", CPU), load(pieces, "train", CPU)
    assert [c.name for c in footage.clips] == ["a1.mp4", "a2.mp4"]
    assert torch.equal(footage.full, whole.full[:48])
    assert torch.equal(footage.points, whole.points[:48])


def test_what_is_missing_is_named(pieces, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"piece-0\.tar"):
        find_pieces(tmp_path)
    (tmp_path / "piece-1.tar").symlink_to(find_pieces(pieces)[-1])
    with pytest.raises(FileNotFoundError, match=WEIGHTS):
        read_member(find_pieces(tmp_path), WEIGHTS)
    with pytest.raises(FileNotFoundError, match=ARRAYS):
        load(tmp_path, "train", CPU)


def test_packing_again_removes_the_earlier_pieces(data, cache, perceptual_weights, start, tmp_path):
    old = pack(data, cache, perceptual_weights, start, tmp_path, 16_000_000, 60_000)
    new = pack(data, cache, perceptual_weights, start, tmp_path)
    assert len(new) < len(old)
    assert find_pieces(tmp_path) == new


def test_a_video_that_does_not_match_its_clip_is_refused(data):
    video = (data / "train" / "a1.mp4").read_bytes()
    assert decode(video, 24).std() > 10
    with pytest.raises(ValueError, match="a video of 24 frames, not 40"):
        decode(video, 40)
    with pytest.raises(ValueError, match="384×384 pixels, not 256×256"):
        decode(shipped_clip().read_bytes(), 24)


def test_a_cache_without_points_is_refused(data, tiny_cache, perceptual_weights, start, tmp_path):
    with pytest.raises(ValueError, match="no face points"):
        pack(data, tiny_cache, perceptual_weights, start, tmp_path)
