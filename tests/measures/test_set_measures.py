"""Measures of sets with their intervals: weighted forms against repeated rows and loops."""

import numpy as np
import pytest

from stylegan_culture.measures import sets
from stylegan_culture.measures.sets import Gaussian

D = 12


def _features(generator, count, shift=0.0):
    return generator.normal(size=(count, D)) @ np.diag(np.linspace(0.3, 2.0, D)) + shift


def _draws(generator, count, number=4):
    return generator.multinomial(count, np.full(count, 1.0 / count), size=number)


@pytest.mark.parametrize("count", [9, 40])
def test_a_weighted_fid_is_that_of_pictures_as_often_repeated(generator, count):
    """With fewer pictures than features and with more: the two forms of the root."""
    features, weights = _features(generator, count, 0.3), _draws(generator, count)
    reference = Gaussian.of_batches([_features(generator, 50)[:, ::-1]])
    expected = [
        sets.fid(Gaussian.of_batches([np.repeat(features, own, axis=0)]), reference)
        for own in weights
    ]
    np.testing.assert_allclose(sets.fids(features, reference, weights), expected, rtol=1e-6)


def test_an_extended_fid_of_every_picture_once_is_that_of_quality(generator):
    features = _features(generator, 30, 0.3)
    reference = Gaussian.of_batches([_features(generator, 50)])
    found = sets.fids_without_bias(features, reference, np.ones((1, 30), int), seed=5)
    expected = sets.fid_without_bias(features, reference, 5, sets.POINTS)
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


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
    np.testing.assert_allclose(sets.kids(x, y, weights), expected)
    everything = sets.kids(x, y, np.ones((1, 8)))
    np.testing.assert_allclose(everything, sets.kid(x, y))


def test_weighted_shares_count_the_pictures_drawn(generator):
    x, y, weights = _features(generator, 20, 0.5), _features(generator, 18), _draws(generator, 20)

    def reach(rows, number):
        return sorted(np.linalg.norm(rows[number] - other) for other in rows)[sets.NEIGHBOURS]

    found = sets.shares(x, y, weights)
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
        assert found["precision"][number] == pytest.approx(sum(precise) / 20)
        assert found["recall"][number] == pytest.approx(np.mean(recalled))
        assert found["coverage"][number] == pytest.approx(np.mean(covered))


def test_all_measures_are_those_of_quality_and_lie_in_their_intervals(generator):
    x, y = _features(generator, 60, 0.4), _features(generator, 80)
    found = sets.set_measures(x, y, seed=3)
    real = Gaussian.of_batches([y])
    expected = sets.neighbourhoods(x, y) | {
        "fid": sets.fid(Gaussian.of_batches([x]), real),
        "fid_without_bias": sets.fid_without_bias(x, real, 3),
        "kid": sets.kid(x, y),
    }
    assert set(found) == {*sets.NAMES, "few"} and set(expected) == set(sets.NAMES)
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value)
        assert found[name][1] < found[name][0] < found[name][2]
    for name in ("precision", "recall", "coverage"):
        assert found[name][1] >= 0.0 and found[name][2] <= 1.0
    assert found["fid_without_bias"][0] < found["fid"][0]
    assert sets.set_measures(x, y, seed=3) == found


def test_intervals_hold_what_other_pictures_give(generator):
    """The spread of figures of other draws of 40 pictures is that of the intervals."""
    real = _features(generator, 60)
    draws = [sets.set_measures(_features(generator, 40, 0.7), real, seed) for seed in range(25)]
    for name in ("fid", "kid", "precision", "coverage"):
        values, low, high = np.array([found[name] for found in draws]).T
        deviation = np.mean(high - low) / (2.0 * 1.96)
        assert 0.6 * values.std() < deviation < 1.8 * values.std(), name
        assert np.mean((low <= values.mean()) & (values.mean() <= high)) > 0.75, name


def test_it_says_that_there_are_few_and_gives_no_figure_of_too_few(generator, monkeypatch):
    x, y = _features(generator, 20), _features(generator, 30)
    assert sets.set_measures(x, y)["few"] is True
    monkeypatch.setattr(sets, "FEWEST", 20)
    assert sets.set_measures(x, y)["few"] is False
    wide = generator.normal(size=(20, 21))
    assert sets.set_measures(wide, wide)["few"] is True
    for few in ((x[:15], y), (x, y[:15])):
        found = sets.set_measures(*few)
        assert found == dict.fromkeys(sets.NAMES) | {"few": True}
