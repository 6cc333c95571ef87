"""The learning rate over a run."""

import numpy as np
import pytest

from stylegan_culture.training.optimisers import warm_cosine


def test_rises_to_its_peak_and_falls_to_zero_at_the_last_step():
    rate = warm_cosine(0.01, steps=1000, warm_up=100)
    found = np.array([float(rate(step)) for step in range(0, 1001, 50)])
    assert found[0] == 0.0 and found[1] == pytest.approx(0.005)
    assert found[2] == pytest.approx(0.01) == found.max()
    expected = 0.005 * (1.0 + np.cos(np.pi * np.linspace(0.0, 1.0, 19)))
    np.testing.assert_allclose(found[2:], expected, atol=1e-8)


def test_a_short_run_warms_up_for_half_of_it():
    rate = warm_cosine(0.01, steps=20, warm_up=100)
    assert float(rate(10)) == pytest.approx(0.01)
    assert float(rate(20)) == pytest.approx(0.0, abs=1e-9)
