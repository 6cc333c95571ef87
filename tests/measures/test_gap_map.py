"""The map of traditions: figures of known clouds, distances kept, replicates turned onto it."""

import numpy as np
import oracles
import pytest

from stylegan_culture.measures import gaps
from stylegan_culture.measures.gaps import Sampled


def clouds(generator, means, spreads, pictures=12, positions=40):
    """Gaussian clouds of the given means `[K, C]` and deviations `[K, C]`, in pictures."""
    features, labels = [], []
    for label, (mean, spread) in enumerate(zip(means, spreads, strict=True)):
        drawn = generator.normal(size=(pictures, positions, len(mean)))
        features.append(np.asarray(mean) + drawn * np.asarray(spread))
        labels += [label] * pictures
    return Sampled(np.concatenate(features).astype(np.float32), np.array(labels))


def test_figures_and_distances_are_those_of_the_clouds(generator):
    means = np.array([[0.0, 0, 0, 0], [3.0, 0, 0, 0], [0.0, 4, 0, 0]])
    spreads = np.array([[1.0, 1, 1, 1], [2.0, 2, 2, 2], [1.0, 0, 0, 0]])
    found = gaps.survey(clouds(generator, means, spreads, 60, 200), replicates=20)
    unit = (4 + 16 + 1) / 3
    shares = np.array([4, 16, 1]) / unit
    np.testing.assert_allclose(found.figures["spread"][:, 0], shares, rtol=0.05)
    np.testing.assert_allclose(found.figures["directions"][:, 0], [4, 4, 1], rtol=0.05)
    away = np.square(means - means.mean(axis=0)).sum(axis=1) / unit
    np.testing.assert_allclose(found.figures["shift"][:, 0], away, rtol=0.1)
    gaussians = [
        (mean, np.diag(spread**2) + 1e-9 * np.eye(4))
        for mean, spread in zip(means, spreads, strict=True)
    ]
    expected = [[oracles.frechet(*one, *other) for other in gaussians] for one in gaussians]
    np.testing.assert_allclose(found.frechet, np.array(expected) / unit, rtol=0.05, atol=0.02)
    assert found.variance == pytest.approx(1.0) and 0.9 < found.kept <= 1.0
    for rows in found.figures.values():
        assert (rows[:, 1] <= rows[:, 0]).all() and (rows[:, 0] <= rows[:, 2]).all()


def test_few_principal_directions_keep_what_varies(generator):
    """Two of six channels vary widely: two directions hold almost all, and distances stay."""
    means = np.array([[0.0, 0, 0, 0, 0, 0], [9.0, 0, 0, 0, 0, 0]])
    sampled = clouds(generator, means, np.tile([3.0, 2, 0.1, 0.1, 0.1, 0.1], (2, 1)))
    reduced, share = gaps.principal(sampled, 2)
    assert reduced.features.shape == (*sampled.features.shape[:2], 2) and 0.99 < share < 1.0
    whole = sampled.features.reshape(-1, 6)
    own = reduced.features.reshape(-1, 2)
    apart = np.linalg.norm(whole[:300] - whole[300:600], axis=1)
    np.testing.assert_allclose(np.linalg.norm(own[:300] - own[300:600], axis=1), apart, atol=0.2)


def test_the_scatter_shrinks_with_more_pictures(generator):
    means, spreads = np.eye(3) * 3.0, np.ones((3, 3))
    scatters = []
    for pictures in (6, 96):
        sampled = clouds(generator, means, spreads, pictures, 30)
        # Pictures that differ as wholes, or resampling them would change next to nothing.
        sampled.features[:] += generator.normal(size=(len(sampled.labels), 1, 3))
        found = gaps.survey(sampled, replicates=40)
        scatters.append(np.trace(found.scatter, axis1=1, axis2=2).mean())
    assert scatters[1] < 0.25 * scatters[0]


def test_turning_undoes_a_rotation_and_a_reflection(generator):
    points = generator.normal(size=(6, 2))
    angle = 2.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(gaps.turned(points @ turn @ np.diag([1, -1]), points), points)


def test_an_ellipse_holds_95_in_100(generator):
    scatter = np.array([[3.0, 1.0], [1.0, 0.8]])
    half, other, degrees = gaps.ellipse(scatter)
    drawn = generator.multivariate_normal([0, 0], scatter, 20000)
    angle = np.radians(degrees)
    along = drawn @ [np.cos(angle), np.sin(angle)] / half
    across = drawn @ [-np.sin(angle), np.cos(angle)] / other
    assert np.mean(along**2 + across**2 < 1.0) == pytest.approx(0.95, abs=0.01)


def test_moments_of_a_replicate_are_those_of_its_pictures_repeated(generator):
    sampled = clouds(generator, np.eye(3), np.ones((3, 3)), 5, 7)
    weights = np.array([0, 2, 1, 1, 1, 5, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    found = sampled.moments(weights)
    for label, one in enumerate(found):
        own = sampled.labels == label
        rows = np.repeat(sampled.features[own], weights[own], axis=0).reshape(-1, 3)
        mean, covariance = oracles.moments(rows)
        np.testing.assert_allclose(one.mean, mean, atol=1e-6)
        np.testing.assert_allclose(one.covariance, covariance, atol=1e-6)
        assert one.count == len(rows)
