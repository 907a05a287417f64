"""Which weights a network file was made for. No runtime is loaded to tell that: the signaling server asks it, too."""

import hashlib
from pathlib import Path

MADE_FROM = {"step-int8.onnx": "step.onnx", "step-small-int8.onnx": "identity.onnx"}
"""Networks that go with the weights in another file, which they name in their metadata by its digest."""


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal. Raises ``OSError``."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made_from(path: Path, source: Path) -> bool:
    """Whether a network was made for the weights in ``source``; False also where one of the files is not there."""
    try:
        return sha256(source).encode() in path.read_bytes()
    except OSError:
        return False
