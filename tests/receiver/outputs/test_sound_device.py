"""A sound device that disappears and comes back, with a controllable library in place of PortAudio."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from receiver.outputs import sound_device
from receiver.outputs.sound_device import SoundDevice, SoundDeviceError
from tests.waiting import wait_until


class Stream:
    """A stream of the library; it stays active until its device is unplugged."""

    def __init__(self, library: "Library", device: Any, callback: Callable[..., None]) -> None:
        self.library, self.device, self.callback = library, device, callback
        self.active = self.closed = False
        library.streams.append(self)

    def start(self) -> None:
        if self.library.start_fails:
            raise self.library.PortAudioError("busy")
        self.active = True

    def abort(self, ignore_errors: bool) -> None:
        self.active = False

    def close(self, ignore_errors: bool) -> None:
        self.closed = True


class Library:
    """As with PortAudio, the visible devices are those at the last initialisation."""

    class PortAudioError(Exception): ...

    def __init__(self) -> None:
        self.there, self.seen = {"mic", "speakers"}, {"mic", "speakers"}
        self.streams: list[Stream] = []
        self.start_fails, self.initialize_fails = False, 0

    def _open(self, *, device: str, callback: Callable[..., None], **_: Any) -> Stream:
        if device not in self.seen & self.there:
            raise ValueError(f"no device {device}")
        return Stream(self, device, callback)

    InputStream = OutputStream = _open

    def _terminate(self) -> None:
        assert not any(s.active for s in self.streams), "a stream was in use"

    def _initialize(self) -> None:
        if self.initialize_fails:
            self.initialize_fails -= 1
            raise self.PortAudioError("no server")
        self.seen = set(self.there)

    def pull(self, name: str) -> None:
        self.there.discard(name)
        for stream in self.of(name):
            stream.active = False

    def of(self, name: str) -> list[Stream]:
        return [s for s in self.streams if s.device == name]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    library = Library()
    monkeypatch.setattr(sound_device, "_library", lambda: library)
    monkeypatch.setattr(sound_device, "LOOK", 0.02)
    monkeypatch.setattr(sound_device, "LOOK_MOST", 0.1)
    monkeypatch.setattr(sound_device, "DEAD", 60.0)
    yield library
    assert not sound_device._devices


def test_a_device_that_comes_back_is_found_while_another_plays(library: Library) -> None:
    microphone = SoundDevice("microphone", "mic", lambda *_: None)
    speakers = SoundDevice("speakers", "speakers", lambda *_: None)
    try:
        library.pull("mic")
        assert wait_until(lambda: microphone.lost)
        time.sleep(0.1)
        assert microphone.lost
        library.there.add("mic")
        assert wait_until(lambda: not microphone.lost)
        assert [s.active for s in library.of("mic")][-1]
        assert wait_until(lambda: not speakers.lost and library.of("speakers")[-1].active)
    finally:
        microphone.close()
        speakers.close()
    assert not any(s.active for s in library.streams)
    assert all(s.closed for s in library.streams)


def test_a_library_that_fails_for_a_moment_is_initialised_again(library: Library) -> None:
    microphone = SoundDevice("microphone", "mic", lambda *_: None)
    try:
        library.initialize_fails = 3
        library.pull("mic")
        assert wait_until(lambda: microphone.lost)
        library.there.add("mic")
        assert wait_until(lambda: not microphone.lost)
        assert library.initialize_fails == 0
    finally:
        microphone.close()


def test_a_stream_that_does_not_start_is_closed(library: Library) -> None:
    library.start_fails = True
    with pytest.raises(SoundDeviceError, match="cannot be opened: busy"):
        SoundDevice("speakers", "speakers", lambda *_: None)
    assert [s.closed for s in library.streams] == [True]


def test_a_device_is_searched_for_however_long_it_is_gone(library: Library) -> None:
    microphone = SoundDevice("microphone", "mic", lambda *_: None)
    try:
        library.pull("mic")
        assert wait_until(lambda: microphone.lost)
        microphone._looks = 2000  # as after hours
        time.sleep(0.1)
        library.there.add("mic")
        assert wait_until(lambda: not microphone.lost)
    finally:
        microphone.close()
