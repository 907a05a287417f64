"""Measurements of live calls: delay, bad networks, survival, soak, server load."""
