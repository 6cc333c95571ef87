"""Directions of style codes: geometry in closed form, the discriminant against scikit-learn's."""

import numpy as np
import pytest

from stylegan_culture.measures import evidence, probes, statistics

COUNT = 3


@pytest.fixture
def drawn(generator):
    """Codes `[N, 8]` of three cultures of unequal size, and their labels."""
    labels = np.repeat([0, 1, 2], [40, 15, 25])
    mixing = generator.normal(size=(8, 8))
    centres = 2.0 * generator.normal(size=(3, 8))
    return generator.normal(size=(80, 8)) @ mixing + centres[labels], labels


def test_the_way_to_a_culture_starts_in_the_middle(generator):
    codes = generator.normal(size=(4, 8))
    found = evidence.Directions.between(codes)
    np.testing.assert_allclose(found.at(2, [0.0, 1.0]), [codes.mean(axis=0), codes[2]])
    np.testing.assert_allclose(found.at(1, [2.0])[0] - codes[1], codes[1] - codes.mean(axis=0))
    along = found.along(codes)
    np.testing.assert_allclose(np.diag(along), 1.0)
    np.testing.assert_allclose(found.along(codes.mean(axis=0)[None]), np.zeros((1, 4)), atol=1e-12)
    for i in range(4):
        for j in range(4):
            step = codes[j] - codes.mean(axis=0)
            expected = np.dot(codes[i] - codes.mean(axis=0), step) / np.dot(step, step)
            assert along[i, j] == pytest.approx(expected)


def test_a_direction_without_length_is_nought():
    found = evidence.Directions.between(np.ones((2, 3)))
    np.testing.assert_array_equal(found.along(np.full((1, 3), 9.0)), np.zeros((1, 2)))
    assert statistics.cosine(np.zeros(3), np.ones(3)) == 0.0


def test_the_discriminant_is_fishers(drawn):
    """`w_k = S^-1 m_k`, `b_k = -m_k' S^-1 m_k / 2`; S the mean covariance, shrunk."""
    codes, labels = drawn
    found = probes.discriminant(codes, labels)
    assert 0.0 < found.shrinkage < 1.0
    parts = [codes[labels == culture] for culture in range(COUNT)]
    means = np.stack([part.mean(axis=0) for part in parts])
    within = np.mean([np.cov(part.T, bias=True) for part in parts], axis=0)
    size = len(within)
    shrunk = (1.0 - found.shrinkage) * within
    shrunk += found.shrinkage * np.trace(within) / size * np.eye(size)
    weights = np.linalg.solve(shrunk, means.T).T
    scores = codes @ weights.T - 0.5 * np.sum(weights * means, axis=1)
    np.testing.assert_array_equal(found.predict(codes), scores.argmax(axis=1))


def test_it_has_numbers_where_codes_are_fewer_than_their_numbers(generator):
    labels = np.repeat([0, 1, 2], 3)
    codes = generator.normal(size=(9, 64)) + 3.0 * np.eye(3, 64)[labels]
    found = probes.discriminant(codes, labels)
    assert np.isfinite(found.coef_).all() and (found.predict(codes) == labels).all()
    assert np.isfinite(probes.discriminant(np.ones((9, 4)), labels).coef_).all()


def test_means_of_cultures_hold_the_mean(drawn):
    codes, labels = drawn
    found = evidence.means_of_cultures(codes, labels, COUNT, 400, 0)
    for culture in range(COUNT):
        own = codes[labels == culture]
        np.testing.assert_allclose(found[culture, :, 0], own.mean(axis=0))
        error = own.std(axis=0) / np.sqrt(len(own))
        halves = (found[culture, :, 2] - found[culture, :, 1]) / 2
        np.testing.assert_allclose(halves, 1.96 * error, rtol=0.25)


def test_accuracy_counts_cultures_alike():
    labels = np.repeat([0, 1], [10, 90])
    named = np.zeros(100, int)  # all of the first, none of the second
    value, low, high = statistics.balanced_accuracy_interval(named == labels, labels, 50, 0)
    assert (value, low, high) == (0.5, 0.5, 0.5)
    named[10:55] = 1
    value, low, high = statistics.balanced_accuracy_interval(named == labels, labels, 200, 0)
    assert value == pytest.approx(0.75) and low < 0.74 < 0.76 < high
