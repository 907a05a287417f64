"""Networks shared by the receiver's tests."""

import pytest

from models.runtime.upsampler import Upsampler


@pytest.fixture(scope="session")
def upsamplers() -> list[Upsampler]:
    upsamplers = [Upsampler(threads=1) for _ in range(2)]
    for upsampler in upsamplers:
        upsampler.warmup()
    return upsamplers
