"""libopus is loaded from PyAV's wheel, else from the system."""

import ctypes
import ctypes.util
import subprocess
import sys
from pathlib import Path

import pytest

from codec import opus_library

TRY = """
import ctypes.util
ctypes.util.find_library = lambda name: None  # a system without any
from codec import opus_library
from codec import speech
{before}
import numpy as np
try:
    print(len(speech.SpeechEncoder().encode(np.zeros(3200, np.float32))))
except speech.SpeechUnavailableError as error:
    print(error)
"""


def run(before: str) -> str:
    """The output of a separate process that encodes speech. It is separate because an imported binding stays loaded."""
    done = subprocess.run(
        [sys.executable, "-c", TRY.format(before=before)], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.strip()


def test_the_library_of_the_wheel_is_found_and_works() -> None:
    found = opus_library.bundled()
    if found is None:
        pytest.skip("this PyAV was built against the system's libopus")
    library = ctypes.CDLL(str(found))
    library.opus_get_version_string.restype = ctypes.c_char_p
    assert b"libopus" in library.opus_get_version_string()
    assert run("") == "2"


def test_a_missing_libopus_is_reported() -> None:
    # The binding itself also looks in these places.
    own = [Path("/usr/lib/x86_64-linux-gnu/libopus.so.0"), Path("/usr/local/lib/libopus.so.0")]
    said = run("opus_library.bundled = lambda: None")
    assert "libopus is missing" in said or (any(p.exists() for p in own) and said == "2")


def test_find_library_is_restored_afterwards() -> None:
    usual = ctypes.util.find_library
    with opus_library.prefer_bundled_opus():
        assert ctypes.util.find_library is not usual
        assert ctypes.util.find_library("no such library") is None
    assert ctypes.util.find_library is usual


@pytest.mark.parametrize("folder", ["av.libs/libopus-114e2b1a.so.0.11.1", "av/.dylibs/libopus.0.dylib", "av.libs/libopus-0.dll"])
def test_the_library_is_found_in_the_wheels_of_all_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    (tmp_path / "av").mkdir()
    (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / folder).touch()
    (tmp_path / folder).with_name("libopus.txt").touch()
    (tmp_path / "av" / "__init__.py").touch()

    class Spec:
        submodule_search_locations = (str(tmp_path / "av"),)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: Spec)
    assert opus_library.bundled() == tmp_path / folder
