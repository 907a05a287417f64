"""The small picture (8×8 as a rule) as bits: sampling, prediction, contexts, range coder, rate control.

Imported by codec itself, by the tick decoder and by the sender's stream.
"""
