"""The signaling server: rooms for two, access tokens, limits, metrics, Redis.

For the command line and bench.
"""
