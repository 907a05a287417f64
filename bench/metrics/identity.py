"""Whether it is still the same person: dlib's 128-number face descriptor (King, 2017; CC0). Descriptors
of one person are less than 0.6 apart.

Optional: ``pip install dlib-bin face-recognition-models``.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from codec.media.types import Float64, UInt8
from models.face.detector import Detection

SHAPE = "shape_predictor_5_face_landmarks.dat"
DESCRIPTOR = "dlib_face_recognition_resnet_model_v1.dat"


def _models() -> Path:
    # The package's own functions need pkg_resources, which setuptools no longer has.
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("face-recognition-models is not installed")
    return Path(spec.submodule_search_locations[0]) / "models"


class IdentityMetric:
    """Descriptors of faces, 0.1 s each on one core. Raises ``ImportError``, which names what is missing."""

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise ImportError("dlib-bin is not installed") from error
        folder, self._dlib = _models(), dlib
        self._shape: Any = dlib.shape_predictor(str(folder / SHAPE))
        self._network: Any = dlib.face_recognition_model_v1(str(folder / DESCRIPTOR))

    def descriptor(self, rgb: UInt8, face: Detection) -> Float64:
        """Picture (H, W, 3) and face → (128,), of length about 1.4.

        Aligned by the eye corners and the nose, found again in each picture: these five points are as
        good with BlazeFace's box as with dlib's own; dlib's 68 points are not.
        """
        edges = (face.x, face.y, face.x + face.width, face.y + face.height)
        box = self._dlib.rectangle(*(round(float(v)) for v in edges))
        picture = np.ascontiguousarray(rgb)
        return np.array(self._network.compute_face_descriptor(picture, self._shape(picture, box)), np.float64)


def likeness(output: Float64, truth: Float64) -> dict[str, float]:
    """``identity_cos``, the cosine of two descriptors (about 0.84 between strangers), and
    ``identity_distance``, their Euclidean distance."""
    cosine = output @ truth / max(float(np.linalg.norm(output) * np.linalg.norm(truth)), 1e-12)
    return {"identity_cos": float(cosine), "identity_distance": float(np.linalg.norm(output - truth))}
