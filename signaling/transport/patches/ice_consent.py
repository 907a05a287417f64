"""How often ICE asks whether the other side still agrees to be sent to (RFC 7675): consent expires
after 30 s without an answer.

aioice asks every 5 s, as the RFC proposes; with the answer to the other side's question that is
0.35 kbit/s each way of a call's 12. A quiet connection is noticed and replaced much sooner here
(:mod:`signaling.transport.link`), so two questions in those 30 s will do, each asked up to three
times (:mod:`signaling.transport.patches.ice_checks`).
"""

from aioice import ice

INTERVAL = 9
"""Seconds between two consent checks; aioice varies it by a fifth."""
FAILURES = 2
"""Unanswered checks after which consent is gone: at most 30 s, with 4.2 s of waiting for each."""


def lengthen_consent_interval() -> None:
    """Set it for all connections of this process; nothing where aioice has no such numbers."""
    if hasattr(ice, "CONSENT_INTERVAL") and hasattr(ice, "CONSENT_FAILURES"):
        ice.CONSENT_INTERVAL, ice.CONSENT_FAILURES = INTERVAL, FAILURES
