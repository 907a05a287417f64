"""Records what a call receives to a ``.fw`` file: a hundredth of a video's size, to be rendered again later."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from codec.bundle import Bundle
from codec.container import FileWriter
from codec.errors import system_reason
from codec.keyframe import Keyframe
from codec.media.timing import grid
from receiver.outputs.video_file import OutputError
from receiver.timeline import Timeline

log = logging.getLogger(__name__)


class Recorder:
    """Pass it keyframes and bundles in an order in which they can be decoded. The file gets its name
    when it is closed. If it is never closed, or the disk fills up, it is readable up to its last
    complete record, under the name with ``.part``."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`OutputError`."""
        self._path, self._part = path, path.with_name(path.name + ".part")
        try:
            self._file = self._part.open("wb")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {system_reason(error)}") from error
        self._writer, self._timeline, self._end_ms = FileWriter(self._file), Timeline(), 0
        self._slots: dict[int, bytes] = {}
        self._failed = ""
        self._new_stream, self._shift = False, 0

    def keyframe(self, slot: int, keyframe: Keyframe) -> None:
        """Write a keyframe that arrived, unless it is in the file already: the peer may offer it several times."""
        if self._slots.get(slot) != keyframe.digest:
            self._slots[slot] = keyframe.digest
            self._write(lambda: self._writer.keyframe(slot, keyframe))

    def _write(self, write: Callable[[], None]) -> None:
        """A file that can't be written must not end the call."""
        if self._failed:
            return
        try:
            write()
        except OSError as error:
            self._failed = system_reason(error)
            log.error("%s ends here, the call goes on: %s", self._path, self._failed)

    def bundle(self, bundle: Bundle) -> None:
        """Write a bundle when it is played, or one that won't be: later pictures may refer to its picture."""
        if self._new_stream:
            self._new_stream = False
            self._shift += self._timeline.shift_for(self._shifted(bundle))
        bundle = self._shifted(bundle)
        for tick in self._timeline.ticks(bundle):
            self._end_ms = tick.at_ms + tick.tick_ms
        self._write(lambda: self._writer.bundle(bundle))

    def _shifted(self, bundle: Bundle) -> Bundle:
        return replace(bundle, time=(bundle.time + self._shift) & 0xFFFF) if self._shift else bundle

    def restart(self) -> None:
        """The next bundle may belong to a new stream. Its time is shifted to after what is in the file: otherwise it would
        count as late."""
        self._new_stream = True

    def close(self) -> None:
        """Finish the file; without a bundle none is left. Raises :class:`OutputError` if it is incomplete."""
        if self._file.closed:
            return
        self._write(lambda: self._writer.end(grid(0, self._end_ms).stop))
        self._write(self._file.flush)
        if self._failed:
            with contextlib.suppress(OSError):
                self._file.close()
            raise OutputError(f"{self._path} is not whole: {self._failed}; what was written is in {self._part}")
        self._file.close()
        if self._end_ms:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
