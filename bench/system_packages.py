"""Debian packages that facewire can use besides Python, what each is for, and which are missing.

``python -m bench.system_packages`` names the missing ones; with ``--install``, run as root, it installs
them with apt. A call needs none of them; a test that needs one is skipped without it (tests/needs.py),
and ``facewire doctor`` lists the missing ones, too.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from ctypes.util import find_library
from dataclasses import dataclass

SERVERS_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian puts programs such as nginx and nft, which only root has in PATH."""


def program(name: str) -> str | None:
    """Path of a program in PATH or :data:`SERVERS_PATH`; None if it isn't installed."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SERVERS_PATH)))


@dataclass(frozen=True)
class Package:
    """``programs`` or ``library`` show whether its contents are installed, by whatever means."""

    name: str
    purpose: str
    programs: tuple[str, ...] = ()
    library: str = ""

    @property
    def present(self) -> bool:
        """Whether its programs and library are found."""
        return all(map(program, self.programs)) and (not self.library or find_library(self.library) is not None)


PACKAGES = (
    Package("libportaudio2", "microphone and speakers without a browser", library="portaudio"),
    Package("chromium", "tests and bench.calls.delay --page: a real browser", ("chromium",)),
    Package("chromium-driver", "tests and bench.calls.delay --page: controls the browser", ("chromedriver",)),
    Package(
        "pulseaudio", "tests and bench.calls.delay --page: a sound server without a sound card", ("pulseaudio", "pactl", "parec")
    ),
    Package("coturn", "tests: calls through a TURN server", ("turnserver",)),
    Package("redis-server", "tests: rooms that signaling servers share", ("redis-server",)),
    Package("nginx-light", "tests: the proxy of docker-compose.yml", ("nginx",)),
    Package("nftables", "tests: two homes, each behind a NAT", ("nft",)),
    Package("iproute2", "tests: two homes, each behind a NAT", ("ip",)),
    Package("espeak-ng", "bench.make_clip: speech for the shipped clip", ("espeak-ng",)),
)


def missing(packages: Sequence[Package] = PACKAGES) -> list[Package]:
    """Those that aren't installed."""
    return [p for p in packages if not p.present]


def command(packages: Sequence[Package]) -> str:
    """The command that installs them."""
    return " ".join(["apt-get install", *(p.name for p in packages)])


def install(packages: Sequence[Package], say: Callable[[str], None]) -> bool:
    """Install them with apt; False if that fails. Only then apt's last line is reported."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *(p.name for p in packages)]):
        done = subprocess.run(
            ["apt-get", "-qq", *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            lines = done.stdout.strip().splitlines() or ["no message"]
            say(f"apt-get {words[0]} failed: {lines[-1]}")
            return False
    return True


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    """The command line. Always 0: a missing package matters only to those who need it."""
    parser = argparse.ArgumentParser(prog="python -m bench.system_packages", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install what is missing, if run as root and there is apt-get")
    options = parser.parse_args(arguments)
    lacking = missing()
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if lacking and options.install and root and shutil.which("apt-get"):
        say(f"installing {', '.join(p.name for p in lacking)}")
        install(lacking, say)
        lacking = missing()
    for package in lacking:
        say(f"{package.name} is missing ({package.purpose})")
    if lacking:
        say(f"what needs them is skipped; to install them, as root: {command(lacking)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
