"""A clip's copy with the sound moved to where its lips are: many collected clips' sound comes some
frames late or early.

In a real call picture and sound are captured together; a clip whose sound is three frames late
would tell the network of another moment than the one that it draws.
"""

from fractions import Fraction
from pathlib import Path

import av

from codec.media.timing import FRAME_RATE


def shift_sound(clip: Path, late: int, folder: Path) -> Path:
    """Copy ``clip`` into ``folder`` with its sound ``late`` frames earlier (later where negative);
    nothing is coded anew.

    Gives the copy, or ``clip`` itself where ``late`` is 0. Raises ``av.error.FFmpegError`` for a
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
            # Whichever must come earlier stays, and the other is moved back: no time stamp may be below zero.
            if (packet.stream.type == "video") == (late > 0):
                wait = int(Fraction(abs(late), FRAME_RATE) / packet.time_base)
                packet.pts, packet.dts = packet.pts + wait, packet.dts + wait
            packet.stream = streams[packet.stream.index]
            copy.mux(packet)
    return out
