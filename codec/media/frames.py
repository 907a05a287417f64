"""Decoded frames → pictures for display: upright, with square pixels, progressive, SDR, RGB.

All pictures from files pass through here. Cameras and browsers deliver theirs upright.
"""

import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from codec.media.frame_times import timed
from codec.media.hdr import HLG, PQ, WIDE, ToSdr
from codec.media.scaler import Scaler
from codec.media.types import UInt8

log = logging.getLogger(__name__)

ASPECT_MOST = Fraction(4)
"""A larger pixel aspect ratio, either way, is a damaged header: the pixels are then taken as square."""
SIDE_MOST = 8192
"""Longest side, in pixels, that stretching may produce."""


def whole_frames(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The same number of frames, interlaced ones deinterlaced (bwdif, which also uses the neighbouring frames).

    The filter starts at the first interlaced frame, and from then on delays the output by one frame.
    """
    graph: av.filter.Graph | None = None
    made_for: tuple[int, int, str] | None = None
    for frame in frames:
        kind = frame.width, frame.height, frame.format.name
        if graph is not None and made_for != kind:
            yield from _rest(graph)
            graph = None
        if graph is None and frame.interlaced_frame:
            graph, made_for = _bwdif(frame), kind
        if graph is None:
            yield frame
        else:
            graph.vpush(frame)
            yield from _ready(graph)
    if graph is not None:
        yield from _rest(graph)


def _bwdif(frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
    )
    bwdif, sink = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"), graph.add("buffersink")
    graph.link_nodes(source, bwdif, sink)
    graph.configure()
    return graph


def _ready(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _rest(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    graph.vpush(None)
    yield from _ready(graph)


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Width and height once pixels are square; ``aspect`` is a pixel's width over its height. One
    side is stretched, none shrunk.

    A size beyond :data:`ASPECT_MOST` or :data:`SIDE_MOST` is left unchanged.
    """
    if not aspect or not 1 / ASPECT_MOST <= aspect <= ASPECT_MOST:
        return width, height
    wider = max(width, round(width * aspect)), max(height, round(height / aspect))
    return wider if max(wider) <= SIDE_MOST else (width, height)


class Upright:
    """Converts the frames of one stream to pictures on the caller's thread, and keeps its converters. Not thread-safe."""

    def __init__(self, stream: av.VideoStream | None = None) -> None:
        """``stream``: the stream of the frames, which states pixel aspect ratio and HDR. None: square
        pixels, SDR."""
        self._stream = stream
        self._scaler, self._scaled = Scaler(), (0, 0)
        self._sdr: ToSdr | None = None
        self._transfer = 0

    def _square(self, frame: av.VideoFrame) -> tuple[int, int]:
        aspect = self._stream.sample_aspect_ratio if self._stream is not None else None
        return square_size(frame.width, frame.height, aspect)

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height of the picture that :meth:`array` returns."""
        width, height = self._square(frame)
        return (height, width) if _turn(frame)[0] else (width, height)

    def array(self, frame: av.VideoFrame) -> UInt8:
        """Any frame → RGB (H, W, 3), contiguous."""
        size = self._square(frame)
        if self._is_hdr():
            assert self._sdr is not None
            frame, shown = self._sdr.frame(frame), frame
        else:
            shown = frame
        if size != self._scaled:
            stretched = size != (frame.width, frame.height)
            self._scaler, self._scaled = Scaler("rgb24", *size, smooth=True) if stretched else Scaler(), size
        rgb = self._scaler.array(frame)
        transposed, left_right, upside_down = _turn(shown)
        if transposed:
            rgb = rgb.transpose(1, 0, 2)
        return np.ascontiguousarray(rgb[:: -1 if upside_down else 1, :: -1 if left_right else 1])

    def _is_hdr(self) -> bool:
        if self._stream is None:
            return False
        context = self._stream.codec_context
        transfer, primaries = int(context.color_trc), int(context.color_primaries)
        hdr = transfer in (PQ, HLG) or primaries == WIDE
        if hdr and (self._sdr is None or transfer != self._transfer):
            self._sdr, self._transfer = ToSdr(transfer), transfer
        return hdr


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """The steps of the frame's display matrix, in this order: (transpose, mirror left to right, mirror
    top to bottom).

    Angles are rounded to the nearest multiple of 90°.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(data), np.int32)[:5])  # x' = ax + cy, y' = bx + dy
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def decoded(container: av.container.InputContainer, threads: int = 0) -> Iterator[av.VideoFrame]:
    """The frames of a container's first video stream, each with a time, none interlaced. ``threads`` 0: as many as
    there are cores.

    Raises ``IndexError`` without a video stream, and what PyAV raises.
    """
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    yield from whole_frames(timed(readable(container, stream), stream))


def readable(container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream) -> Iterator[Any]:
    """A stream's frames, without those in damaged packets, which FFmpeg's own tools skip, too. Raises what PyAV raises, and
    the error of the last damaged packet if nothing could be decoded."""
    frames, damaged, error = 0, 0, None
    for packet in container.demux(stream):
        try:
            found = packet.decode()
        except av.error.InvalidDataError as why:
            damaged, error = damaged + 1, why
            continue
        frames += len(found)
        yield from found
    if error and not frames:
        raise error
    if damaged:
        log.warning("%s: %d damaged packets of its %s were skipped", container.name, damaged, stream.type)
