"""Whether the browser's echo canceller removes what the page plays."""

import json

import numpy as np
import pytest

from bench.calls.echo import levels, main
from tests.needs import BROWSER, needs


def test_levels_cover_whole_seconds():
    assert levels([0.01] * 20 + [0.0] * 20 + [1.0] * 19) == pytest.approx([-20.0, -100.0])


@pytest.mark.e2e
@needs(*BROWSER, "pulseaudio")
def test_the_echo_of_the_browsers_own_page_is_reduced(tmp_path):
    said = []
    assert main([str(tmp_path / "out.json"), "--seconds", "8"], said.append) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert np.median(found["without_db"]) > -40
    assert np.median(found["with_db"]) < np.median(found["without_db"])
    assert "cancelled" in "".join(said)
