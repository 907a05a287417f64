"""Files that are there whole or not at all, so that whoever finds one may believe it."""

from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file beside ``path``, then put it in its place. Where that fails, ``path`` stays as it was and
    nothing is left beside it. Makes the folder. Raises what ``write`` raises, and ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.part{path.suffix}")  # the ending stays: NumPy would add its own
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
