"""The benchmark's results as files: JSON in CompressAI's form, CSV, and the table for the terminal."""

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from bench.picture.benchmark import METRICS, RATE, name_of
from bench.picture.quality import json_value
from bench.picture.rate_points import OURS

COMPRESSAI = {"psnr": "psnr-rgb", "encode_ms": "encoding_time", "decode_ms": "decoding_time"}
"""CompressAI's names for some of our figures; its times are in seconds a picture."""
COLUMNS = ("bpp", "bpp_video", RATE, "kbps_60s", *METRICS, "encode_ms", "decode_ms")
PAPER_TABLE_3 = (
    ("H.264 CRF 23", 0.109, 32.96, 0.79, 9.75), ("H.264 CRF 36", 0.027, 19.24, 0.67, 30.12),
    ("H.266 (vvenc)", 0.0076, 23.27, 0.70, 58.32),
    ("os-synth", 0.016, 24.37, 0.80, 69.13), ("the paper, 25 FPS sent", 0.023, 24.95, 0.71, 14.10),
    ("the paper, 5 FPS sent", 0.0046, 23.72, 0.68, 14.51),
)  # fmt: skip
"""Method, BPP, PSNR, SSIM, FID on VoxCeleb2 as the paper reports them: on other clips, with bits counted
differently; nothing of it was measured here."""


def compressai(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each codec and mode, ``{"name", "description", "results": {"bpp": […], "psnr-rgb":
    […], …}}``, by rising rate."""
    out = []
    for name in dict.fromkeys((p["codec"], p["mode"]) for p in points):
        rows = sorted((p for p in points if (p["codec"], p["mode"]) == name), key=lambda p: p["figures"]["bpp"])
        results: dict[str, list[Any]] = {"label": [p["label"] for p in rows]}
        for key in COLUMNS:
            scale = 1e-3 if key in ("encode_ms", "decode_ms") else 1.0
            values = [p["figures"].get(key, math.nan) * scale for p in rows]
            if any(math.isfinite(v) for v in values):
                results[COMPRESSAI.get(key, key)] = values
        mode = f"{name[1]}, " if name[1] else ""
        text = f"{name[0]}, {mode}bits over 256x256 pixels at 25 frames a second, keyframe included"
        out.append({"name": "-".join(n for n in name if n), "description": text, "results": results})
    return out


def to_json(found: dict[str, Any]) -> str:
    """All results; ``codecs`` is in CompressAI's form."""
    return json.dumps(json_value({"codecs": compressai(found["points"]), **found}), indent=1) + "\n"


def to_csv(found: dict[str, Any]) -> str:
    """A row for every point of every clip, and rows for the means, with ``mean`` as the clip's name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["clip", "codec", "mode", "label", *COLUMNS])
    for clip, points in [*((c["clip"], c["points"]) for c in found["clips"]), ("mean", found["points"])]:
        for p in points:
            cells = [p["figures"].get(k, math.nan) for k in COLUMNS]
            writer.writerow([clip, p["codec"], p["mode"], p["label"], *(f"{v:.6g}" if math.isfinite(v) else "" for v in cells)])
    return text.getvalue()


def times(value: float) -> str:
    """A ratio of rates as text."""
    return "never" if math.isinf(value) else f"{value:.1f}×"


def summary(found: dict[str, Any]) -> tuple[Table, Table]:
    """(our points and the rivals' cheapest, each with its figures; how many times our rate the rivals need)."""
    shown = [
        k
        for k in ("psnr", "ssim", "lpips", "dists", "motion", "flow", "lmd", "sync_d")
        if any(k in p["figures"] for p in found["points"])
    ]
    table = Table("", "BPP", "without keyframe", "60 s call", "kbit/s", *shown, title="means over the clips")
    cheapest: dict[tuple[str, str], dict[str, Any]] = {}
    for p in found["points"]:
        name = (p["codec"], name_of(p) if p["codec"] == OURS else p["mode"])
        if name not in cheapest or p["figures"][RATE] < cheapest[name]["figures"][RATE]:
            cheapest[name] = p
    for p in cheapest.values():
        f = p["figures"]
        rates = [f"{f[k]:.5f}" for k in ("bpp", "bpp_video", RATE)]
        table.add_row(
            " ".join((p["codec"], p["mode"], p["label"])),
            *rates,
            f"{f['kbps_60s']:.2f}",
            *(f"{f.get(k, math.nan):.3f}" for k in shown),
        )
    ours = [name_of(p) for p in found["points"] if p["codec"] == OURS]
    ratio = Table("rivals' rate at equal", "mode", *ours, "BD rate", title="how many times our rate the rivals' hull needs")
    for figure, modes in found["comparison"].items():
        for mode, row in modes.items():
            cells = [times(row["times"][label]) if label in row["times"] else "–" for label in ours]
            ratio.add_row(figure, mode, *cells, "–" if math.isnan(row["bd_rate"]) else f"{row['bd_rate']:.0f} %")
    return table, ratio
