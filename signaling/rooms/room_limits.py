"""How many rooms and peers a server takes, unless its command line says otherwise."""

ROOM_SIZE = 2
"""Peers in a room."""
MAX_ROOMS = 1000
"""Rooms open at once."""
PER_MINUTE = 120.0
"""Connections that one address may make a minute."""
PER_ADDRESS = 32
"""Connections that one address may have open."""
