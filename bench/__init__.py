"""Measurements, the demo and ``facewire doctor``.

May import every room but commands.
"""
