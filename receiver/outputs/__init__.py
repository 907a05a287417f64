"""Where frames and sound go: MP4 file, ``.fw`` recording, window, speakers, the page's tracks.

For the receiver, and for signaling, which opens them.
"""
