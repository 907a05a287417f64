import json

import pytest
from aiortc import RTCSessionDescription
from aiortc.contrib.signaling import BYE, object_from_string, object_to_string

from signaling.protocol import MAX_MESSAGE, Join, SignalingError, from_aiortc, parse, to_aiortc

CANDIDATE = {
    "type": "candidate",
    "candidate": "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",
    "id": "0",
    "label": 0,
}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("1" * 5000, "bad_json"),
        ("[" * 60_000, "bad_json"),
        ("{}", "unknown_type"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":["offer"]}', "unknown_type"),
        ('{"type":"join"}', "bad_room"),
        ('{"type":"join","room":""}', "bad_room"),
        ('{"type":"join","room":"a/b"}', "bad_room"),
        ('{"type":"join","room":"a\\n"}', "bad_room"),
        (json.dumps({"type": "join", "room": "a" * 65}), "bad_room"),
        ('{"type":"join","room":"a","token":"short"}', "bad_message"),
        ('{"type":"offer"}', "bad_message"),
        ('{"type":"offer","sdp":5}', "bad_message"),
        ('{"type":"offer","sdp":"\\ud800"}', "bad_message"),
        ('{"type":"candidate","candidate":"x","label":-1}', "bad_message"),
        ("x" * (MAX_MESSAGE + 1), "too_large"),
        ("é" * (MAX_MESSAGE // 2 + 1), "too_large"),
    ],
)
def test_bad_messages_have_a_code_and_one_line(text, code):
    with pytest.raises(SignalingError) as caught:
        parse(text)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_messages_equal_aiortcs_json_in_both_directions():
    for thing in (RTCSessionDescription("v=0\r\n", "offer"), object_from_string(json.dumps(CANDIDATE)), BYE):
        ours = from_aiortc(thing).model_dump_json()
        assert json.loads(ours) == json.loads(object_to_string(thing))
        assert to_aiortc(parse(object_to_string(thing))) == thing


@pytest.mark.parametrize("line", ["candidate:", "candidate:1 1 udp", "candidate:1 x udp 1 192.0.2.1 5000 typ host", "☃"])
def test_bad_candidates(line):
    with pytest.raises(SignalingError, match="candidate"):
        to_aiortc(parse(json.dumps(CANDIDATE | {"candidate": line})))


def test_empty_candidate_and_unknown_fields_are_skipped():
    assert to_aiortc(parse(json.dumps(CANDIDATE | {"candidate": ""}))) is None
    assert parse('{"type":"join","room":"r","colour":"red"}') == Join(room="r")
