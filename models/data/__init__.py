"""Talking-face clips as training reads them: the cache, shards, batches, samplers, augmentation,
landmark regions.

For training, export and bench.
"""
