"""Browsers that tests and benchmarks control: Chromium, Firefox, a clip as camera, a sound server without a sound card.

For the rest of bench and for tests.
"""
