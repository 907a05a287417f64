"""How far lips and lids open: as sent, in the original, and as rendered."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.motion_amplitude import PAIRS, look, main, opening, table
from bench.picture.variants import Renderer
from models.face.shape_points import COUNT, MESH
from models.runtime.upsampler import Interpolator


def test_the_opening_of_a_part_is_the_mean_distance_of_its_pairs_of_points():
    points = np.zeros((COUNT, 2), np.float32)
    for i, (_, below) in enumerate(PAIRS["lips"]):
        points[MESH.index(below)] = [3 * i, 4 * i]
    assert opening(points, "lips") == pytest.approx(5)
    assert opening(points, "lids") == 0


def test_the_sent_lip_opening_correlates_with_the_original_and_the_rendered_one(speaking):
    found = look([speaking / "dev" / "astronaut.mp4"], 2, Renderer(device="cpu", threads=1), Interpolator())
    told, original, drawn = np.array(found["lips"]).T
    assert len(told) > 8
    assert len(found["lids"]) == len(told)
    assert np.corrcoef(told, original)[0, 1] > 0.3
    assert np.corrcoef(told, drawn)[0, 1] > 0.5


def test_the_rows_of_the_table_are_ordered_groups_of_equal_size():
    rows = [(float(i), 2.0 * i, 0.5 * i) for i in range(16)]
    lines = table({"lips": rows[::-1], "lids": []}).splitlines()
    assert len(lines) == 2 + 8
    assert lines[2] == "| lips | 2 | 0.50 | 1.00 | 0.25 |"


def test_bad_input_is_reported(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert "holds no train/*.mp4" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--every", "0"])
