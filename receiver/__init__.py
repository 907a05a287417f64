"""Bundles in, a person out: playout clock, tick decoder, rendering, outputs.

player.py: a bundle's way, and what is done with a late one; tick_queue.py: what waits for its tick; playout_delay.py: the clock.
Lost sound: tick_decoder.py takes the copy in the next bundle, else codec/speech.py conceals.

May import codec and models. The sender imports its tick decoder; signaling and all packages behind it
may import all of it.
"""
