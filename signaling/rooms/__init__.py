"""The signaling server: rooms for two, access tokens, limits, metrics, Redis.

server.py: options; rooms.py: who is in which room; room_limits.py: defaults of all limits; address_limits.py: connections
per address; sockets.py: a peer's WebSocket; stun.py: reports a peer's public address; serve.py: port, TLS, log.

For the command line and bench.
"""
