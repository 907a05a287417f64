"""The signaling server: rooms for two, access tokens, limits, metrics, Redis.

server.py: options, the room limit; rooms.py: who is in which room; admission.py: sockets per address.

For the command line and bench.
"""
