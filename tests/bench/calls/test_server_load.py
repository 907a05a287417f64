"""A real server is filled until it refuses."""

import json

from bench.calls.server_load import main


def test_rooms_are_filled_until_the_server_refuses(tmp_path):
    said = []
    assert main([str(tmp_path / "out.json"), "--rooms", "12", "--most", "40", "--at-once", "4"], said.append) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["rooms"] == found["refused_at"] == 12
    assert found["refused_code"] == "server_full"
    assert found["joins"] == 24
    assert 0 < found["join_ms_p50"] <= found["join_ms_p99"]
    assert 0 < found["message_ms_p50"] <= found["message_ms_p99"]
    assert found["memory_mb"] > 10


def test_a_server_with_enough_rooms_refuses_nobody(tmp_path):
    assert main([str(tmp_path / "out.json"), "--rooms", "12", "--most", "5"], lambda _: None) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["refused_at"] is None
    assert found["rooms"] == 5
