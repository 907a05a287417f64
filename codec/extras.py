"""How to bring an optional part of facewire, in words for people."""

import sys
from pathlib import Path


def install(extra: str) -> str:
    """The ``pip`` command that installs an extra for this Python: from the running checkout, or by the package's name."""
    root = Path(__file__).resolve().parents[1]
    what = f"-e '{root}[{extra}]'" if (root / "pyproject.toml").is_file() else f"'facewire[{extra}]'"
    return f"{sys.executable} -m pip install {what}"
