"""``facewire serve`` and ``facewire token``."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import Ice, IceFile, say
from signaling.rooms.room_limits import MAX_ROOMS, PER_ADDRESS, PER_MINUTE


def serve(
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8790,
    ice: Ice = None, ice_file: IceFile = None,
    secret: Annotated[Path | None, typer.Option(help="File with a secret: users need a token signed with it.")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="https://SITE whose pages may connect, too; may be repeated.")] = None,
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="Take addresses from X-Forwarded-For.")] = False,
    max_rooms: Annotated[int, typer.Option(min=1, help="Rooms open at once.")] = MAX_ROOMS,
    per_minute: Annotated[float, typer.Option(min=1, help="Connections that one address may make a minute.")] = PER_MINUTE,
    per_address: Annotated[int, typer.Option(min=1, help="Connections that one address may have open.")] = PER_ADDRESS,
    certificate: Annotated[Path | None, typer.Option(help="PEM file; with --key the server speaks TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
    redis: Annotated[
        str | None, typer.Option(help="redis://HOST: keep the rooms there, for several servers.", envvar="FACEWIRE_REDIS")
    ] = None,
    stun: Annotated[bool, typer.Option(help="Answer STUN on the same UDP port, which calls across NATs need.")] = True,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log what happens, as JSON lines on stderr.")] = False,
) -> None:  # fmt: skip
    """The signaling server and its page."""
    from signaling.config import IceConfig
    from signaling.rooms.access import read_secret
    from signaling.rooms.serve import run_server
    from signaling.rooms.server import ServerConfig

    config = ServerConfig(
        IceConfig.load(ice or [], ice_file), max_rooms=max_rooms, secret=read_secret(secret) if secret else None,
        origins=frozenset(origin or ()), per_minute=per_minute, per_address=per_address, behind_proxy=behind_proxy,
        redis=redis,
    )  # fmt: skip
    run_server(config, host, port, certificate, key, log_json, say, stun and not behind_proxy)


def token(
    room: str, secret: Annotated[Path, typer.Option(help="The secret file that serve --secret uses.")],
    hours: Annotated[float, typer.Option(min=0.01, max=8760, help="How long it opens the room.")] = 24.0,
) -> None:  # fmt: skip
    """Print a token that opens one room of a server with --secret; give it to both people."""
    from signaling.rooms.access import issue_token, read_secret

    print(issue_token(read_secret(secret), room, hours * 3600))
