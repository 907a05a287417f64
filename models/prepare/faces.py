"""Faces of any size from ``min_face`` upwards: BlazeFace looks at the whole picture and, where that is
large, at tiles of it."""

from codec.media.types import UInt8
from models.face.detector import Detection, Detector
from models.face.finder import TILE, distinct, look_at, look_closer, starts


def find_faces(rgb: UInt8, detector: Detector, min_face: float) -> list[Detection]:
    """Faces in RGB (H, W, 3), each once, highest score first. Those under about ``min_face`` pixels high
    may be missed.

    Searches all tiles at once, unlike :class:`models.face.finder.FaceFinder`: nobody waits.
    """
    height, width = rgb.shape[:2]
    found = list(detector.detect(rgb))
    tile = round(TILE * min_face)
    if max(height, width) > 1.25 * tile:
        shared = round(2 * min_face)
        for y in starts(height, tile, shared):
            for x in starts(width, tile, shared):
                found += look_at(rgb, (x, y, tile), detector)
    closer = (look_closer(rgb, face, detector) for face in distinct(found))
    return sorted((face for face in closer if face is not None), key=lambda f: -f.score)
