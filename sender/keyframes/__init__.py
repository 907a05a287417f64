"""Which keyframes are sent and used: the first choice, the gallery, and refresh by the sender's own decoder.

For the sender's stream and the call.
"""
