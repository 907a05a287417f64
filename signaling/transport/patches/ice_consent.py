"""How often ICE checks that the peer still consents to receive (RFC 7675): consent expires after
30 s without an answer.

aioice checks every 5 s, as the RFC proposes; together with the answers to the peer's checks that is
0.35 kbit/s each way of a call's 12. A quiet connection is noticed and replaced much sooner here
(:mod:`signaling.transport.link`), so two checks in those 30 s are enough, each sent up to three
times (:mod:`signaling.transport.patches.ice_checks`).
"""

from aioice import ice

INTERVAL = 9
"""Seconds between two consent checks; aioice varies it by a fifth."""
FAILURES = 2
"""Unanswered checks after which consent expires: after at most 30 s, with 4.2 s of waiting for each."""


def lengthen_consent_interval() -> None:
    """Set both for all connections of this process. Does nothing if aioice has no such constants."""
    if hasattr(ice, "CONSENT_INTERVAL") and hasattr(ice, "CONSENT_FAILURES"):
        ice.CONSENT_INTERVAL, ice.CONSENT_FAILURES = INTERVAL, FAILURES
