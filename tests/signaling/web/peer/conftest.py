"""Runs the browser's modules under Node, in one process for all tests."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signaling.web import npm

needs_runtime = pytest.mark.skipif(not npm.complete(), reason="missing: python -m signaling.web.npm --dev")
"""A mark for tests that need the page's npm packages."""
DRIVER = Path(__file__).parent / "driver.mjs"


class Browser:
    """The page's modules. :meth:`ask` returns the result of one request, :meth:`answers` also errors."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def answers(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One answer for each request: ``{"ok": value}`` or ``{"error": class, "message": text}``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": "many", "requests": requests}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "Node has ended"
        found: list[dict[str, Any]] = json.loads(line)["ok"]
        for answer, request in zip(found, requests, strict=True):
            assert "crash" not in answer, f"{str(request)[:500]}: {answer['crash']}"
        return found

    def ask(self, op: str, **fields: Any) -> Any:
        """The result of a request. An error of the codec fails the test."""
        (answer,) = self.answers([{"op": op, **fields}])
        assert "ok" in answer, answer
        return answer["ok"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    process = subprocess.Popen([npm.node(), str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield Browser(process)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
