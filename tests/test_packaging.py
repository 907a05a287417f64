"""The files around the code: compose, Dockerfile, Makefile, CI script, licence. Nothing here needs Docker or the network."""

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
SCHEMA = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    result: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return result


def test_compose_file_keeps_to_the_compose_specification(tmp_path: Path) -> None:
    """By the specification's own JSON schema; the misspelt copy shows that the check would tell."""
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
    # Only the receiver may be left out of a plain `up`.
    assert [name for name, service in services.items() if "profiles" in service] == ["receiver"]


@pytest.mark.parametrize("service", ["signaling", "receiver"])
def test_compose_commands_are_ones_that_facewire_knows(compose: dict[str, Any], service: str) -> None:
    command = compose["services"][service]["command"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "facewire.py"), command[0], "--help"],
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
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
    assert offered["TURN_SECRET"] == offered["ROOM_SECRET"] == "", "an example with a secret would be used as it is"


def test_dockerfile_has_the_targets_that_compose_builds(compose: dict[str, Any]) -> None:
    targets = re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.M)
    built = {service["build"]["target"] for service in compose["services"].values() if "build" in service}
    assert built == {"cpu", "gpu"}
    assert built <= set(targets)
    assert targets[-1] == "cpu"


def test_ci_script_runs_and_ends_with_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=20)
    assert script.read_text().splitlines()[-1] == "exec make --no-print-directory test"
    assert "set -euo pipefail" in script.read_text()


def found(part: str) -> list[Path]:
    """The files of tests that pytest finds in a part that the Makefile names."""
    return [file for path in ROOT.glob(part) for file in (path.rglob("test_*.py") if path.is_dir() else [path])]


def planned(*targets: str) -> list[str]:
    """The commands that make would run."""
    command = ["make", "--no-print-directory", "-n", "VENV=/nonexistent-venv", *targets]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=20)
    return done.stdout.splitlines()


@pytest.mark.parametrize("fails", ["BUSY", "WAITING", "CALLS"])
def test_make_test_fails_where_a_part_fails(fails: str) -> None:
    parts = {"BUSY": "tests/codec/test_colour.py", "WAITING": "", "CALLS": ""}
    variables = [f"{name}={'tests/none ' if name == fails else ''}{part}" for name, part in parts.items()]
    script = "\n".join(planned("test", f"BIN={Path(sys.executable).parent}", *variables)[-4:])
    done = subprocess.run(["sh", "-c", script], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "tests/none" in done.stdout + done.stderr


def test_make_test_ends_with_pytest_and_demo_needs_no_development_install() -> None:
    test, demo, both = planned("test"), planned("demo"), planned("-j2", "test", "demo")
    assert test[-1].endswith("-m pytest -m e2e $part; done; fi")
    parts = [part for line in test[-3:-1] for part in shlex.split(line.split(" | ")[0])[2:]]
    files = [path for part in parts for path in found(part)]
    every = {p: p.read_text() for p in (ROOT / "tests").rglob("test_*.py")}
    whole = {p for p, text in every.items() if re.search(r"^pytestmark = \[?pytest.mark.e2e", text, re.MULTILINE)}
    some = {p for p, text in every.items() if re.search(r"^@pytest.mark.e2e", text, re.MULTILINE)}
    assert sorted(files) == sorted(every.keys() - whole)  # no test is left out, and none runs twice
    calls = {f"tests/{p.parent.name}" for p in whole | some}
    assert calls == set(test[-1].split(";")[0].split()[3:])

    assert any("ruff check" in line for line in test)
    assert any("mypy" in line for line in test)
    assert demo[-1].split()[1:] == ["demo", "--out", "demo-out"]
    assert not any("torch" in line or "[dev" in line for line in demo)
    assert sum("-m venv" in line for line in both) == 1


def test_licence_is_the_whole_apache_2_text_and_the_package_carries_it() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert set(project["license-files"]) == {"LICENSE", "NOTICE"}
    notice = (ROOT / "NOTICE").read_text()
    for weights in (ROOT / "models" / "weights").glob("*.onnx"):
        if weights.stem in ("blazeface", "face_landmark"):
            assert weights.name in notice
