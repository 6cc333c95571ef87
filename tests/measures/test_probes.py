"""Descriptors, style distances, probes: against NumPy, SciPy and data whose answer is known."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.config import InputError
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures import probes, statistics


def two_taps(pictures):
    """A backbone of fixed arithmetic: the pictures, and their halves squared."""
    return {"one": pictures, "two": tf.square(pictures[:, ::2, ::2])}


def test_descriptors_are_means_and_deviations(generator):
    pictures = generator.random((19, 8, 8, 3)).astype(np.float32)
    found = probes.descriptors(two_taps, pictures)
    small = pictures[:, ::2, ::2] ** 2
    expected = [f(x, axis=(1, 2)) for x in (pictures, small) for f in (np.mean, np.std)]
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-4)


def test_style_distances_are_those_of_one_batch(generator):
    """More pictures than go through at once, against the loss that sees them together."""
    pictures = generator.random((21, 8, 8, 3)).astype(np.float32)
    found = probes.style_distances(two_taps, pictures)
    expected = np.asarray(losses.style_distances(two_taps(tf.constant(pictures))))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_rank_correlation_is_spearmans(generator):
    first = generator.random((12, 12)).round(1)  # with ties
    first += first.T
    second = first + 0.7 * generator.random((12, 12))
    second += second.T
    pairs = np.triu_indices(12, 1)
    expected = scipy.stats.spearmanr(first[pairs], second[pairs])[0]
    assert statistics.distance_correlation(first, second) == pytest.approx(expected)
    assert statistics.distance_correlation(first, np.exp(first)) == pytest.approx(1.0)


def test_folds_share_out_every_culture():
    labels = np.repeat([0, 1, 2, 3], [50, 12, 5, 2])
    found = statistics.folds(labels, 5, seed=0)
    for members in (np.ones(len(labels), bool), *(labels == culture for culture in range(4))):
        counts = np.bincount(found[members], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert not np.array_equal(found, statistics.folds(labels, 5, seed=1))
    np.testing.assert_array_equal(found, statistics.folds(labels, 5, seed=0))
    with pytest.raises(InputError, match="a culture has one picture"):
        statistics.folds(labels[:-1], 5, seed=0)
    with pytest.raises(InputError, match="4 pictures for 5 folds"):
        statistics.folds([0, 0, 1, 1], 5, seed=0)


@pytest.mark.parametrize("counts", [(2, 2), (2, 3, 40), (9, 2, 2, 2), (3,) * 17])
@pytest.mark.parametrize("count", [2, 4])
def test_no_culture_is_missing_beside_a_fold(counts, count):
    """By a loop: of every culture something is left to learn from, whatever is left out."""
    labels = np.repeat(np.arange(len(counts)), counts)
    for seed in range(5):
        found = statistics.folds(labels, count, seed)
        for fold in range(count):
            assert set(labels[found != fold]) == set(range(len(counts)))


def test_folds_of_works_keep_pictures_of_a_work_together(generator):
    works = np.array([f"w{number}" for number in generator.integers(0, 20, 90)])
    labels = np.array([int(name[1:]) % 3 for name in works])
    found = statistics.folds_of_works(works, labels, 4, seed=2)
    of_work = {name: set(found[works == name]) for name in set(works)}
    assert all(len(each) == 1 for each in of_work.values())
    counts = np.bincount([fold for each in of_work.values() for fold in each], minlength=4)
    assert counts.max() - counts.min() <= 1  # works, not pictures, are dealt


def test_the_interval_of_a_share_is_over_works(generator):
    """Against a bootstrap by hand: pictures of a work are drawn together, so that the interval is
    wider than over as many pictures of their own."""
    works = np.repeat(np.arange(12), 6)
    right = np.repeat(np.arange(12) % 3 > 0, 6)
    found = statistics.share_interval(right, works, seed=3)
    drawn = generator.integers(0, 12, (4000, 12))
    shares = right.reshape(12, 6).mean(axis=1)[drawn].mean(axis=1)
    assert found.value == pytest.approx(right.mean())
    assert found[1:] == pytest.approx(np.quantile(shares, [0.025, 0.975]), abs=0.06)
    alone = statistics.share_interval(right, np.arange(72), seed=3)
    assert found.high - found.low > 1.8 * (alone.high - alone.low)


def test_an_interval_holds_its_estimate_where_rounding_alone_sets_replicates_apart():
    replicates = np.full(400, 0.6)
    replicates[::3] = np.nextafter(0.6, 1.0)
    replicates[0] = 0.0  # draws their mean below all others
    value, low, high = statistics.with_interval(0.6, replicates)
    assert low <= value <= high


def test_the_share_is_of_pictures_and_one_work_says_nothing_of_others():
    right, works = [1, 1, 1, 0], ["a", "a", "a", "b"]
    assert statistics.share_interval(right, works, 0).value == 0.75
    assert statistics.share_interval([True, True, True], ["a"] * 3, 0) == (1.0, 0.0, 1.0)
    assert statistics.share_interval([True, True], ["a", "b"], 0) == (1.0, 1.0, 1.0)


def test_the_probe_sees_what_is_there_and_nothing_else(generator):
    labels = np.repeat(np.arange(4), 60)
    noise = generator.normal(size=(240, 30))
    informed = noise + 4.0 * np.eye(4, 30)[labels]
    fold = statistics.folds(labels, 5, seed=0)
    held = [fold == number for number in range(5)]
    good, low, high = probes.probe_accuracy(informed, labels, held).accuracy
    assert 0.9 < low <= good <= high <= 1.0
    found = probes.probe_accuracy(noise, labels, held)
    assert 0.1 < found.accuracy.value < 0.4  # a quarter by chance
    assert found.balanced.value == pytest.approx(found.accuracy.value)  # equal counts


def test_a_probe_is_judged_by_pictures_that_it_never_saw(generator):
    """Noise in many dimensions is separable, so a probe that judged its own would be right."""
    labels = np.repeat([0, 1], 40)
    noise = generator.normal(size=(80, 400))
    held = [np.arange(80) % 4 == 0]
    assert probes.probe_accuracy(noise, labels, held).accuracy.value < 0.85
    assert probes.logistic_probe(400).fit(noise, labels).score(noise, labels) == 1.0


def test_colours_are_means_and_deviations_of_the_pictures(generator):
    pictures = generator.random((3, 5, 6, 3))
    expected = np.concatenate([pictures.mean((1, 2)), pictures.std((1, 2))], axis=1)
    np.testing.assert_allclose(probes.colour_descriptors(pictures), expected)


@pytest.fixture(scope="module")
def network(mobilenet_archive):
    return build_backbone("mobilenet_v1", str(mobilenet_archive))


@pytest.fixture(scope="module")
def tinted():
    """Twelve pictures of each of two classes, red and blue in the mean, and smooth shapes."""
    generator = np.random.default_rng(5)
    found = {}
    for name, tint in (("red", (0.7, 0.4, 0.3)), ("blue", (0.3, 0.4, 0.7))):
        coarse = generator.uniform(-0.3, 0.3, (12, 8, 8, 1))
        shapes = coarse.repeat(8, 1).repeat(8, 2) + np.array(tint)
        found[name] = np.clip(shapes, 0.0, 1.0).astype(np.float32)
    return found


def test_it_names_new_pictures_of_the_classes_that_it_was_fitted_to(network, tinted):
    fitted = probes.CultureProbe.fit(network, {name: own[:8] for name, own in tinted.items()})
    assert fitted.classes == ("red", "blue")
    for number, own in enumerate(tinted.values()):
        np.testing.assert_array_equal(fitted.named(own[8:]), np.full(4, number))
