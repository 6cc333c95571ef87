"""Portraits of traditions: each picture counts once, maps keep distances, neighbours are found."""

import numpy as np
import pytest

from stylegan_culture.measures import gaps, looks


def album(pictures):
    found, generator = looks.Album(), np.random.default_rng(0)
    for picture in pictures:
        found.add(picture, generator)
    return found


def test_each_picture_counts_once_whatever_its_size():
    """One large black picture and three small white ones: mean lightness 75, a palette of both."""
    pictures = [np.zeros((64, 64, 3))] + [np.ones((16, 16, 3))] * 3
    found = looks.Portrait.of(album(pictures))
    assert found.pictures == 4 and set(found.figures) == set(looks.WHAT)
    assert found.figures["lightness"].value == pytest.approx(75.0, abs=1e-3)
    np.testing.assert_allclose(found.lightness, [0.25] + 18 * [0.0] + [0.75])
    assert [(one.srgb, one.share) for one in found.palette] == [
        ("#ffffff", 0.75),
        ("#000000", 0.25),
    ]


def test_intervals_hold_the_mean_and_narrow_with_more_pictures():
    """Eight times as many pictures of one spread: about a third of the width."""
    pictures = [np.full((16, 16, 3), level) for level in np.linspace(0.2, 0.8, 80)]
    few, many = (looks.Portrait.of(album(own)) for own in (pictures[::8], pictures))
    widths = []
    for found in (few, many):
        value, low, high = found.figures["lightness"]
        assert low < value < high
        widths.append(high - low)
    assert 0.2 < widths[1] / widths[0] < 0.55


def test_histograms_and_hues_are_means_of_shares(generator):
    found = looks.Portrait.of(album(generator.uniform(size=(5, 24, 24, 3))))
    for name in ("hues", "lightness", "chroma"):
        assert sum(getattr(found, name)) == pytest.approx(1.0)


def test_a_layout_of_points_in_a_plane_keeps_their_distances(generator):
    points = generator.normal(size=(7, 2))
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    placed, kept = gaps.plane(apart)
    np.testing.assert_allclose(np.linalg.norm(placed[:, None] - placed, axis=-1), apart, atol=1e-9)
    assert kept == pytest.approx(1.0)
    assert (placed[np.abs(placed).argmax(axis=0), [0, 1]] > 0).all()
    _, less = gaps.plane(np.ones((6, 6)) - np.eye(6))  # a simplex fits no plane
    assert less == pytest.approx(2 / 5)


def test_neighbours_are_of_different_traditions_and_no_picture_stands_twice(generator):
    features = generator.normal(size=(20, 50))
    labels = np.arange(20) // 2
    features[3] = features[14] + 0.01 * generator.normal(size=50)
    features[5] = features[4]  # of one tradition: no pair
    found = looks.neighbours(features, labels, 4)
    assert found[0][:2] == (3, 14) and found[0][2] > 0.99
    assert all(labels[a] != labels[b] for a, b, _ in found)
    used = [picture for pair in found for picture in pair[:2]]
    assert len(used) == len(set(used)) == 8
    similarities = [pair[2] for pair in found]
    assert similarities == sorted(similarities, reverse=True)


def test_neighbours_are_of_different_pairs_of_traditions(generator):
    features, labels = generator.normal(size=(40, 30)), np.repeat([0, 1, 2, 3], 10)
    found = looks.neighbours(features, labels, 20)
    pairs = [(labels[a], labels[b]) for a, b, _ in found]
    assert len(found) == 6 and len(set(pairs)) == 6
    assert found[0] == looks.neighbours(features, labels, 1)[0]


def test_examples_go_from_the_middle_of_a_tradition_outwards(generator):
    """Points on a line at 0, 1, 2 ... about a far greater number at 0."""
    features = np.concatenate([np.zeros(200), np.arange(1.0, 9.0), -np.arange(1.0, 9.0)])[:, None]
    chosen = looks.examples(features, 5)
    far = np.abs(features[chosen, 0])
    assert far[0] == 0.0 and far[-1] == 8.0 and (np.diff(far) >= 0).all()
    assert looks.examples(features[:3], 6) == [0, 1, 2]
