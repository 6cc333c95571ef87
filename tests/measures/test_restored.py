"""Measures of restoration against closed forms and a search over all tints."""

import numpy as np
import pytest

from stylegan_culture.measures import truth as measures_truth
from stylegan_culture.measures.colour import lab, srgb


def test_psnr_of_a_known_difference():
    truth = np.full((2, 8, 8, 3), 0.5)
    found = measures_truth.psnr(truth + np.array([0.1, 0.01])[:, None, None, None], truth)
    np.testing.assert_allclose(found, [20.0, 40.0])
    np.testing.assert_allclose(measures_truth.psnr(truth, truth), 100.0)


def test_colour_error_of_red_against_green():
    """sRGB red is Lab 53.24, 80.09, 67.20, and green 87.73, -86.18, 83.18 (D65)."""
    red, green = np.zeros((2, 1, 4, 4, 3))
    red[..., 0], green[..., 1] = 1.0, 1.0
    expected = np.sqrt((87.73 - 53.24) ** 2 + (80.09 + 86.18) ** 2 + (83.18 - 67.20) ** 2)
    assert measures_truth.colour_error(red, green)[0] == pytest.approx(expected, abs=0.05)
    assert measures_truth.colour_error(red, red)[0] == 0.0


def test_the_best_tint_is_the_best_of_all_on_a_grid(generator):
    truth = generator.uniform(0.2, 0.8, (1, 6, 6, 3)) * np.array([1.0, 0.7, 0.4])
    grey = np.repeat((truth @ [0.299, 0.587, 0.114])[..., None], 3, axis=-1)
    best = measures_truth.best_tint_error(grey, truth)[0]
    values = np.linspace(-20.0, 60.0, 81)
    grid = [measures_truth.tint_error(grey, truth, (a, b))[0] for a in values for b in values]
    assert best <= min(grid) + 1e-6
    assert best == pytest.approx(min(grid), abs=0.05)


def test_a_picture_of_one_tint_is_met_by_its_best_tint(generator):
    tint = np.array([12.0, 25.0])
    lightness = generator.uniform(40.0, 70.0, (1, 5, 5, 1))
    colours = np.concatenate([lightness, np.broadcast_to(tint, (1, 5, 5, 2))], axis=-1)
    truth, grey = srgb(colours), srgb(np.concatenate([lightness, 0 * colours[..., 1:]], axis=-1))
    assert measures_truth.best_tint_error(grey, truth)[0] == pytest.approx(0.0, abs=0.02)
    assert measures_truth.colour_error(grey, truth)[0] == pytest.approx(np.hypot(*tint), abs=0.05)
    np.testing.assert_allclose(
        measures_truth.median_tint(lab(truth)[..., 1:].reshape(-1, 2)), tint, 1e-3
    )
