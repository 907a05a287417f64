"""One call over a connection that comes and goes: call, keyframe transfer, pacing, statistics.

For signaling.web, signaling.session and bench.
"""
