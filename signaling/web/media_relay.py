"""A call's pictures for several browsers at once."""

from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaRelay
from av import VideoFrame

from codec.media.scaler import Scaler


class Relay:
    """Hands one track to several viewers, each with its own copy of the pictures.

    aiortc's relay gives the same frame object to every viewer's encoder, and each of them runs in
    another thread. PyAV keeps a frame's converter in the frame: two threads that convert it at the
    same time deadlock (seen with PyAV 18, within seconds), and block the event loop's executor.
    """

    def __init__(self) -> None:
        self._relay = MediaRelay()

    def subscribe(self, track: MediaStreamTrack) -> MediaStreamTrack:
        """The video track for one more viewer; stop it when that viewer leaves. A viewer that falls
        behind gets the newest picture."""
        return _OwnPictures(self._relay.subscribe(track, buffered=False))


class _OwnPictures(MediaStreamTrack):
    """A video track with its own copies of the frames, in the pixel format that the encoders take."""

    kind = "video"

    def __init__(self, source: MediaStreamTrack) -> None:
        super().__init__()
        self._source, self._scaler = source, Scaler("yuv420p")

    async def recv(self) -> VideoFrame:
        frame = await self._source.recv()
        assert isinstance(frame, VideoFrame)
        own = VideoFrame.from_ndarray(self._scaler.array(frame), format="yuv420p")
        own.pts, own.time_base = frame.pts, frame.time_base
        return own

    def stop(self) -> None:
        super().stop()
        self._source.stop()
