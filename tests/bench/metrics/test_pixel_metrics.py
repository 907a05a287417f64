"""PSNR, SSIM, mouth PSNR and motion error: known values, and worse values for worse pictures."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.metrics.motion import flow_error, motion_error
from bench.metrics.pixel import luma, psnr, region_psnr, ssim, to_frame, to_tensor


def blurred(face: np.ndarray) -> list[np.ndarray]:
    return [cv2.GaussianBlur(face, (0, 0), sigma) for sigma in (0.5, 1, 2, 4, 8)]


def test_a_frame_is_unchanged_after_conversion_to_a_tensor_and_back(faces):
    assert np.array_equal(to_frame(to_tensor(faces[:1])[0]), faces[0])


def test_psnr_of_a_known_error_and_of_equal_images():
    truth = torch.full((2, 3, 16, 16), 0.5)
    output = truth + torch.tensor([0.1, 0.0]).view(2, 1, 1, 1)
    assert psnr(output, truth).tolist() == pytest.approx([20.0, float("inf")], abs=1e-4)


def test_ssim_is_one_for_equal_images_and_agrees_with_scikit_image(faces):
    metrics = pytest.importorskip("skimage.metrics")
    truth, output = to_tensor([faces[0]] * 3), to_tensor([faces[0], faces[20], blurred(faces[0])[2]])
    found = ssim(output, truth)
    assert float(found[0]) == pytest.approx(1.0, abs=1e-6)
    for i in (1, 2):
        pair = [luma(x[i : i + 1].double())[0, 0].numpy() for x in (output, truth)]
        wanted = metrics.structural_similarity(
            *pair, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
        )
        assert float(found[i]) == pytest.approx(wanted, abs=1e-4)


def test_ssim_refuses_a_picture_smaller_than_its_window():
    with pytest.raises(ValueError, match="11x11"):
        ssim(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_more_blur_is_worse(measure, faces):
    worse = to_tensor(blurred(faces[0]))
    values = measure(worse, to_tensor([faces[0]]).expand_as(worse)).tolist()
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 5


def test_region_psnr_uses_only_the_pixels_of_its_box():
    truth = torch.full((3, 20, 20), 0.5)
    output = truth.clone()
    output[:, :, :10] += 0.1
    assert region_psnr(output, truth, np.float32([10, 0, 20, 20])) == float("inf")
    assert region_psnr(output, truth, np.float32([-5, 2, 9.5, 30])) == pytest.approx(20.0, abs=1e-4)
    assert np.isnan(region_psnr(output, truth, np.float32([25, 0, 30, 5])))


def test_motion_error_of_a_held_video_is_the_motion_and_of_the_original_zero(faces):
    before, now = to_tensor([faces[4]]), to_tensor([faces[5]])
    moved = float((luma(now) - luma(before)).abs().mean() * 255)
    assert moved > 0.05
    assert float(motion_error(before, before, before, now)) == pytest.approx(moved, rel=1e-5)
    assert float(motion_error(before, now, before, now)) == 0
    # A constant error of the picture is no error of its motion.
    assert float(motion_error(before + 0.1, now + 0.1, before, now)) == pytest.approx(0, abs=1e-4)


def test_flow_error_of_a_held_video_is_the_motion_and_of_the_original_zero(faces):
    before = np.ascontiguousarray(faces[4])
    now = np.ascontiguousarray(np.roll(before, 3, axis=1))
    held, along = flow_error(before, before, before, now), flow_error(before, now, before, now)
    assert 1.5 < held < 4  # three pixels, fewer where there is no texture to follow
    assert along == 0
    # The same motion in a darker picture is nearly the same motion.
    assert flow_error(before // 2, now // 2, before, now) < 0.35 * held
