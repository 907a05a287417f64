"""The messages of the signaling socket: one JSON object in each text message, at most 64 KiB.

| type | who sends it | fields |
|---|---|---|
| ``join`` | a peer, first | ``room``; ``token``: the peer's own secret, with which it takes its place again after a lost socket |
|  |  | ``access``: a token that admits it, if the server requires one (:mod:`signaling.rooms.access`) |
| ``joined`` | the server, in answer | ``room``, ``polite`` (the other was here first), ``ice`` (WebRTC's ``iceServers``) |
| ``peer`` | the server | ``present``; then ``offer`` (this side makes the offer) and ``peer``, a label of the other's session |
| ``offer``, ``answer`` | peer to peer | ``sdp`` (aiortc's JSON, as the next two) |
| ``candidate`` | peer to peer | ``candidate``, ``id``, ``label`` |
| ``bye`` | peer to peer | the sender hangs up |
| ``ready`` | peer to peer | the sender waits for an offer |
| ``error`` | the server, last | ``code``, ``message``; the socket closes after it |

The peer that was in the room first makes the offer: it is known to be listening. Unknown fields are skipped.
"""

import json
from typing import Annotated, Any, Literal

from aiortc import RTCIceCandidate, RTCSessionDescription
from aiortc.contrib.signaling import BYE, SignalingBye
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

MAX_MESSAGE = 65_536
"""Bytes of the largest message, as UTF-8. An offer of two data channels takes about 1 KB, a
browser's up to 10 KB."""
ROOM_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
ACCESS_PATTERN = r"^[A-Za-z0-9._-]{1,160}$"
TOKEN_PATTERN = r"^[A-Za-z0-9_-]{16,64}$"


class SignalingError(Exception):
    """Signaling cannot continue. ``code`` is one word for programs, the text one line for people.

    Codes from the server: ``bad_json``, ``bad_message``, ``bad_room``, ``too_large``, ``unknown_type``,
    ``not_joined``, ``already_joined``, ``room_full``, ``server_full``, ``too_many_messages``,
    ``stale``, ``idle``, ``replaced``, ``no_access``, ``access_over``, ``unavailable``, ``lost``,
    ``shutdown``. Made by the client: ``bad_url``, ``unreachable``, ``lost``, ``closed``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Join(_Message):
    """Enter a room."""

    type: Literal["join"] = "join"
    room: str = Field(pattern=ROOM_PATTERN)
    token: str | None = Field(default=None, pattern=TOKEN_PATTERN)
    access: str | None = Field(default=None, pattern=ACCESS_PATTERN)


class Joined(_Message):
    """The peer is in the room. ``ice`` is not checked here (``IceConfig.from_entries`` does that)."""

    type: Literal["joined"] = "joined"
    room: str = Field(pattern=ROOM_PATTERN)
    polite: bool
    ice: list[dict[str, Any]] = Field(default=[], max_length=8)


class Presence(_Message):
    """Whether the other peer is present. ``peer`` labels its session: another label means a new session."""

    type: Literal["peer"] = "peer"
    present: bool
    offer: bool = False
    peer: str = Field(default="", max_length=64)


class Description(_Message):
    """An SDP offer or answer."""

    type: Literal["offer", "answer"]
    sdp: str = Field(min_length=1, max_length=MAX_MESSAGE)


class Candidate(_Message):
    """A trickled ICE candidate; an empty one marks their end."""

    type: Literal["candidate"] = "candidate"
    candidate: str = Field(max_length=1024)
    id: str | None = Field(default=None, max_length=64)
    label: int | None = Field(default=None, ge=0, le=255)


class Bye(_Message):
    """The sender hangs up."""

    type: Literal["bye"] = "bye"


class Ready(_Message):
    """The sender has a fresh connection and waits for an offer."""

    type: Literal["ready"] = "ready"


class ErrorMessage(_Message):
    """Why the server closes the socket."""

    type: Literal["error"] = "error"
    code: str = Field(max_length=64)
    message: str = Field(max_length=1024)


Message = Join | Joined | Presence | Description | Candidate | Bye | Ready | ErrorMessage
RELAYED = (Description, Candidate, Bye, Ready)
"""The messages that the server relays from one peer to the other."""

_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def parse(text: str) -> Message:
    """Check one message from the network.

    Raises:
        SignalingError: ``too_large``, ``bad_json``, ``unknown_type``, ``bad_room`` or ``bad_message``.
    """
    if len(text) > MAX_MESSAGE or len(text.encode(errors="replace")) > MAX_MESSAGE:
        raise SignalingError("too_large", f"a message may have {MAX_MESSAGE} bytes at most")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise SignalingError("bad_json", "the message is not JSON") from None
    if not isinstance(content, dict):
        raise SignalingError("bad_json", "the message is not a JSON object")
    try:
        return _ADAPTER.validate_python(content, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"].startswith("union_tag"):
            raise SignalingError("unknown_type", "the message's type is missing or unknown") from None
        field = ".".join(str(part) for part in first["loc"][1:])
        if content["type"] == "join" and field == "room":
            raise SignalingError("bad_room", "a room's name has 1 to 64 letters, digits, _ or -") from None
        raise SignalingError("bad_message", f"{content['type']}: {field}: {first['msg']}"[:512]) from None


def to_aiortc(message: Message) -> RTCSessionDescription | RTCIceCandidate | SignalingBye | None:
    """The aiortc object that a peer-to-peer message carries, None if it carries none (the end of candidates).

    Raises:
        SignalingError: ``bad_message`` if the candidate cannot be parsed.
    """
    if isinstance(message, Description):
        return RTCSessionDescription(sdp=message.sdp, type=message.type)
    if isinstance(message, Bye):
        return BYE
    if not isinstance(message, Candidate) or not message.candidate:
        return None
    try:
        candidate = candidate_from_sdp(message.candidate.removeprefix("candidate:"))
    except (ValueError, AssertionError, LookupError):
        raise SignalingError("bad_message", "candidate: not an ICE candidate") from None
    candidate.sdpMid = message.id
    candidate.sdpMLineIndex = message.label
    return candidate


def from_aiortc(thing: RTCSessionDescription | RTCIceCandidate | SignalingBye) -> Message:
    """The message that carries an aiortc object; the inverse of ``to_aiortc``.

    Raises:
        TypeError: ``thing`` is none of aiortc's signaling objects.
    """
    if isinstance(thing, RTCSessionDescription):
        return Description.model_validate({"type": thing.type, "sdp": thing.sdp})
    if isinstance(thing, RTCIceCandidate):
        line = "candidate:" + candidate_to_sdp(thing)
        return Candidate(candidate=line, id=thing.sdpMid, label=thing.sdpMLineIndex)
    if isinstance(thing, SignalingBye):
        return Bye()
    raise TypeError(f"not a signaling object: {type(thing).__name__}")
