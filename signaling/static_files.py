"""The files under ``signaling/web/static`` and the HTTP headers they are sent with."""

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

PAGES = Path(__file__).parent / "web" / "static"
CONTROLS = "controls.html"
"""The buttons of a call: they replace a comment with this name in a page."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from other hosts, nothing inline, no framing. ``/call/ROOM`` has its own policy: :mod:`signaling.call_page`."""

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def add_pages(app: web.Application, files: dict[str, str]) -> None:
    """Serve the named files of ``web/static`` (route → file name), read once, now. Only these can
    be reached: a requested path is never used as a file name.

    Raises:
        FileNotFoundError: the installation lacks a page.
    """

    def add(route: str, name: str) -> None:
        body, kind = page_bytes(PAGES / name), _TYPES[Path(name).suffix]

        async def page(_: web.Request) -> web.Response:
            return web.Response(body=body, content_type=kind, charset="utf-8")

        app.router.add_get(route, page)

    for route, name in files.items():
        add(route, name)


def page_bytes(path: Path) -> bytes:
    """A file as it is sent: the call's buttons are inserted into a page."""
    body = path.read_bytes()
    if path.suffix != ".html":
        return body
    controls = PAGES.parent.joinpath(CONTROLS).read_bytes()
    return body.replace(f"<!-- {CONTROLS} -->".encode(), controls)


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """``on_response_prepare`` signal: security headers on every answer, errors included."""
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    # A page and its script change together with the installed version; a stale one would not match the other.
    response.headers.setdefault("Cache-Control", "no-cache")


def split_url(url: str) -> SplitResult:
    """The parts of a URL; empty ones if it is invalid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def json_error(status: int, code: str, message: str) -> web.Response:
    """An error response as JSON: ``{"error": {"code", "message"}}``."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: sends aiohttp's own error responses (404, 405, 413 …) as JSON, too."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return json_error(error.status, error.reason.lower().replace(" ", "_"), error.reason)
