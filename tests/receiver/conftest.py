"""Networks and a short encoded stream that the receiver's tests share."""

import pytest

from models.runtime.upsampler import Upsampler


@pytest.fixture(scope="session")
def upsamplers() -> list[Upsampler]:
    upsamplers = [Upsampler(threads=1) for _ in range(2)]
    for upsampler in upsamplers:
        upsampler.warmup()
    return upsamplers
