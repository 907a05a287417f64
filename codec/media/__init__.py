"""Pictures and sound as files and devices give them, made uniform for everything behind: what sender, receiver and models share.

May import PyAV, OpenCV and NumPy, and of facewire nothing but ``codec``.
"""
