"""Every datagram of a call is counted, and in the right category."""

import json

import pytest
from typer.testing import CliRunner

from bench.calls.wire_call import PARTS, SACK_ALONE, WireCallError, WireLog, parts_of, run_wire, steady, table
from bench.demo import shipped_clip
from facewire import app


def test_a_datagram_is_classified_by_its_first_byte_and_size():
    for data, part in (
        (b"\0\1" + bytes(98), "consent (STUN)"),
        (b"\x16" + bytes(199), "handshake"),
        (b"\x15" + bytes(30), "handshake"),
    ):
        assert parts_of(data) == {part: len(data) + 28}
    assert parts_of(b"\x17" + bytes(SACK_ALONE - 1)) == {"acknowledgements": 85}
    message = parts_of(b"\x17" + bytes(29 + 28 + 200 - 1))
    assert message == {"payload": 200, "SCTP": 28, "DTLS": 29, "UDP and IP": 28}
    assert sum(message.values()) == 200 + 85  # the cost of a message according to codec/accounting.py


def test_bytes_are_counted_in_the_second_they_are_seen():
    log = WireLog()
    log.add("offer", b"\x16" + bytes(71), 100.0)
    for second in (3, 4, 5, 8, 9, 10):
        log.add("offer", b"\x17" + bytes(29 + 28 + 32 - 1), 100.5 + second)
    assert len(log.seconds["offer"]) == 11
    assert log.seconds["answer"] == []
    assert log.packets == {"offer": 7, "answer": 0}
    assert steady(log, 7) == (8, 10)
    total = log.total("offer", 8, 10)
    assert total["payload"] == pytest.approx(32 * 8e-3)
    assert total["all"] == pytest.approx(117 * 8e-3)
    assert log.total("offer")["handshake"] == pytest.approx(100 * 8e-3 / 10.5)  # averaged from the first datagram to the last


@pytest.mark.e2e
def test_a_call_is_counted_in_both_directions(tmp_path):
    done = CliRunner().invoke(app, ["bench", "--wire", str(shipped_clip()), "--seconds", "12", "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads((tmp_path / "wire.json").read_text())
    assert json.loads(done.stdout) == found
    for to in ("offer", "answer"):
        rows, whole, later = found["by_second"][to], found["whole"][to], found["steady"][to]
        assert len(rows) - 2 < sum(sum(r.values()) for r in rows) * 8e-3 / whole["all"] <= len(rows)
        assert sum(r["handshake"] for r in rows) > 500
        # The bench measures how little acknowledgements cost that travel with bundles; test_sctp_acks_and_probes.py tests it.
        assert later["payload"] > 1
        assert later["all"] < 20  # 12 kbit/s, and redundant audio where a busy machine looks like loss
        assert later["all"] == pytest.approx(sum(later[part] for part in PARTS))
        assert set(later) == {*PARTS, "all"}
    # The peers' counts at their own sockets agree with the relay's count.
    both = sum(f["wire_kbps_out"] * f["seconds"] for f in found["peers"])
    seen = sum(sum(r.values()) * 8e-3 for rows in found["by_second"].values() for r in rows)
    assert seen == pytest.approx(both, rel=0.1)
    told = sum(f["wire_kbps_out"] for f in found["peers"])
    assert sum(f["all"] for f in found["whole"].values()) == pytest.approx(told, rel=0.1)
    assert {p.name for p in tmp_path.iterdir()} <= {"wire.json", "wire.png"}
    assert len(table(found).splitlines()) == 2 + len(PARTS) + 1


def test_missing_clips_and_too_many_clips_are_reported(tmp_path):
    with pytest.raises(WireCallError, match="no such file"):
        run_wire([tmp_path / "none.mp4"], tmp_path, 10, print)
    with pytest.raises(WireCallError, match="one clip for both"):
        run_wire([tmp_path] * 3, tmp_path, 10, print)
