"""The time to connect, measured on a good network and on one that loses every packet."""

import json
from pathlib import Path

import pytest

from bench.calls import connect
from bench.calls.relay import Impairment


@pytest.mark.e2e
def test_connection_times_of_connecting_and_unconnected_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    def connected(name: str, network: Impairment, patience: float) -> list[float | None]:
        monkeypatch.setattr(connect, "NETWORKS", {name: network})
        monkeypatch.setattr(connect, "FAILED", patience)
        assert connect.main([str(tmp_path / "out.json"), "--runs", "2"], lines.append) == 0
        found: list[float | None] = json.loads((tmp_path / "out.json").read_text())[name]
        return found

    assert all(t is not None and t > 0 for t in connected("good", Impairment(), 60.0))
    assert connected("dead", Impairment(loss=1.0), 2.0) == [None, None]
    assert lines[-1] == "| dead | nan | nan | nan | 2 of 2 | 2 |\n"


def test_an_unwritable_output_is_reported_before_any_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connect, "NETWORKS", None)  # using it would raise an error
    with pytest.raises(SystemExit) as ended:
        connect.main([str(tmp_path / "no" / "out.json")], lambda _: None)
    assert ended.value.code == 2
    assert "is no folder" in capsys.readouterr().err.splitlines()[-1]
