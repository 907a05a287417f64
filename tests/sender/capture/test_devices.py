"""Cameras and sound devices that disappear and come back."""

import shutil
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.media.files import SourceError
from receiver.outputs.speakers import Speakers
from receiver.outputs.video_file import OutputError
from sender.capture.devices import Camera, Microphone
from tests.needs import needs
from tests.waiting import wait_until


def test_a_missing_camera_is_an_error() -> None:
    with pytest.raises(SourceError, match="cam77 cannot be opened"):
        Camera(77)


def test_a_camera_that_disappeared_is_opened_again(tmp_path: Path) -> None:
    """OpenCV reads a file in place of a camera; the end of the file is like unplugging the camera."""
    short = tmp_path / "camera.mp4"
    shutil.copy(shipped_clip(), short)
    opened = []

    class Watched(Camera):
        def _open(self):
            opened.append(super()._open())
            return opened[-1]

    camera = Watched(str(short))
    try:
        assert wait_until(lambda: camera.latest() is not None)
        assert wait_until(lambda: len(opened) > 1)
        assert wait_until(lambda: camera.latest() is not None)
        short.unlink()  # now the camera stays away, and the last picture becomes too old
        assert wait_until(lambda: camera.latest() is None)
        shutil.copy(shipped_clip(), short)
        assert wait_until(lambda: camera.latest() is not None)
    finally:
        camera.close()


def test_a_camera_with_non_square_pixels_gives_square_ones(tmp_path: Path) -> None:
    path = tmp_path / "camera.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for _ in range(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((96, 64, 3), 90, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    camera = Camera(str(path))
    try:
        assert wait_until(lambda: camera.latest() is not None)
        assert wait_until(lambda: getattr(camera.latest(), "shape", None) == (96, 128, 3))
    finally:
        camera.close()


class Pulse:
    """A sound server with a null sink, whose monitor is the microphone."""

    def __init__(self, folder: Path) -> None:
        self.environment = {"XDG_RUNTIME_DIR": str(folder), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", "--load=module-native-protocol-unix",
             "--load=module-null-sink sink_name=null", "--load=module-always-sink"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert wait_until(lambda: self.control("info").returncode == 0)

    def control(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["pactl", *words], env=self.environment, capture_output=True, timeout=10, check=False)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sounddevice

    server = Pulse(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    server.start()
    sounddevice._terminate()
    sounddevice._initialize()
    if not any("pulse" in d["name"] for d in sounddevice.query_devices()):
        server.stop()
        pytest.skip("ALSA has no way to PulseAudio here (libasound2-plugins)")
    yield server
    server.stop()


def tone(start: int) -> np.ndarray:
    return np.sin((start + np.arange(3200)) * 2 * np.pi * 440 / 16_000).astype(np.float32) * 0.5


def loud(speakers: Speakers, microphone: Microphone, seconds: float = 10.0) -> bool:
    """Whether the microphone records the played tone within ``seconds``."""
    start, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        speakers.sound(0, tone(start), tone(start))
        start += 3200
        time.sleep(0.2)
        if np.abs(microphone.read(3200)).max() > 0.2:
            return True
    return False


@needs("pulseaudio", "libportaudio2")
def test_sound_continues_after_the_sound_server_was_restarted(pulse: Pulse) -> None:
    speakers, microphone = Speakers("pulse"), Microphone("pulse")
    try:
        assert loud(speakers, microphone)
        pulse.stop()
        assert wait_until(lambda: microphone._device.lost)
        microphone.read(16_000)  # discard what was recorded before
        assert not loud(speakers, microphone, 1.0)  # silence, and no error
        pulse.start()
        assert loud(speakers, microphone, 30.0)
        assert not microphone._device.lost
    finally:
        speakers.close()
        microphone.close()


@needs("pulseaudio", "libportaudio2")
def test_an_unknown_device_name_is_an_error(pulse: Pulse) -> None:
    with pytest.raises(SourceError, match="microphone cannot be opened"):
        Microphone("no such thing")
    with pytest.raises(OutputError, match="speakers cannot be opened"):
        Speakers("99")
