"""What crosses the wire and what it costs: pictures, speech, keyframes, bundles, control messages,
the ``.fw`` file.

Every room may import it; it imports no other room, and knows no network, device or torch.
"""
