"""``sync.json`` in a prepared split: how certain the lip-sync expert is that a clip's sound is its
face's, and how late the sound is."""

import json
from pathlib import Path

from models.whole_file import write_whole

FILE = "sync.json"
LEAST_CONFIDENCE = 0.05
"""Below this confidence a clip's sound is taken as not its own."""
MOST_LATE = 8
"""An offset of more frames, either way, is chance."""

Score = dict[str, float]
"""``confidence`` and ``offset``, in frames, of a clip."""


def write_scores(scores: dict[str, Score], folder: Path) -> None:
    """Keep the clips' scores, by name, in the split."""
    write_whole(folder / FILE, lambda part: part.write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n"))


def read_scores(folder: Path) -> dict[str, Score] | None:
    """The clips' scores; None if the expert has not scored them."""
    path = folder / FILE
    return json.loads(path.read_text()) if path.exists() else None


def in_sync(scores: dict[str, Score], least_confidence: float = LEAST_CONFIDENCE, most_late: int = MOST_LATE) -> dict[str, int]:
    """The clips whose sound is their own, with the number of frames that it is late; the others have
    music, voice-over or dubbing."""
    good = {name: s for name, s in scores.items() if s["confidence"] >= least_confidence}
    return {name: int(s["offset"]) for name, s in good.items() if abs(s["offset"]) <= most_late}
