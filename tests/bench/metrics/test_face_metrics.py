"""Landmark distance, head pose and identity on a public-domain face."""

from importlib.util import find_spec

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from bench.metrics.identity import IdentityMetric, likeness
from bench.metrics.landmarks import LIPS, Landmarks, landmark_distance
from bench.metrics.pose import HeadPose, pose_error
from models.face.landmarks import LEFT_EYE, RIGHT_EYE


@pytest.fixture(scope="module")
def landmarks() -> Landmarks:
    return Landmarks()


def shifted(face: np.ndarray, pixels: int) -> np.ndarray:
    return np.roll(face, pixels, axis=1)


def test_landmark_distance_of_a_known_shift():
    points = np.random.default_rng(0).uniform(0, 100, (468, 3)).astype(np.float32)
    points[RIGHT_EYE[0], :2], points[LEFT_EYE[0], :2] = (20, 50), (80, 50)
    assert landmark_distance(points + np.float32([3, 4, 9]), points) == pytest.approx(5 / 60, rel=1e-4)
    smiling = points.copy()
    smiling[list(LIPS), 0] += 6
    assert landmark_distance(smiling, points, LIPS) == pytest.approx(0.1, rel=1e-4)
    assert landmark_distance(smiling, points) == pytest.approx(0.1 * len(LIPS) / 468, rel=1e-3)


def test_lmd_is_zero_for_the_original_and_grows_as_the_face_is_shifted(faces, landmarks):
    face = landmarks.find(faces[0])
    assert landmarks.judge(faces[0], face) == {"lmd": 0, "lmd_lips": 0, "face_seen": 1, "broken": 0}
    eyes = np.linalg.norm(face.points[RIGHT_EYE[0], :2] - face.points[LEFT_EYE[0], :2])
    found = [landmarks.judge(shifted(faces[0], n), face)["lmd"] for n in (2, 5, 10, 15)]
    assert found == sorted(found)
    assert found[2] == pytest.approx(10 / eyes, rel=0.3)


def test_the_box_of_the_mouth_contains_the_lips(faces, landmarks):
    face = landmarks.find(faces[0])
    lips = face.points[list(LIPS), :2]
    assert (lips > face.mouth[:2]).all()
    assert (lips < face.mouth[2:]).all()
    assert (face.mouth[2:] - face.mouth[:2]).max() < 128


def test_a_missing_face_is_recognised_in_original_and_output(faces, landmarks):
    grey = np.full((256, 256, 3), 128, np.uint8)
    assert landmarks.find(grey) is None
    assert landmarks.judge(grey, landmarks.find(faces[0]))["face_seen"] == 0


def pose_network(path, factor: float) -> None:
    """Write a network whose three outputs are the means of its three input channels times ``factor``."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    values = {"shape": np.array([1, 3], np.int64), "factor": np.float32([factor])}
    nodes = [("GlobalAveragePool", ["input"], "a"), ("Reshape", ["a", "shape"], "b"), ("Mul", ["b", "factor"], "output")]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output]) for kind, inputs, output in nodes], "pose",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3])],
        [onnx.numpy_helper.from_array(v, k) for k, v in values.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_pose_networks_get_bgr_input_and_their_outputs_are_averaged(faces, landmarks, tmp_path):
    pose_network(tmp_path / "fsanet-a.onnx", 1.0)
    pose_network(tmp_path / "fsanet-b.onnx", 3.0)
    coloured = np.full((256, 256, 3), (255, 127, 0), np.uint8)
    found = HeadPose(tmp_path).pose(coloured, landmarks.find(faces[0]).box)
    assert found.tolist() == pytest.approx([2 * (v - 127.5) / 128 for v in (0, 127, 255)], abs=1e-4)


def test_a_missing_pose_network_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="fsanet"):
        HeadPose(tmp_path)


def test_pose_error_is_the_mean_absolute_difference_of_the_angles():
    found = pose_error(np.float32([10, -5, 2]), np.float32([7, 1, 2]))
    assert found == {"yaw": 3, "pitch": 6, "roll": 0, "pose_mae": 3}


def test_likeness_by_hand():
    found = likeness(np.array([3.0, 4.0]), np.array([4.0, 3.0]))
    assert found == {"identity_cos": pytest.approx(0.96), "identity_distance": pytest.approx(2**0.5)}


@pytest.mark.skipif(not (find_spec("dlib") and find_spec("face_recognition_models")), reason="dlib is optional")
def test_a_later_frame_of_the_same_person_is_more_alike_than_a_blurred_one(faces, landmarks):
    identity, box = IdentityMetric(), landmarks.find(faces[0]).box
    first = identity.descriptor(faces[0], box)
    assert first.shape == (128,)
    later, blurred = (likeness(identity.descriptor(x, box), first) for x in (faces[30], cv2.GaussianBlur(faces[0], (0, 0), 8)))
    assert later["identity_distance"] < 0.4 < blurred["identity_distance"]
    assert later["identity_cos"] > blurred["identity_cos"]
