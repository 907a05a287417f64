"""The codecs that facewire is measured against, through ffmpeg: H.264, H.265, AV1, H.266, as calls
use them and at their best."""
