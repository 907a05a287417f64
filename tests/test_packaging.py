"""The files around the code: compose, Dockerfile, Makefile, CI script, licence. Nothing here needs
Docker or the network."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests import run as runner

ROOT = Path(__file__).parents[1]
SCHEMA = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    result: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return result


def test_compose_file_keeps_to_the_compose_specification(tmp_path: Path) -> None:
    """Checked with the specification's own JSON schema; a misspelt copy shows that the check can fail."""
    file = ROOT / "docker-compose.yml"
    result = subprocess.run([*SCHEMA, str(file)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    spoilt = tmp_path / "docker-compose.yml"
    spoilt.write_text(file.read_text().replace("healthcheck:", "healthchek:", 1))
    assert subprocess.run([*SCHEMA, str(spoilt)], capture_output=True, timeout=60).returncode == 1


def test_compose_services(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"signaling", "proxy", "redis", "coturn", "receiver"}
    assert services["signaling"]["deploy"]["replicas"] == 2
    assert all("healthcheck" in service for service in services.values())
    assert services["signaling"]["command"][:3] == ["serve", "--host", "0.0.0.0"]
    assert services["receiver"]["profiles"] == ["gpu"]
    assert services["receiver"]["command"][0] == "receive"
    (device,) = services["receiver"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert "gpu" in device["capabilities"]
    # Only the receiver may be missing from a plain `up`.
    assert [name for name, service in services.items() if "profiles" in service] == ["receiver"]


@pytest.mark.parametrize("service", ["signaling", "receiver"])
def test_compose_commands_use_only_options_that_facewire_has(compose: dict[str, Any], service: str) -> None:
    command = compose["services"][service]["command"]
    plain = {k: v for k, v in os.environ.items() if k not in ("GITHUB_ACTIONS", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "facewire.py"), command[0], "--help"],
        env=plain | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    known = set(re.findall(r"--[a-z-]+", done.stdout))
    assert {word for word in command if word.startswith("--")} <= known


def test_compose_relay_ports_are_the_turn_servers(compose: dict[str, Any]) -> None:
    settings = compose["configs"]["turnserver"]["content"]
    low, high = (re.search(rf"^{end}-port=(\d+)$", settings, re.M)[1] for end in ("min", "max"))
    assert f"{low}-{high}:{low}-{high}/udp" in compose["services"]["coturn"]["ports"]
    assert "static-auth-secret=${TURN_SECRET}" in settings
    assert "use-auth-secret" in settings


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    pairs = re.findall(r"\$\{(\w+)|^ +environment: (\w+)$", text, re.M)
    wanted = {name for pair in pairs for name in pair if name}
    offered = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
    assert set(offered) == wanted
    assert offered["TURN_SECRET"] == offered["ROOM_SECRET"] == "", "the example must have no secrets, as users would keep them"


def test_dockerfile_has_the_targets_that_compose_builds(compose: dict[str, Any]) -> None:
    targets = re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.M)
    built = {service["build"]["target"] for service in compose["services"].values() if "build" in service}
    assert built == {"cpu", "gpu"}
    assert built <= set(targets)
    assert targets[-1] == "cpu"


def test_ci_script_runs_and_ends_with_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=60)
    assert script.read_text().splitlines()[-1] == "exec make --no-print-directory test"
    assert "set -euo pipefail" in script.read_text()


def found(part: str) -> list[Path]:
    """The test files that pytest finds in a part."""
    named = [ROOT / path for path in runner.paths(part)]
    return [file for path in named for file in (path.rglob("test_*.py") if path.is_dir() else [path])]


def planned(*targets: str) -> list[str]:
    """The commands that make would run, independently of a make that runs this test."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    command = ["make", "--no-print-directory", "-n", "VENV=/nonexistent-venv", *targets]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()


@pytest.mark.parametrize("fails", ["busy", "waiting", "calls"])
def test_the_suite_fails_if_a_part_fails(fails: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "test_good.py"
    good.write_text("import pytest\ndef test_a(): pass\n@pytest.mark.e2e\ndef test_b(): pass\n")
    parts: dict[str, list[str]] = {"busy": [str(good)], "waiting": [], "calls": [str(good)]}
    if fails == "busy":
        assert runner.run(**parts) == 0
        assert re.search(r"^2 passed, 0 failed, 0 skipped$", capsys.readouterr().out, re.M)
    parts[fails] = [*parts[fails], "tests/none"]
    assert runner.run(**parts) == 1
    assert "tests/none" in capsys.readouterr().out


def test_skipped_tests_are_counted_with_their_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_a.py").write_text(
        "import pytest\n@pytest.mark.skipif(True, reason='missing: apt-get install x')\ndef test_a(): pass\ndef test_b(): pass\n"
    )
    assert runner.run([str(tmp_path / "test_a.py")], [], []) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "skipped 1: missing: apt-get install x",
        "1 passed, 0 failed, 1 skipped",
    ]


def test_no_test_is_left_out_and_none_runs_twice() -> None:
    files = [path for part in (*runner.BUSY, *runner.WAITING) for path in found(part)]
    every = {p: p.read_text() for p in (ROOT / "tests").rglob("test_*.py")}
    whole = {p for p, text in every.items() if re.search(r"^pytestmark = \[?\(?pytest.mark.e2e", text, re.MULTILINE)}
    some = {p for p, text in every.items() if re.search(r"^@pytest.mark.e2e", text, re.MULTILINE)}
    assert sorted(files) == sorted(every.keys() - whole)
    calls = {p for part in runner.CALLS for p in found(part)}
    assert whole | some <= calls


def test_make_test_ends_with_the_suite_and_demo_needs_no_development_packages() -> None:
    test, demo, both = planned("test"), planned("demo"), planned("-j2", "test", "demo")
    assert test[-1].split()[1:] == ["tests/run.py"]
    assert any("bench.system_packages --install" in line for line in test)
    assert any("ruff check" in line for line in test)
    assert any("mypy" in line for line in test)
    assert demo[-1].split()[1:] == ["demo", "--out", "demo-out"]
    assert not any("torch" in line or "[dev" in line or "apt-get" in line or "system_packages" in line for line in demo)
    assert sum("-m venv" in line for line in both) == 1


def test_the_licence_is_the_full_apache_2_text_and_is_part_of_the_package() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert set(project["license-files"]) == {"LICENSE", "NOTICE"}
    notice = (ROOT / "NOTICE").read_text()
    for weights in (ROOT / "models" / "weights").glob("*.onnx"):
        if weights.stem in ("blazeface", "face_landmark"):
            assert weights.name in notice
