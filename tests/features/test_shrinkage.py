"""How much to shrink: Ledoit and Wolf's estimate against scikit-learn and brute force."""

import numpy as np
import oracles
import pytest

from stylegan_culture.features import linalg


@pytest.mark.parametrize(("count", "size"), [(10, 40), (60, 40), (4000, 12), (7, 1)])
def test_the_shrinkage_amount_is_that_of_ledoit_and_wolf(count, size, generator):
    from sklearn.covariance import ledoit_wolf

    samples = generator.normal(size=(count, size)) @ generator.normal(size=(size, size)) + 5.0
    expected = ledoit_wolf(samples)[1]
    assert linalg.ledoit_wolf_amount(samples) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_shrinkage_amount_of_groups_is_that_of_brute_force(generator):
    """Rows of a group share an offset, so that groups say less than their rows seem to."""
    samples = generator.normal(size=(40, 6, 5)) + generator.normal(size=(40, 1, 5))
    samples = samples * [3.0, 1.0, 1.0, 0.3, 0.1]
    rows = samples.reshape(-1, 5)
    mean, covariance = oracles.moments(rows)
    seconds = [(group - mean).T @ (group - mean) / 6 for group in samples]
    error = sum(((second - covariance) ** 2).sum() for second in seconds) / 40**2
    flat = np.trace(covariance) / 5 * np.eye(5)
    expected = error / ((covariance - flat) ** 2).sum()
    assert linalg.ledoit_wolf_amount(rows, 6) == pytest.approx(expected, rel=1e-9)
    assert linalg.ledoit_wolf_amount(rows, 6) > 1.5 * linalg.ledoit_wolf_amount(rows)


def test_samples_that_say_nothing_have_an_amount_between_0_and_1():
    assert linalg.ledoit_wolf_amount(np.full((9, 4), 0.25)) == 0.0
    assert linalg.ledoit_wolf_amount(np.eye(3)) == pytest.approx(1.0)
