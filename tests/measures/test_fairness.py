"""How evenly cultures are served, against loops, closed forms, SciPy and planted differences."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from stylegan_culture.measures import fairness, sets, statistics
from stylegan_culture.measures.fairness import Estimates

ENDS = (0.0, 1.0)


@pytest.fixture
def asked(generator):
    """Three cultures and eight contents; the last three are of a culture each."""
    mask = np.ones((3, 8), bool)
    mask[[0, 1, 2], [5, 6, 7]] = False
    return mask


def _weights(count, replicates=300, seed=1):
    return statistics.resampled(np.zeros(count, int), replicates, seed)


def test_means_are_those_of_the_contents_that_were_asked(asked, generator):
    values, weights = generator.normal(size=(3, 8)), _weights(8, 5)
    found = fairness.means(values, asked, weights, True)
    for culture in range(3):
        own = [values[culture, n] for n in range(8) if asked[culture, n]]
        assert found.values[culture] == pytest.approx(sum(own) / len(own))
        for replicate, counts in enumerate(weights):
            drawn = [
                values[culture, n] for n in range(8) for _ in range(counts[n]) if asked[culture, n]
            ]
            assert found.replicates[replicate, culture] == pytest.approx(np.mean(drawn))


def test_an_interval_is_as_wide_as_theory_says(generator):
    """The standard error of a mean of 400 is 1/20 of the deviation."""
    values = generator.normal(size=(1, 400))
    found = fairness.means(values, np.ones((1, 400), bool), _weights(400, 2000), True)
    value, low, high = found.intervals()[0]
    assert low < value < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_kid_is_that_of_quality_over_the_contents_that_were_asked(asked, generator):
    features, reference = generator.normal(size=(3, 8, 4)), generator.normal(size=(6, 4))
    found = fairness.kids(features, [reference] * 3, asked, np.ones((1, 8), int))
    for culture in range(3):
        expected = sets.kid(features[culture][asked[culture]], reference)
        assert found.values[culture] == pytest.approx(expected)
        assert found.replicates[0, culture] == pytest.approx(expected)
    same = fairness.kids(features[:1], [reference] * 3, asked, np.ones((1, 8), int))
    expected = sets.kid(features[0][asked[2]], reference)
    assert same.values[2] == pytest.approx(expected)


def test_a_replicate_of_kid_counts_pairs_of_different_contents(generator):
    rows, reference = generator.normal(size=(4, 3)), generator.normal(size=(5, 3))
    counts = np.array([2, 0, 1, 1])
    found = fairness.kids(rows[None], [reference], np.ones((1, 4), bool), counts[None])
    drawn = np.repeat(np.arange(4), counts)

    def kernel(first, second):
        return (first @ second.T / first.shape[1] + 1.0) ** 3

    pairs = [
        kernel(rows[[i]], rows[[j]])[0, 0]
        for i, j in itertools.permutations(drawn.tolist(), 2)
        if i != j
    ]
    own = [
        kernel(reference[[i]], reference[[j]])[0, 0] for i, j in itertools.permutations(range(5), 2)
    ]
    across = np.mean([kernel(rows[[i]], reference).mean() for i in drawn])
    expected = np.mean(pairs) + np.mean(own) - 2 * across
    assert found.replicates[0, 0] == pytest.approx(expected)


def test_a_replicate_of_one_content_alone_has_a_kid(generator):
    rows, reference = generator.normal(size=(4, 3)), generator.normal(size=(5, 3))
    found = fairness.kids(rows[None], [reference], np.ones((1, 4), bool), np.array([[0, 4, 0, 0]]))
    twice = np.stack([rows[1], rows[1]])
    assert found.replicates[0, 0] == pytest.approx(sets.kid(twice, reference))


def test_replicates_of_kid_lie_about_its_value(generator):
    """A content drawn twice must not make results look alike."""
    rows, reference = generator.normal(size=(1, 40, 6)), generator.normal(size=(60, 6)) + 1.0
    found = fairness.kids(rows, [reference], np.ones((1, 40), bool), _weights(40, 2000))
    assert found.replicates.mean() == pytest.approx(found.values[0], rel=0.02)


def test_proportions_are_never_certain():
    found = fairness.proportions([14, 7], [14, 14], 20000, 0)
    (sure, low, high), (half, *ends) = found.intervals()
    assert (sure, high) == (1.0, 1.0) and 0.75 < low < 0.95
    assert half == 0.5
    np.testing.assert_allclose(ends, scipy.stats.beta(7.5, 7.5).ppf([0.025, 0.975]), atol=0.01)


def test_less_and_covered():
    before = Estimates(np.array([2.0, 4.0]), np.array([[1.0, 4.0], [3.0, 5.0]]), False)
    after = Estimates(np.array([1.0, 1.0]), np.array([[0.5, 1.0], [1.5, 2.5]]), False)
    found = fairness.covered(after, before)
    np.testing.assert_allclose(found.values, [0.5, 0.75])
    np.testing.assert_allclose(found.replicates, [[0.5, 0.75], [0.5, 0.5]])
    assert found.higher and fairness.covered(before, Estimates(*_zero(before), False)) is None
    difference = fairness.less(before, after)
    np.testing.assert_allclose(difference.values, [1.0, 3.0])
    np.testing.assert_allclose(difference.replicates, [[0.5, 3.0], [1.5, 2.5]])
    shares = [Estimates(np.array([x]), np.array([[0.0], [1.0]]), True, ENDS) for x in (0.0, 1.0)]
    assert fairness.less(*shares).intervals() == [(-1.0, -1.0, -1.0)]


def _zero(measure):
    replicates = measure.replicates.copy()
    replicates[0, 0] = 0.0
    return measure.values, replicates


@pytest.mark.parametrize("higher", [True, False])
def test_the_worst_and_its_share_of_replicates(higher):
    sign = 1.0 if higher else -1.0
    replicates = sign * np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 3.0], [1.0, 1.0, 3.0], [1, 2, 3]])
    measure = Estimates(sign * np.array([1.0, 1.5, 3.0]), replicates, higher)
    found = fairness.worst(measure, "abc")
    assert found.culture == "a" and found.interval[0] == sign * 1.0 and found.best == "c"
    assert found.shares == {"a": 0.625, "b": 0.375, "c": 0.0} and found.share == 0.625
    assert found.tie, "another is the worst in more than one replicate of twenty"
    alone = fairness.worst(Estimates(measure.values, replicates[[0, 3]], higher), "abc")
    assert alone.share == 1.0 and not alone.tie


def test_worst_over_best():
    replicates = np.array([[0.4, 0.8], [0.9, 0.6], [0.5, 1.0]])
    value, low, high = fairness.worst_to_best(
        Estimates(np.array([0.5, 1.0]), replicates, True, ENDS)
    )
    assert value == 0.5 and 0.0 <= low < value < high <= 1.0
    value, low, high = fairness.worst_to_best(Estimates(np.array([1.0, 2.0]), replicates, False))
    assert value == 2.0 and 1.0 <= low <= value
    alike = Estimates(np.array([0.7, 0.7]), np.full((3, 2), 0.7), True)
    assert fairness.worst_to_best(alike) == (1.0, 1.0, 1.0)
    for values, sample in (([-0.1, 1.0], replicates), ([0.0, 0.0], replicates)):
        assert fairness.worst_to_best(Estimates(np.array(values), sample, True)) is None
    lost = Estimates(np.array([0.5, 1.0]), np.zeros((3, 2)), True)
    assert fairness.worst_to_best(lost) is None, "a replicate without a best has no ratio"


def test_the_range_by_chance_is_that_of_all_orders(monkeypatch):
    """Three contents of three cultures have 6^3 orders, all of which are tried by hand."""
    values = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.0], [2.0, 3.0, 1.0]])
    monkeypatch.setattr(fairness, "PERMUTATIONS", 20000)
    found = fairness.spread_by_chance(values, np.ones((3, 3), bool), 0)
    orders = list(itertools.permutations(range(3)))
    ranges = [
        np.ptp(np.mean([values[list(order), n] for n, order in enumerate(own)], axis=0))
        for own in itertools.product(orders, repeat=3)
    ]
    assert found.range == pytest.approx(np.ptp(values.mean(axis=1)))
    assert found.chance == pytest.approx(np.mean(ranges), abs=0.01)
    as_great = np.mean(np.array(ranges) >= found.range - 1e-12)
    assert found.p == pytest.approx(as_great, abs=0.01)


def test_what_was_not_asked_stays_out_of_the_shuffle(asked, generator, monkeypatch):
    monkeypatch.setattr(fairness, "PERMUTATIONS", 200)
    values = generator.random((3, 8))
    found = fairness.spread_by_chance(values, asked, 0)
    spoilt = np.where(asked, values, 1e6)
    assert fairness.spread_by_chance(spoilt, asked, 0) == found
    assert found.chance < 1.0


def test_a_served_culture_stands_out_of_chance_and_equal_ones_do_not(generator):
    everyone = np.ones((4, 30), bool)
    values = generator.normal(size=(4, 30)) + generator.normal(size=30)  # contents differ alike
    assert fairness.spread_by_chance(values, everyone, 0).p > 0.05
    values[2] += 1.5
    assert fairness.spread_by_chance(values, everyone, 0).p < 0.001


def test_paired_differences_ignore_what_contents_share(asked, generator):
    """Contents that vary much do not hide a small difference that each of them shows."""
    hard = 100.0 * generator.normal(size=8)
    values = hard + np.array([[0.0], [1.0], [1.0]]) + 0.01 * generator.normal(size=(3, 8))
    values[2] = hard + 1.0 + 3.0 * (-1.0) ** np.arange(8)
    found = fairness.paired(values, asked, _weights(8))
    for i in range(3):
        for j in range(3):
            both = asked[i] & asked[j]
            expected = np.mean(values[i, both] - values[j, both])
            assert found.value[i][j] == pytest.approx(expected)
            assert found.low[i][j] <= found.value[i][j] <= found.high[i][j]
            assert found.low[i][j] == -found.high[j][i]
    assert found.clear == [[False, True, False], [True, False, False], [False] * 3]


def test_cultures_without_a_common_content_have_no_difference():
    asked = np.array([[True, True, False, False], [False, False, True, True]])
    found = fairness.paired(np.ones((2, 4)), asked, np.ones((3, 4), int))
    assert found.value == [[0.0, None], [None, 0.0]] and not np.any(found.clear)


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlation_is_spearmans(ties, generator):
    first = generator.integers(0, 4 if ties else 1000, 9)
    second = generator.normal(size=9) + 0.002 * first
    found = statistics.rank_correlation(first, second, 0)
    expected = scipy.stats.spearmanr(first, second)
    assert found.value == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(
        scipy.stats.permutation_test(
            (first,),
            lambda x: scipy.stats.spearmanr(x, second).statistic,
            permutation_type="pairings",
            n_resamples=2000,
            rng=0,
        ).pvalue,
        abs=0.05,
    )


def test_few_points_show_strong_links_only():
    """0.68 of nine: the two-sided 5 % of Spearman's table lies at 0.683 to 0.700."""
    found = statistics.rank_correlation(np.arange(9), np.arange(9)[::-1], 0)
    assert found.value == pytest.approx(-1.0) and found.p < 0.001
    assert 0.65 < found.least <= 0.70
    assert statistics.rank_correlation([1, 1, 1], [1, 2, 3], 0).value is None


def test_leaning():
    named = np.array([0] * 30 + [1] * 10)
    found = fairness.leaning(named, "abc", 4000, 0)
    assert [share[0] for share in found.shares.values()] == [0.75, 0.25, 0.0]
    assert 0.55 < found.shares["a"][1] < 0.70 and 0.02 < found.shares["c"][2] < 0.10
    entropy = scipy.stats.entropy([0.75, 0.25])
    assert found.effective == pytest.approx(math.exp(entropy))
    assert fairness.leaning(np.arange(12) % 3, "abc", 10, 0).effective == pytest.approx(3.0)
