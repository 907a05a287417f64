"""libopus for the binding ``opuslib_next``: the one in PyAV's wheel, else the system's own."""

import ctypes.util
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDERS = ("../av.libs", ".dylibs", ".")
"""Where PyAV's wheels for Linux and Windows, and for macOS, keep FFmpeg's libraries, relative to the package."""


def bundled() -> Path | None:
    """libopus in PyAV's wheel; None where PyAV was built against the system's."""
    spec = importlib.util.find_spec("av")
    for package in (spec.submodule_search_locations or []) if spec else []:
        for folder in _FOLDERS:
            for found in sorted((Path(package) / folder).glob("libopus*")):
                if {".so", ".dylib", ".dll"} & set(found.suffixes):
                    return found.resolve()
    return None


@contextmanager
def prefer_bundled_opus() -> Iterator[None]:
    """In this context ``ctypes.util.find_library("opus")``, which the binding calls to locate libopus,
    finds the bundled one first."""
    usual = ctypes.util.find_library

    def find(name: str) -> str | None:
        found = bundled() if name == "opus" else None
        return str(found) if found else usual(name)

    ctypes.util.find_library = find
    try:
        yield
    finally:
        ctypes.util.find_library = usual
