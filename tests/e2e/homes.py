"""Two homes, each behind a router that translates addresses and lets in only replies, and a server that both can reach:
Linux network namespaces."""

import asyncio
import subprocess
import uuid
from pathlib import Path

from bench.system_packages import program

SERVER = "203.0.113.1"
"""The server's address, from a block for documentation (RFC 5737)."""


def possible() -> bool:
    """Whether this process may create network namespaces with routers that translate addresses."""
    name = f"fw-{uuid.uuid4().hex[:8]}"
    try:
        _run("ip", "netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    try:
        _translate(name, "lo")
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        subprocess.run([program("ip") or "ip", "netns", "del", name], check=False, capture_output=True)
    return True


def _run(*words: str) -> None:
    subprocess.run([program(words[0]) or words[0], *words[1:]], check=True, capture_output=True)


def _translate(router: str, outside: str) -> None:
    """Masquerade what leaves through ``outside``; let in from there only packets of connections made from inside."""
    rules = (
        "add table ip home",
        "add chain ip home out { type nat hook postrouting priority 100 ; }",
        f"add rule ip home out oifname {outside} masquerade",
        *(f"add chain ip home {name} {{ type filter hook {name} priority 0 ; policy drop ; }}" for name in ("forward", "input")),
        *(f"add rule ip home {name} iifname != {outside} accept" for name in ("forward", "input")),
        *(f"add rule ip home {name} ct state established,related accept" for name in ("forward", "input")),
    )
    for rule in rules:
        _run("ip", "netns", "exec", router, program("nft") or "nft", rule)


class Homes:
    """A context manager. ``server``, ``here`` and ``there`` are names of namespaces for :meth:`start`."""

    def __init__(self) -> None:
        mark = uuid.uuid4().hex[:6]
        self.server, self.here, self.there = (f"fw-{mark}-{part}" for part in ("server", "here", "there"))
        self._wire, self._routers = f"fw-{mark}-wire", tuple(f"fw-{mark}-router{n}" for n in (1, 2))

    def __enter__(self) -> "Homes":
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _build(self) -> None:
        for name in self._all:
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", self._wire, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", self._wire, "link", "set", "bridge", "up")
        self._plug(self.server, 1)
        for number, (router, home) in enumerate(zip(self._routers, (self.here, self.there), strict=True), 1):
            self._plug(router, number + 1)
            _run("ip", "-n", router, "link", "add", "inside", "type", "veth", "peer", "name", "home", "netns", home)
            for name, link, last in ((router, "inside", 1), (home, "home", 2)):
                _run("ip", "-n", name, "addr", "add", f"10.{number}.0.{last}/24", "dev", link)
                _run("ip", "-n", name, "link", "set", link, "up")
            _run("ip", "-n", home, "route", "add", "default", "via", f"10.{number}.0.1")
            _run("ip", "netns", "exec", router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
            _translate(router, "outside")

    def _plug(self, name: str, number: int) -> None:
        """Connect a namespace to the network that joins the server and the routers."""
        _run("ip", "-n", name, "link", "add", "outside", "type", "veth", "peer", "name", f"port{number}", "netns", self._wire)
        _run("ip", "-n", self._wire, "link", "set", f"port{number}", "master", "bridge", "up")
        _run("ip", "-n", name, "addr", "add", f"203.0.113.{number}/24", "dev", "outside")
        _run("ip", "-n", name, "link", "set", "outside", "up")

    @property
    def _all(self) -> tuple[str, ...]:
        return self._wire, self.server, *self._routers, self.here, self.there

    def __exit__(self, *_: object) -> None:
        for name in self._all:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    async def start(self, name: str, *words: str, cwd: Path) -> asyncio.subprocess.Process:
        """Start a program in one of the namespaces."""
        return await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", name, *words, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
