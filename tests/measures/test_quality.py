"""FID, KID and neighbourhoods against closed forms, SciPy and loops."""

import dataclasses
import types

import numpy as np
import pytest
from scipy import linalg

from stylegan_culture.config import InputError
from stylegan_culture.features.moments import Moments
from stylegan_culture.measures import sets

D = 12


def _features(generator, count, shift=0.0):
    return generator.normal(size=(count, D)) @ np.diag(np.linspace(0.3, 2.0, D)) + shift


def test_fid_of_shifted_and_scaled_pictures_is_the_closed_form(generator):
    features = _features(generator, 30)
    reference = sets.gaussian(features)
    assert sets.fid(features, reference) == pytest.approx(0.0, abs=1e-9)
    assert sets.fid(features + 0.5, reference) == pytest.approx(0.25 * D)
    wider = reference.mean + 3.0 * (features - reference.mean)
    expected = np.trace(reference.covariance) * (3.0 - 1.0) ** 2  # (s - 3 s)^2 of deviations
    assert sets.fid(wider, reference) == pytest.approx(expected)


def test_fid_is_that_of_scipys_matrix_root(generator):
    first, second = _features(generator, 80), _features(generator, 70, 0.3)[:, ::-1]
    means, covariances = zip(*((x.mean(axis=0), np.cov(x.T)) for x in (first, second)), strict=True)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(sum(covariances) - 2.0 * root)
    found = sets.fid(first, sets.gaussian(second))
    assert found == pytest.approx(expected, rel=1e-6)


def test_extrapolation_takes_most_of_the_bias_away(generator):
    """Two sets of one Gaussian have an FID of 0; of 120 pictures it is far from it."""
    exact = Moments(10**6, np.zeros(D), np.diag(np.linspace(0.3, 2.0, D) ** 2))
    plain, extended = [], []
    for seed in range(12):
        features = _features(generator, 120)
        plain.append(sets.fid(features, exact))
        extended.append(sets.fid_without_bias(features, exact, seed=seed))
    assert abs(np.mean(extended)) < 0.35 * np.mean(plain)


def _kernel(a, b):
    return (float(np.dot(a, b)) / D + 1.0) ** 3


def test_kid_is_its_double_sum(generator):
    x, y = _features(generator, 9), _features(generator, 7, 0.4)
    same = sum(_kernel(x[i], x[j]) for i in range(9) for j in range(9) if i != j) / 72
    other = sum(_kernel(y[i], y[j]) for i in range(7) for j in range(7) if i != j) / 42
    between = sum(_kernel(a, b) for a in x for b in y) / 63
    assert sets.kid(x, y) == pytest.approx(same + other - 2.0 * between)


def test_kid_is_unbiased_where_fid_is_not(generator):
    values = [sets.kid(_features(generator, 12), _features(generator, 12)) for _ in range(400)]
    error = np.std(values) / 20.0
    assert abs(np.mean(values)) < 3.0 * error and min(values) < 0.0 < max(values)


def test_neighbourhoods_are_those_of_loops(generator):
    x, y, count = _features(generator, 20), _features(generator, 24, 0.8), 3

    def reach(rows, number):
        return sorted(np.linalg.norm(rows[number] - other) for other in rows)[count]

    def inside(points, rows):
        reaches = [reach(rows, n) for n in range(len(rows))]
        near = [
            any(np.linalg.norm(p - r) <= d for r, d in zip(rows, reaches, strict=True))
            for p in points
        ]
        return np.mean(near)

    found = sets.neighbourhoods(x, y, count=count)
    covered = [
        min(np.linalg.norm(y[n] - point) for point in x) <= reach(y, n) for n in range(len(y))
    ]
    assert dataclasses.asdict(found) == pytest.approx(
        {"precision": inside(x, y), "recall": inside(y, x), "coverage": np.mean(covered)}
    )


def test_a_collapsed_set_is_precise_and_covers_nothing(generator):
    real = _features(generator, 200)
    collapsed = real[:1] + 0.01 * generator.normal(size=(200, D))
    found = sets.neighbourhoods(collapsed, real)
    assert found.precision > 0.95 and found.recall < 0.05 and found.coverage < 0.1
    whole = sets.neighbourhoods(_features(generator, 200), real)
    assert min(dataclasses.astuple(whole)) > 0.6


def test_names_carry_the_network_and_artfid_multiplies():
    backbone = types.SimpleNamespace(name="vgg19", fingerprint="0123456789abcdef")
    assert sets.name_of("fid", backbone) == "fid@vgg19-01234567"
    assert sets.artfid(0.5, 3.0) == 6.0


def test_too_few_pictures_are_refused(generator):
    few = _features(generator, 1)
    for call in (
        lambda: sets.gaussian(few),
        lambda: sets.gaussian([]),
        lambda: sets.kid(few, _features(generator, 5)),
        lambda: sets.neighbourhoods(_features(generator, 5), _features(generator, 9)),
        lambda: sets.fid_without_bias(_features(generator, 9), Moments(2, few[0], np.eye(D))),
    ):
        with pytest.raises(InputError):
            call()
