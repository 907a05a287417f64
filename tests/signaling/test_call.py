"""What a call does with the other side's messages, without a connection."""

import pytest

from codec.control import VERSION, Hello
from signaling.call import Call
from signaling.config import IceConfig
from signaling.messages import SignalingError


async def test_a_side_of_the_same_version_is_welcome() -> None:
    call = Call(IceConfig())
    await call._on_control(Hello(model="call").pack())
    assert call.remote is not None


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
async def test_a_side_of_another_version_ends_the_call_with_a_line(version: int) -> None:
    call = Call(IceConfig())
    with pytest.raises(SignalingError, match="update the older"):
        await call._on_control(Hello(version=version).pack())
