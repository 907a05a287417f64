"""Writes files completely or not at all, so that an existing file is always complete."""

from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a temporary file next to ``path``, then rename it to ``path``. On failure ``path`` stays as it was
    and the temporary file is removed. Makes the folder. Raises what ``write`` raises, and ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.part{path.suffix}")  # keeps the suffix: NumPy would append its own
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
