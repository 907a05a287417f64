"""Training multiplies in bf16 where the device does so itself, and only there, unless it is told."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from models.training import precision

HAS_BF16 = precision.has_bf16
"""As it is: the conftest replaces it for every test."""


@pytest.mark.parametrize(("flags", "wanted"), [
    ("fma avx2 avx512f avx512_vnni", False),
    ("fma avx2 avx512f avx512_bf16 avx512_vnni", True),
    ("avx512f amx_bf16 amx_tile", True),
    ("asimd bf16 i8mm", True),
])  # fmt: skip
def test_a_processor_has_it_when_its_flags_say_so(monkeypatch, flags, wanted):
    monkeypatch.setattr(Path, "read_text", lambda self: f"flags\t\t: {flags} \n")
    assert HAS_BF16("cpu") is wanted


def test_a_processor_that_cannot_be_asked_has_not(monkeypatch):
    def missing(self):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert HAS_BF16("cpu") is False


@pytest.mark.parametrize("here", [True, False])
def test_what_is_asked_for_comes_before_what_is_there(monkeypatch, here):
    monkeypatch.setattr(precision, "has_bf16", lambda kind: here)
    for asked, wanted in ((None, here), (True, True), (False, False)):
        with precision.autocast("cpu", asked):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if wanted else torch.float32)
