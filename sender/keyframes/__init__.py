"""Which keyframes are sent and used: the first choice, the gallery, and the refresh by the sender's own renderer.

For the sender's stream and the call.
"""
