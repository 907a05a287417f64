"""Codes the small picture (usually 8×8): sampling, prediction, contexts, range coder, rate control.

Imported by codec itself, by the tick decoder and by the sender's stream.
"""
