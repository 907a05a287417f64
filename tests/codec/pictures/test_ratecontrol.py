"""Rate control keeps the mean size and recovers overdrafts; the encoder follows it down to its coarsest step."""

import numpy as np

from codec.pictures.header import STEPS
from codec.pictures.picture import COARSER, PictureDecoder, PictureEncoder
from codec.pictures.ratecontrol import RateControl


def test_savings_and_debts_are_bounded() -> None:
    rate = RateControl(40)
    for _ in range(10):
        rate.spent(0)
    assert rate.limit == 120
    for _ in range(10):
        rate.spent(400)
    assert rate.limit == 10


def test_the_mean_size_of_noisy_pictures_stays_under_the_target() -> None:
    rng = np.random.default_rng(5)
    base = rng.integers(40, 200, (8, 8, 3)).astype(np.uint8)
    encoder, decoder, rate, sizes = PictureEncoder(1, 2), PictureDecoder(), RateControl(44), []
    encoder.set_keyframe(0, base)
    decoder.set_keyframe(0, base)
    for number in range(60):
        noise = rng.normal(0, 3, (8, 8, 3)).round().astype(int)
        picture = np.clip(base.astype(int) + noise, 0, 255).astype(np.uint8)
        data, decoded = encoder.encode(number, picture, rate.limit)
        assert (decoder.decode(number, data)[0] == decoded).all()
        assert np.abs(decoded.astype(int) - picture).max() <= STEPS[2 + COARSER]
        rate.spent(len(data))
        sizes.append(len(data))
    free = PictureEncoder(1, 2)
    free.set_keyframe(0, base)
    assert len(free.encode(0, picture)[0]) > 60
    assert np.mean(sizes) <= 44


def test_without_a_limit_the_quantiser_is_unchanged() -> None:
    encoder, decoder = PictureEncoder(1, 2), PictureDecoder()
    for side in (encoder, decoder):
        side.set_keyframe(0, np.full((8, 8, 3), 90, np.uint8))
    data, _ = encoder.encode(0, np.random.default_rng(1).integers(0, 255, (8, 8, 3)).astype(np.uint8))
    header = decoder.decode(0, data)[1]
    assert (header.luma, header.chroma) == (1, 2)
