"""What to send on this network: the ladder of rates, congestion, redundant audio.

For the call.
"""
