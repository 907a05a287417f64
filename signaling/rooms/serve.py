"""Running the signaling server: its port, TLS, its log."""

import errno
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from signaling.rooms.json_log import log_as_json
from signaling.rooms.server import SERVER, ServerConfig, create_app
from signaling.rooms.stun import serve_stun


class ServeError(RuntimeError):
    """The server cannot run so; the message is one line for the user."""


def tls_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with this certificate; None without one. Raises :class:`ServeError`."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ServeError("TLS needs both --certificate and --key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except FileNotFoundError as error:
        raise ServeError(f"no such file: {certificate if not certificate.is_file() else key}") from error
    except (ssl.SSLError, OSError) as error:
        raise ServeError(f"{certificate} and {key} are no certificate and its key ({error})") from None
    return context


def run_server(
    config: ServerConfig, host: str, port: int, certificate: Path | None, key: Path | None, log_json: bool,
    say: Callable[[str], object], stun: bool = True,
) -> None:  # fmt: skip
    """Serve until SIGINT or SIGTERM; peers are then told, and their calls go on without a server. ``stun``: answer STUN at
    the UDP port of the same number, too. Raises :class:`ServeError`."""
    context = tls_context(certificate, key)
    if log_json:
        log_as_json()

    def told(text: str) -> None:
        say(text.splitlines()[0].strip("= "))

    app = create_app(config)
    if stun:

        def ready(found: int) -> None:
            app[SERVER].stun_port = found

        app.cleanup_ctx.append(serve_stun(host, port, ready))
    try:
        web.run_app(app, host=host, port=port, ssl_context=context, print=told, access_log=None)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ServeError(f"port {port} is in use: name another with --port") from None
