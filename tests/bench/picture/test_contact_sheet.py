"""The sheet shows the best and the worst people and frames, in order."""

import numpy as np
import pytest

pytest.importorskip("torch")

from bench.picture.contact_sheet import LINE, SIDE, Judged, choose, main, sheet, strip


def test_choices_are_evenly_spread_and_include_both_ends():
    assert choose("abcdefghi", 3) == ["a", "e", "i"]
    assert choose("ab", 8) == ["a", "b"]


def test_best_person_first_and_their_worst_frame_on_the_right():
    def frame(score, grey):
        return Judged(score, np.full((SIDE, 3 * SIDE, 3), grey, np.uint8))

    people = {"bad": [frame(0.3, 30), frame(0.5, 50), frame(0.4, 40)], "good": [frame(0.1, 10), frame(0.2, 20), frame(0.0, 5)]}
    image = sheet(people, 8)
    assert image.shape == (2 * (LINE + SIDE), 6 * SIDE + 12, 3)
    shown = [[image[y, x, 0] for x in (5, 3 * SIDE + 20)] for y in (LINE + 5, 2 * LINE + SIDE + 5)]
    assert shown == [[10, 20], [40, 50]]


def test_a_strip_contains_original_picture_and_output():
    picture = np.zeros((3, 8, 8), np.float32)
    picture[0, :, 4:] = 1
    got = strip(np.full((256, 256, 3), 40, np.uint8), picture, np.full((256, 256, 3), 200, np.uint8))
    assert got.shape == (SIDE, 3 * SIDE, 3)
    assert got[0, 0, 0] == 40
    assert got[0, -1, 0] == 200
    assert list(got[0, 2 * SIDE - 1]) == [255, 0, 0]
    assert list(got[0, SIDE]) == [0, 0, 0]


def test_an_empty_folder_gives_a_one_line_error(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path), str(tmp_path / "a.png")]) == 1
    assert capsys.readouterr().err == f"no *.mp4 in {tmp_path}\n"
