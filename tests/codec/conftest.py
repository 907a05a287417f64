"""Pictures shared by the codec's tests, drawn with numpy: they show no real person."""

import numpy as np
import pytest

from codec.keyframe import Keyframe, encode_keyframe


def drawn_face(side: int = 256) -> np.ndarray:
    """A smooth face-like pattern, RGB uint8."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    head = (x / 0.6) ** 2 + (y / 0.8) ** 2
    eyes = np.exp(-((np.abs(x) - 0.25) ** 2 + (y + 0.2) ** 2) * 150)
    mouth = np.exp(-(x**2) * 20 - (y - 0.4) ** 2 * 200)
    skin = 1 / (1 + np.exp((head - 1) * 12))
    planes = [60 + 150 * skin - 140 * eyes - 40 * mouth, 70 + 90 * skin - 110 * eyes - 80 * mouth, 90 + 50 * skin - 90 * eyes]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def face() -> np.ndarray:
    return drawn_face()


@pytest.fixture(scope="session")
def keyframe(face: np.ndarray) -> Keyframe:
    return encode_keyframe(face, form="webp")
