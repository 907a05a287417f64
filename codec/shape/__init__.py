"""How mouth, lids and head stand against the keyframe, in a few bits: coefficients of the face's points.

Rests on :mod:`codec.pictures` for the range coder and for what the other side holds.
"""
