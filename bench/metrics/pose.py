"""Head pose error with FSA-Net (Yang et al., 2019; weights of headpose-fsanet-pytorch, MIT); poses are
the mean of its two networks."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from codec.media.types import Float32, UInt8
from models.face.detector import Detection
from models.face.tracker import Crop

PATTERN = "fsanet-*.onnx"
INPUT = 64
SCALE = 1.6
"""Side of the crop divided by the longer side of BlazeFace's box: FSA-Net was made for boxes with
forehead and ears. Chosen on 59 pictures by the disagreement between a picture and its mirror image
(yaw 20° with the bare box, 1.5° here) and the agreement with the face mesh (correlation 0.98 for
yaw, 0.91 for the others)."""
ABOVE = 0.05
"""How much higher the crop's centre lies than the box's, as a share of the box's height; chosen in
the same way."""


class HeadPose:
    """Yaw, pitch and roll of a face in degrees, about ±99 at most.

    ``folder`` holds ``fsanet-*.onnx``: input (1, 3, 64, 64) BGR, (x − 127.5) / 128, output yaw,
    pitch, roll. Raises ``FileNotFoundError`` where there is none.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        paths = sorted(folder.glob(PATTERN))
        if not paths:
            raise FileNotFoundError(f"{folder} holds no {PATTERN}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._sessions = [ort.InferenceSession(str(p), options, providers=["CPUExecutionProvider"]) for p in paths]

    def pose(self, rgb: UInt8, face: Detection) -> Float32:
        """Picture (H, W, 3) and face → (3,) yaw, pitch, roll."""
        side = SCALE * max(face.width, face.height)
        x, y = face.centre
        cut = Crop(x - side / 2, y - ABOVE * face.height - side / 2, side).cut(rgb)
        small = cv2.resize(cut, (INPUT, INPUT), interpolation=cv2.INTER_AREA)[..., ::-1]
        tensor = np.ascontiguousarray(((small.astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)[None])
        angles = [s.run(None, {s.get_inputs()[0].name: tensor})[0].reshape(3) for s in self._sessions]
        return np.mean(angles, axis=0, dtype=np.float32)


def pose_error(output: Float32, truth: Float32) -> dict[str, float]:
    """Absolute differences of two poses in degrees: ``yaw``, ``pitch``, ``roll`` and their mean, ``pose_mae``."""
    yaw, pitch, roll = (float(v) for v in np.abs(output - truth))
    return {"yaw": yaw, "pitch": pitch, "roll": roll, "pose_mae": (yaw + pitch + roll) / 3}
