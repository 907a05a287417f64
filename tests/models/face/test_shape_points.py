"""The face's points: complete, correctly mirrored, and found on a turned head."""

import cv2
import numpy as np
import pytest

from models.face.detector import BlazeFace
from models.face.landmarks import LEFT_EYE, RIGHT_EYE, FaceMesh, region_of
from models.face.shape_points import COUNT, DRAWN, GROUPS, MESH, MIRROR, from_mesh, groups, mirrored_points
from models.face.tracker import crop_around


def test_every_point_occurs_once_and_its_mirror_image_is_in_the_same_group() -> None:
    assert len(set(MESH)) == COUNT == 54
    assert max(MESH) < 468
    assert [MIRROR[i] for i in MIRROR] == list(range(COUNT))
    for group in GROUPS:
        assert {MESH[MIRROR[MESH.index(point)]] for point in group} == set(group)
    assert MESH[MIRROR[MESH.index(RIGHT_EYE[0])]] == LEFT_EYE[0]


def test_the_group_table_marks_the_points_of_each_group() -> None:
    table = groups()
    assert table.shape == (len(DRAWN), COUNT)
    assert table.sum(1).tolist() == [len(group) for group in DRAWN]


def test_pixels_become_half_sides_and_unknown_points_stay_zero() -> None:
    mesh = np.zeros((2, 468, 3), np.float32)
    mesh[1] = 64, 192, 7
    points = from_mesh(mesh)
    assert not points[0].any()
    assert np.allclose(points[1], (-0.5, 0.5))
    turned = mirrored_points(points)
    assert not turned[0].any()
    assert np.allclose(turned[1], (0.5, 0.5))


@pytest.mark.parametrize("degrees", [0, 25, -40])
def test_the_mesh_follows_a_turned_head(frames: list[np.ndarray], degrees: float) -> None:
    mesh = FaceMesh()
    (face, *_) = BlazeFace().detect(frames[0])
    crop = crop_around(face).cut(frames[0])
    straight, probability = mesh.points(crop, BlazeFace().detect(crop)[0])
    assert probability > 0.5
    matrix = cv2.getRotationMatrix2D((128, 128), degrees, 1.0)
    turned = np.asarray(cv2.warpAffine(crop, matrix, (256, 256), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    expected = straight[:, :2] @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
    found, probability = mesh.within(turned, region_of(expected))
    assert probability > 0.5
    assert np.abs(found[:, :2] - expected).mean() < 3
