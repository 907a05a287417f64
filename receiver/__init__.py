"""Bundles in, a person out: playout clock, tick decoder, rendering, outputs.

player.py: a bundle's way, late ones counted; tick_queue.py: what waits, and what is too late; playout_delay.py: the clock.

May import codec and models. The sender imports its tick decoder; signaling and all rooms behind it
may import all of it.
"""
