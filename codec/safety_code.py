"""The safety code: four words that both sides of a call see, the same ones only if nobody sits between them.

A signaling server passes on the fingerprints of the certificates by which the two sides know each
other (RFC 8827 section 5.6.4). One that lies can put its own in their place and listen. The words
are made of both fingerprints as each side has them; compared by voice, they tell.

Words alone would not do: who sits between could make certificates until both sides' words happen
to be alike. So each side first commits itself to a random number, by its hash, and shows it only
when it has the other's commitment; the words are made of both numbers as well (as in ZRTP, RFC 6189
section 4.4.1). Who sits between has then one guess in 2^32.
"""

import hashlib
import re
import secrets

from codec.errors import SyntaxLimitError
from codec.safety_words import WORDS

NONCE = 32
"""Bytes of a side's random number; of a fingerprint and of a commitment as well: all are as long as a SHA-256."""
COUNT = 4
"""Words in a code: 32 bits."""
_LABEL = b"facewire safety code 1"
_FINGERPRINT = re.compile(r"^a=fingerprint:sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})\s*$", re.MULTILINE | re.IGNORECASE)


def fingerprint(sdp: str) -> bytes | None:
    """The SHA-256 of a session description's certificate, 32 bytes; None where it tells none, or several."""
    found = {value.upper() for value in _FINGERPRINT.findall(sdp)}
    return bytes.fromhex(found.pop().replace(":", "")) if len(found) == 1 else None


class SafetyCode:
    """One connection's code. Send :attr:`commitment`; hand over what comes."""

    def __init__(self, own: bytes, other: bytes, nonce: bytes | None = None) -> None:
        """``own``, ``other``: fingerprints of both certificates, 32 bytes each. ``nonce``: given in tests alone."""
        self._own, self._other = own, other
        self._nonce = nonce or secrets.token_bytes(NONCE)
        self._committed: bytes | None = None
        self.words: tuple[str, ...] = ()
        """The code, once both numbers are known."""

    @property
    def commitment(self) -> bytes:
        """What is sent first, 32 bytes."""
        return hashlib.sha256(self._nonce).digest()

    def committed(self, commitment: bytes) -> bytes:
        """The other side's commitment came; gives the number to be sent now. Raises :class:`SyntaxLimitError`
        for a second one: who has seen our number must not change theirs."""
        if self._committed is not None:
            raise SyntaxLimitError("a second commitment to a safety code")
        self._committed = commitment
        return self._nonce

    def revealed(self, nonce: bytes) -> tuple[str, ...]:
        """The other side's number came; gives the words. Raises :class:`SyntaxLimitError` where it is not the one
        that was committed to."""
        if self._committed is None or hashlib.sha256(nonce).digest() != self._committed:
            raise SyntaxLimitError("a number for the safety code that was not committed to")
        sides = sorted([self._own + self._nonce, self._other + nonce])
        digest = hashlib.sha256(_LABEL + b"".join(sides)).digest()
        self.words = tuple(WORDS[byte] for byte in digest[:COUNT])
        return self.words
