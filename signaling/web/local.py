"""What the pages on this machine share: their files, and which requests are answered."""

from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from codec.errors import system_reason
from receiver.outputs.video_file import OutputError
from signaling.static_files import add_headers, add_pages, errors_as_json, json_error, split_url

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
FILES = (
    "local.js", "viewer.js", "lobby.js", "names.js", "capture.js", "capture-worker.js", "tap.js", "readout.js",
    "sound.js", "speaker.js", "call.css", "page.css", "icon.svg",
)  # fmt: skip

SHARED = (
    "call/media_access.js", "media/output_latency.js",
    "page/controls.js", "page/faces.js", "page/menus.js", "page/numbers.js", "page/safety.js",
)  # fmt: skip
"""Taken from ``peer``, the page that is itself a peer."""


def local_app(allowed_hosts: Iterable[str] = ()) -> web.Application:
    """An application with the call's page at ``/``, only for local names and ``allowed_hosts`` (without port)."""
    app = web.Application(middlewares=[errors_as_json, _guard(LOCAL_NAMES | set(allowed_hosts))], client_max_size=81_920)
    app.on_response_prepare.append(add_headers)
    add_pages(
        app, {"/": "local.html"} | {f"/{name}": f"../peer/{name}" for name in SHARED} | {f"/{name}": name for name in FILES}
    )
    return app


async def serve_local(app: web.Application, port: int) -> tuple[web.AppRunner, str]:
    """Serve on a loopback port, 0 for any free one → (its runner, its address). Raises ``OutputError``."""
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        await runner.cleanup()
        why = system_reason(error)
        raise OutputError(f"the page cannot be served on port {port}: {why}; choose another with --page-port") from error
    return runner, f"http://localhost:{runner.addresses[0][1]}/"


def _guard(names: frozenset[str] | set[str]) -> Middleware:
    """Refuse requests that a foreign web page makes a browser send: through a name that was pointed at
    this machine (DNS rebinding, seen in the Host header), or from another origin (seen in the Origin
    header)."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "").lower()
        if split_url("//" + host).hostname not in names:
            return json_error(403, "bad_host", "this page answers at localhost only")
        origin = request.headers.get("Origin")
        # Another program's page on localhost is foreign, too: the port must match as well as the name.
        if origin is not None and split_url(origin).netloc.lower() != host:
            return json_error(403, "bad_origin", "requests from other pages are refused")
        return await handler(request)

    return guard
