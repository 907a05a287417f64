"""A span of a raw video → the clip that training reads: pictures cropped and encoded, log-mel, landmark boxes."""

import io

import av
import numpy as np
import numpy.typing as npt

from codec.media.scaler import Scaler
from codec.media.timing import FRAME_RATE
from codec.media.types import Float32, UInt8
from models.data.find_regions import find, spread
from models.face.detector import Detector
from models.face.following import PointFollower
from models.face.landmarks import FaceMesh
from models.face.shape_points import COUNT, from_mesh
from models.face.tracker import SIDE
from models.prepare.tracks import EVERY, Span
from models.prepare.video import SAMPLES
from models.runtime import mel as melmod

CRF = "18"
"""Constant rate factor of a clip's H.264."""
PRESET = "veryfast"
"""At this rate factor the preset changes the size, not the visible quality, and encoding takes much
of the time of preparing."""


class ClipWriter:
    """Encodes the source's pictures ``span.start .. span.stop``, given one by one, as a clip."""

    def __init__(self, span: Span, detector: Detector, mesh: FaceMesh, keep: bool = False) -> None:
        self.span, self.frames = span, 0
        self.kept: list[UInt8] | None = [] if keep else None
        """The crops, for the sync filter; 196 KB each."""
        self._tools = detector, mesh
        self._yuv = Scaler("yuv420p")
        self._looked: list[int] = []
        self._found: list[Float32 | None] = []
        self._follower, self._points = PointFollower(detector, mesh), list[Float32]()
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=FRAME_RATE, options={"crf": CRF, "preset": PRESET})
        self._stream.width = self._stream.height = SIDE
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1

    def add(self, rgb: UInt8) -> None:
        """The next picture of the source, RGB (H, W, 3)."""
        crop = self.span.crop.cut(rgb)
        if self.frames % EVERY == 0 or self.frames == self.span.stop - self.span.start - 1:
            self._looked.append(self.frames)
            self._found.append(find(crop, *self._tools))
        seen = self._follower.see(crop)
        self._points.append(np.zeros((COUNT, 2), np.float32) if seen is None else from_mesh(seen))
        if self.kept is not None:
            self.kept.append(crop)
        frame = self._yuv.frame(av.VideoFrame.from_ndarray(crop, format="rgb24"))
        frame.pts = self.frames
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def points(self) -> npt.NDArray[np.float16]:
        """The face's points in every picture so far (frames, 54, 2), as the network takes them; zeros where no face was found."""
        return np.stack(self._points).astype(np.float16)

    def finish(self) -> tuple[bytes, npt.NDArray[np.int16], float]:
        """MP4, landmark boxes (frames, 4, 4), and the share of the detections in which the mesh found a face."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        boxes = spread(self.frames, self._looked, self._found)
        return self._file.getvalue(), boxes, sum(f is not None for f in self._found) / max(1, len(self._found))


def mel_of(sound: Float32 | None, start: int, stop: int) -> npt.NDArray[np.float16]:
    """Log-mel (4 · frames + 1, 80) of frames ``start .. stop`` of a video, silence after its
    sound's end; (0, 80) for None."""
    if sound is None:
        return np.zeros((0, melmod.BANDS), np.float16)
    own = sound[start * SAMPLES : stop * SAMPLES]
    return melmod.log_mel(np.pad(own, (0, (stop - start) * SAMPLES - len(own)))).astype(np.float16)
