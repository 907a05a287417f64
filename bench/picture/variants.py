"""What a receiver gets of a clip, and the frames that facewire, baselines and ablations render from it.

The frames are kept as the networks return them, not read back from a compressed file, and only the
requested ones are rendered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from bench.metrics.pixel import to_frame, to_tensor
from codec.bundle import Bundle
from codec.container import End, StoredKeyframe, read_file
from codec.keyframe import Keyframe
from codec.media.files import file_frames
from codec.media.types import Float32, UInt8
from codec.pictures.colour import ycbcr_to_rgb
from codec.pictures.sampling import sample
from models.data.cache import window_pictures
from models.face.tracker import whole
from models.networks.face_upsampler import FaceUpsamplerConfig, FaceUpsamplerNet
from models.runtime.mel import log_mel, window_at
from models.runtime.upsampler import Interpolator, Upsampler
from models.training.checkpoint import averaged, fill
from models.training.evaluate import STEP, baselines
from receiver.tick_decoder import FrameInput, TickDecoder
from sender.encode_file import encode_file
from sender.keyframes.outgoing import KeyframeMode
from sender.stream import StreamConfig

BASELINES = ("held", "difference", "bicubic")
ABLATIONS = ("no_shape", "no_speech", "no_keyframe", "no_animation")
VARIANTS = ("ours", *BASELINES, *ABLATIONS)


@dataclass
class Sent:
    """One clip: the originals (256, 256, 3), each frame's keyframe as decoded and its network inputs,
    and what it cost.

    ``cost``: ``bpp_video``, ``bpp_shape``, ``bpp_with_keyframe``, ``wire_kbps``, ``lowres_psnr_db``; empty at 25
    pictures a second.
    """

    truth: list[UInt8]
    keyframes: list[Keyframe]
    frames: list[FrameInput]
    cost: dict[str, float]

    @property
    def keyframe(self) -> Keyframe:
        """The first keyframe; clips without a cut have no other."""
        return self.keyframes[0]


def stored_frames(stored: Path, interpolator: Interpolator) -> tuple[list[tuple[FrameInput, Keyframe]], Float32]:
    """``.fw`` file → every frame as ``decode_file`` passes it to the network, with its keyframe; and
    the decoded sound, mono 16 kHz. Raises ``ContainerError``, and ``ValueError`` without a frame."""
    decoder, total, at_ms = TickDecoder(interpolator), None, 0
    keyframes: dict[int, Keyframe] = {}
    frames: list[tuple[FrameInput, Keyframe]] = []
    sound: list[Float32] = []
    with stored.open("rb") as file:
        for record in read_file(file):
            if isinstance(record, StoredKeyframe):
                keyframes[record.slot] = record.keyframe
                decoder.set_keyframe(record.slot, record.keyframe.thumbnail, record.keyframe.points)
            elif isinstance(record, Bundle):
                decoder.arrived(record)
                tick = decoder.tick(at_ms, record.tick_ms, record)
                at_ms += record.tick_ms
                frames += [(f, keyframes[f.slot]) for f in tick.frames]
                sound.append(tick.sound)
            elif isinstance(record, End):
                total = record.frames
    if not frames:
        raise ValueError(f"{stored.name} holds no frames")
    return frames[:total], np.concatenate(sound)


def frame_inputs(stored: Path, interpolator: Interpolator) -> tuple[list[Keyframe], list[FrameInput], Float32]:
    """The same as three results: each frame's keyframe, the frames, the sound. Raises ``ContainerError``, ``ValueError``."""
    frames, sound = stored_frames(stored, interpolator)
    return [k for _, k in frames], [f for f, _ in frames], sound


def transmit(clip: Path, folder: Path, interpolator: Interpolator, fps: int = 5, keyframe: KeyframeMode = "first") -> Sent:
    """Encode a clip as ``encode --crop none --keyframe KEYFRAME`` does, and decode it up to the networks' inputs.

    The ``.fw`` file is written to ``folder``. ``fps`` 25 gives the networks the quantised picture of
    every frame, and the sound up to two frames later; keyframe and sound stay as they are. Raises ``SourceError``
    and ``ValueError``.
    """
    if fps not in (5, 25):
        raise ValueError(f"pictures are sent at 5 or 25 a second, not {fps}")
    stored = folder / "clip.fw"
    encoded = encode_file(clip, stored, StreamConfig(crop="none", keyframe=keyframe))
    count = encoded.count
    keyframes, frames, sound = frame_inputs(stored, interpolator)
    truth = [whole(f).cut(f) for f in file_frames(clip)][: len(frames)]
    if fps == 5:
        cost = {
            "bpp_video": count.bpp_video, "bpp_shape": count.bpp_shape, "bpp_with_keyframe": count.bpp_with_keyframe,
            "wire_kbps": count.wire_kbps, "lowres_psnr_db": encoded.lowres_psnr_db or 0.0,
        }  # fmt: skip
        return Sent(truth, keyframes, frames, cost)
    small, mel = np.stack([sample(f) for f in truth]), log_mel(sound)
    every = [
        FrameInput(
            f.number, window_pictures(small, f.number, None, STEP), window_at(mel, f.number, f.number + 2), f.slot, shape=f.shape
        )
        for f in frames
    ]
    return Sent(truth, keyframes, every, {})


def _checkpoint(path: Path) -> FaceUpsamplerNet:
    call = FaceUpsamplerNet(FaceUpsamplerConfig())
    fill(call, averaged(path), path)
    return call.eval()


class Renderer:
    """Renders chosen frames of a clip as each variant would."""

    def __init__(
        self, weights: Path | None = None, device: str = "auto", threads: int = 2, checkpoint: Path | None = None
    ) -> None:
        """``checkpoint``: what ``weights`` were exported from, needed only for ``no_animation``.

        Raises ``WeightsMissingError``, ``OSError``, ``ValueError``.
        """
        self._upsampler = Upsampler(weights, device, threads)
        self._call = _checkpoint(checkpoint) if checkpoint else None

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that can be rendered."""
        return tuple(v for v in VARIANTS if v != "no_animation" or self._call)

    def render(self, variant: str, sent: Sent, numbers: Sequence[int]) -> list[UInt8]:
        """Frames (256, 256, 3) at these places of the clip. Raises ``ValueError`` for a variant
        that it can't render.

        ``held``, ``difference`` and ``bicubic`` have the keyframe and the 8×8 pictures that
        ``ours`` has. ``no_shape``: the face's points are not known. ``no_speech``: the network gets silence.
        ``no_keyframe``: the keyframe is its own 8×8 picture, enlarged. ``no_animation``: the keyframe isn't warped.
        """
        if variant not in self.variants:
            raise ValueError(f"{variant} cannot be drawn: choose from {', '.join(self.variants)}")
        frames: list[UInt8] = []
        for _, run in groupby(numbers, lambda n: sent.keyframes[n].digest):
            some = list(run)
            frames += self._render(variant, sent.keyframes[some[0]], [sent.frames[n] for n in some])
        return frames

    def _render(self, variant: str, keyframe: Keyframe, inputs: list[FrameInput]) -> list[UInt8]:
        """Frames that refer to one keyframe."""
        if variant == "no_animation":
            return self._still(keyframe.rgb, inputs)
        if variant in BASELINES:
            still = to_tensor([keyframe.rgb])
            return [to_frame(baselines(still, torch.from_numpy(i.pictures[2:3]))[variant][0]) for i in inputs]
        own = to_tensor([ycbcr_to_rgb(keyframe.thumbnail)])
        plain = to_frame(baselines(to_tensor([keyframe.rgb]), own)["bicubic"][0])
        self._upsampler.set_identity(plain if variant == "no_keyframe" else keyframe.rgb)
        if variant == "no_shape":
            inputs = [replace(i, shape=None) for i in inputs]
        if variant == "no_speech":
            inputs = [replace(i, speech=np.full_like(i.speech, -1.0)) for i in inputs]
        return [self._upsampler.step(*i.inputs) for i in inputs]

    def draw(self, keyframe: UInt8, inputs: Sequence[FrameInput]) -> list[UInt8]:
        """Frames as ``ours`` renders them, from another coding of the same keyframe (256, 256, 3)."""
        self._upsampler.set_identity(keyframe)
        return [self._upsampler.step(*i.inputs) for i in inputs]

    @torch.no_grad()
    def _still(self, keyframe: UInt8, inputs: list[FrameInput]) -> list[UInt8]:
        assert self._call is not None
        out = []
        parts = self._call.set_identity(to_tensor([keyframe]))
        for frame in inputs:
            pictures, speech = (torch.from_numpy(x[None].astype(np.float32)) for x in (frame.pictures, frame.speech))
            shape = None if frame.shape is None else torch.from_numpy(frame.shape[None])
            out.append(to_frame(self._call.step(parts, pictures, speech, still=True, shape=shape)[0][0]))
        return out
