"""Pictures and sound as files and devices give them, made uniform: upright RGB frames, 16 kHz mono,
one time grid.

Every package may import it.
"""
