"""Lines in the spectrum: a faint grid is found at its own period, and nowhere else."""

import numpy as np
import pytest

from stylegan_culture.features.backbones import noise_pictures
from stylegan_culture.measures import looks


@pytest.fixture(scope="module")
def picture():
    return noise_pictures(1, 1, 160)[0]


@pytest.mark.parametrize(("period", "height"), [(2, 0.03), (4, 0.1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_faint_grid_is_found_in_rows_and_in_columns(picture, period, height, axis):
    ridged = picture.copy()
    np.moveaxis(ridged, axis, 0)[::period] += height
    assert looks.line_strength(picture, period) < 2 < looks.line_strength(ridged, period)


def test_a_wave_of_another_period_is_no_line_of_a_stride(picture):
    wave = 0.05 * np.sin(2 * np.pi * np.arange(160) / 5.3)[:, None, None]
    plain, waved = looks.line_strengths(np.stack([picture, picture + wave]))
    np.testing.assert_allclose(waved, plain, rtol=0.05)


def test_pictures_that_are_not_square_are_read_in_both_directions(picture):
    wide = picture[:96].copy()
    wide[:, ::2] += 0.03
    assert looks.line_strength(wide, 2) > 2 * looks.line_strength(picture[:96], 2)


def test_real_pictures_set_the_bound_and_flat_ones_have_no_line():
    pictures = noise_pictures(3, 20, 64)
    bound = looks.ordinary_strengths(pictures)
    found = looks.line_strengths(pictures)
    assert bound.shape == (3,)
    assert ((found <= bound).mean(axis=0) == 0.95).all()  # interpolated under the largest of 20
    assert looks.line_strengths(np.full((1, 64, 64, 3), 0.5)).max() < 1
