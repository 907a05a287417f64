"""Training multiplies in bf16 only where the device supports it natively, unless it is requested explicitly."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from models.training import precision

HAS_BF16 = precision.has_bf16
"""The original function: the conftest replaces it for every test."""


@pytest.mark.parametrize(("flags", "wanted"), [
    ("fma avx2 avx512f avx512_vnni", False),
    ("fma avx2 avx512f avx512_bf16 avx512_vnni", True),
    ("avx512f amx_bf16 amx_tile", True),
    ("asimd bf16 i8mm", True),
])  # fmt: skip
def test_bf16_support_is_read_from_the_processors_flags(monkeypatch, flags, wanted):
    monkeypatch.setattr(Path, "read_text", lambda self: f"flags\t\t: {flags} \n")
    assert HAS_BF16("cpu") is wanted


def test_a_processor_without_readable_flags_has_no_bf16(monkeypatch):
    def missing(self):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert HAS_BF16("cpu") is False


@pytest.mark.parametrize("here", [True, False])
def test_an_explicit_request_overrides_the_detection(monkeypatch, here):
    monkeypatch.setattr(precision, "has_bf16", lambda kind: here)
    for asked, wanted in ((None, here), (True, True), (False, False)):
        with precision.autocast("cpu", asked):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if wanted else torch.float32)
