"""A person in, bundles out: capture, crop, pictures, speech, keyframes, rate adaptation.

May import codec, models and receiver (the mirror and the preview decode and render). Signaling, bench and commands may import it.
"""
