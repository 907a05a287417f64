"""A person in, bundles out: capture, crop, pictures, speech, keyframes, rate adaptation.

May import codec, models and receiver (the closed loop holds a decoder). Signaling and bench may import it.
"""
