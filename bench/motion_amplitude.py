"""How far lips and lids move in the input points and in the rendered frames: ``python -m bench.motion_amplitude DATA``.

Clips of ``DATA/train`` (or with ``--split dev`` of ``DATA/dev``) go through the real codec with the keyframe that ``encode``
chooses; the face mesh is run on originals and output. For each frame it is measured how much further lips and lids are open than
in the keyframe. The frames are ordered by that value in the points sent, and divided into groups of equal size.
:mod:`models.networks.emphasis` is tuned by this; tune it again for new weights.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.metrics.landmarks import Landmarks
from bench.metrics.opening import INNER_LIPS
from bench.picture.quality import pick_clips
from bench.picture.variants import Renderer, transmit
from codec.errors import reason
from codec.media.files import SourceError
from codec.media.types import Float32
from models.face.shape_points import LIDS_ABOVE, LIDS_BELOW, MESH, pixels_of
from models.runtime.upsampler import Interpolator, WeightsMissingError

PAIRS = {
    "lips": ((81, 178), INNER_LIPS, (311, 402)),
    "lids": tuple(zip(LIDS_ABOVE, LIDS_BELOW, strict=True)),
}
"""Mesh points that lie above each other: their mean distance is how far a part is open."""
GROUPS = 8
Openings = dict[str, list[tuple[float, float, float]]]
"""For each part, how much further it is open than in the keyframe, in pixels at 256×256: sent, original and rendered."""


def opening(points: Float32, part: str) -> float:
    """Mean opening of a part in points (54, 2), in their unit."""
    return float(np.mean([np.linalg.norm(points[MESH.index(b)] - points[MESH.index(a)]) for a, b in PAIRS[part]]))


def look(clips: Sequence[Path], every: int, renderer: Renderer, interpolator: Interpolator) -> Openings:
    """Measure every ``every``-th frame of the clips. Raises ``SourceError``, ``ValueError``."""
    landmarks, out = Landmarks(), Openings({part: [] for part in PAIRS})
    for clip in clips:
        with tempfile.TemporaryDirectory() as folder:
            sent = transmit(clip, Path(folder), interpolator, keyframe="auto")
        shapes = {i: shape for i, frame in enumerate(sent.frames[::every]) if (shape := frame.shape) is not None}
        faces = {i: face for i in shapes if (face := landmarks.find(sent.truth[i * every]))}
        shown = renderer.render("ours", sent, [i * every for i in faces])
        for (i, face), frame in zip(faces.items(), shown, strict=True):
            key, now = (shapes[i] + 1) * 128
            points = (now, pixels_of(face.points), pixels_of(landmarks.points(frame, face)[0]))
            for part, found in out.items():
                a, b, c = (opening(p, part) - opening(key, part) for p in points)
                found.append((a, b, c))
    return out


def table(found: Mapping[str, Sequence[tuple[float, float, float]]]) -> str:
    """Markdown, one row for each group."""
    lines = ["| | frames | coded, px | original | rendered |", "|---|---:|---:|---:|---:|"]
    for part, rows in found.items():
        ordered = np.array(sorted(rows)).reshape(-1, 3)
        for group in np.array_split(ordered, min(GROUPS, len(ordered)) or 1):
            if len(group):
                lines.append(f"| {part} | {len(group)} | " + " | ".join(f"{v:.2f}" for v in group.mean(0)) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.motion_amplitude", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with train/*.mp4 and dev/*.mp4")
    parser.add_argument("--split", default="train", choices=("train", "dev"))
    parser.add_argument("--clips", type=int, help="only K clips, evenly from the list")
    parser.add_argument("--every", type=int, default=5, help="look at every N-th frame")
    parser.add_argument("--weights", type=Path, help="folder with other networks than the shipped ones")
    options = parser.parse_args(arguments)
    if min(options.every, 1 if options.clips is None else options.clips) < 1:
        parser.error("--every and --clips are 1 or more")
    try:
        clips = pick_clips(options.data, options.clips, options.split)
        print(table(look(clips, options.every, Renderer(options.weights), Interpolator(options.weights))))
    except (OSError, ValueError, SourceError, WeightsMissingError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
