"""Doubles SCTP's retransmission timeout whenever it expires (RFC 9260, section 6.3.3, E2).

aiortc leaves it as it is. When a queue makes the round trip longer than the timeout, the timer then expires again and
again: each time every bundle under way is given up, although all of them arrive, and because given-up bundles do not
measure a round trip, the timeout never learns of the longer one.
"""

from typing import Any, cast

from aiortc.rtcsctptransport import RTCSctpTransport

from signaling.transport.patches.patch_list import needs

RTO_MAX = 8.0
"""Seconds up to which the timeout is doubled. The RFC allows 60, but after a blackout what waits should not wait for a minute."""


def back_off(sctp: RTCSctpTransport) -> None:
    """Double one association's timeout when it expires; the next round trip that is measured sets it anew. Does nothing
    if this aiortc lacks what is needed."""
    own = cast(Any, sctp)
    if not all(hasattr(sctp, name) for name in needs("sctp_back_off")):
        return
    expired = own._t3_expired

    def _t3_expired() -> None:
        if own._association_state == own.State.CLOSED:
            return  # aiortc would start the timer again, and nothing would end it
        own._rto = max(own._rto, min(2 * own._rto, RTO_MAX))
        expired()

    own._t3_expired = _t3_expired
