"""Frames that are warped from the nearest rendered one instead of being rendered."""

from dataclasses import replace

import numpy as np
import pytest

from codec.bundle import Bundle
from codec.keyframe import Keyframe
from codec.media.types import UInt8
from models.runtime.upsampler import Interpolator, Upsampler
from receiver.motion_compensation import can_warp, warped_frame
from receiver.tick_decoder import FrameInput, TickDecoder


@pytest.fixture(scope="module")
def rendered_frames(
    recorded: tuple[Keyframe, list[Bundle], list[np.ndarray]], interpolator: Interpolator, upsamplers: list[Upsampler]
) -> list[tuple[FrameInput, UInt8]]:
    """Two seconds of the shipped clip: (input, rendered frame) for every frame."""
    keyframe, bundles, _ = recorded
    decoder = TickDecoder(interpolator)
    decoder.set_keyframe(0, keyframe.thumbnail, keyframe.points)
    frames: list[FrameInput] = []
    for i, bundle in enumerate(bundles[:10]):
        decoder.arrived(bundle)
        frames += decoder.tick(i * 200, 200, bundle).frames
    upsamplers[0].set_identity(keyframe.rgb)
    return [(frame, upsamplers[0].step(*frame.inputs)) for frame in frames]


def apart(a: UInt8, b: UInt8) -> float:
    return float(np.mean((a.astype(np.float32) - b) ** 2))


@pytest.mark.parametrize("frames", [2, 4, -3])
def test_a_warped_frame_is_nearer_to_the_rendered_one_than_a_held_frame(
    rendered_frames: list[tuple[FrameInput, UInt8]], frames: int
) -> None:
    """Also if it is warped backwards in time."""
    held, made = [], []
    for (before, rgb), (now, wanted) in zip(rendered_frames[5:-5], rendered_frames[5 + frames :], strict=False):
        held.append(apart(rgb, wanted))
        made.append(apart(warped_frame(rgb, before, now), wanted))
    assert len(held) > 30
    assert np.mean(made) < 0.6 * np.mean(held)


def test_equal_inputs_leave_the_frame_unchanged(rendered_frames: list[tuple[FrameInput, UInt8]]) -> None:
    frame, rgb = rendered_frames[7]
    assert np.abs(warped_frame(rgb, frame, replace(frame, number=9)).astype(int) - rgb).max() <= 1


def test_far_from_the_face_nothing_moves_but_brightness_changes(rendered_frames: list[tuple[FrameInput, UInt8]]) -> None:
    frame, _ = rendered_frames[7]
    assert frame.shape is not None
    small = np.stack([frame.shape[0], frame.shape[1] * 0.3])
    there = replace(frame, shape=small)
    right = replace(there, shape=small + np.array([0.1, 0], np.float32), pictures=frame.pictures + np.float32(0.1))
    wave = 128 + 60 * np.sin((np.arange(512) - 256) * np.pi / 16)  # one period in each pixel of the 8×8 picture
    picture = np.broadcast_to(wave[256:, None], (256, 256, 3)).astype(np.uint8)
    found = warped_frame(picture, there, right).astype(int)
    assert np.abs(found[:8] - 25.5 - picture[:8]).max() <= 2, "the edge must be brighter and stay in place"
    face = found[124:132, 100:156] - 25.5
    assert np.abs(face - wave[256 + 100 - 13 : 256 + 156 - 13, None]).mean() < 6, "the face must be 12.8 pixels further right"


def test_without_points_no_frame_can_be_warped(rendered_frames: list[tuple[FrameInput, UInt8]]) -> None:
    frame, rgb = rendered_frames[7]
    lost = replace(frame, shape=None)
    assert can_warp(frame, frame)
    assert not can_warp(lost, frame)
    assert not can_warp(frame, lost)
    with pytest.raises(ValueError, match="not known"):
        warped_frame(rgb, frame, lost)
