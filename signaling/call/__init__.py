"""One call over connections that may be lost and replaced: call, keyframe transfer, pacing, statistics.

For signaling.web, signaling.session and bench.
"""
