"""Codes the positions of mouth, lids and head relative to the keyframe in a few bits: coefficients of the face's points.

Depends on :mod:`codec.pictures` for the range coder and for the references that the peer holds.
"""
