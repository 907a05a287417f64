"""Memory that training on a CPU has given back is taken again at once: the allocator keeps it, and asks the kernel for none."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Parameters of glibc's mallopt(3)."""
_PAD = 512 << 20
"""Bytes that are asked for at once."""


def keep_memory() -> bool:
    """Let glibc neither map large blocks one by one nor give any back; elsewhere nothing is done. Whether it was.

    PyTorch's blocks of megabytes are else mapped anew for every operation, and the kernel fills each with zeros: at
    256×256 and a batch of 16 a step took 1.3 times as long.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all(mallopt(what, value) == 1 for what, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, _PAD)))
