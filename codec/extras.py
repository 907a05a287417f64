"""How to install an optional part of facewire, as text for users."""

import sys
from pathlib import Path

PIP = f"{sys.executable} -m pip"


def install_command(extra: str) -> str:
    """The ``pip`` command that installs an extra for this Python: from the running checkout, or by the package's name."""
    root = Path(__file__).resolve().parents[1]
    what = f"-e '{root}[{extra}]'" if (root / "pyproject.toml").is_file() else f"'facewire[{extra}]'"
    return f"{PIP} install {what}"


def install_gpu_commands() -> str:
    """The commands that install the extra ``gpu``. ``onnxruntime``, which facewire requires, and ``onnxruntime-gpu``
    contain the same module, so the first is uninstalled afterwards, and the second reinstalled to restore the files
    that this removes."""
    return (
        f"{install_command('gpu')} && {PIP} uninstall -y onnxruntime && {PIP} install --force-reinstall --no-deps onnxruntime-gpu"
    )
