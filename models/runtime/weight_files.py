"""Checks which weights a network file was made for, without loading a runtime: the signaling server uses it, too."""

import hashlib
from pathlib import Path

MADE_FROM = {"step-int8.onnx": "step.onnx", "step-small-int8.onnx": "identity.onnx"}
"""Networks that belong to the weights in another file, whose digest is in their metadata."""


def sha256(path: Path) -> str:
    """A file's SHA-256 in hexadecimal. Raises ``OSError``."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made_from(path: Path, source: Path) -> bool:
    """Whether a network was made for the weights in ``source``; also False if one of the files is missing."""
    try:
        return sha256(source).encode() in path.read_bytes()
    except OSError:
        return False
