"""What crosses the wire and what it costs: pictures, speech, keyframes, bundles, control messages,
the ``.fw`` file.

Every package may import it. It imports no other package, and uses no network, device or torch.
"""
