"""ICE on a machine without a network.

aioice never offers 127.0.0.1, rightly, as no other machine can reach it. But on a machine with no
other address (a laptop on a train, a container without a network) two peers in two processes then
have no candidate at all, and the demo and the page cannot connect to their own machine. There, and
only there, 127.0.0.1 is offered.
"""

from aioice import ice

_gathered = ice.get_host_addresses


def host_addresses(use_ipv4: bool = True, use_ipv6: bool = True) -> list[str]:
    """Addresses of this machine; loopback only if there is no other."""
    return _gathered(use_ipv4=use_ipv4, use_ipv6=use_ipv6) or (["127.0.0.1"] if use_ipv4 else [])


def allow_loopback_candidates() -> None:
    """Make ICE in this process use loopback addresses if the machine has no others. Safe to call again."""
    ice.get_host_addresses = host_addresses
