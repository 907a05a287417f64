"""Rate control of the pictures: what a moving face may cost, so that its mean stays under a target."""

from dataclasses import dataclass


@dataclass
class RateControl:
    """A bucket of bytes. A picture may cost ``target`` and what earlier ones left over, up to two
    pictures' worth; one that could not be made small enough is paid back by the next."""

    target: int = 44
    """Bytes a picture: 0.00107 bits per pixel at 5 pictures a second (see :mod:`codec.accounting`)."""
    saved: int = 0

    @property
    def limit(self) -> int:
        """Bytes that the next picture may cost."""
        return max(self.target // 4, self.target + self.saved)

    def spent(self, size: int) -> None:
        """A picture cost ``size`` bytes, its header included."""
        self.saved = max(-2 * self.target, min(2 * self.target, self.saved + self.target - size))
