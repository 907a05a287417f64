"""Runs the signaling server: its port, TLS and log."""

import asyncio
import contextlib
import errno
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from signaling.rooms.connections import PER_ADDRESS, SILENT, ConnectionBounds, raise_file_limit
from signaling.rooms.json_log import keep_requests_out_of_the_log, log_as_json
from signaling.rooms.server import SERVER, ServerConfig, create_app
from signaling.rooms.stun import serve_stun


class ServeError(RuntimeError):
    """The server cannot run with these options; the message is one line for the user."""


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
        raise ServeError(f"{certificate} and {key} are not a certificate and its key ({error})") from None
    return context


def run_server(
    config: ServerConfig, host: str, port: int, certificate: Path | None, key: Path | None, log_json: bool,
    say: Callable[[str], object], stun: bool = True,
) -> None:  # fmt: skip
    """Serve until SIGINT or SIGTERM. Peers then get the error ``shutdown``, and their calls continue without a server.
    ``stun``: also answer STUN at the UDP port of the same number. Raises :class:`ServeError`."""
    context = tls_context(certificate, key)
    if log_json:
        log_as_json()
    keep_requests_out_of_the_log()
    raise_file_limit()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(config, host, port, context, say, stun))


async def _serve(
    config: ServerConfig, host: str, port: int, context: ssl.SSLContext | None, say: Callable[[str], object], stun: bool
) -> None:
    # Enough for each socket's page and its files.
    bounds = None if config.behind_proxy else ConnectionBounds(max(PER_ADDRESS, 4 * config.per_address))
    app = create_app(config, [bounds.middleware] if bounds else [])
    if stun:

        def ready(found: int) -> None:
            app[SERVER].stun_port = found

        app.cleanup_ctx.append(serve_stun(host, port, ready, say))
    # Peers get an error at shutdown; downloads that still run after these seconds are cut off.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    stopped = _stop_signal()
    try:
        await runner.setup()
        assert runner.server is not None
        handshake = SILENT if context else None  # aiohttp's own TCPSite allows a minute
        listening = await asyncio.get_running_loop().create_server(
            runner.server, host, port, ssl=context, ssl_handshake_timeout=handshake, backlog=128
        )
        found = listening.sockets[0].getsockname()[1]
        url = f"{'https' if context else 'http'}://{f'[{host}]' if ':' in host else host}:{found}"
        say(f"Running on {url} (open it in a browser to begin a call)")
        try:
            async with bounds.watching(runner.server) if bounds else contextlib.nullcontext():
                await stopped.wait()
        finally:
            listening.close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ServeError(f"port {port} is in use: choose another with --port") from None
    finally:
        await runner.cleanup()


def _stop_signal() -> asyncio.Event:
    """An event set by SIGINT and SIGTERM. Windows' event loop takes no handlers; there Ctrl-C raises ``KeyboardInterrupt``."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped
