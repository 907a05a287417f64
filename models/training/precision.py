"""The precision of training: bf16 where the processor or GPU has instructions for it, else fp32.

Without such instructions bf16 is emulated: slower than fp32, and rounded differently on every kind of processor.
"""

from pathlib import Path

import torch

_FLAGS = ("avx512_bf16", "amx_bf16", "avx_ne_convert", " bf16")


def has_bf16(kind: str) -> bool:
    """Whether a device of this kind ("cpu", "cuda", …) supports bf16 natively. A CPU's flags are known
    only on Linux; False elsewhere."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(flag in flags for flag in _FLAGS)


def uses_bf16(kind: str, wanted: bool | None = None) -> bool:
    """``wanted``, or :func:`has_bf16` if that is None."""
    return has_bf16(kind) if wanted is None else wanted


def autocast(kind: str, bf16: bool | None = None) -> torch.autocast:
    """The context for training and evaluation; ``bf16`` as :func:`uses_bf16` takes it."""
    return torch.autocast(kind, torch.bfloat16, enabled=uses_bf16(kind, bf16))
