"""The bandwidth benchmark behind ``facewire bench``: the same face crops go through facewire and its
rivals, and are judged in the same way."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.metrics.motion import motion_figures
from bench.metrics.panel import Panel, Row
from bench.metrics.pixel import to_tensor
from bench.metrics.sync import Expert, face_embeddings, region_boxes, scores, sound_embeddings
from bench.picture.crops import cropped
from bench.picture.judged_frames import sampled
from bench.picture.quality import clip_mel, mean, middle_run
from bench.picture.rate_points import OURS, Cost, Drawn, Setting, our_points, rival_point, rival_settings
from bench.picture.variants import Renderer
from bench.reference_codecs.codecs import CODECS, FORMATS, MODES, Codec, Format
from bench.reference_codecs.ffmpeg import FfmpegError, encoders
from bench.reference_codecs.hull import bd_rate, hull, rate_at
from codec.errors import reason
from codec.media.types import UInt8
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.lipsync.offset import REACH
from models.runtime.upsampler import Interpolator

Say = Callable[[str], None]
Keep = Callable[[dict[str, Any]], None]
Rival = tuple[Codec, str, Format, int]
"""A codec, its mode, a format and a quality."""

METRICS = {
    "psnr": True, "ssim": True, "lpips": False, "dists": False, "fd_vgg16": False, "lmd": False, "lmd_lips": False,
    "identity_distance": False, "motion": False, "flow": False, "sync_d": False, "sync_c": True, "psnr_mouth": True,
    "pose_mae": False,
}  # fmt: skip
"""The metrics that are compared, and whether more is better. Formulas: ``bench/metrics``."""
RATE = "bpp_60s"
"""The rate by which codecs are compared: that of a call of a minute, keyframe included."""


@dataclass(frozen=True)
class Plan:
    """What is run. ``every``: every N-th frame is judged; ``codecs``: rivals' names, None for all that
    ffmpeg has."""

    clips: Sequence[Path]
    codecs: Sequence[str] | None = None
    modes: Sequence[str] = MODES
    formats: Sequence[Format] = FORMATS
    every: int = 50
    sync_seconds: float = 2.0


@dataclass
class Tools:
    """What measures and renders; all of it is reused from clip to clip."""

    panel: Panel
    renderer: Renderer
    interpolator: Interpolator
    expert: Expert | None = None
    detector: BlazeFace = field(default_factory=BlazeFace)
    mesh: FaceMesh = field(default_factory=FaceMesh)


class ClipJudge:
    """Judges the points of one clip, as they are rendered."""

    def __init__(self, clip: Path, truth: Sequence[UInt8], tools: Tools, every: int, sync_seconds: float) -> None:
        self.truth, self.tools = truth, tools
        self.picked = sampled(len(truth), every)
        mel = clip_mel(clip) if tools.expert else None
        self.run = middle_run(len(truth), sync_seconds) if mel is not None else []
        self.numbers = sorted({*self.picked, *(n - 1 for n in self.picked if n), *self.run})
        windows = len(self.run) - (tools.expert.times if tools.expert else 0) + 1
        if mel is not None and tools.expert is not None and windows > 0:
            self._boxes = region_boxes([truth[n] for n in self.run], tools.detector, tools.mesh)
            self._sounds = sound_embeddings(tools.expert, mel, self.run[0] - REACH, windows + 2 * REACH, len(truth))
        else:
            self.run = []
        self._kept: dict[Setting, dict[int, UInt8]] = {}
        self._rows: dict[Setting, Row] = {}

    def add(self, setting: Setting, cost: Cost, frames: Sequence[UInt8]) -> None:
        """Add a point, with its frames at :attr:`numbers`."""
        at = dict(zip(self.numbers, frames, strict=True))
        self._rows[setting] = cost.figures()
        if self.run and self.tools.expert is not None:
            seen = face_embeddings(self.tools.expert, to_tensor([at[n] for n in self.run]), self._boxes)
            self._rows[setting] |= scores(seen, self._sounds)
        self._kept[setting] = {n: at[n] for n in {*self.picked, *(n - 1 for n in self.picked if n)}}

    def rows(self) -> dict[Setting, Row]:
        """Every point's figures, means over the judged frames."""
        found: dict[Setting, list[Row]] = {s: [] for s in self._kept}
        for i, n in enumerate(self.picked):
            judged = self.tools.panel.frame(self.truth[n], {_key(s): f[n] for s, f in self._kept.items()}, identity=i == 0)
            for setting, frames in self._kept.items():
                row = judged[_key(setting)]
                if n:
                    row |= motion_figures(frames[n - 1], frames[n], self.truth[n - 1], self.truth[n])
                found[setting].append(row)
        return {s: self._rows[s] | mean(rows) for s, rows in found.items()}


def _key(setting: Setting) -> str:
    return f"{setting.codec} {setting.mode} {setting.label}"


def chosen_rivals(plan: Plan) -> list[Rival]:
    """The rivals that the plan names. Raises ``ValueError`` for an unknown codec or mode, ``FfmpegError`` for a codec that
    this ffmpeg lacks."""
    there = encoders()
    names = sorted(there, key=list(CODECS).index) if plan.codecs is None else plan.codecs
    chosen = rival_settings(names, plan.modes, plan.formats)
    if lacking := [name for name in names if name not in there]:
        raise FfmpegError(f"this ffmpeg has no encoder for {', '.join(lacking)}")
    return chosen


def points_of(
    clip: Path, truth: Sequence[UInt8], numbers: Sequence[int], rivals: Sequence[Rival], tools: Tools, say: Say
) -> Iterable[Drawn]:
    """All points of a clip, ours first; a rival's point that fails is reported and left out. Raises ``SourceError``."""
    yield from our_points(clip, truth, numbers, tools.renderer, tools.interpolator)
    for codec, mode, form, quality in rivals:
        try:
            yield rival_point(truth, numbers, codec, mode, form, quality)
        except FfmpegError as error:
            say(f"{clip.name}: {codec.name} {mode} {form} q{quality} left out: {reason(error)}")


def run(
    plan: Plan, rivals: Sequence[Rival], tools: Tools, say: Say = lambda _: None, keep: Keep = lambda _: None
) -> dict[str, Any]:
    """Judge all clips → ``points`` (means over the clips), ``clips`` (each with its own points and
    comparison), ``comparison``. ``rivals``: from :func:`chosen_rivals`. ``keep`` is called with the
    results so far after each clip, so that none are lost if the run ends early.

    Raises ``SourceError``, ``FfmpegError``, ``ValueError``.
    """
    clips: list[dict[str, Any]] = []
    for clip in plan.clips:
        with TemporaryDirectory() as folder:
            path, truth = cropped(clip, Path(folder))
            judge = ClipJudge(path, truth, tools, plan.every, plan.sync_seconds)
            for setting, cost, frames in points_of(path, truth, judge.numbers, rivals, tools, say):
                judge.add(setting, cost, frames)
                say(f"{clip.name}: {_key(setting)}")
            rows = judge.rows()
        points = [_point(s, row) for s, row in rows.items()]
        clips.append({"clip": clip.name, "frames": len(truth), "points": points, "comparison": compare(points)})
        keep(_together(clips, {}, tools.panel.notes))
    return _together(clips, tools.panel.frechet(), tools.panel.notes)


def _together(clips: list[dict[str, Any]], frechet: dict[str, float], notes: list[str]) -> dict[str, Any]:
    """Means over the clips, for the points that every clip has; ``frechet``: distances by point, over all clips."""
    rows = [{_setting(p): p["figures"] for p in c["points"]} for c in clips]
    means = []
    for setting in (s for s in rows[0] if all(s in row for row in rows)) if rows else ():
        row = mean([of[setting] for of in rows])
        if (distance := frechet.get(_key(setting))) is not None:
            row["fd_vgg16"] = distance
        means.append(_point(setting, row))
    return {"points": means, "comparison": compare(means), "clips": clips, "notes": notes}


def _setting(point: dict[str, Any]) -> Setting:
    return Setting(point["codec"], point["mode"], point["label"])


def _point(setting: Setting, row: Row) -> dict[str, Any]:
    return {"codec": setting.codec, "mode": setting.mode, "label": setting.label, "figures": row}


def name_of(point: dict[str, Any]) -> str:
    """Name of one of our points in tables."""
    return " ".join(filter(None, (point["label"], point["mode"])))


def curve(points: Sequence[dict[str, Any]], figure: str, ours: bool, mode: str | None = None) -> tuple[list[float], list[float]]:
    """(rates, values) of our points, or of all rivals' (of one mode where given) that have the figure."""
    some = [p for p in points if (p["codec"] == OURS) == ours and (mode is None or p["mode"] == mode)]
    pairs = [(p["figures"][RATE], p["figures"].get(figure, math.nan)) for p in some]
    pairs = [(r, v) for r, v in pairs if math.isfinite(v)]
    return [r for r, _ in pairs], [v for _, v in pairs]


def compare(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each figure and mode of the rivals ("all": both): how many times the rate of each of our
    points (:func:`name_of`) their hull needs for the same value (``times``; infinite where they never reach it), the
    hull's points, and the BD rate, against the hull, of those of our points that don't know the whole file."""
    ours = [p for p in points if p["codec"] == OURS]
    out: dict[str, Any] = {}
    for figure, higher in METRICS.items():
        mine = curve(points, figure, True, "")
        if not mine[0]:
            continue
        row: dict[str, Any] = {}
        for mode in ("all", *MODES):
            chosen = None if mode == "all" else mode
            theirs = curve(points, figure, False, chosen)
            if not theirs[0]:
                continue
            on = hull(*theirs, higher)
            envelope = [theirs[0][i] for i in on], [theirs[1][i] for i in on]
            times = {
                name_of(p): rate_at(*theirs, p["figures"][figure], higher) / p["figures"][RATE]
                for p in ours
                if math.isfinite(p["figures"].get(figure, math.nan))
            }
            row[mode] = {
                "times": times,
                "hull": [list(x) for x in zip(*envelope, strict=True)],
                "bd_rate": bd_rate(envelope, mine),
            }
        out[figure] = row
    return out
