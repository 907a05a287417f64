"""Where a call's pictures and sound come from: camera, microphone, page, file; cut into ticks.

For the sender and signaling.
"""
