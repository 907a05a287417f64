"""Measurements of the picture: quality, the codec benchmark, ablations, keyframes."""
