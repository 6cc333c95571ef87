"""Measures between Gaussians against SciPy and closed forms; the probe; the bootstrap."""

import numpy as np
import oracles
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.features.moments import Moments
from stylegan_culture.measures import gaps, probes, statistics

C = 8


@pytest.fixture
def gaussians(generator):
    return [
        Moments.of(generator.normal(size=(60, C)) @ generator.normal(size=(C, C)) + number)
        for number in range(4)
    ]


def test_every_measure_of_every_pair_is_its_formula_by_scipy(gaussians):
    found = gaps.gaps(gaussians, shrinkage=0.1)
    for i, one in enumerate(gaussians):
        for j, other in enumerate(gaussians):
            a, b = one.covariance, other.covariance
            shrunk = [0.9 * s + 0.1 * np.trace(s) / C * np.eye(C) for s in (a, b)]
            expected = {
                "cosine": (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b),
                "bures": oracles.fidelity(a, b) / np.sqrt(np.trace(a) * np.trace(b)),
                "divergence": oracles.gaussian_divergence(
                    one.mean, shrunk[0], other.mean, shrunk[1]
                )
                + oracles.gaussian_divergence(other.mean, shrunk[1], one.mean, shrunk[0]),
                "frechet": oracles.frechet(one.mean, a, other.mean, b),
            }
            for name in gaps.MEASURES:
                assert found[name][i, j] == pytest.approx(expected[name], rel=1e-6, abs=1e-6)


def test_a_shift_is_seen_by_distances_alone_and_a_scale_by_no_similarity(gaussians):
    """`|e|^2` for Frechet; `e' S^-1 e` for the divergence; cosine and Bures compare shapes."""
    one, gap = gaussians[0], np.arange(C) / C
    found = gaps.gaps([one, Moments(1, one.mean + gap, one.covariance)], 0.05)
    shrunk = 0.95 * one.covariance + 0.05 * np.trace(one.covariance) / C * np.eye(C)
    assert found["frechet"][0, 1] == pytest.approx(gap @ gap, rel=1e-6)
    assert found["divergence"][0, 1] == pytest.approx(gap @ np.linalg.solve(shrunk, gap), rel=1e-6)
    larger = gaps.gaps([one, Moments(1, one.mean, 9.0 * one.covariance)], 0.05)
    for name in ("cosine", "bures"):
        assert found[name][0, 1] == pytest.approx(1.0)
        assert larger[name][0, 1] == pytest.approx(1.0)
    # (sqrt(9) - 1)^2 tr S
    assert larger["frechet"][0, 1] == pytest.approx(4.0 * np.trace(one.covariance), rel=1e-6)


def test_disjoint_features_have_no_similarity():
    one, other = np.diag([1.0, 2.0, 0.0, 0.0]), np.diag([0.0, 0.0, 3.0, 1.0])
    found = gaps.gaps([Moments(1, np.zeros(4), one), Moments(1, np.zeros(4), other)], 0.1)
    assert found["cosine"][0, 1] == 0.0
    assert found["bures"][0, 1] == pytest.approx(0.0, abs=1e-9)


def test_the_distance_of_gaussians_on_a_line_is_that_of_means_and_deviations():
    """(3 - 1)^2 + (5 - 2)^2."""
    one, other = (Moments(1, np.array([m]), np.array([[v]])) for m, v in ((1.0, 4.0), (3.0, 25.0)))
    assert gaps.frechet(one, other) == pytest.approx(13.0)


def test_empty_covariances_give_numbers():
    dead = Moments(3, np.zeros(C), np.zeros((C, C)))
    found = gaps.gaps([dead, dead, Moments(3, np.ones(C), np.eye(C))], 0.1)
    for values in found.values():
        assert np.isfinite(values).all()
    assert found["frechet"][0, 2] == pytest.approx(2.0 * C)


def test_weighted_moments_are_those_of_pictures_repeated(generator):
    samples = generator.normal(size=(4, 7, C)).astype(np.float32)
    found = gaps.weighted_moments(samples, [2, 0, 1, 3])
    repeated = np.repeat(samples, [2, 0, 1, 3], axis=0).reshape(-1, C)
    mean, covariance = oracles.moments(repeated)
    assert found.count == len(repeated)
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    assert oracles.relative_frobenius(found.covariance, covariance) < 1e-9
    once = gaps.weighted_moments(samples)
    assert (
        oracles.relative_frobenius(once.covariance, oracles.moments(samples.reshape(-1, C))[1])
        < 1e-9
    )


def test_the_probe_is_scikit_learns_ridge_regression_with_balanced_weights(generator):
    from sklearn.linear_model import Ridge

    labels = np.repeat([0, 1, 2], [50, 20, 5])
    features = generator.normal(size=(75, C)) * np.logspace(-2, 2, C) + labels[:, None]
    probe = probes.RidgeProbe.fit(features, labels, 3, penalty=0.05)
    weights = 1.0 / (3 * np.bincount(labels))[labels]
    mean = np.average(features, axis=0, weights=weights)
    deviation = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights))
    standard = (features - mean) / deviation
    ridge = Ridge(alpha=0.05, fit_intercept=False, solver="cholesky")
    ridge.fit(standard, np.eye(3)[labels] - 1 / 3, sample_weight=weights)
    expected = ridge.predict(standard).argmax(axis=1)
    np.testing.assert_array_equal(probe.named(features), expected)


def test_the_probe_names_what_is_apart_and_guesses_what_is_not(generator):
    labels = np.repeat([0, 1, 2, 3], [400, 200, 100, 300])
    features = generator.normal(size=(1000, C))
    features[:, 3] = 7.0  # a constant channel
    shifted = features + 4.0 * np.eye(4, C)[labels]
    for rows, least, most in ((shifted, 0.97, 1.0), (features, 0.15, 0.4)):
        probe = probes.RidgeProbe.fit(rows, labels, 4)
        right = probe.named(rows) == labels
        assert least < statistics.balanced_accuracy(right, labels, 4) <= most


def test_a_culture_without_samples_cannot_be_probed():
    with pytest.raises(InputError, match="number 1 has no sample"):
        probes.RidgeProbe.fit(np.zeros((4, 2)), np.array([0, 0, 2, 2]), 3)


def test_balanced_accuracy_is_the_mean_of_the_cultures_shares():
    """Culture 0: (1 + 0.5) / 2; culture 1: 0; with weights culture 0: (1 + 3 * 0.5) / 4."""
    right, labels = np.array([1.0, 0.5, 0.0]), np.array([0, 0, 1])
    assert statistics.balanced_accuracy(right, labels, 2) == pytest.approx(0.375)
    weighted = statistics.balanced_accuracy(right, labels, 2, np.array([1, 3, 1]))
    assert weighted == pytest.approx(0.3125)


def test_resampling_draws_each_culture_from_its_own_pictures():
    labels = np.array([0, 1, 0, 1, 1, 2, 0, 1])
    weights = statistics.resampled(labels, 500, seed=3)
    assert weights.shape == (500, 8) and weights.min() == 0
    for culture, count in ((0, 3), (1, 4), (2, 1)):
        np.testing.assert_array_equal(weights[:, labels == culture].sum(axis=1), count)
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.15)
    np.testing.assert_array_equal(weights, statistics.resampled(labels, 500, seed=3))
    assert not np.array_equal(weights, statistics.resampled(labels, 500, seed=4))


def test_intervals_show_the_spread_about_the_estimate_and_not_the_bias(generator):
    """Replicates of mean 5 and deviation 1 about an estimate of 2: 2 - 1.96 to 2 + 1.96."""
    replicates = generator.normal(5.0, 1.0, size=(20_000, 3))
    low, high = statistics.interval(np.full(3, 2.0), replicates)
    np.testing.assert_allclose(low, 2.0 - 1.96, atol=0.06)
    np.testing.assert_allclose(high, 2.0 + 1.96, atol=0.06)
    low, high = statistics.interval(np.full(3, 2.0), replicates, 0.5, 3.0)
    assert (low == 0.5).all() and (high == 3.0).all()


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says(generator):
    """95 % of intervals over 60 pictures: between 88 % and 99 % of 200 trials."""
    held, labels = 0, np.zeros(60, int)
    for trial in range(200):
        values = generator.normal(size=60)
        weights = statistics.resampled(labels, 200, seed=trial)
        low, high = statistics.interval(values.mean(), weights @ values / 60)
        held += low < 0.0 < high
    assert 176 <= held <= 198
