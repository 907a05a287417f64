"""All changes to aiortc, aioice and pyOpenSSL;
:data:`signaling.transport.patches.patch_list.PATCHES` lists them.

:func:`apply` makes those of the whole process, :class:`ConnectionPatches` those of one connection;
the channels call ``sctp_queue``, the wire meter ``ice_sockets``. No code outside this folder uses a
private name of these libraries. For signaling's own connections: :mod:`signaling.transport` and the
page's in :mod:`signaling.web`.
"""

from collections.abc import Callable

from aiortc import RTCPeerConnection

from signaling.transport.patches import dtls_ciphers, dtls_records, ice_checks, ice_consent, ice_gathering, ice_loopback
from signaling.transport.patches.dtls_flights import Flight
from signaling.transport.patches.sctp_acks_and_probes import AckBundler
from signaling.transport.patches.sctp_back_off import back_off
from signaling.transport.patches.sctp_fragments import limit_reassembly
from signaling.transport.patches.sctp_init import fix_init_handling

_applied = False


def apply() -> None:
    """Make the changes of the whole process. Safe to call again; their order does not matter."""
    global _applied
    if _applied:
        return
    ice_loopback.allow_loopback_candidates()
    ice_consent.lengthen_consent_interval()
    ice_checks.shorten_check_retries()
    ice_gathering.shorten_gathering_timeouts()
    dtls_ciphers.prefer_short_records()
    _applied = True


class ConnectionPatches:
    """The changes to one connection, made once its own description is set.

    The order matters: ``fix_init_handling`` and ``limit_reassembly`` wrap methods that ``AckBundler`` wraps as well, and
    the bundler, which replaces one of them for a moment, must be the outermost.
    """

    def __init__(self, connection: RTCPeerConnection, round_trip: Callable[[], float]) -> None:
        """``round_trip``: returns the connection's round trip in seconds, 0 while unknown."""
        assert connection.sctp is not None
        self._flight = Flight(connection, round_trip)
        fix_init_handling(connection.sctp)
        limit_reassembly(connection.sctp)
        dtls_records.drain_records(connection.sctp)
        back_off(connection.sctp)
        self.acks = AckBundler(connection.sctp)

    def end(self) -> None:
        """Stop all repetition of packets."""
        self._flight.end()
        self.acks.end()
