"""Default limits of a server: rooms, peers and connections. Its command line may set others."""

ROOM_SIZE = 2
"""Peers in a room."""
MAX_ROOMS = 1000
"""Rooms open at once."""
PER_MINUTE = 120.0
"""Connections that one address may make a minute."""
PER_ADDRESS = 32
"""Connections that one address may have open."""
