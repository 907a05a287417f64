"""The safety code of the current connection (:mod:`codec.safety_code`), which both peers derive from what they exchange over
its control channel."""

from collections.abc import Callable

from codec.control import SafetyCommitment, SafetyNumber
from codec.safety_code import SafetyCode
from signaling.transport.peer import Peer


class Safety:
    """Holds one connection's code; each new connection has a new one."""

    def __init__(self) -> None:
        self.words: tuple[str, ...] = ()
        """The code's words; () until they are known, and always if the peer does not support it."""
        self.on_code: Callable[[tuple[str, ...]], None] = lambda _: None
        self._peer: Peer | None = None
        self._code: SafetyCode | None = None
        self._begun = False

    def _of(self, peer: Peer) -> SafetyCode | None:
        if peer is not self._peer:
            fingerprints = peer.fingerprints()
            self._peer, self.words, self._begun = peer, (), False
            self._code = SafetyCode(*fingerprints) if fingerprints else None
        return self._code

    async def begin(self, peer: Peer) -> None:
        """A connection is up: send this side's commitment, once. Raises ``PeerError``."""
        code = self._of(peer)
        if code and not self._begun:
            self._begun = True
            await peer.send_control(SafetyCommitment(code.commitment).pack())

    async def received(self, peer: Peer, message: SafetyCommitment | SafetyNumber) -> None:
        """Handle a message of the exchange from ``peer``. Raises ``SyntaxLimitError`` for one that doesn't belong here,
        and ``PeerError``."""
        code = self._of(peer)
        if code is None:
            return
        if isinstance(message, SafetyCommitment):
            await self.begin(peer)  # this side may not have begun yet, and must send its commitment before its number
            await peer.send_control(SafetyNumber(code.committed(message.digest)).pack())
        else:
            self.words = code.revealed(message.number)
            self.on_code(self.words)
