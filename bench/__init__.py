"""Measurements, the demo and ``facewire doctor``.

May import every package except commands.
"""
