"""The page that is a whole peer: ``/call/ROOM``, its scripts, ONNX Runtime for the browser, and the networks.

Everything comes from this server. Scripts are looked up anew each time, by their ETag; runtime and networks have addresses
that change with their contents, and stay in the browser's cache.
"""

import asyncio
import gzip
import hashlib
import io
from functools import cache
from importlib import resources
from pathlib import Path

from aiohttp import web

from models.runtime.weight_files import MADE_FROM, made_from
from signaling.static_files import json_error, page_bytes

PEER = Path(__file__).parent / "web" / "peer"
VENDOR = PEER / "vendor"
NETWORKS = (
    "identity.onnx",
    "step.onnx",
    "step-int8.onnx",
    "step-small-int8.onnx",
    "interpolator.onnx",
    "blazeface.onnx",
    "face_landmark.onnx",
)
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
PAGE = "call.html"
FOR_EVER = "public, max-age=31536000, immutable"
PIECE = 65_536
"""Bytes of a file that are sent at once."""
STALLED = 60.0
"""Seconds that a piece may take; then the download is given up."""


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


class _File:
    """A file as it is sent: gzipped and named by its contents, once."""

    def __init__(self, name: str, packed: bytes) -> None:
        self.kind, self._packed = _TYPES[Path(name).suffix], packed
        self._etag = f'"{hashlib.sha256(packed).hexdigest()[:16]}"'
        self._unpacked = int.from_bytes(packed[-4:], "little")  # RFC 1952, section 2.3.1

    async def answer(self, request: web.Request, cache_control: str) -> web.StreamResponse:
        """Gzipped to browsers that take it, which all do. It goes in pieces, so that a slow reader costs no memory."""
        headers = _headers(cache_control) | {"ETag": self._etag, "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == self._etag:
            return web.Response(status=304, headers=headers)
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        if packed:
            headers["Content-Encoding"] = "gzip"
        response = web.StreamResponse(headers=headers)
        response.content_type, response.content_length = self.kind, len(self._packed) if packed else self._unpacked
        if self.kind.startswith("text/"):
            response.charset = "utf-8"
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        stored = io.BytesIO(self._packed)
        file = stored if packed else gzip.GzipFile(fileobj=stored)
        try:
            while piece := file.read(PIECE):
                await asyncio.wait_for(response.write(piece), STALLED)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # who asked has gone
        return response


@cache
def _network(name: str) -> tuple[_File, str, int]:
    """A network, the digest that names it, its size unpacked. Raises ``FileNotFoundError``."""
    data = resources.files("models").joinpath("weights", name).read_bytes()
    return _File(name, gzip.compress(data, 5, mtime=0)), hashlib.sha256(data).hexdigest()[:16], len(data)


@cache
def _listed(name: str) -> dict[str, str | int]:
    """Where a network lies and how large it is unpacked; ``step.onnx`` in place of one that is not there or was made for other
    weights than the others."""
    source = MADE_FROM.get(name)
    with resources.as_file(resources.files("models") / "weights") as folder:
        fitting = name if source is None or made_from(folder / name, folder / source) else "step.onnx"
    _, digest, size = _network(fitting)
    return {"url": f"/networks/{digest}/{fitting}", "bytes": size}


@cache
def _vendored(path: Path) -> _File:
    return _File(path.stem, path.read_bytes())


@cache
def _scripts() -> dict[str, _File]:
    """Page, scripts and style sheet, by their place in ``web/peer``."""
    left_out = {"vendor", "node_modules"}
    files = [p for p in PEER.rglob("*") if p.suffix in (".js", ".css") and not left_out & set(p.relative_to(PEER).parts)]
    files.append(PEER / PAGE)
    return {p.relative_to(PEER).as_posix(): _File(p.name, gzip.compress(page_bytes(p), 9, mtime=0)) for p in files}


class CallPage:
    """Answers for everything under ``/call``, ``/peer``, ``/vendor`` and ``/networks``. No path from the network ever
    names a file: only what was listed when the server began can be asked for."""

    def __init__(self) -> None:
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

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Handle GET ``/call/ROOM``: the same page for every room."""
        return await _scripts()[PAGE].answer(request, "no-cache")

    async def script(self, request: web.Request) -> web.StreamResponse:
        """Handle GET ``/peer/PATH``."""
        path = request.match_info["path"]
        if path == PAGE or path not in _scripts():
            return json_error(404, "not_found", "there is no such file")
        return await _scripts()[path].answer(request, "no-cache")

    async def files(self, _: web.Request) -> web.Response:
        """Handle GET ``/peer/files.json``: where runtime and networks lie, and how large they are unpacked."""
        if not self._version:
            text = "this server lacks ONNX Runtime for browsers; whoever runs it brings it with: python -m signaling.web.npm"
            return json_error(503, "no_runtime", text)
        files = {name: await asyncio.to_thread(_listed, name) for name in NETWORKS}  # packed once, for a second
        return web.json_response({"runtime": f"/vendor/{self._version}/", "files": files}, headers=_headers("no-cache"))

    async def vendor(self, request: web.Request) -> web.StreamResponse:
        """Handle GET ``/vendor/VERSION/NAME``."""
        path = self._vendor.get(request.match_info["name"])
        if path is None or request.match_info["version"] != self._version:
            return json_error(404, "not_found", "there is no such file")
        return await (await asyncio.to_thread(_vendored, path)).answer(request, FOR_EVER)

    async def network(self, request: web.Request) -> web.StreamResponse:
        """Handle GET ``/networks/DIGEST/NAME``."""
        name = request.match_info["name"]
        if name not in NETWORKS or _network(name)[1] != request.match_info["digest"]:
            return json_error(404, "not_found", "there is no such file")
        return await _network(name)[0].answer(request, FOR_EVER)
