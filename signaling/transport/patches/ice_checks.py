"""Makes ICE repeat its connectivity checks sooner, and its consent checks before they fail (RFC 8445
section 14, RFC 7675)."""

import time
from typing import Any, cast

from aioice import stun

CHECK = 0.1
"""Seconds until an ICE check is repeated for the first time; the pause then doubles each time."""
CHECK_EACH = 0.2
"""Seconds for each check under way; their sum is the longest pause, so that all dead paths from an
address share five repetitions a second."""
CHECK_MOST = 0.4
"""Longest pause between two repetitions of a check if few are under way, in seconds."""
CHECK_SPAN = 50.0
"""Seconds for which a check is repeated in all."""
CONSENT = 0.6
"""Seconds until a consent check (RFC 7675) is repeated for the first time; the pause then doubles."""
CONSENT_TRIES = 3
"""How often a consent check is sent. Its answer may take 4.2 s in all, see
:mod:`signaling.transport.patches.ice_consent`."""


class _Check(stun.Transaction):
    """An ICE check that is repeated at short intervals; aioice's own waits twice as long each time,
    up to 16 s."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = cast(Any, self)  # for private names of the base class
        self._began = time.monotonic()
        self._check = options.get("retransmissions") is None
        # Else it is a consent check. aioice sends each only once, and a bad network too often loses three in a row.
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
    """Make ICE in this process repeat its checks sooner. Does nothing if aioice sends them in another
    way. Safe to call again."""
    names = {"_Transaction__timeout_delay", "_Transaction__protocol", "_Transaction__tries_max"}
    if names <= {*stun.Transaction.__init__.__code__.co_names} and hasattr(stun.Transaction, "_Transaction__retry"):
        stun.Transaction = _Check  # type: ignore[misc]
