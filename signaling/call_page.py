"""The page that is itself a peer: ``/call/ROOM``, its scripts, ONNX Runtime for the browser, and the networks.

Everything comes from this server. Browsers check scripts by their ETag at every load. The URLs of runtime and networks
change with their contents, so these files stay in the browser's cache.
"""

import asyncio
import gzip
import hashlib
import io
from functools import cache, partial
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
"""The files of ``models/weights`` that the page runs."""
_TYPES = {
    ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
    ".wasm": "application/wasm", ".onnx": "application/octet-stream",
}  # fmt: skip
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The other pages' policy, extended by blob: images, WebAssembly, and workers from this server."""
PAGE = "call.html"
FOR_EVER = "public, max-age=31536000, immutable"
PIECE = 65_536
"""Bytes of a file that are written at a time."""
STALLED = 60.0
"""Seconds that writing a piece may take; then the connection is aborted."""


def _headers(cache_control: str) -> dict[str, str]:
    """Headers of every file of the page. The first two enable threads (WebAssembly with shared memory)."""
    return {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(), geolocation=()",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cache-Control": cache_control,
    }


class _File:
    """A file ready to be sent: gzipped once, with a hash of its contents as ETag."""

    def __init__(self, name: str, packed: bytes) -> None:
        self.kind, self._packed = _TYPES[Path(name).suffix], packed
        self._etag = f'"{hashlib.sha256(packed).hexdigest()[:16]}"'
        self._unpacked = int.from_bytes(packed[-4:], "little")  # RFC 1952, section 2.3.1

    async def answer(self, request: web.Request, cache_control: str) -> web.StreamResponse:
        """Send the file: gzipped if the browser accepts that (all do), and in pieces, so that slow readers cost no memory."""
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
            pass  # the client has disconnected
        return response


@cache
def _network(name: str) -> tuple[_File, str, int]:
    """A network, the digest in its URL, and its unpacked size in bytes. Raises ``FileNotFoundError``."""
    data = resources.files("models").joinpath("weights", name).read_bytes()
    return _File(name, gzip.compress(data, 5, mtime=0)), hashlib.sha256(data).hexdigest()[:16], len(data)


@cache
def _listed(name: str) -> dict[str, str | int]:
    """A network's URL and its unpacked size in bytes; ``step.onnx`` in place of a network that is missing or was made from
    other weights."""
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
    """Page, scripts and style sheet, by their path in ``web/peer``."""
    left_out = {"vendor", "node_modules"}
    files = [p for p in PEER.rglob("*") if p.suffix in (".js", ".css") and not left_out & set(p.relative_to(PEER).parts)]
    files.append(PEER / PAGE)
    return {p.relative_to(PEER).as_posix(): _File(p.name, gzip.compress(page_bytes(p), 9, mtime=0)) for p in files}


async def _moved(_: web.Request, to: str) -> web.Response:
    return web.Response(status=302, headers={"Location": to})


class CallPage:
    """Handles everything under ``/call``, ``/peer``, ``/vendor`` and ``/networks``. A requested path is never used as a
    file name: it is only looked up in lists of what may be sent."""

    def __init__(self) -> None:
        marker = VENDOR / "version.txt"
        self._version = marker.read_text() if marker.exists() else ""
        self._vendor = {p.name.removesuffix(".gz"): p for p in VENDOR.glob("*.gz")} if self._version else {}

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        add = app.router.add_get
        add("/call/{room}", self.page)
        # Without a room: to the page that asks for one. Relative, because a proxy may serve all this below a path.
        add("/call", partial(_moved, to="./"))
        add("/call/", partial(_moved, to="../"))
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
        """Handle GET ``/peer/files.json``: URLs of runtime and networks, unpacked sizes of the networks; 503 without runtime."""
        if not self._version:
            text = "this server lacks ONNX Runtime for browsers; its operator can install it with: python -m signaling.web.npm"
            return json_error(503, "no_runtime", text)
        files = {name: await asyncio.to_thread(_listed, name) for name in NETWORKS}  # compressed once, in a second
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
