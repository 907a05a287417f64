"""How to bring an optional part of facewire, in words for people."""

import sys
from pathlib import Path

PIP = f"{sys.executable} -m pip"


def install_command(extra: str) -> str:
    """The ``pip`` command that installs an extra for this Python: from the running checkout, or by the package's name."""
    root = Path(__file__).resolve().parents[1]
    what = f"-e '{root}[{extra}]'" if (root / "pyproject.toml").is_file() else f"'facewire[{extra}]'"
    return f"{PIP} install {what}"


def install_gpu_commands() -> str:
    """The commands that install the extra ``gpu``. ``onnxruntime``, which facewire needs, and ``onnxruntime-gpu`` hold the
    same module: the first is removed afterwards, and the files that go with it are written again."""
    return (
        f"{install_command('gpu')} && {PIP} uninstall -y onnxruntime && {PIP} install --force-reinstall --no-deps onnxruntime-gpu"
    )
