"""Random and central crops."""

import numpy as np
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.pipelines import preprocess


def _ramp(height, width):
    """Red is the column, green the row: a crop shows where it was taken."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.arange(width)
    picture[..., 1] = np.arange(height)[:, None]
    return picture


def test_own_pixels_are_copied_from_every_place():
    picture = _ramp(100, 200)
    places = set()
    for x in np.linspace(0, 0.999, 7):
        for y in np.linspace(0, 0.999, 5):
            crop = preprocess.random_crop(picture, 32, (0.0, x, y, 0.9), least_scale=1.0)
            left, top = crop[0, 0, 0], crop[0, 0, 1]
            np.testing.assert_array_equal(crop, picture[top : top + 32, left : left + 32])
            places.add((int(left), int(top)))
    assert {(0, 0), (168, 68)} <= places and len(places) == 35


def test_mirroring():
    picture = _ramp(60, 60)
    plain = preprocess.random_crop(picture, 32, (0.3, 0.5, 0.5, 0.5))
    mirrored = preprocess.random_crop(picture, 32, (0.3, 0.5, 0.5, 0.49))
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])


@pytest.mark.parametrize(("draw", "scale"), [(0.0, 0.25), (0.5, 0.5), (1.0, 1.0)])
def test_scale_is_log_uniform_between_whole_and_own_pixels(draw, scale):
    crop = preprocess.random_crop(_ramp(128, 200), 32, (draw, 0.5, 0.5, 0.9)).astype(float)
    step = np.diff(crop[16, 4:-4, 0]).mean()
    assert step == pytest.approx(1 / scale, rel=0.05)


def test_least_scale_limits_the_reduction():
    crop = preprocess.random_crop(_ramp(128, 200), 32, (0.0, 0.5, 0.5, 0.9), 0.5).astype(float)
    assert np.diff(crop[16, 4:-4, 0]).mean() == pytest.approx(2, rel=0.05)


def test_the_whole_short_side_is_reached_and_antialiased():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = preprocess.random_crop(stripes, 32, (0.0, 0.5, 0.5, 0.9))
    assert np.abs(crop[:, 2:-2].astype(int) - 128).max() < 12


def test_small_pictures_are_enlarged_just_to_fit():
    crop = preprocess.random_crop(_ramp(16, 24), 32, (0.7, 0.999, 0.5, 0.9), least_scale=0.9)
    assert crop.shape == (32, 32, 3)
    assert crop[..., 1].min() <= 1 and crop[..., 1].max() >= 14  # all rows are there
    assert crop[:, -1, 0].min() >= 22  # x_draw near 1: the right end


def test_every_draw_gives_a_full_crop():
    generator = np.random.default_rng(0)
    for _ in range(300):
        height, width, size = generator.integers(1, 90, 3)
        picture = np.full((height, width, 3), 77, np.uint8)
        crop = preprocess.random_crop(picture, int(size), generator.random(4), generator.random())
        assert crop.shape == (size, size, 3) and (crop == 77).all()
        assert (preprocess.center_crop(picture, int(size)) == 77).all()


def test_the_most_colourful_of_several_crops_is_taken():
    """A page whose upper half is writing: of enough crops none is left without a painted part."""
    generator = np.random.default_rng(3)
    page = np.full((160, 80, 3), (230, 215, 180), np.uint8)
    page[10:70:6, 8:72] = 40
    page[80:] = generator.integers(0, 4, (80, 80, 1)) * np.array([60, 20, 5], np.uint8)
    page[100:140, 20:60] = (200, 30, 90)
    draws = generator.random((40, 12, 4))
    painted = {
        count: np.mean(
            [
                np.any(preprocess.colourful_crop(page, 40, noise[:count], 1.0) == (200, 30, 90))
                for noise in draws
            ]
        )
        for count in (1, 12)
    }
    assert painted[1] < 0.7 and painted[12] == 1.0
    one = preprocess.colourful_crop(page, 40, draws[0][:1], 1.0)
    np.testing.assert_array_equal(one, preprocess.random_crop(page, 40, draws[0][0], 1.0))


def test_colourfulness_by_hand():
    """Red and blue halves: R - G is 255 and 0, (R + G) / 2 - B is 127.5 and -255."""
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2, :, 0], picture[2:, :, 2] = 255, 255
    spread = np.hypot(127.5, 191.25)
    mean = np.hypot(127.5, -63.75)
    assert preprocess.colourfulness(picture) == pytest.approx(spread + 0.3 * mean, rel=1e-6)
    assert preprocess.colourfulness(np.full((4, 4, 3), 99, np.uint8)) == 0.0


def test_center_crop_is_the_middle_square():
    np.testing.assert_array_equal(
        preprocess.center_crop(_ramp(32, 64), 32), _ramp(32, 64)[:, 16:48]
    )
    half = preprocess.center_crop(_ramp(128, 64), 32).astype(float)
    np.testing.assert_allclose(half[16, 2:-2, 0], np.arange(2, 30) * 2 + 0.5, atol=0.6)
    np.testing.assert_allclose(half[2:-2, 16, 1], 32 + np.arange(2, 30) * 2 + 0.5, atol=0.6)


def test_impossible_size():
    with pytest.raises(InputError):
        preprocess.center_crop(_ramp(8, 8), 0)
