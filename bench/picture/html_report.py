"""The benchmark as one self-contained HTML file: plots, table, and players that show the same clip at
the same rate."""

import base64
import json
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from bench.picture.benchmark import METRICS, RATE, Tools
from bench.picture.crops import cropped
from bench.picture.quality import json_value
from bench.picture.rate_points import OURS, our_points, rival_point
from bench.picture.results import COLUMNS, PAPER_TABLE_3
from bench.reference_codecs.codecs import CODECS, parse_format
from codec.media.timing import FRAME_RATE
from codec.media.types import UInt8

NEAR = 1.25
"""A rival's rate counts as equal to ours up to this many times it."""


def mp4(frames: Sequence[UInt8], path: Path) -> bytes:
    """Frames (256, 256, 3) → H.264 in MP4 at 25 FPS, at a quality that looks like the rendered frames."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "16", "preset": "fast"})
        stream.width = stream.height = len(frames[0])
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def nearest_rival(points: Sequence[dict[str, Any]], rate: float) -> dict[str, Any] | None:
    """The rival to show next to ours: the best (by LPIPS, else PSNR) at up to :data:`NEAR` times our
    rate, else the cheapest."""
    rivals = [p for p in points if p["codec"] != OURS]
    if not rivals:
        return None
    near = [p for p in rivals if p["figures"][RATE] <= rate * NEAR]
    if not near:
        return min(rivals, key=lambda p: p["figures"][RATE])
    return min(near, key=lambda p: p["figures"].get("lpips", -p["figures"]["psnr"]))


def players(clip: Path, points: Sequence[dict[str, Any]], tools: Tools) -> list[dict[str, str]]:
    """The original, ours at the slowest tick mode and the nearest rival, as ``{"title", "video"}`` with
    the MP4 as a data URL."""
    with TemporaryDirectory() as folder:
        path, truth = cropped(clip, Path(folder))
        numbers = range(len(truth))
        _, _, frames = next(our_points(path, truth, numbers, tools.renderer, tools.interpolator))
        ours = next(p for p in points if p["codec"] == OURS)
        shown = [("original", truth), (f"facewire, {ours['figures']['kbps_60s']:.2f} kbit/s", frames)]
        if rival := nearest_rival(points, ours["figures"][RATE]):
            form, quality = rival["label"].split(" q")
            _, _, drawn = rival_point(truth, numbers, CODECS[rival["codec"]], rival["mode"], parse_format(form), int(quality))
            title = f"{rival['codec']} {rival['mode']} {rival['label']}, {rival['figures']['kbps_60s']:.2f} kbit/s"
            shown.append((title, drawn))
        out = Path(folder) / "player.mp4"
        urls = [(title, base64.b64encode(mp4(f, out)).decode()) for title, f in shown]
    return [{"title": title, "video": f"data:video/mp4;base64,{data}"} for title, data in urls]


def html(found: dict[str, Any], shown: Sequence[dict[str, str]] = ()) -> str:
    """The page. ``shown``: the result of :func:`players`; empty leaves the players out."""
    figures = {k: v for k, v in METRICS.items() if any(math.isfinite(p["figures"].get(k, math.nan)) for p in found["points"])}
    data = {
        "rate": RATE, "ours": OURS, "figures": figures, "columns": [c for c in COLUMNS if c in figures or c not in METRICS],
        "sets": [{"name": f"mean of {len(found['clips'])} clips", "points": found["points"], "comparison": found["comparison"]}]
        + [{"name": c["clip"], "points": c["points"], "comparison": c["comparison"]} for c in found["clips"]],
        "paper": PAPER_TABLE_3, "players": list(shown), "notes": found["notes"],
    }  # fmt: skip
    page = resources.files("bench.picture").joinpath("report.html").read_text("utf-8")
    # "</" would end the script that contains the data.
    return page.replace("/*DATA*/null", json.dumps(json_value(data)).replace("</", "<\\/"))
