"""What crosses the wire and what it costs: pictures, speech, keyframes, bundles, control messages,
the ``.fw`` file.

Every package may import it; it imports no other package, and knows no network, device or torch.
"""
