"""ICE repeats its connectivity checks sooner, and questions of consent within their time (RFC 8445
section 14, RFC 7675)."""

import time
from typing import Any, cast

from aioice import stun

CHECK = 0.1
"""Seconds until an ICE check is repeated for the first time; then after twice as long each
time."""
CHECK_EACH = 0.2
"""Seconds between two repetitions for each check that is under way, at most: all dead paths from
an address share five a second."""
CHECK_MOST = 0.4
"""Seconds between two repetitions of a check at most, where few are under way."""
CHECK_SPAN = 50.0
"""Seconds for which a check is repeated in all."""
CONSENT = 0.6
"""Seconds until a consent check (RFC 7675) is repeated for the first time; then after twice as
long."""
CONSENT_TRIES = 3
"""How often a consent check is sent. It is waited for 4.2 s, see
:mod:`signaling.transport.patches.ice_consent`."""


class _Check(stun.Transaction):
    """A question of ICE's that goes on being asked every little while; aioice's own waits twice as
    long each time, up to 16 s."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = cast(Any, self)  # for names that are the base class's own
        self._began = time.monotonic()
        self._check = options.get("retransmissions") is None
        # Else it is a question of consent. aioice asks each once, and of three in a row all are lost too often on a bad network.
        self._all._Transaction__timeout_delay = CHECK if self._check else CONSENT
        self._all._Transaction__tries_max = 1 << 30 if self._check else CONSENT_TRIES

    def _Transaction__retry(self) -> None:
        if self._check and time.monotonic() - self._began > CHECK_SPAN:
            self._all._Transaction__tries_max = 0
        super()._Transaction__retry()  # type: ignore[misc]
        if not self._check:
            return
        most = max(CHECK_MOST, CHECK_EACH * len(getattr(self._all._Transaction__protocol, "transactions", ())))
        self._all._Transaction__timeout_delay = min(most, self._all._Transaction__timeout_delay)


def shorten_check_retries() -> None:
    """Let ICE of this process repeat its checks sooner; nothing where aioice makes them otherwise.
    Safe to call again."""
    names = {"_Transaction__timeout_delay", "_Transaction__protocol", "_Transaction__tries_max"}
    if names <= {*stun.Transaction.__init__.__code__.co_names} and hasattr(stun.Transaction, "_Transaction__retry"):
        stun.Transaction = _Check  # type: ignore[misc]
