"""Measurements of time: a frame, the stages of a tick, arithmetic precision."""
