"""An unwritable report file is an error before anything is measured."""

import argparse

import pytest

from bench.report_file import report_file


def test_writable_paths_are_accepted_and_old_reports_kept(tmp_path):
    assert report_file(str(tmp_path / "a.json")) == tmp_path / "a.json"
    (tmp_path / "b.json").write_text("old")
    assert report_file(str(tmp_path / "b.json")).read_text() == "old"


@pytest.mark.parametrize(("name", "reason"), [("none/a.json", "is no folder"), (".", "is a folder, not a file")])
def test_unwritable_paths_are_refused(tmp_path, name, reason):
    with pytest.raises(argparse.ArgumentTypeError, match=reason):
        report_file(str(tmp_path / name))
