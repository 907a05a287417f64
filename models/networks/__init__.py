"""The networks that ship, in torch: the face upsampler and the frame interpolator.

For training and export.
"""
