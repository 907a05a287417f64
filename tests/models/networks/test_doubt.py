"""Doubt: where the keyframe explains hardly anything, the soft picture is shown, and the sender's mirror gets the value."""

from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.demo import shipped_clip
from codec.media.files import file_frames
from codec.pictures.colour import ycbcr_to_rgb
from codec.pictures.sampling import sample
from models.face.tracker import whole
from models.networks.blocks import up
from models.networks.face_upsampler import DOUBT_FROM, DOUBT_WHOLE, FaceUpsamplerNet, doubt, finished
from models.runtime.upsampler import Upsampler


def test_doubt_grows_with_what_the_keyframe_lacks_where_the_mask_is_low():
    mask = torch.zeros(3, 1, 64, 64)
    lacking = torch.tensor([DOUBT_FROM, (DOUBT_FROM + DOUBT_WHOLE) / 2, DOUBT_WHOLE]).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    assert doubt(lacking, mask).flatten().tolist() == pytest.approx([0, 0.5, 1], abs=1e-5)
    assert doubt(lacking * 3, mask + 0.9).max() == 0


def test_the_soft_picture_is_blended_in_by_the_doubt():
    torch.manual_seed(3)
    call = FaceUpsamplerNet().eval()
    keyframe, pictures, speech = torch.rand(2, 3, 256, 256), torch.rand(2, 5, 3, 8, 8), torch.zeros(2, 20, 80)
    keyframe[1] = 0.02  # black, while the pictures are bright
    with torch.no_grad():
        call.predictor.head.bias[3] = -3.0  # a mask that hardly uses the keyframe
        parts = call.set_identity(keyframe)
        shown, doubted = call.render_with_doubt(parts, pictures, speech)
        picture, warped, _, _, f_int = call.render_parts(parts, pictures, speech)
    assert doubted[1] == 1
    assert torch.allclose(shown[1], up(f_int, 4)[1].clamp(0, 1), atol=1e-5)
    expected = finished(picture, warped) + doubted.view(2, 1, 1, 1) * (up(f_int, 4) - finished(picture, warped))
    assert torch.allclose(shown, expected.clamp(0, 1), atol=1e-5)


def test_the_shipped_network_doubts_a_keyframe_of_other_colours_and_not_its_own():
    frames = [whole(f).cut(f) for f in islice(file_frames(shipped_clip()), 0, 30, 10)]
    upsampler, speech = Upsampler(device="cpu-fp32"), np.full((20, 80), -1.0, np.float32)
    pictures = [np.stack([ycbcr_to_rgb(sample(f)).transpose(2, 0, 1) / np.float32(255)] * 5) for f in frames]
    upsampler.set_identity(frames[0])
    for picture in pictures:
        upsampler.step(picture, speech)
        assert upsampler.doubt == 0
    upsampler.set_identity(np.ascontiguousarray(255 - frames[0][::-1]))
    soft = upsampler.step(pictures[1], speech)
    assert upsampler.doubt > 0.9
    edges = [float(np.abs(np.diff(image.astype(int), axis=1)).mean()) for image in (soft, frames[0])]
    assert edges[0] < 0.5 * edges[1]
