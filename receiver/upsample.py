"""``upsample``, the paper's other use: a face video that exists only at a small size, and one sharp
picture of the face → 256×256, 25 FPS.

Each frame goes through the call's network: the 8×8 averages of five frames drive the picture of the
face, and what the small frame shows beyond 8×8 is passed in as detail. Back-projection then keeps the
output consistent with the footage: averaged down again, the output is the small frame.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from codec.media.files import FileSound, SourceError, file_frames, file_sound
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import Float32, UInt8
from models.face.tracker import SIDE, whole
from models.runtime.detail import detail_of, shrink
from models.runtime.mel import BANDS, HOP, WINDOW, log_mel, window_at
from models.runtime.upsampler import FRAMES, Interpolator, Upsampler
from receiver.outputs.video_file import OutputError, VideoFile, check_name

Progress = Callable[[int], object]

SMALL = 8
SIZES = (64, 32, 16, SMALL)
"""Sides of the frames that the network takes; it was trained with these."""
STEPS = 6
"""Rounds of back-projection. More rounds, or bicubic enlargement, give the same PSNR within 0.02 dB
and more ringing (LPIPS)."""
LONGEST = FRAME_RATE
"""Frames on the grid. If two pictures are further apart, the first is held, since nothing is known about
the movement between them."""
PIECE = 1000 * HOP
"""Samples of sound whose log-mel is computed at a time: 10 s, because an hour at once would need gigabytes."""


def load_identity(path: Path) -> UInt8:
    """The picture that shows the face: RGB (256, 256, 3). Another size is cut to its middle square and resized.

    Raises ``SourceError``.
    """
    try:
        with Image.open(path) as image:
            rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
    except FileNotFoundError as error:
        raise SourceError(f"no such file: {path}") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceError(f"{path} is not a picture that can be read") from error
    return whole(rgb).cut(rgb)


def fitting(width: int, height: int, name: str = "video") -> int:
    """The side, out of 8, 16, 32 and 64, to which a frame is reduced: its own, or the next smaller one.
    Raises ``SourceError``."""
    if width != height:
        raise SourceError(f"{name} is {width}x{height}, not square: crop it to the face first")
    if width < SMALL:
        raise SourceError(f"{name} is {width}x{height}: at least {SMALL}x{SMALL} is needed")
    return next(s for s in SIZES if s <= width)


def back_project(frame: Float32, small: Float32, steps: int = STEPS) -> Float32:
    """Frame (256, 256, 3) whose area averages become ``small`` (S, S, 3), both in [0, 1] (Irani and
    Peleg, 1991).

    What is missing is enlarged smoothly and added, in several rounds: a single one would show the
    small frame's squares.
    """
    for _ in range(steps):
        missing = small - shrink(frame, len(small))
        frame = np.clip(frame + cv2.resize(missing, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), 0.0, 1.0)
    return frame


class Restorer:
    """Renders frames from small ones. Not thread-safe."""

    def __init__(self, upsampler: Upsampler, identity: UInt8, mel: Float32 | None = None, steps: int = STEPS) -> None:
        """``identity`` RGB (256, 256, 3); ``mel``: log-mel (n, 80) of the video's sound from its
        first frame on, None: the network gets no speech.

        Raises ``ValueError`` for an identity of another shape.
        """
        upsampler.set_identity(identity)
        self._upsampler, self._steps = upsampler, steps
        self._mel = np.zeros((0, BANDS), np.float32) if mel is None else mel

    def frame(self, number: int, window: Iterable[Float32]) -> UInt8:
        """Frame ``number`` of the video, RGB (256, 256, 3), from the five small frames (S, S, 3)
        around it, RGB in [0, 1]."""
        around = list(window)
        pictures = np.stack([shrink(f, SMALL) for f in around]).transpose(0, 3, 1, 2)
        small = around[FRAMES // 2]
        detail = detail_of(pictures[FRAMES // 2], small) if len(small) > SMALL else None
        speech = window_at(self._mel, number, number + FRAMES // 2)
        drawn = self._upsampler.step(pictures, speech, detail).astype(np.float32) / 255.0
        return (back_project(drawn, small, self._steps) * 255.0 + 0.5).astype(np.uint8)


def between(pictures: Iterator[UInt8], side: int, interpolator: Interpolator) -> Iterator[Float32]:
    """Pictures on the 25 FPS grid, as :func:`codec.media.files.file_frames` yields them → small
    frames (side, side, 3) in [0, 1].

    Where that function repeats a picture until the next, the frames between are interpolated
    linearly, unless more than a second lies between the two pictures; 8×8 at 5 FPS goes through the
    interpolator as in a call. Raises ``SourceError``.
    """
    known: deque[Float32] = deque(maxlen=FRAMES)  # pictures 200 ms apart from one another, newest last
    held, gap = next(pictures), 1
    known.append(shrink(held, side))
    yield known[-1]
    for picture in pictures:
        if picture is held:  # file_frames repeats the same array object
            gap += 1
            if gap > LONGEST:
                yield known[-1]
            continue
        if picture.shape != held.shape:
            raise SourceError("the video's pictures change their size midway")
        old, new = known[-1], shrink(picture, side)
        if gap != FRAMES or side != SMALL:
            known.clear()
        known.append(new)
        if len(known) > 1:
            window = [known[0]] * (FRAMES - len(known)) + list(known)
            yield from interpolator.tick(np.stack(window).transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
        elif gap <= LONGEST:
            yield from (old + (new - old) * ((i + 1) / gap) for i in range(gap))
        else:
            yield from [*[old] * (LONGEST - 1), new]
        held, gap = picture, 1
    yield from [known[-1]] * (min(gap, LONGEST) - 1)


def speech_mel(sound: Iterable[Float32]) -> Float32 | None:
    """Log-mel (n, 80) of mono 16 kHz sound that comes in pieces; None if there is no sound."""
    lead, rows = -(-WINDOW // HOP) * HOP, []
    kept, skip = np.zeros(0, np.float32), 0
    for piece in sound:
        kept = np.concatenate([kept, piece])
        while len(kept) >= PIECE + lead:
            rows.append(log_mel(kept[: PIECE + lead])[skip:])
            # The next piece begins with a window's worth of this one, whose rows are done.
            kept, skip = kept[PIECE:], lead // HOP + 1
    if len(kept):
        rows.append(log_mel(kept)[skip:])
    return np.concatenate(rows) if rows else None


def windows(frames: Iterable[Float32]) -> Iterator[list[Float32]]:
    """For each frame the five frames around it; the first and the last are repeated beyond the ends."""
    kept: deque[Float32] = deque(maxlen=FRAMES)
    for frame in frames:
        kept.extend([frame] * (0 if kept else FRAMES // 2))
        kept.append(frame)
        if len(kept) == FRAMES:
            yield list(kept)
    for _ in range(FRAMES // 2):
        kept.append(kept[-1])
        if len(kept) == FRAMES:
            yield list(kept)


def upsample_file(
    source: Path, identity: Path, out: Path, scale: int | None = None, speech: bool = True, audio: Path | None = None,
    weights: Path | None = None, device: str = "auto", progress: Progress = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """Small face video + picture of the face → MP4 256×256 at 25 FPS with the video's sound, or
    that of ``audio``.

    ``scale``, where given, must match the video's size: 32 for 8×8, 16, 8, or 4 for 64×64. ``speech``
    False gives the network no sound. ``note`` is called with a sentence when the video has another
    size and is shrunk first. Returns the number of frames, the side of the small frames, the scale,
    whether the network got speech, and the PSNR in dB of the output, averaged down again, against
    the small frames. The file appears under its name only when it is complete. Raises
    ``SourceError``, ``OutputError``, ``WeightsMissingError``, ``ValueError`` and ``OSError``.
    """
    face, pictures = load_identity(identity), file_frames(source)
    if out.resolve() in [path.resolve() for path in (source, identity, audio) if path]:
        raise OutputError(f"{out} is what is read: write to another file")
    check_name(out, ".mp4")
    first = next(pictures)
    height, width = first.shape[:2]
    side = fitting(width, height, str(source))
    if scale is not None and scale * side != SIDE:
        raise SourceError(f"{source} is {width}x{height}, which is enlarged {SIDE // side} times, not {scale}")
    if side != width:
        note(f"{source} is {width}x{height}: shrunk to {side}x{side} first")
    heard = audio or source
    mel = speech_mel(file_sound(heard))
    if audio and mel is None:
        raise SourceError(f"{audio} has no sound")
    sound, error = FileSound(heard), 0.0
    restorer = Restorer(Upsampler(weights, device), face, mel if speech else None)
    small = between(chain([first], pictures), side, Interpolator(weights))
    part = out.with_name(out.name + ".part")
    video = VideoFile(part, silent=mel is None)
    try:
        for number, window in enumerate(windows(small)):
            frame = restorer.frame(number, window)
            error += float(((shrink(frame, side) - window[FRAMES // 2]) ** 2).mean())
            video.frame(number, frame)
            if mel is not None:
                video.sound(sound.read(RATE // FRAME_RATE))
            progress(video.frames)
        video.close()
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return {
        "frames": video.frames, "side": side, "scale": SIDE // side, "speech": speech and mel is not None,
        "averaged_psnr_db": float(-10 * np.log10(max(error / video.frames, 1e-10))),
    }  # fmt: skip
