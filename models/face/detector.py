"""Face detection with BlazeFace (Bazarevsky et al., 2019; MediaPipe's short-range model,
Apache-2.0) in ONNX Runtime."""

from dataclasses import dataclass
from importlib import resources
from typing import Protocol

import cv2
import numpy as np
import onnxruntime as ort

from codec.media.types import Float32, UInt8
from models.runtime.backends import ort_options

INPUT = 128
SCORE = 0.6
"""Detections below this probability are not faces."""
OVERLAP = 0.3


@dataclass(frozen=True)
class Detection:
    """One face, in pixels of the picture given: box and six points (right eye, left eye, nose,
    mouth, right ear, left ear)."""

    x: float
    y: float
    width: float
    height: float
    score: float
    points: Float32

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


class Detector(Protocol):
    """Anything that finds faces in an RGB picture (H, W, 3), best first."""

    def detect(self, rgb: UInt8) -> list[Detection]: ...


def session(name: str, threads: int = 1) -> ort.InferenceSession:
    """ONNX Runtime session of one of the shipped small networks, on the CPU, without spinning threads."""
    data = resources.files("models").joinpath("weights", name).read_bytes()
    return ort.InferenceSession(data, ort_options(threads), providers=["CPUExecutionProvider"])


def _anchors() -> Float32:
    """Centres of the 896 anchors in [0, 1]: two for each cell of 16×16, six for each of 8×8."""
    out = []
    for cells, each in ((16, 2), (8, 6)):
        y, x = np.mgrid[0:cells, 0:cells]
        centre = np.stack([(x + 0.5) / cells, (y + 0.5) / cells], -1).reshape(-1, 1, 2)
        out.append(np.repeat(centre, each, axis=1).reshape(-1, 2))
    return np.concatenate(out).astype(np.float32)


class BlazeFace:
    """Detector for faces that fill about a tenth of the picture or more; about 2 ms a picture on one core."""

    def __init__(self) -> None:
        self._session = session("blazeface.onnx")
        self._input = self._session.get_inputs()[0].name
        self._anchors = _anchors()

    def detect(self, rgb: UInt8) -> list[Detection]:
        height, width = rgb.shape[:2]
        scale = INPUT / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = np.zeros((INPUT, INPUT, 3), np.float32)
        left, top = (INPUT - size[0]) // 2, (INPUT - size[1]) // 2
        canvas[top : top + size[1], left : left + size[0]] = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        outputs = self._session.run(None, {self._input: (canvas / 127.5 - 1.0).transpose(2, 0, 1)[None]})
        boxes, scores = sorted((o[0] for o in outputs), key=lambda o: -o.shape[-1])
        probability = 1 / (1 + np.exp(-np.clip(scores[:, 0], -80, 80)))
        keep = np.flatnonzero(probability > SCORE)
        found = []
        for cluster in _clusters(boxes[keep] / INPUT, self._anchors[keep], probability[keep]):
            box, score = cluster
            points = (box[4:].reshape(6, 2) * INPUT - (left, top)) / scale
            (x, y), (w, h) = (box[:2] * INPUT - (left, top)) / scale, box[2:4] * INPUT / scale
            found.append(Detection(x - w / 2, y - h / 2, w, h, score, points.astype(np.float32)))
        return found


def _clusters(boxes: Float32, anchors: Float32, scores: Float32) -> list[tuple[Float32, float]]:
    """Blend overlapping boxes by their scores (BlazeFace's tie resolution, steadier than keeping only the best)."""
    absolute = boxes.copy()
    absolute[:, :2] += anchors
    absolute[:, 4:] += np.tile(anchors, 6)
    rest, out = list(np.argsort(-scores)), []
    while rest:
        best = absolute[rest[0]]
        together = [i for i in rest if _overlap(best, absolute[i]) > OVERLAP]
        weight = scores[together]
        out.append(((absolute[together] * weight[:, None]).sum(0) / weight.sum(), float(scores[rest[0]])))
        rest = [i for i in rest if i not in together]
    return out


def _overlap(a: Float32, b: Float32) -> float:
    """Intersection over union of two boxes (centre x, centre y, width, height, …)."""
    w = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    if w <= 0 or h <= 0:
        return 0.0
    return float(w * h / (a[2] * a[3] + b[2] * b[3] - w * h))
