"""Where a benchmark's report goes: checked before hours of work, not after."""

import argparse
import os
from pathlib import Path


def report_file(text: str) -> Path:
    """A type for argparse: a file that can be written. Raises ``argparse.ArgumentTypeError`` if it can't."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent} is no folder")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder, not a file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} can't be written")
    return path
