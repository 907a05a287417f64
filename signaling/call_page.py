"""The page that is a whole peer: ``/call/ROOM``, its scripts, ONNX Runtime for the browser, and the networks.

Everything comes from this server. Scripts are looked up anew each time, by their ETag; runtime and networks have addresses
that change with their contents, and stay in the browser's cache.
"""

import asyncio
import gzip
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path

from aiohttp import web

from signaling.static_files import json_error

PEER = Path(__file__).parent / "web" / "peer"
VENDOR = PEER / "vendor"
NETWORKS = ("identity.onnx", "step.onnx", "step-int8.onnx", "interpolator.onnx", "blazeface.onnx", "face_landmark.onnx")
"""Of ``models/weights``, what the page runs."""
_TYPES = {
    ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
    ".wasm": "application/wasm", ".onnx": "application/octet-stream",
}  # fmt: skip
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""As of the other pages, and WebAssembly and workers, of this server's own."""
FOR_EVER = "public, max-age=31536000, immutable"


def _headers(cache_control: str) -> dict[str, str]:
    """Of all that the page is made of. The first two give it threads (WebAssembly with shared memory)."""
    return {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(), geolocation=()",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cache-Control": cache_control,
    }


def _answer(request: web.Request, packed: bytes, kind: str, cache_control: str) -> web.Response:
    """A file that lies here gzipped, sent so to browsers that take it, which all do."""
    etag = hashlib.sha256(packed).hexdigest()[:16]
    headers = _headers(cache_control) | {"ETag": f'"{etag}"', "Vary": "Accept-Encoding"}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    body = packed
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(packed)
    charset = "utf-8" if kind.startswith("text/") else None
    return web.Response(body=body, content_type=kind, charset=charset, headers=headers)


@cache
def _network(name: str) -> tuple[bytes, str, int]:
    """A network gzipped, the digest that names it, its size unpacked. Raises ``FileNotFoundError``."""
    data = resources.files("models").joinpath("weights", name).read_bytes()
    return gzip.compress(data, 5, mtime=0), hashlib.sha256(data).hexdigest()[:16], len(data)


class CallPage:
    """Answers for everything under ``/call``, ``/peer``, ``/vendor`` and ``/networks``. No path from the network ever
    names a file: only what was listed when the server began can be asked for."""

    def __init__(self) -> None:
        left_out = {"vendor", "node_modules"}
        files = [p for p in PEER.rglob("*") if not left_out & set(p.relative_to(PEER).parts)]
        scripts = [p for p in files if p.suffix in (".js", ".css")]
        self._scripts = {p.relative_to(PEER).as_posix(): (gzip.compress(p.read_bytes(), 9, mtime=0), p.suffix) for p in scripts}
        self._page = gzip.compress((PEER / "call.html").read_bytes(), 9, mtime=0)
        marker = VENDOR / "version.txt"
        self._version = marker.read_text() if marker.exists() else ""
        self._vendor = {p.name.removesuffix(".gz"): p for p in VENDOR.glob("*.gz")} if self._version else {}

    def add_to(self, app: web.Application) -> None:
        """Serve it."""
        add = app.router.add_get
        add("/call/{room}", self.page)
        add("/peer/files.json", self.files)
        add("/peer/{path:.+}", self.script)
        add("/vendor/{version}/{name}", self.vendor)
        add("/networks/{digest}/{name}", self.network)

    async def page(self, request: web.Request) -> web.Response:
        """Handle GET ``/call/ROOM``: the same page for every room."""
        return _answer(request, self._page, "text/html", "no-cache")

    async def script(self, request: web.Request) -> web.Response:
        """Handle GET ``/peer/PATH``."""
        found = self._scripts.get(request.match_info["path"])
        if found is None:
            return json_error(404, "not_found", "there is no such file")
        packed, suffix = found
        return _answer(request, packed, _TYPES[suffix], "no-cache")

    async def files(self, _: web.Request) -> web.Response:
        """Handle GET ``/peer/files.json``: where runtime and networks lie, and how large they are unpacked."""
        if not self._version:
            text = "this server lacks ONNX Runtime for browsers; whoever runs it brings it with: python -m signaling.web.npm"
            return json_error(503, "no_runtime", text)
        networks = {name: await asyncio.to_thread(_network, name) for name in NETWORKS}  # packed once, for a second
        files = {name: {"url": f"/networks/{d}/{name}", "bytes": size} for name, (_, d, size) in networks.items()}
        return web.json_response({"runtime": f"/vendor/{self._version}/", "files": files}, headers=_headers("no-cache"))

    async def vendor(self, request: web.Request) -> web.Response:
        """Handle GET ``/vendor/VERSION/NAME``."""
        path = self._vendor.get(request.match_info["name"])
        if path is None or request.match_info["version"] != self._version:
            return json_error(404, "not_found", "there is no such file")
        return _answer(request, path.read_bytes(), _TYPES[Path(path.stem).suffix], FOR_EVER)

    async def network(self, request: web.Request) -> web.Response:
        """Handle GET ``/networks/DIGEST/NAME``."""
        name = request.match_info["name"]
        if name not in NETWORKS or _network(name)[1] != request.match_info["digest"]:
            return json_error(404, "not_found", "there is no such file")
        return _answer(request, _network(name)[0], _TYPES[".onnx"], FOR_EVER)
