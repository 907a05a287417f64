"""ICE servers (STUN and TURN): read from the command line or a JSON file, passed to aiortc and browsers."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from codec.errors import system_reason

CREDENTIAL_LIFETIME = 86_400
"""Seconds for which a credential made from a TURN server's shared secret is valid: no call lasts longer than a day."""
MAX_FILE = 65_536
"""Bytes of the largest ICE file that is read."""


class IceConfigError(ValueError):
    """An ICE server's URL, credential or file cannot be used; the text states which and why, in one line."""


class IceServer(BaseModel):
    """One entry of WebRTC's ``iceServers``.

    ``urls`` are ``stun:HOST[:PORT]``, ``turn:HOST[:PORT][?transport=udp|tcp]`` or ``turns:…`` (1 to
    8 of them; a single string is taken as a list of one). ``turn`` needs ``username`` and
    ``credential``, or ``secret``: coturn's ``static-auth-secret``, from which credentials valid for
    a day are made, so that the secret itself never leaves the server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    urls: tuple[str, ...] = Field(min_length=1, max_length=8)
    username: str | None = Field(default=None, max_length=512)
    credential: str | None = Field(default=None, max_length=512, repr=False)
    secret: str | None = Field(default=None, max_length=512, repr=False)

    @field_validator("urls", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("urls")
    @classmethod
    def _parsed(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if len(url) > 512:
                raise ValueError("ICE server URL longer than 512 characters")
            try:
                port = parse_stun_turn_uri(url)["port"]
            except ValueError as error:
                raise ValueError(f"{url!r} is not a STUN or TURN URL ({error})") from None
            if not 0 < port < 65_536:
                raise ValueError(f"{url!r} has a port outside 1..65535")
        return urls

    @model_validator(mode="after")
    def _credentialed(self) -> Self:
        turn = any(map(_is_turn, self.urls))
        if turn and not self.secret and not (self.username and self.credential):
            raise ValueError(f"{self.urls[0]!r} needs a username and a credential, or a secret")
        return self

    def issued(self, now: float | None = None) -> "IceServer":
        """This server as a client may see it: a ``secret`` is replaced by a credential valid for a
        day from ``now`` (seconds since the epoch), made as coturn expects (REST API for TURN
        services)."""
        if not self.secret:
            return self
        username = str(int(time.time() if now is None else now) + CREDENTIAL_LIFETIME)
        digest = hmac.new(self.secret.encode(), username.encode(), hashlib.sha1).digest()
        return IceServer(urls=self.urls, username=username, credential=base64.b64encode(digest).decode())


class IceConfig(BaseModel):
    """The STUN and TURN servers of a call. Empty by default: only servers that the user named are
    ever contacted.

    aiortc uses the first STUN and the first TURN URL of the list and skips ``stuns:``; browsers use them all. So
    :meth:`with_turn` chooses another TURN URL after an attempt that failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: tuple[IceServer, ...] = Field(default=(), max_length=8)

    @classmethod
    def load(cls, urls: list[str] | tuple[str, ...] = (), file: str | Path | None = None) -> "IceConfig":
        """Read servers from command line strings, then from a JSON file.

        A string is ``stun:HOST[:PORT]`` or ``turn:USER:PASSWORD@HOST[:PORT][?transport=…]`` (USER
        and PASSWORD percent-encoded where they hold ``:``, ``@`` or ``%``). The file holds WebRTC's
        ``iceServers`` list, bare or as ``{"iceServers": [...]}``.

        Raises:
            IceConfigError: a string or the file cannot be used.
        """
        entries: list[Any] = [_from_string(url) for url in urls]
        if file is not None:
            entries += _from_file(Path(file))
        return cls.from_entries(entries)

    @classmethod
    def from_entries(cls, entries: object) -> "IceConfig":
        """Check a list of ``iceServers`` entries, such as a signaling server sends.

        Raises:
            IceConfigError: it is not such a list.
        """
        try:
            return cls.model_validate({"servers": entries})
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"][1:])
            raise IceConfigError(f"ICE servers: {where + ': ' if where else ''}{first['msg']}") from None

    def entries(self) -> list[dict[str, Any]]:
        """The ``iceServers`` list for a client or a browser: secrets are replaced by credentials valid for a day."""
        return [server.issued().model_dump(mode="json", exclude_none=True) for server in self.servers]

    def with_turn(self, number: int) -> "IceConfig":
        """The same servers, with TURN URL ``number`` (modulo their count) before the other TURN URLs."""
        turns = [server.model_copy(update={"urls": (url,)}) for server in self.servers for url in server.urls if _is_turn(url)]
        if len(turns) < 2:
            return self
        rest = [(server, tuple(url for url in server.urls if not _is_turn(url))) for server in self.servers]
        others = [server.model_copy(update={"urls": urls}) for server, urls in rest if urls]
        first = number % len(turns)
        return self.model_copy(update={"servers": (*others, *turns[first:], *turns[:first])})

    def to_aiortc(self) -> RTCConfiguration:
        """Configuration for an ``RTCPeerConnection``: these servers; if there are none, no server
        at all (aiortc's own default would use a public one). All media of a call share one
        transport."""
        servers = [server.issued() for server in self.servers]
        return RTCConfiguration(
            iceServers=[RTCIceServer(list(s.urls), username=s.username, credential=s.credential) for s in servers],
            bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
        )


def _is_turn(url: str) -> bool:
    return url.startswith("turn")


def _from_string(text: str) -> dict[str, Any]:
    scheme, _, rest = text.partition(":")
    user, at, host = rest.rpartition("@")
    if not at:
        return {"urls": [text]}
    username, colon, password = user.partition(":")
    if not colon:
        raise IceConfigError(f"{scheme}:…@{host}: write USER:PASSWORD before the @")
    return {"urls": [f"{scheme}:{host}"], "username": unquote(username), "credential": unquote(password)}


def _from_file(path: Path) -> list[Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise IceConfigError(f"{path}: larger than {MAX_FILE} bytes")
        content = json.loads(data)
    except OSError as error:
        raise IceConfigError(f"{path}: {system_reason(error)}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, IceConfigError):
            raise
        raise IceConfigError(f"{path}: not JSON ({error})") from None
    entries = content.get("iceServers") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise IceConfigError(f"{path}: contains no iceServers list")
    return entries
