"""A clip as the camera and microphone of a headless Chromium."""

import wave
from pathlib import Path

import av
import numpy as np

from codec.media.files import file_frames, file_sound
from codec.media.timing import RATE

WIDTH, HEIGHT = 640, 480


def chromium_options(clip: Path, folder: Path, tint: tuple[float, float, float] = (1, 1, 1), seconds: float = 8.0) -> list[str]:
    """Write ``clip``, its colours multiplied by ``tint``, as what Chromium's fake devices play over
    and over; its options."""
    camera, microphone = folder / "camera.mjpeg", folder / "microphone.wav"
    with av.open(str(camera), "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        stream.options = {"qscale": "2"}
        for number, rgb in enumerate(file_frames(clip)):
            if number >= seconds * 25:
                break
            height, width = min(HEIGHT, rgb.shape[0]), min(WIDTH, rgb.shape[1])
            canvas = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
            top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
            canvas[top : top + height, left : left + width] = rgb[:height, :width] * np.array(tint)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
        out.mux(stream.encode(None))
    sound = np.concatenate(list(file_sound(clip)))[: round(seconds * RATE)]
    with wave.open(str(microphone), "wb") as out_sound:
        out_sound.setnchannels(1)
        out_sound.setsampwidth(2)
        out_sound.setframerate(RATE)
        out_sound.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return [f"--use-file-for-fake-video-capture={camera}", f"--use-file-for-fake-audio-capture={microphone}"]
