"""The list of changes to aiortc, aioice and pyOpenSSL: what, why, and the private names that each needs.

``docs/upstream.md`` has, for each, the text of an issue or pull request.
"""

from dataclasses import dataclass
from typing import Any, cast

import aioice.ice
import aioice.stun
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RTCCertificate


@dataclass(frozen=True)
class Patch:
    """One change. ``module``: where it is made, in this folder. ``reason``: with the RFC.
    ``effect``: as measured.

    ``needs``: the names it depends on, as ``PART.NAME``; PART is a key of :func:`_parts`.
    """

    module: str
    library: str
    what: str
    reason: str
    symptom: str
    effect: str
    needs: tuple[str, ...]


PATCHES = (
    Patch(
        "ice_loopback", "aioice", "Offers 127.0.0.1 where the machine has no other address.",
        "RFC 8445 section 5.1.1.1 excludes loopback addresses, rightly between machines.",
        "Two peers on a machine without a network never connect; nor does the call's own page.",
        "The demo runs offline.",
        ("ice.get_host_addresses",),
    ),
    Patch(
        "ice_consent", "aioice", "Sends consent checks every 9 s instead of 5; two failures end consent instead of six.",
        "RFC 7675 lets consent expire after 30 s; a quiet connection is replaced much sooner here.",
        "0.35 kbit/s each way, of a call's 12.",
        "About 0.15 kbit/s less each way (0.17 of 0.35 remain).",
        ("ice.CONSENT_INTERVAL", "ice.CONSENT_FAILURES"),
    ),
    Patch(
        "ice_checks", "aioice", "Repeats connectivity checks after 0.1 to 0.4 s, and a consent check up to three times.",
        "RFC 8445 section 14.3 allows an RTO from 0.5 s, doubled each time; RFC 7675 section 5.1 checks once.",
        "At 10 % loss and 60 ± 30 ms half the connections take over 2.2 s, the worst of 64 took 7.2 s.",
        "With dtls_flights and sctp_init: 1.1 s in the median, 2.5 s at worst (bench.calls.connect).",
        ("transaction._Transaction__retry", "transaction._Transaction__timeout_delay", "transaction._Transaction__tries_max",
         "transaction._Transaction__protocol"),
    ),
    Patch(
        "ice_gathering", "aioice", "Waits at most 1.5 s for STUN and TURN servers, 0.3 s once another interface has an answer.",
        "RFC 8445 section 5.1.1 leaves to the agent how long it gathers; RFC 8838 lets it continue without waiting.",
        "Where a server does not answer, or an interface leads nowhere, each side waits 5 s; a lost call never recovers.",
        "Two peers whose STUN server is silent connect within 3 s instead of 10.",
        ("ice.server_reflexive_candidate", "ice.relayed_candidate", "connection.get_component_candidates"),
    ),
    Patch(
        "dtls_ciphers", "aiortc", "Prefers ChaCha20-Poly1305 to AES-GCM.",
        "AES-GCM writes 8 bytes of its nonce into each record (RFC 5288), ChaCha20-Poly1305 none (RFC 7905).",
        "8 bytes a packet.", "0.3 kbit/s less each way.",
        ("certificate._create_ssl_context",),
    ),
    Patch(
        "dtls_flights", "aiortc", "Repeats a DTLS flight after three round trips, at most 1 s.",
        "RFC 6347 section 4.2.4.1 starts at 1 s and doubles; a call between people can't wait that long.",
        "A lost flight costs 1, 3, 7 s.", "See ice_checks.",
        ("ice_transport._send", "ice_transport._recv", "dtls._role", "sctp._rto"),
    ),
    Patch(
        "sctp_init", "aiortc", "Sends every INIT with the verification tag 0, ignores late copies, and keeps trying.",
        "RFC 9260 section 8.5.1: an INIT carries the tag 0; section 5.2.2: a copy of an INIT changes nothing.",
        "If both answers to the first INITs are lost, no association is ever established.", "See ice_checks.",
        ("sctp._send_chunk", "sctp._receive_chunk", "sctp._remote_verification_tag", "sctp._t1_failures",
         "sctp._association_state"),
    ),
    Patch(
        "dtls_records", "aiortc, pyOpenSSL", "Reads all messages that DTLS holds, not one for each datagram.",
        "RFC 6347 section 4.1: records may share a datagram, or wait for the end of the handshake.",
        "Every later message is delivered one late, in one connection of twenty with 60 ± 30 ms and 10 % loss.",
        "The latest first picture of 42 calls appears after 4.9 s instead of 8.3 s (bench.calls.survival).",
        ("sctp._handle_data", "dtls._ssl", "dtls._data_receiver"),
    ),
    Patch(
        "sctp_acks_and_probes", "aiortc", "Sends acknowledgements with data; small messages share a packet; probes a lost tail.",
        "RFC 9260 sections 6.2 and 6.10; the I bit of RFC 7053; a probe as in RFC 8985.",
        "Each packet causes a SACK of its own, 3.7 kbit/s each way; a lost tail waits 1 to 3 s.",
        "A SACK costs 16 bytes in a packet that is sent anyway; 0.05 kbit/s in all (bench.calls.wire_call).",
        ("sctp._send_sack", "sctp._send_chunk", "sctp._sack_needed", "sctp._sack_misordered", "sctp._sack_duplicates",
         "sctp._last_received_tsn", "sctp._receive_data_chunk", "sctp._sent_queue", "sctp._outbound_queue", "sctp._rto",
         "sctp._cwnd"),
    ),
    Patch(
        "sctp_forward_tsn", "aiortc", "Sends a FORWARD TSN with data, and the same one once a round trip.",
        "RFC 3758 section 3.5 (notes): a duplicate may wait a full round trip, the first one 200 ms.",
        "A lost bundle on a link with a full queue causes ten packets each way, which keep the queue full.",
        "One loss with a round trip of 1.5 s: 7 packets without data instead of 26 to 91 (test_sctp_forward_tsn.py).",
        ("sctp._send_chunk", "sctp._srtt", "sctp._t3_restart", "sctp._last_sacked_tsn"),
    ),
    Patch(
        "sctp_back_off", "aiortc", "Doubles the retransmission timeout when it expires, up to 8 s.",
        "RFC 9260 section 6.3.3 (E2).",
        "When a queue makes the round trip longer than the timeout, all under way is given up every second, for ever.",
        "Given up a few times, until a round trip is measured (test_sctp_back_off.py).",
        ("sctp._t3_expired", "sctp._rto", "sctp._association_state"),
    ),
    Patch(
        "sctp_fragments", "aiortc", "Ends an association that sends messages without an end.",
        "RFC 9260 section 6.2: nobody may send more than the window that was offered.",
        "Chunks of an unfinished message are kept without limit, and all are searched for each that arrives.",
        "At most 256 KiB, or 1024 chunks of a stream, wait (tests/signaling/transport/patches/test_sctp_fragments.py).",
        ("sctp._receive_data_chunk", "sctp._advertised_rwnd", "sctp._inbound_streams", "sctp._abort", "sctp._set_state"),
    ),
    Patch(
        "sctp_queue", "aiortc", "Sends a bundle before what waits on other channels; flushes the queue after SCTP's timer.",
        "RFC 8831 section 6.4 specifies priorities; aiortc has none.",
        "A bundle waits behind a keyframe's pieces.", "Sound continues while a keyframe is sent.",
        ("sctp._data_channel_queue", "sctp._data_channel_flush", "sctp._srtt"),
    ),
    Patch(
        "ice_sockets", "aioice", "Counts datagrams at the sockets.",
        "aiortc's own counters are in its DTLS transport, above ICE.",
        "Connectivity and consent checks are not counted.", "Every datagram is in the figures, headers included.",
        ("gatherer._connection", "connection._protocols"),
    ),
)  # fmt: skip
"""First those of the process, then those of a connection."""


def needs(module: str) -> list[str]:
    """The names that a patch needs, without the part."""
    return [need.split(".")[1] for patch in PATCHES if patch.module == module for need in patch.needs]


def _parts() -> dict[str, Any]:
    peer = RTCPeerConnection()
    peer.createDataChannel("x")
    assert peer.sctp is not None
    dtls = peer.sctp.transport
    gatherer = dtls.transport.iceGatherer
    request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    return {
        "ice": aioice.ice, "transaction": aioice.stun.Transaction(request, ("192.0.2.1", 9), cast(Any, None)),
        "certificate": RTCCertificate, "sctp": peer.sctp, "dtls": dtls, "ice_transport": dtls.transport, "gatherer": gatherer,
        "connection": getattr(gatherer, "_connection", None),
    }  # fmt: skip


def missing() -> list[str]:
    """``MODULE: PART.NAME`` for each name that a patch needs and the installed libraries lack. Call
    it inside a running event loop."""
    parts = _parts()
    wanted = [(p.module, *need.split(".")) for p in PATCHES for need in p.needs]
    return [f"{module}: {part}.{name}" for module, part, name in wanted if not hasattr(parts[part], name)]
