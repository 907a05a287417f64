"""Bundles in, a person out: playout clock, tick decoder, rendering, outputs.

player.py: the path of a bundle, and what happens to a late one; tick_queue.py: bundles that wait for their tick;
playout_delay.py: the clock. Lost sound: tick_decoder.py takes the copy in the next bundle, otherwise codec/speech.py
conceals the loss.

May import codec and models. Sender, signaling, bench and commands may import it.
"""
