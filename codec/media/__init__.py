"""Converts pictures and sound from files and devices to one form: upright RGB frames, 16 kHz mono,
one time grid.

Every package may import it.
"""
