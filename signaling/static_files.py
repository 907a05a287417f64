"""The files under ``signaling/web/static`` and the headers they travel with."""

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

PAGES = Path(__file__).parent / "web" / "static"
CONTROLS = "controls.html"
"""The buttons of a call: a comment with this name in a page stands for them."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline, in nobody's frame. ``/call/ROOM`` has its own: :mod:`signaling.call_page`."""

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def add_pages(app: web.Application, files: dict[str, str]) -> None:
    """Serve the named files of ``web/static`` (route → file name), read once, now. Only these can
    be reached: no path from the network ever names a file.

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
    """A file as it is sent: a page with the call's buttons put in."""
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
    # A page and its script change together with the installed version; a stale half of them would not work.
    response.headers.setdefault("Cache-Control", "no-cache")


def split_url(url: str) -> SplitResult:
    """Its parts; empty ones where it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def json_error(status: int, code: str, message: str) -> web.Response:
    """An answer that says in JSON what was wrong: ``{"error": {"code", "message"}}``."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: aiohttp's own refusals (404, 405, 413 …) as JSON too."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return json_error(error.status, error.reason.lower().replace(" ", "_"), error.reason)
