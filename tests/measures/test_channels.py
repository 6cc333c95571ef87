"""Channel statistics against loops, closed forms and SciPy; chance against tags without meaning."""

import numpy as np
import pytest
import scipy.stats

from stylegan_culture.measures import evidence, probes, statistics

COUNT = 3


@pytest.fixture
def drawn(generator):
    """Values `[N, 6]` of unequal cultures; channel 2 is high in culture 1, channel 4 constant."""
    labels = np.repeat([0, 1, 2], [30, 12, 50])
    values = generator.normal(5.0, 2.0, (len(labels), 6))
    values[labels == 1, 2] += 6.0
    values[:, 4] = 7.0
    return values, labels


def test_differences_are_those_of_a_loop(drawn):
    values, labels = drawn
    found = evidence.channel_differences(values, labels, COUNT)
    own = [values[labels == k] for k in range(COUNT)]
    for culture in range(COUNT):
        for channel in (0, 1, 2, 3, 5):
            others = np.mean([own[j][:, channel].mean() for j in range(COUNT) if j != culture])
            spread = np.sqrt(np.mean([part[:, channel].var() for part in own]))
            expected = (own[culture][:, channel].mean() - others) / spread
            assert found[culture, channel] == pytest.approx(expected)
    assert (found[:, 4] == 0.0).all()
    assert evidence.strongest_channels(found, 2)[1, 0] == 2 and found[1, 2] > 2.0


def test_of_two_cultures_of_one_size_it_is_cohens_d(generator):
    values, labels = generator.normal(size=(40, 1)), np.repeat([0, 1], 20)
    found = evidence.channel_differences(values, labels, 2)[0, 0]
    # SciPy's t of two samples is d sqrt(n / 2) with unbiased variances.
    expected = scipy.stats.ttest_ind(values[:20, 0], values[20:, 0]).statistic
    assert found * np.sqrt(20 / 2) * np.sqrt(19 / 20) == pytest.approx(expected)


def test_weights_count_pictures_so_often(drawn):
    values, labels = drawn
    weights = np.random.default_rng(1).integers(1, 4, len(labels))
    found = evidence.channel_differences(values, labels, COUNT, weights)
    repeated = np.repeat(np.arange(len(labels)), weights)
    expected = evidence.channel_differences(values[repeated], labels[repeated], COUNT)
    np.testing.assert_allclose(found, expected)


def test_eta_squared_of_equal_cultures_is_that_of_the_analysis_of_variance(generator):
    labels = np.repeat([0, 1, 2], 15)
    values = generator.normal(size=(45, 4)) + labels[:, None] * [0.0, 0.5, 2.0, 9.0]
    found = evidence.eta_squared(values, labels, COUNT)
    for channel in range(4):
        f = scipy.stats.f_oneway(*(values[labels == k, channel] for k in range(3))).statistic
        assert found[channel] == pytest.approx(2 * f / (2 * f + 42))  # degrees of freedom 2 and 42
    assert evidence.eta_squared(np.ones((45, 1)), labels, COUNT)[0] == 0.0


def test_a_large_offset_changes_nothing(drawn):
    values, labels = drawn
    near, far = (evidence.channel_differences(values + k, labels, COUNT) for k in (0.0, 1e6))
    np.testing.assert_allclose(near[:, :4], far[:, :4], rtol=1e-5)


def test_chance_is_passed_by_what_carries_a_culture_and_by_nothing_else(drawn, generator):
    values, labels = drawn
    threshold = evidence.chance_difference(values, labels, COUNT, 100, seed=0)
    found = evidence.channel_differences(values, labels, COUNT)
    assert np.argwhere(found > threshold).tolist() == [[1, 2]]
    passed = 0
    for draw in range(40):
        noise = generator.normal(size=(len(labels), 20))
        own = evidence.chance_difference(noise, labels, COUNT, 60, seed=draw)
        passed += evidence.channel_differences(noise, labels, COUNT).max() > own
    assert passed <= 7  # 5 % of 40 are 2; more than 7 come once in 1,000 times


def test_intervals_hold_the_truth_and_their_value(generator):
    held = 0
    for draw in range(40):
        labels = np.repeat([0, 1, 2], 40)
        values = generator.normal(size=(120, 1)) + (labels == 0)[:, None]
        found = evidence.difference_intervals(values, labels, COUNT, 100, draw)
        assert found.shape == (COUNT, 1, 3)
        value, low, high = found[0, 0]
        assert low < value < high
        assert value == pytest.approx(evidence.channel_differences(values, labels, COUNT)[0, 0])
        held += low <= 1.0 <= high
    assert 33 <= held <= 40


@pytest.fixture
def codes_of_three(generator):
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


def test_the_discriminant_is_fishers(codes_of_three):
    """`w_k = S^-1 m_k`, `b_k = -m_k' S^-1 m_k / 2`; S the mean covariance, shrunk."""
    codes, labels = codes_of_three
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


def test_means_of_cultures_hold_the_mean(codes_of_three):
    codes, labels = codes_of_three
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
