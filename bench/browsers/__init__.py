"""Browsers that tests and benches steer: Chromium, Firefox, a camera made of a clip, a sound server without a sound card.

For the rest of bench and for tests.
"""
