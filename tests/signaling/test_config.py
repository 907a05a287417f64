import base64
import hashlib
import hmac
import json

import pytest

from signaling.config import IceConfig, IceConfigError


def test_there_is_no_ice_server_by_default():
    assert IceConfig.load().to_aiortc().iceServers == []


def test_strings():
    config = IceConfig.load(["stun:stun.example", "turn:me:p%40ss@turn.example:3479?transport=tcp"])
    stun, turn = config.to_aiortc().iceServers
    assert stun.urls == ["stun:stun.example"]
    assert (turn.urls, turn.username, turn.credential) == (["turn:turn.example:3479?transport=tcp"], "me", "p@ss")


@pytest.mark.parametrize(
    "text", ["", "http://x", "stun:", "stun:h:0", "stun:h:99999", "turn:h", "turn:user@h", "stun:" + "h" * 600]
)
def test_bad_strings(text):
    with pytest.raises(IceConfigError) as caught:
        IceConfig.load([text])
    assert "\n" not in str(caught.value)


def test_file(tmp_path):
    file = tmp_path / "ice.json"
    servers = [{"urls": "stun:a"}, {"urls": ["turn:b"], "username": "u", "credential": "c"}]
    for content in (servers, {"iceServers": servers}):
        file.write_text(json.dumps(content))
        assert [s.urls for s in IceConfig.load(file=file).servers] == [("stun:a",), ("turn:b",)]
    for bad in ("", "[", "{}", "[5]", '[{"urls": "stun:a", "password": "x"}]', "[" * 5000, " " * 70_000, '[{"urls":[]}]'):
        file.write_text(bad)
        with pytest.raises(IceConfigError):
            IceConfig.load(file=file)
    with pytest.raises(IceConfigError, match="No such file"):
        IceConfig.load(file=tmp_path / "none.json")


def test_shared_secret_is_never_sent():
    config = IceConfig.from_entries([{"urls": "turn:b", "secret": "s3cret"}])
    assert "s3cret" not in repr(config)
    (entry,) = config.entries()
    expected = hmac.new(b"s3cret", entry["username"].encode(), hashlib.sha1).digest()
    assert entry == {"urls": ["turn:b"], "username": entry["username"], "credential": base64.b64encode(expected).decode()}
    assert config.servers[0].issued(now=1000).username == "87400"


def test_turn_urls_are_rotated_so_that_another_comes_first():
    config = IceConfig.load(["stun:a", "turn:u:p@b", "turn:u:p@c", "turns:u:p@d"])
    urls = [[url for server in config.with_turn(number).servers for url in server.urls] for number in (0, 1, 4)]
    assert urls[0] == ["stun:a", "turn:b", "turn:c", "turns:d"]
    assert urls[1] == urls[2] == ["stun:a", "turn:c", "turns:d", "turn:b"]
    assert IceConfig.load(["stun:a", "turn:u:p@b"]).with_turn(3) == IceConfig.load(["stun:a", "turn:u:p@b"])
