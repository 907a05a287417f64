"""Rate control of the pictures: limits each picture's size so that the mean stays below a target."""

from dataclasses import dataclass


@dataclass
class RateControl:
    """A token bucket in bytes. A picture may cost ``target`` plus what earlier ones left unused, up to
    two pictures' worth; if one could not be made small enough, the following ones pay for it."""

    target: int = 44
    """Bytes a picture: 0.00107 bits per pixel at 5 pictures a second (see :mod:`codec.accounting`)."""
    saved: int = 0

    @property
    def limit(self) -> int:
        """Bytes that the next picture may cost."""
        return max(self.target // 4, self.target + self.saved)

    def spent(self, size: int) -> None:
        """Account for a picture of ``size`` bytes, its header included."""
        self.saved = max(-2 * self.target, min(2 * self.target, self.saved + self.target - size))
