"""The least-squares adversarial losses against NumPy and at their optimum."""

import numpy as np
import pytest

from stylegan_culture import losses


def test_least_squares_losses_are_mean_squared_distances_from_one_and_zero(generator):
    logits = generator.normal(0.0, 2.0, (3, 4, 5)).astype(np.float32)
    to_one, to_zero = np.mean((logits - 1.0) ** 2), np.mean(logits**2)
    assert float(losses.generator_least_squares(logits)) == pytest.approx(to_one, rel=1e-5)
    assert float(losses.discriminator_least_squares_real(logits)) == pytest.approx(to_one, rel=1e-5)
    assert float(losses.discriminator_least_squares_fake(logits)) == pytest.approx(
        to_zero, rel=1e-5
    )


def test_weights_leave_samples_out(generator):
    logits = generator.normal(size=(3, 4)).astype(np.float32)
    weights = np.array([0.0, 1.0, 0.0], np.float32)
    found = float(losses.discriminator_least_squares_fake(logits, weights))
    assert found == pytest.approx(np.mean(logits[1] ** 2), rel=1e-5)


def test_a_discriminator_that_cannot_tell_does_best_by_one_half():
    """Equal real and made pictures: `(d - 1)^2 + d^2` is least, 1/2, at d = 1/2."""
    totals = {
        value: float(
            losses.discriminator_least_squares_real(np.full((2, 3), value, np.float32))
            + losses.discriminator_least_squares_fake(np.full((2, 3), value, np.float32))
        )
        for value in (0.25, 0.5, 0.75)
    }
    assert totals[0.5] == pytest.approx(0.5) and min(totals, key=totals.get) == 0.5
