"""One call from set-up to figures: session, call, keyframe transfer, pacing, statistics.

For signaling.web, commands and bench.
"""
