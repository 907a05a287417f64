"""A report that can't be written is told before anything is measured."""

import argparse

import pytest

from bench.report_file import report_file


def test_where_a_report_can_go(tmp_path):
    assert report_file(str(tmp_path / "a.json")) == tmp_path / "a.json"
    (tmp_path / "b.json").write_text("old")
    assert report_file(str(tmp_path / "b.json")).read_text() == "old"


@pytest.mark.parametrize(("name", "reason"), [("none/a.json", "is no folder"), (".", "is a folder, not a file")])
def test_where_it_cannot(tmp_path, name, reason):
    with pytest.raises(argparse.ArgumentTypeError, match=reason):
        report_file(str(tmp_path / name))
