"""How to bring an optional part of facewire, in words for people."""

import sys
from pathlib import Path


def install(extra: str) -> str:
    """The command that brings an extra into this very Python: out of the checkout that runs, or by the package's name."""
    root = Path(__file__).resolve().parents[1]
    what = f"-e '{root}[{extra}]'" if (root / "pyproject.toml").is_file() else f"'facewire[{extra}]'"
    return f"{sys.executable} -m pip install {what}"
