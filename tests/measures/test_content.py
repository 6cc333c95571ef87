"""Perceptual distance, structure and diversity against loops and pictures made for the purpose."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures import content, statistics
from stylegan_culture.measures.content import Perceived
from stylegan_culture.measures.probes import descriptors


@pytest.fixture(scope="module")
def network(mobilenet_archive):
    return build_backbone("mobilenet_v1", str(mobilenet_archive))


@pytest.fixture
def pictures(generator):
    return generator.uniform(size=(5, 8, 8, 3)).repeat(6, 1).repeat(6, 2).astype(np.float32)


def _by_loops(network, first, second):
    """The formula of `compared`, position by position."""
    found = []
    features, others = (network(pictures) for pictures in (first, second))
    for number in range(len(first)):
        parts = []
        for tap in network.taps:
            a, b = (np.asarray(each[tap][number], np.float64) for each in (features, others))
            total = 0.0
            for row in range(a.shape[0]):
                for column in range(a.shape[1]):
                    u, v = a[row, column], b[row, column]
                    u, v = (x / max(np.linalg.norm(x), 1e-5) for x in (u, v))
                    total += ((u - v) ** 2).sum()
            parts.append(total / (a.shape[0] * a.shape[1]))
        found.append(np.mean(parts))
    return np.array(found)


def test_the_distance_is_its_formula_in_loops(network, pictures, monkeypatch):
    in_twos = functools.partial(content.in_batches, size=2)  # two batches and a rest
    monkeypatch.setattr(content, "in_batches", in_twos)
    second = pictures[[1, 2, 3, 4, 4]]
    found = content.compared(network, pictures, Perceived.of(network, second))[0]
    np.testing.assert_allclose(found, _by_loops(network, pictures, second), rtol=2e-3, atol=1e-6)
    assert found[4] == 0.0 and (found[:4] > 0.01).all()


def test_results_of_all_cultures_are_compared_with_contents_in_one_pass(network, pictures):
    """Every picture passes the network once, and leaves distances and pooled features."""
    passed = []

    class Counting:
        taps, least_size, name = network.taps, network.least_size, network.name

        def __call__(self, batch, taps=None):
            tf.py_function(lambda x: passed.append(len(x)), [batch], [])
            return network(batch, taps=taps)

    counting = Counting()
    results = np.stack([pictures[::-1], 0.5 * pictures])
    known = Perceived.of(counting, pictures)
    distances, pooled = content.compared(counting, results, known)
    assert sum(passed) == 5 + 10
    for culture in range(2):
        alone = content.compared(network, results[culture], known)[0]
        np.testing.assert_allclose(distances[culture], alone, atol=1e-6)
        expected = [
            np.mean(network(x[None])[network.taps[-1]], (0, 1, 2)) for x in results[culture]
        ]
        np.testing.assert_allclose(pooled[culture], expected, atol=1e-5)
        np.testing.assert_allclose(content.pooled(network, results[culture]), expected, atol=1e-5)
    np.testing.assert_allclose(known.pooled, content.pooled(network, pictures), atol=1e-5)


def test_pictures_of_another_number_or_size_are_refused(network, pictures):
    known = Perceived.of(network, pictures)
    for others in (pictures[:4], pictures[:, :32]):
        with pytest.raises(InputError, match="one size"):
            content.compared(network, others, known)
    for call in (Perceived.of, content.pooled):
        with pytest.raises(InputError, match="too small"):
            call(network, pictures[:, :24])


def _structure_by_loops(first, second):
    luminances = [
        0.299 * x[..., 0] + 0.587 * x[..., 1] + 0.114 * x[..., 2] for x in (first, second)
    ]
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    found = []
    for row in range(5, first.shape[0] - 5):
        for column in range(5, first.shape[1] - 5):
            x, y = (z[row - 5 : row + 6, column - 5 : column + 6] for z in luminances)
            x, y = x - (weights * x).sum(), y - (weights * y).sum()
            deviations = [np.sqrt((weights * z * z).sum()) for z in (x, y)]
            constant = (0.03 * 1.0) ** 2 / 2
            found.append(
                ((weights * x * y).sum() + constant) / (deviations[0] * deviations[1] + constant)
            )
    return np.mean(found)


def test_structure_similarity_is_its_formula_in_loops(generator):
    first, second = generator.uniform(size=(2, 3, 17, 21, 3))
    second[1] = 0.7 * first[1] + 0.3 * second[1]
    found = content.structure_similarity(first, second)
    expected = [_structure_by_loops(a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_structure_outlasts_brightness_and_contrast_and_turns_with_inversion(pictures):
    brighter = 0.3 + 0.5 * pictures
    similarity = content.structure_similarity
    np.testing.assert_allclose(similarity(pictures, pictures), 1.0)
    assert (similarity(pictures, brighter) > 0.97).all()
    assert (similarity(pictures, 1.0 - pictures) < -0.5).all()
    assert (np.abs(similarity(pictures, pictures[[1, 2, 3, 4, 0]])) < 0.3).all()


def test_pictures_without_room_for_the_window_are_refused(generator):
    small = generator.uniform(size=(2, 10, 40, 3))
    for first, second in ((small, small), (np.ones((2, 20, 20, 3)), np.ones((1, 20, 20, 3)))):
        with pytest.raises(InputError, match="11 pixels"):
            content.structure_similarity(first, second)


def _mean_distance(rows):
    pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
    return np.mean([np.linalg.norm(rows[i] - rows[j]) for i, j in pairs])


def test_diversity_is_a_ratio_of_mean_distances(generator):
    contents = generator.normal(size=(30, 6))
    results = generator.normal(size=(3, 30, 6))
    value, low, high = content.diversity(results, contents)
    expected = np.mean([_mean_distance(own) for own in results]) / _mean_distance(contents)
    assert value == pytest.approx(expected) and low < value < high
    assert content.diversity(results[1], contents)[0] == pytest.approx(
        _mean_distance(results[1]) / _mean_distance(contents)
    )
    # Distances that are all half as large are so in every draw.
    assert content.diversity(0.5 * contents + 3.0, contents) == pytest.approx((0.5, 0.5, 0.5))
    assert content.diversity(np.ones((2, 30, 6)), contents) == (0.0, 0.0, 0.0)


def test_style_diversity_is_that_between_cultures_of_one_content(generator):
    contents, results = generator.normal(size=(25, 6)), generator.normal(size=(3, 25, 6))
    value, low, high = content.style_diversity(results, contents)
    own = np.mean([_mean_distance(cultures) for cultures in results.swapaxes(0, 1)])
    assert value == pytest.approx(own / _mean_distance(contents)) and low < value < high
    alike = np.stack([contents, contents])
    assert content.style_diversity(alike, contents) == (0.0, 0.0, 0.0)


def test_a_content_drawn_twice_is_no_pair(generator, monkeypatch):
    """A draw of contents 0, 0, 1 has but one pair, counted twice; it is that pair's ratio."""
    contents, results = generator.normal(size=(2, 3, 4))
    draws = np.array([[2, 1, 0], [0, 1, 2], [1, 1, 1], [3, 0, 0]])  # the last has no pair
    monkeypatch.setattr(statistics, "resampled", lambda *_: draws)
    seen = []
    monkeypatch.setattr(
        statistics, "interval", lambda value, drawn, low, high: seen.append(drawn) or (0.0, 1.0)
    )
    content.diversity(results, contents)
    ratios = [
        np.linalg.norm(results[i] - results[j]) / np.linalg.norm(contents[i] - contents[j])
        for i, j in ((0, 1), (1, 2))
    ]
    np.testing.assert_allclose(seen[0][:2], ratios)
    assert len(seen[0]) == 3


def test_what_has_no_diversity_is_refused(generator):
    contents = generator.normal(size=(4, 3))
    for call in (
        lambda: content.diversity(contents[:1], contents[:1]),
        lambda: content.diversity(contents, np.ones((4, 3))),
        lambda: content.style_diversity(np.ones((2, 4, 3)), np.ones((4, 3))),
    ):
        with pytest.raises(InputError, match="at least two"):
            call()


@pytest.fixture(scope="module")
def tinted():
    """Twelve reddish pictures of smooth shapes."""
    coarse = np.random.default_rng(5).uniform(-0.3, 0.3, (12, 8, 8, 1))
    shapes = coarse.repeat(8, 1).repeat(8, 2) + np.array((0.7, 0.4, 0.3))
    return np.clip(shapes, 0.0, 1.0).astype(np.float32)


def test_content_codes_know_shapes_and_not_contrast(network, tinted):
    """The source is nearer than any other picture though contrast and brightness are others."""
    codes = content.content_codes(network, tinted)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1.0, atol=1e-5)
    distances = content.content_distances(content.content_codes(network, 0.2 + 0.6 * tinted), codes)
    np.testing.assert_array_equal(distances.argmin(axis=1), np.arange(len(tinted)))
    same = content.content_distances(codes, codes)
    np.testing.assert_allclose(np.diag(same), 0.0, atol=1e-5)
    squares = ((codes[0] - codes[1]) ** 2).sum()
    np.testing.assert_allclose(same[0, 1], squares, atol=1e-5)
    assert np.median(same[0, 1:]) > 3.0 * np.median(np.diag(distances))


def test_one_pass_sees_what_two_see(network, tinted):
    features, codes = content.descriptors_and_codes(network, tinted)
    np.testing.assert_allclose(features, descriptors(network, tinted), atol=1e-5)
    np.testing.assert_allclose(codes, content.content_codes(network, tinted), atol=1e-5)
