"""A copy of a clip with its sound aligned to the lips: in many collected clips the sound is some frames
late or early.

In a real call picture and sound are captured together. If a clip's sound is three frames late, the
network hears another moment than the one that it renders.
"""

from fractions import Fraction
from pathlib import Path

import av

from codec.media.timing import FRAME_RATE


def shift_sound(clip: Path, late: int, folder: Path) -> Path:
    """Copy ``clip`` into ``folder`` with its sound ``late`` frames earlier (later if negative);
    nothing is re-encoded.

    Returns the copy, or ``clip`` itself if ``late`` is 0. Raises ``av.error.FFmpegError`` for a
    file that isn't a video.
    """
    if not late:
        return clip
    out = folder / f"{clip.stem}.mkv"
    with av.open(str(clip)) as source, av.open(str(out), "w") as copy:
        streams = {s.index: copy.add_stream_from_template(s) for s in (*source.streams.video[:1], *source.streams.audio[:1])}
        for packet in source.demux([source.streams[i] for i in streams]):
            if packet.dts is None or packet.pts is None:
                continue
            assert packet.time_base is not None
            # The stream that must come earlier stays, and the other is delayed: no time stamp may be below zero.
            if (packet.stream.type == "video") == (late > 0):
                wait = int(Fraction(abs(late), FRAME_RATE) / packet.time_base)
                packet.pts, packet.dts = packet.pts + wait, packet.dts + wait
            packet.stream = streams[packet.stream.index]
            copy.mux(packet)
    return out
