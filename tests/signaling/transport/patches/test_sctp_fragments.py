"""A message that never ends is not kept for ever; complete ones are accepted, however many and late."""

from types import SimpleNamespace

import pytest
from aiortc.rtcsctptransport import DataChunk, RTCSctpTransport

from signaling.transport.patches.sctp_fragments import BYTES_MOST, PIECES_MOST, limit_reassembly

BEGINS, MIDDLE, WHOLE = 2, 0, 3


class Sent:
    """The transport of an association."""

    def __init__(self) -> None:
        self.transport, self.state = SimpleNamespace(role="controlling"), "connected"

    async def _send_data(self, data: bytes) -> None: ...


@pytest.fixture
async def sctp() -> RTCSctpTransport:
    made = RTCSctpTransport(Sent())
    made._remote_port, made._last_received_tsn = 5000, 0
    made._set_state(made.State.ESTABLISHED)
    limit_reassembly(made)
    return made


async def give(sctp: RTCSctpTransport, tsn: int, flags: int, size: int, number: int = 0) -> None:
    chunk = DataChunk(flags=flags)
    chunk.tsn, chunk.stream_id, chunk.stream_seq, chunk.protocol, chunk.user_data = tsn, 1, number, 53, bytes(size)
    await sctp._receive_data_chunk(chunk)


@pytest.mark.parametrize(("size", "most"), [(1, PIECES_MOST), (1200, BYTES_MOST // 1200)])
async def test_a_message_without_an_end_ends_the_association(sctp: RTCSctpTransport, size: int, most: int) -> None:
    for tsn in range(1, most + 1):
        await give(sctp, tsn, BEGINS if tsn == 1 else MIDDLE, size)
    assert sctp._association_state == sctp.State.ESTABLISHED
    await give(sctp, most + 1, MIDDLE, size)
    assert sctp._association_state == sctp.State.CLOSED
    for tsn in range(most + 2, most + 100):
        await give(sctp, tsn, MIDDLE, size)
    assert not sctp._inbound_streams


async def test_any_number_of_whole_messages_is_accepted(sctp: RTCSctpTransport) -> None:
    for number in range(3 * PIECES_MOST):
        await give(sctp, number + 1, WHOLE, 200, number & 0xFFFF)
    assert sctp._association_state == sctp.State.ESTABLISHED


async def test_messages_that_wait_for_a_lost_one_are_kept(sctp: RTCSctpTransport) -> None:
    for number in range(1, 100):
        await give(sctp, number + 1, WHOLE, 1200, number)
    assert len(sctp._inbound_streams[1].reassembly) == 99
    await give(sctp, 1, WHOLE, 1200, 0)
    assert not sctp._inbound_streams[1].reassembly
    assert sctp._association_state == sctp.State.ESTABLISHED
