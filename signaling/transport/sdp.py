"""Checks on session descriptions (SDP) from the network, before aiortc sees them."""

import re

from aioice import ice
from aiortc import RTCPeerConnection, RTCSessionDescription

from codec.errors import reason

MAX_CANDIDATES = 64
"""ICE candidates in one description. Each is an address that this machine will send to, so their
number is bounded."""


class DescriptionError(ValueError):
    """A description that cannot be used; the text explains why in one line."""


def sections(sdp: str) -> list[str]:
    """The media sections in order: ``audio``, ``video`` or ``application``."""
    return [line[2:].split(" ", 1)[0] for line in sdp.splitlines() if line.startswith("m=")]


def check(sdp: str, kinds: dict[str, int]) -> None:
    """Check that a description has at least one media section and of each kind at most ``kinds[kind]``.

    Raises:
        DescriptionError: it has other sections, none, or too many candidates.
    """
    found = sections(sdp)
    if not found:
        raise DescriptionError("the description has no media section")
    for kind in found:
        if found.count(kind) > kinds.get(kind, 0):
            raise DescriptionError(
                f"the description has {found.count(kind)} {kind[:16]!r} section(s), allowed {kinds.get(kind, 0)}"
            )
    if len(re.findall(r"^a=candidate:", sdp, re.MULTILINE)) > MAX_CANDIDATES:
        raise DescriptionError(f"the description has more than {MAX_CANDIDATES} candidates")


async def apply(connection: RTCPeerConnection, description: RTCSessionDescription) -> None:
    """Set a remote description.

    Raises:
        DescriptionError: aiortc cannot use it.
    """
    try:
        await connection.setRemoteDescription(description)
    except Exception as error:  # aiortc's parser raises nearly anything: ValueError, LookupError, AttributeError, assert …
        raise DescriptionError(f"the {description.type} cannot be used: {reason(error)[:200]}") from None


def resolve_local(sdp: str) -> str:
    """Replace a browser's ``.local`` candidates with this machine's own addresses.

    Browsers hide their address behind a multicast DNS name. Looking up each name takes a second,
    and fails without multicast. A page served at localhost runs on this machine, so the addresses
    are known.
    """
    addresses = ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    lines: list[str] = []
    for line in sdp.splitlines():
        fields = line.split(" ")
        if line.startswith("a=candidate:") and len(fields) > 4 and fields[4].endswith(".local"):
            lines += [" ".join([*fields[:4], address, *fields[5:]]) for address in addresses[:4]]
        else:
            lines.append(line)
    return "\r\n".join(lines) + "\r\n"
