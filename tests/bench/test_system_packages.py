"""Installed programs are found for every user."""

from bench import system_packages
from bench.system_packages import Package, program


def test_a_server_program_outside_path_is_found(tmp_path, monkeypatch):
    (tmp_path / "sbin").mkdir()
    (server := tmp_path / "sbin" / "a-server").write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(system_packages, "SERVERS_PATH", (str(tmp_path / "sbin"),))
    assert program("a-server") == str(server)
    assert Package("a", "serving", ("a-server",)).present
    assert not Package("b", "serving", ("a-server", "another")).present
