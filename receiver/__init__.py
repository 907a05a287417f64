"""Bundles in, a person out: playout clock, tick decoder, rendering, outputs.

May import codec and models. The sender imports its tick decoder; signaling and all rooms behind it
may import all of it.
"""
