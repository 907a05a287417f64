"""Tokens that admit their holder to one room for a limited time. They are made with the server's
secret and checked when a peer joins.

``ROOM.EXPIRY.SIGNATURE``: the room's name, the expiry in seconds since 1970, and HMAC-SHA256
(RFC 2104) of both under the secret, in base64url without padding. Nothing is stored: every server
that has the secret can check the token.
"""

import base64
import hashlib
import hmac
import re
import time
from pathlib import Path

from codec.errors import system_reason
from signaling.protocol import ROOM_PATTERN, SignalingError

SECRET_MIN = 16
"""Bytes of the secret, at least."""
SECRET_MAX = 4096
"""Bytes of the secret, at most."""
LIFETIME_MAX = 366 * 86_400.0
"""Seconds for which a token may be valid."""


class AccessError(ValueError):
    """A secret cannot be used, or a token cannot be made as requested; the message is one line for the user."""


def read_secret(path: Path) -> bytes:
    """The secret in a file, without the white space around it. Raises :class:`AccessError`."""
    try:
        with path.open("rb") as file:
            secret = file.read(SECRET_MAX + 1).strip()
    except OSError as error:
        raise AccessError(f"{path}: {system_reason(error)}") from None
    if not SECRET_MIN <= len(secret) <= SECRET_MAX:
        raise AccessError(f"{path}: a secret has {SECRET_MIN} to {SECRET_MAX} bytes; make one with: openssl rand -hex 32")
    return secret


def _signature(secret: bytes, claim: str) -> str:
    digest = hmac.new(secret, b"facewire room " + claim.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def issue_token(secret: bytes, room: str, seconds: float, now: float | None = None) -> str:
    """A token for ``room`` that expires ``seconds`` after ``now`` (seconds since 1970; None: the present time). Raises
    :class:`AccessError`."""
    if not re.fullmatch(ROOM_PATTERN, room):
        raise AccessError("a room's name has 1 to 64 letters, digits, _ or -")
    if not 0 < seconds <= LIFETIME_MAX:
        raise AccessError(f"a token must be valid for more than 0 and at most {LIFETIME_MAX / 86_400:g} days")
    claim = f"{room}.{int((time.time() if now is None else now) + seconds)}"
    return f"{claim}.{_signature(secret, claim)}"


def check_token(secret: bytes, room: str, token: str | None, now: float | None = None) -> None:
    """Check that ``token`` admits to ``room`` now. Raises ``SignalingError``: ``no_access``, ``access_over``."""
    claim, _, signature = (token or "").rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, claim).encode()):
        raise SignalingError("no_access", "this server requires a token made with its own secret" if token else
                             "this server requires a token: --token")  # fmt: skip
    name, _, expiry = claim.rpartition(".")
    if name != room:
        raise SignalingError("no_access", "the token is for another room")
    if int(expiry) < (time.time() if now is None else now):
        raise SignalingError("access_over", "the token has expired: ask for a new one")
