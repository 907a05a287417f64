"""The safety code: four words shown on both sides of a call, identical only if there is no man in the middle.

A signaling server forwards the fingerprints of the certificates that authenticate the two peers
(RFC 8827 section 5.6.4). A malicious server can substitute its own and listen. The words are derived
from both fingerprints as each peer has them, so comparing them by voice reveals that.

Fingerprints alone would not suffice: a man in the middle could generate certificates until both
sides' words happen to match. So each peer first commits to a random number by its hash, and reveals
the number only once it has the other's commitment; the words also depend on both numbers (as in
ZRTP, RFC 6189 section 4.4.1). A man in the middle then has one guess in 2^32.
"""

import hashlib
import re
import secrets

from codec.errors import SyntaxLimitError
from codec.safety_words import WORDS

NONCE = 32
"""Bytes of a peer's random number, and also of a fingerprint and a commitment: each is as long as a SHA-256."""
COUNT = 4
"""Words in a code: 32 bits."""
_LABEL = b"facewire safety code 1"
_FINGERPRINT = re.compile(r"^a=fingerprint:sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})\s*$", re.MULTILINE | re.IGNORECASE)


def fingerprint(sdp: str) -> bytes | None:
    """The SHA-256 of a session description's certificate, 32 bytes; None if it contains none or several."""
    found = {value.upper() for value in _FINGERPRINT.findall(sdp)}
    return bytes.fromhex(found.pop().replace(":", "")) if len(found) == 1 else None


class SafetyCode:
    """The code of one connection. Send :attr:`commitment`, and pass what the peer sends to :meth:`committed` and
    :meth:`revealed`."""

    def __init__(self, own: bytes, other: bytes, nonce: bytes | None = None) -> None:
        """``own``, ``other``: fingerprints of both certificates, 32 bytes each. ``nonce``: only given in tests."""
        self._own, self._other = own, other
        self._nonce = nonce or secrets.token_bytes(NONCE)
        self._committed: bytes | None = None
        self.words: tuple[str, ...] = ()
        """The code, once both numbers are known."""

    @property
    def commitment(self) -> bytes:
        """The hash to send first, 32 bytes."""
        return hashlib.sha256(self._nonce).digest()

    def committed(self, commitment: bytes) -> bytes:
        """Take the peer's commitment; returns the number to send now. Raises :class:`SyntaxLimitError` for a
        second commitment: a peer that has seen our number must not change its own."""
        if self._committed is not None:
            raise SyntaxLimitError("a second commitment to a safety code")
        self._committed = commitment
        return self._nonce

    def revealed(self, nonce: bytes) -> tuple[str, ...]:
        """Take the peer's number; returns the words. Raises :class:`SyntaxLimitError` if it does not match the
        peer's commitment."""
        if self._committed is None or hashlib.sha256(nonce).digest() != self._committed:
            raise SyntaxLimitError("a number for the safety code that was not committed to")
        sides = sorted([self._own + self._nonce, self._other + nonce])
        digest = hashlib.sha256(_LABEL + b"".join(sides)).digest()
        self.words = tuple(WORDS[byte] for byte in digest[:COUNT])
        return self.words
