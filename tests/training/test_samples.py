"""Measures of samples: distances against a loop, and generators that cheat are seen."""

import numpy as np
import pytest

from stylegan_culture.training.from_noise import mean_distance, measure_samples, pairwise

LEVELS = (0.2, 0.8)  # brightness of the two cultures


def _pictures(level, count, seed):
    noise = np.random.default_rng(seed).normal(0.0, 0.1, (count, 4, 4, 3))
    return (level + noise).astype(np.float32)


def _named(pictures):
    return np.abs(pictures.mean((1, 2, 3))[:, None] - np.array(LEVELS)).argmin(axis=1)


@pytest.fixture
def real():
    training = [_pictures(level, 12, seed) for seed, level in enumerate(LEVELS)]
    return training, [_pictures(level, 8, 10 + seed) for seed, level in enumerate(LEVELS)]


def test_distances_are_root_mean_squares():
    first, second = _pictures(0.3, 3, 1), _pictures(0.6, 4, 2)
    expected = [[np.sqrt(np.mean((a - b) ** 2)) for b in second] for a in first]
    np.testing.assert_allclose(pairwise(first, second), expected, rtol=1e-6)
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    expected = np.mean([np.sqrt(np.mean((first[i] - first[j]) ** 2)) for i, j in pairs])
    assert mean_distance(first) == pytest.approx(expected, rel=1e-6)


def test_new_pictures_of_the_right_kind_are_like_real_ones(real):
    samples = [_pictures(level, 10, 20 + seed) for seed, level in enumerate(LEVELS)]
    found = measure_samples(samples, *real, _named)
    assert found["named_as_asked"] == found["classifier_accuracy_on_truth"] == 1.0
    assert found["diversity"] == pytest.approx(1.0, abs=0.05)
    assert found["nearest_training"] == pytest.approx(1.0, abs=0.05)
    assert found["samples"] == 10


def test_a_collapsed_generator_has_no_variety(real):
    samples = [np.repeat(_pictures(level, 1, 30), 10, axis=0) for level in LEVELS]
    found = measure_samples(samples, *real, _named)
    assert found["named_as_asked"] == 1.0 and found["diversity"] < 1e-6


def test_a_copying_generator_lies_at_its_training_pictures(real):
    found = measure_samples([own[:10] for own in real[0]], *real, _named)
    assert found["diversity"] == pytest.approx(1.0, abs=0.05)
    assert found["nearest_training"] < 1e-3


def test_cultures_are_told_apart_one_by_one(real):
    """A generator that draws the first culture whatever it is asked for."""
    found = measure_samples([_pictures(LEVELS[0], 10, s) for s in (40, 41)], *real, _named)
    assert found["named_as_asked"] == 0.5
    assert found["per_culture"]["named_as_asked"] == [1.0, 0.0]
    assert found["per_culture"]["nearest_training"][1] > 2.0
