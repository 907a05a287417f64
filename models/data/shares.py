"""How often a training sample is made harder than the clips are."""

WITHHELD_SHARE = 0.2
"""Share of training samples whose points are withheld: archive footage has none, nor has the paper."""
MOVED_SHARE = 0.3
"""Share of training samples whose keyframe is turned, shifted and scaled: large motion is rare in the clips."""
DETAIL_SHARE = 0.2
"""Share of training samples that are given a picture of 16×16, 32×32 or 64×64 besides the 8×8 ones."""
SILENCED_SHARE = 0.15
"""Share of training samples whose sound is replaced by silence, so that the picture alone is enough."""
