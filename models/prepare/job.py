"""One raw video → its clips."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from codec.errors import reason
from codec.media.files import SourceError
from codec.media.scaler import Scaler
from codec.media.timing import FRAME_RATE
from codec.media.types import Float32
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.prepare.clips import ClipWriter, mel_of
from models.prepare.cuts import HEIGHT, WIDTH, CutDetector
from models.prepare.faces import find_faces
from models.prepare.people import identity_of, split_of
from models.prepare.samples import Sample
from models.prepare.sync import ScoreClip, load_score
from models.prepare.tracks import EVERY, Span, SpanLimits, Tracks, spans
from models.prepare.video import VideoError, grid_frames, sound_of


@dataclass(frozen=True)
class Settings:
    """How videos are prepared. ``sync``: a trained SyncNet's file, or None to keep clips with any sound."""

    identity_from: str = "file"
    dev_share: float = 0.02
    sync: Path | None = None
    limits: SpanLimits = field(default_factory=SpanLimits)


@dataclass
class Outcome:
    """The result of one video. ``error`` is one line when the video cannot be used; ``dropped`` counts
    frames by reason."""

    source: str
    bytes: int
    split: str
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    error: str | None = None


class Preparer:
    """Holds the networks of one process. ``score`` is used instead of ``settings.sync``."""

    def __init__(self, raw: Path, settings: Settings, score: ScoreClip | None = None) -> None:
        cv2.setNumThreads(1)
        self._raw, self._settings = raw, settings
        self._detector, self._mesh = BlazeFace(), FaceMesh()
        self._score = score if score or not settings.sync else load_score(settings.sync)

    def run(self, source: str) -> Outcome:
        """Prepare the video at ``source``, a path below ``raw``. An error of the video is returned in the
        outcome, not raised."""
        path, identity = self._raw / source, identity_of(Path(source), self._settings.identity_from)
        outcome = Outcome(source, 0, split_of(identity, self._settings.dev_share))
        try:
            outcome.bytes = path.stat().st_size
            wanted = self._look(path, outcome)
            sound = sound_of(path) if wanted else None
            for clip in self._cut(path, wanted):
                self._keep(outcome, identity, clip, sound)
        except (ValueError, SourceError, OSError, MemoryError) as error:  # a ValueError is a VideoError, or the decoder's
            outcome.samples, outcome.error = [], reason(error).removeprefix(f"cannot open {path}: ")
        return outcome

    def _look(self, path: Path, outcome: Outcome) -> list[Span]:
        """First pass: where one face is seen for long enough, in order of time."""
        cuts, tracks, look, count, size = CutDetector(), Tracks(), 0, 0, (0, 0)
        limits, thumbnail = self._settings.limits, Scaler(width=WIDTH, height=HEIGHT)
        for at, (frame, upright) in enumerate(grid_frames(path)):
            if at and upright.size(frame) != size:
                raise VideoError(f"its size changes after {at / FRAME_RATE:.1f} s")
            size = upright.size(frame)
            if cuts.update(thumbnail.array(frame)):
                tracks.cut()
                look = at
            if at == look:
                tracks.look(at, find_faces(upright.array(frame), self._detector, limits.min_face))
                look += EVERY
            count = at + 1
        outcome.seconds = count / FRAME_RATE
        found = [s for t in tracks.finish() for s in spans(t, *size, limits, outcome.dropped)]
        return sorted(found, key=lambda s: (s.start, s.crop.x))

    def _cut(self, path: Path, wanted: list[Span]) -> Iterator[ClipWriter]:
        """Second pass: yields each clip after its last picture. A whole video kept from the first pass
        would fill the memory."""
        active: list[ClipWriter] = []
        waiting = wanted[::-1]
        for at, (frame, upright) in enumerate(grid_frames(path) if wanted else ()):
            while waiting and waiting[-1].start == at:
                active.append(ClipWriter(waiting.pop(), self._detector, self._mesh, keep=self._score is not None))
            if active:
                rgb = upright.array(frame)
                for writer in active:
                    writer.add(rgb)
                yield from (w for w in active if w.span.stop == at + 1)
                active = [w for w in active if w.span.stop > at + 1]
            elif not waiting:
                return

    def _keep(self, outcome: Outcome, identity: str, clip: ClipWriter, sound: Float32 | None) -> None:
        span, (mp4, boxes, seen) = clip.span, clip.finish()
        if seen < self._settings.limits.seen:
            outcome.dropped["no mesh"] += clip.frames
            return
        mel, sync = mel_of(sound, span.start, span.stop), None
        if self._score and clip.kept and len(mel):  # without sound there is nothing to check
            sync = self._score(np.stack(clip.kept), mel, boxes)
            if not sync.good:
                outcome.dropped["out of sync"] += clip.frames
                return
        name = re.sub(r"[^A-Za-z0-9_-]", "_", identity)
        key = f"{name}-{blake2b(outcome.source.encode(), digest_size=5).hexdigest()}-{len(outcome.samples):03d}"
        info = {
            "identity": identity, "source": outcome.source, "start": span.start / FRAME_RATE, "frames": clip.frames,
            "fps": FRAME_RATE, "speech": bool(len(mel)), "sync": asdict(sync) if sync else None,
            "crop": [round(v, 1) for v in (span.crop.x, span.crop.y, span.crop.side)], "face": round(span.face, 1),
        }  # fmt: skip
        outcome.samples.append(Sample(key, info, mp4, mel, boxes, clip.points()))
