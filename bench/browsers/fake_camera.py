"""A clip as the camera and microphone of a headless browser."""

import base64
import json
import wave
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from codec.media.files import file_frames, file_sound
from codec.media.timing import RATE
from codec.media.types import Float32, UInt8

WIDTH, HEIGHT = 640, 480

_CAMERA = """
const pictures = %s.map((jpeg) => new Blob([Uint8Array.from(atob(jpeg), (letter) => letter.charCodeAt(0))]));
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await real(wanted);
  for (const track of stream.getVideoTracks()) {
    const canvas = Object.assign(document.createElement("canvas"), { width: %d, height: %d });
    const context = canvas.getContext("2d");
    let number = 0;
    setInterval(async () => {
      const picture = await createImageBitmap(pictures[number++ %% pictures.length]);
      context.drawImage(picture, 0, 0);
      picture.close();
    }, 40);
    stream.removeTrack(track);
    track.stop();
    stream.addTrack(canvas.captureStream().getVideoTracks()[0]);
  }
  return stream;
};
"""


def chromium_options(clip: Path, folder: Path, tint: tuple[float, float, float] = (1, 1, 1), seconds: float = 8.0) -> list[str]:
    """Write ``clip``, its colours multiplied by ``tint``, to files that Chromium's fake devices play
    over and over; returns Chromium's options for them."""
    frames = (padded(rgb * np.array(tint)) for rgb in islice(file_frames(clip), round(seconds * 25)))
    sound = list(file_sound(clip)) or [np.zeros(RATE, np.float32)]  # a clip without sound is silent
    return devices(folder, frames, np.concatenate(sound)[: round(seconds * RATE)])


def padded(rgb: UInt8 | Float32) -> UInt8:
    """A picture in the middle of a grey one of the camera's size; what doesn't fit is cut off."""
    height, width = min(HEIGHT, rgb.shape[0]), min(WIDTH, rgb.shape[1])
    canvas = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    canvas[top : top + height, left : left + width] = rgb[:height, :width]
    return canvas


def devices(folder: Path, frames: Iterable[UInt8], sound: Float32) -> list[str]:
    """Write pictures (HEIGHT, WIDTH, 3) at 25 a second, and mono sound at 16 kHz, to files that Chromium's fake devices
    play over and over; returns Chromium's options for them."""
    camera = folder / "camera.mjpeg"
    with av.open(str(camera), "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        stream.options = {"qscale": "2"}
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return [f"--use-file-for-fake-video-capture={camera}", f"--use-file-for-fake-audio-capture={microphone(folder, sound)}"]


def camera_script(clip: Path, seconds: float = 4.0) -> str:
    """JavaScript that, run before a page's own scripts, makes ``clip`` its camera, over and over: for browsers that can't
    take a file as camera, such as Firefox. The microphone stays the browser's."""
    frames = (padded(rgb)[..., ::-1] for rgb in islice(file_frames(clip), round(seconds * 25)))
    pictures = [base64.b64encode(cv2.imencode(".jpg", frame)[1].tobytes()).decode() for frame in frames]
    return _CAMERA % (json.dumps(pictures), WIDTH, HEIGHT)


def microphone(folder: Path, sound: Float32) -> Path:
    """Write mono sound at 16 kHz as the WAV file that a fake microphone plays; returns its path."""
    path = folder / "microphone.wav"
    with wave.open(str(path), "wb") as out_sound:
        out_sound.setnchannels(1)
        out_sound.setsampwidth(2)
        out_sound.setframerate(RATE)
        out_sound.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return path
