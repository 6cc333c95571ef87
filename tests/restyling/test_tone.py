"""The faithful tone curve: a function of the value alone, rising, and nothing more."""

import numpy as np
import pytest

from stylegan_culture.restyling.restoration import LEVELS, spread_tones, tone_curve


@pytest.fixture
def flat(generator):
    """A picture of little contrast, with many values that occur twice."""
    return (generator.integers(90, 150, (40, 50, 3)) / 255).astype(np.float32)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_equal_values_stay_equal_and_order_is_kept(flat, strength):
    result = spread_tones(flat, strength)
    before, after = flat.ravel(), result.ravel()
    order = np.argsort(before, kind="stable")
    steps, moves = np.diff(before[order]), np.diff(after[order])
    assert (moves[steps == 0] == 0).all() and (steps == 0).any()
    assert (moves[steps > 0] > 0).all()


def test_a_pixel_takes_no_notice_of_where_it_lies(flat, generator):
    places = generator.permutation(flat.shape[0] * flat.shape[1])
    shuffled = flat.reshape(-1, 3)[places].reshape(flat.shape)
    moved = spread_tones(flat).reshape(-1, 3)[places].reshape(flat.shape)
    np.testing.assert_array_equal(spread_tones(shuffled), moved)


def test_a_flat_picture_gains_contrast_and_strength_0_changes_nothing(flat):
    assert spread_tones(flat).std() > 1.8 * flat.std()
    np.testing.assert_allclose(spread_tones(flat, 0.0), flat, atol=1e-6)


def test_the_curve_rises_from_0_to_1_with_bounded_slopes(flat):
    curve = tone_curve(flat)
    slopes = np.diff(curve) * LEVELS
    assert curve[0] == 0.0 and curve[-1] == pytest.approx(1.0)
    assert slopes.min() > 0.1 and slopes.max() < 10.5


def test_a_picture_that_has_all_values_alike_often_is_left_alone():
    ramp = np.linspace(0.0, 1.0, 256 * 30).reshape(-1, 10, 3).astype(np.float32)
    np.testing.assert_allclose(spread_tones(ramp), ramp, atol=2e-3)
