"""Make the demonstration clip: a photograph of a real face, moved by generated speech.

``python -m bench.make_clip OUT.mp4`` needs scikit-image (for its photograph of the astronaut Eileen
Collins, NASA, public domain), scipy and ``espeak-ng``. The result is committed as
``bench/clips/astronaut.mp4``, so that the demo (:func:`bench.demo.shipped_clip`) needs none of them.
The head turns as a rigid body (landmarks have depth); jaw and brows follow the speech, and the eyes blink at random times.
"""

import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from codec.media.scaler import Scaler
from codec.media.types import Float32, Float64
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh

RATE = 16_000
FPS = 25
SECONDS = 20
SIDE = 384
ZOOM = 1.6
TEXT = (
    "Hello! You are looking at a photograph that learned to talk. My face crosses the network as eight by eight pixels, "
    "five times a second. That is about forty bytes a picture. My voice travels with it, in the same small message, and one "
    "sharp picture was sent when we began. Everything else that you see, every smile and every word, is drawn again on your "
    "side, live, by a small network. No big pipe is needed. Twelve kilobits a second will do. Even on a train, or on a hill "
    "far from town, we can still talk face to face."
)
JAW_FRAMES = 1.4
"""Standard deviation, in frames, of the window over which loudness opens the jaw."""
SHUT = 0.12
"""Loudness below which the mouth is shut."""
INNER_LOWER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
INNER_UPPER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
CORNERS = (78, 308)
LIDS = (((159, 160, 161, 158, 157, 246, 173), (145, 144, 163, 153, 154, 7, 155)),
        ((386, 385, 384, 387, 388, 398, 466), (374, 380, 381, 373, 390, 382, 249)))  # fmt: skip
CREASES = ((27, 28, 29, 30, 56, 190, 247), (257, 258, 259, 260, 286, 414, 467))
"""The ring above each upper lid: it follows the lid, or the shadow beneath it would be stretched over the eye."""
MOUTH = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
EYES = tuple(upper + lower + crease for (upper, lower), crease in zip(LIDS, CREASES, strict=True))
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 46, 53, 52, 65, 55, 285, 295, 282, 283, 276)
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136,
        172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip


def speech() -> npt.NDArray[np.float32]:
    """TEXT spoken, mono 16 kHz, SECONDS long."""
    wav = Path("/tmp/facewire-speech.wav")
    subprocess.run(["espeak-ng", "-v", "en-us+f4", "-s", "168", "-w", str(wav), TEXT], check=True)
    with wave.open(str(wav)) as file:
        rate, pcm = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")
    wav.unlink()
    at = np.arange(SECONDS * RATE) * rate / RATE
    return np.interp(at - 0.4 * rate, np.arange(len(pcm)), pcm / 32768.0, left=0, right=0).astype(np.float32)


def openness(sound: npt.NDArray[np.float32]) -> Float64:
    """Jaw opening 0..1 for each frame, from loudness in the band of vowels."""
    hop = RATE // FPS
    loud = np.sqrt((sound.reshape(-1, hop).astype(np.float64) ** 2).mean(1))
    loud = np.clip(loud / np.percentile(loud[loud > 1e-3], 90), 0, 1.2)
    # A jaw has mass: it follows syllables, four or five a second, not each frame's loudness. Between words it shuts.
    slow = cv2.GaussianBlur(loud[None], (0, 0), JAW_FRAMES)[0]
    return np.clip((slow - SHUT) / (np.percentile(slow, 97) - SHUT), 0, 1)


class Puppet:
    """The photograph with its landmarks and the warp that poses it."""

    def __init__(self, photo: npt.NDArray[np.uint8]) -> None:
        face = BlazeFace().detect(photo)[0]
        points, _ = FaceMesh().points(photo, face)
        x, y = face.centre
        side = face.height * 2.6
        left, top = max(0.0, x - side / 2), max(0.0, y - side * 0.56)
        scale = SIDE / side
        matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
        self.photo = cv2.warpAffine(photo, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        self.points = np.asarray(points, np.float64) * scale
        self.points[:, :2] -= (left * scale, top * scale)
        self.middle = self.points[list(OVAL)].mean(0)
        self.size = float(np.ptp(self.points[:, 1]))

    def _mouth(self, jaw: float) -> Float64:
        p = self.points
        left, right = p[CORNERS[0]], p[CORNERS[1]]
        share = np.clip((p[:, 0] - left[0]) / (right[0] - left[0]), -1, 2)
        line = left[1] + (right[1] - left[1]) * np.clip(share, 0, 1)
        below = np.clip((p[:, 1] - line) / (0.10 * self.size), 0, 1)
        below *= np.clip(1.35 - 1.6 * np.abs(share - 0.5) ** 1.5, 0, 1)
        curve = 1 - np.clip(np.abs(share - 0.5) * 2, 0, 1) ** 2
        below[list(INNER_LOWER)] = curve[list(INNER_LOWER)]
        below[list(INNER_UPPER)] = -0.06 * curve[list(INNER_UPPER)]
        out = np.zeros_like(p)
        out[:, 1] = below * jaw * 0.06 * self.size
        return out

    def pose(self, jaw: float, blink: float, brow: float, angles: Float64, shift: Float64) -> Float64:
        """Where the landmarks go: (468, 3). ``angles``: yaw, pitch, roll in radians."""
        p = self.points + self._mouth(jaw)
        for (upper, lower), crease in zip(LIDS, CREASES, strict=True):
            p[list(crease), 1] += np.mean(p[list(lower), 1] - p[list(upper), 1]) * blink * 0.7
            for u, low in zip(upper, lower, strict=True):
                p[u, 1] += (p[low, 1] - p[u, 1]) * blink * 0.92
        p[list(BROWS), 1] -= brow * 0.03 * self.size
        yaw, pitch, roll = angles
        turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        turn_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        pivot = self.middle + np.array([0, 0.25, 0.5]) * self.size
        p = (p - pivot) @ (turn_z @ turn_x @ turn_y).T + pivot
        p[:, :2] += shift
        return p

    def render(self, posed: Float64, jaw: float) -> npt.NDArray[np.uint8]:
        """Warp the photograph so that its landmarks move to ``posed``."""
        from scipy.interpolate import LinearNDInterpolator

        oval, moved = self.points[list(OVAL)], posed[list(OVAL)]
        # Rings outside the face: hair follows the head, shoulders and border don't move.
        rings_from = [self.middle + (oval - self.middle) * f for f in (1.25, 1.5)]
        rings_to = [r + (moved - oval) * k for r, k in zip(rings_from, (0.95, 0.75), strict=True)]
        lower = [r[:, 1] > self.middle[1] + 0.52 * self.size for r in rings_from]
        rings_to = [np.where(w[:, None], r + (t - r) * 0.5, t) for r, t, w in zip(rings_from, rings_to, lower, strict=True)]
        edge = np.linspace(0, SIDE - 1, 9)
        border = np.array([(a, b) for a in edge for b in edge if a in edge[[0, -1]] or b in edge[[0, -1]]])
        source = np.concatenate([self.points[:, :2], *(r[:, :2] for r in rings_from), border])
        target = np.concatenate([posed[:, :2], *(r[:, :2] for r in rings_to), border])
        inside = ((target >= 0) & (target < SIDE)).all(1)
        flow = LinearNDInterpolator(target[inside], (source - target)[inside], fill_value=0.0)
        y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
        exact = flow(x, y).astype(np.float32)
        # Lips and lids move against what is around them. All else moves smoothly: where the far cheek turns away, the triangles
        # between landmarks fold, which would tear the cheek's edge.
        share = self._fine(posed)
        move = share * cv2.GaussianBlur(exact, (0, 0), 0.8) + (1 - share) * cv2.GaussianBlur(exact, (0, 0), 6.0)
        picture = cv2.remap(self.photo, x + move[..., 0], y + move[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return self._inside_mouth(np.asarray(picture, np.uint8), posed, jaw)

    def _fine(self, posed: Float64) -> Float32:
        """Where lips and lids move against what is around them, 0..1: (SIDE, SIDE, 1)."""
        mask = np.zeros((SIDE, SIDE), np.float32)
        for part in (MOUTH, *EYES):
            hull = cv2.convexHull(np.rint(posed[list(part), :2]).astype(np.int32))
            cv2.fillConvexPoly(mask, hull, 1.0)
        wide = cv2.dilate(mask, np.ones((9, 9), np.uint8))
        return np.asarray(cv2.GaussianBlur(wide, (0, 0), 5.0)[..., None], np.float32)

    def _inside_mouth(self, picture: npt.NDArray[np.uint8], posed: Float64, jaw: float) -> npt.NDArray[np.uint8]:
        upper, lower = posed[[CORNERS[0], *INNER_UPPER, CORNERS[1]], :2], posed[[CORNERS[0], *INNER_LOWER, CORNERS[1]], :2]
        teeth = self.points[list(INNER_LOWER), 1].mean() - self.points[list(INNER_UPPER), 1].mean()
        ends = np.clip(np.arange(len(upper)) * (len(upper) - 1 - np.arange(len(upper))) / 12.0, 0, 1)
        top = upper + np.stack([np.zeros(len(upper)), teeth * ends * 0.9], 1)
        top[:, 1] = np.minimum(top[:, 1], lower[:, 1])
        mask = np.zeros(picture.shape[:2], np.float32)
        cv2.fillPoly(mask, [np.rint(np.concatenate([top, lower[::-1]])).astype(np.int32)], 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.2)[..., None] * min(1.0, jaw * 2.5)
        return np.clip(picture * (1 - mask) + np.array([62, 24, 26]) * mask, 0, 255).astype(np.uint8)


def make(out: Path) -> None:
    """Write the clip."""
    from skimage import data

    puppet, sound = Puppet(data.astronaut()), speech()
    jaw, rng = openness(sound), np.random.default_rng(7)
    count = SECONDS * FPS
    blink = np.zeros(count)
    for at in np.cumsum(rng.uniform(45, 110, 20)).astype(int):
        for i, v in enumerate((0.5, 0.85, 0.8, 0.4)):
            if 10 < at + i < count:
                blink[at + i] = v
    time = np.arange(count) / FPS
    slow = cv2.GaussianBlur(rng.standard_normal((1, count)), (0, 0), 14)[0] * 5
    nod = np.convolve(jaw, np.ones(9) / 9, "same")
    yaw = 0.17 * np.sin(2 * np.pi * time / 7.3) + 0.05 * slow
    pitch = 0.05 * np.sin(2 * np.pi * time / 4.1) + 0.07 * (nod - 0.4)
    roll = 0.04 * np.sin(2 * np.pi * time / 5.7 + 1) + 0.02 * np.roll(slow, 40)
    ease, scaler = np.clip(time / 0.8, 0, 1), Scaler("yuv420p")
    with av.open(str(out), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "21", "preset": "veryslow"})
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.bit_rate = 48_000
        for i in range(count):
            angles = np.array([yaw[i], pitch[i], roll[i]]) * ease[i]
            shift = np.array([4 * np.sin(time[i] / 1.9), 2 * np.sin(time[i] / 1.3)]) * ease[i]
            brow = max(0.0, nod[i] - 0.45) * 1.2
            picture = puppet.render(puppet.pose(jaw[i], blink[i], brow, angles, shift), jaw[i])
            frame = scaler.picture(picture)
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        pcm = av.AudioFrame.from_ndarray((np.clip(sound, -1, 1) * 32767).astype(np.int16)[None], format="s16", layout="mono")
        pcm.sample_rate, pcm.pts, pcm.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(audio.encode(pcm))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
