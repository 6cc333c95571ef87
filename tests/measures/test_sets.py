"""FID, KID and neighbourhoods against closed forms, SciPy and loops; weights, repeated rows."""

import dataclasses

import numpy as np
import pytest
from scipy import linalg

from stylegan_culture.config import InputError
from stylegan_culture.features.moments import Moments
from stylegan_culture.measures import sets, statistics

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


def test_artfid_multiplies():
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


def _draws(generator, count, number=4):
    return generator.multinomial(count, np.full(count, 1.0 / count), size=number)


@pytest.mark.parametrize("count", [9, 40])
def test_a_weighted_fid_is_that_of_pictures_as_often_repeated(generator, count):
    """With fewer pictures than features and with more: the two forms of the root."""
    features, weights = _features(generator, count, 0.3), _draws(generator, count)
    reference = sets.gaussian(_features(generator, 50)[:, ::-1])
    expected = [sets.fid(np.repeat(features, own, axis=0), reference) for own in weights]
    np.testing.assert_allclose(sets.fid(features, reference, weights), expected, rtol=1e-6)


def test_an_extended_fid_of_every_picture_once_is_that_without_weights(generator):
    features, reference = _features(generator, 30, 0.3), sets.gaussian(_features(generator, 50))
    found = sets.fid_without_bias(features, reference, np.ones((1, 30), int), seed=5)
    expected = sets.fid_without_bias(features, reference, seed=5)
    np.testing.assert_allclose(found, [expected])


def test_a_weighted_kid_is_its_double_sum_over_different_pictures(generator):
    x, y, weights = _features(generator, 8), _features(generator, 7, 0.4), _draws(generator, 8)

    def kernel(a, b):
        return (float(np.dot(a, b)) / D + 1.0) ** 3

    same = sum(kernel(y[i], y[j]) for i in range(7) for j in range(7) if i != j) / 42
    expected = []
    for own in weights:
        pairs = [(i, j) for i in range(8) for j in range(8) if i != j]
        total = sum(own[i] * own[j] * kernel(x[i], x[j]) for i, j in pairs)
        inner = total / sum(own[i] * own[j] for i, j in pairs)
        between = sum(own[i] * kernel(x[i], b) for i in range(8) for b in y) / 56
        expected.append(inner + same - 2.0 * between)
    np.testing.assert_allclose(sets.kid(x, y, weights), expected)
    everything = sets.kid(x, y, np.ones((1, 8)))
    np.testing.assert_allclose(everything, sets.kid(x, y))


def test_weighted_shares_count_the_pictures_drawn(generator):
    x, y, weights = _features(generator, 20, 0.5), _features(generator, 18), _draws(generator, 20)

    def reach(rows, number):
        return sorted(np.linalg.norm(rows[number] - other) for other in rows)[sets.NEIGHBOURS]

    found = sets.neighbourhoods(x, y, weights)
    for number, own in enumerate(weights):
        drawn = [n for n in range(20) if own[n]]
        precise = [
            own[n] * any(np.linalg.norm(x[n] - b) <= reach(y, m) for m, b in enumerate(y))
            for n in range(20)
        ]
        recalled = [any(np.linalg.norm(x[n] - b) <= reach(x, n) for n in drawn) for b in y]
        covered = [
            any(np.linalg.norm(x[n] - b) <= reach(y, m) for n in drawn) for m, b in enumerate(y)
        ]
        assert found.precision[number] == pytest.approx(sum(precise) / 20)
        assert found.recall[number] == pytest.approx(np.mean(recalled))
        assert found.coverage[number] == pytest.approx(np.mean(covered))


def _measures(features, reference, seed=0):
    """All measures of a set, with intervals of 400 draws."""
    weights = statistics.resampled(np.zeros(len(features), int), statistics.REPLICATES, seed)
    replicates = sets.replicates(features, reference, weights, seed)
    return sets.SetMeasures.of(replicates, sets.few(features, reference))


def test_all_measures_are_those_without_weights_and_lie_in_their_intervals(generator):
    x, y = _features(generator, 60, 0.4), _features(generator, 80)
    found, real = _measures(x, y, seed=3), sets.gaussian(y)
    expected = dataclasses.asdict(sets.neighbourhoods(x, y)) | {
        "fid": sets.fid(x, real),
        "fid_without_bias": sets.fid_without_bias(x, real, seed=3),
        "kid": sets.kid(x, y),
    }
    for name, value in expected.items():
        measured = getattr(found, name)
        assert measured.value == pytest.approx(value)
        assert measured.low < measured.value < measured.high
    for name in sets.SHARES:
        assert getattr(found, name).low >= 0.0 and getattr(found, name).high <= 1.0
    assert found.fid_without_bias.value < found.fid.value
    assert _measures(x, y, seed=3) == found


def test_intervals_hold_what_other_pictures_give(generator):
    """The spread of figures of other draws of 40 pictures is that of the intervals."""
    real = _features(generator, 60)
    draws = [_measures(_features(generator, 40, 0.7), real, seed) for seed in range(25)]
    for name in ("fid", "kid", "precision", "coverage"):
        values, low, high = np.array([getattr(found, name) for found in draws]).T
        deviation = np.mean(high - low) / (2.0 * 1.96)
        assert 0.6 * values.std() < deviation < 1.8 * values.std(), name
        assert np.mean((low <= values.mean()) & (values.mean() <= high)) > 0.75, name


def test_it_says_that_there_are_few_and_gives_no_figure_of_too_few(generator, monkeypatch):
    x, y = _features(generator, 20), _features(generator, 30)
    assert sets.few(x, y) is True
    monkeypatch.setattr(sets, "FEWEST", 20)
    assert sets.few(x, y) is False
    wide = generator.normal(size=(20, 21))
    assert sets.few(wide, wide) is True
    for features, reference in ((x[:15], y), (x, y[:15])):
        assert _measures(features, reference) == sets.SetMeasures(few=True)


def test_the_mean_of_sets_is_that_of_each_draw(generator):
    weights, real = _draws(generator, 20), _features(generator, 30)
    parts = [sets.replicates(_features(generator, 20, shift), real, weights) for shift in (0, 1)]
    expected = np.mean([part["kid"] for part in parts], axis=0)
    np.testing.assert_allclose(sets.mean_of(parts)["kid"], expected)
    assert expected[0] == pytest.approx(np.mean([part["kid"][0] for part in parts]))
    assert sets.mean_of([parts[0], {}]) == {}
