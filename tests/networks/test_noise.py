"""Points of noise: spherical interpolation against a rotation matrix, and walks."""

import numpy as np
import pytest
import scipy.linalg

from stylegan_culture.networks import noise


@pytest.mark.parametrize("share", [0.0, 0.25, 0.7, 1.0])
def test_the_arc_between_two_points_is_a_rotation(share):
    """By w, the angle between a and b: `expm(t w (c a' - a c')) a`, c in their plane across a."""
    first, second = np.random.default_rng(2).standard_normal((2, 6))
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    angle = np.arccos(first @ second)
    across = second - (first @ second) * first
    across /= np.linalg.norm(across)
    turn = scipy.linalg.expm(share * angle * (np.outer(across, first) - np.outer(first, across)))
    result = noise.between(3.0 * first, 3.0 * second, share)
    np.testing.assert_allclose(result, 3.0 * turn @ first, atol=1e-5)


def test_a_walk_stays_where_gaussian_noise_is():
    """Points in the middle of a straight line would be shorter by the root of two."""
    points = noise.draw(4, 512, seed=1)
    lengths = np.linalg.norm(noise.walk(points, 8), axis=1)
    assert lengths.min() > 0.9 * 512**0.5


@pytest.mark.parametrize("second", [[2.0, 4.0], [-1.0, -2.0], [0.0, 0.0]])
def test_points_in_line_with_the_origin_are_joined_by_the_straight_line(second):
    np.testing.assert_allclose(
        noise.between([1.0, 2.0], second, 0.25),
        0.75 * np.array([1.0, 2.0]) + 0.25 * np.array(second),
        atol=1e-6,
    )


def test_a_walk_begins_ends_and_passes_at_its_points():
    points = noise.draw(3, 5, seed=3)
    path = noise.walk(points, 4)
    assert path.shape == (9, 5)
    np.testing.assert_allclose(path[::4], points, atol=1e-5)


def test_a_closed_walk_returns_and_shows_no_point_twice():
    points = noise.draw(3, 5, seed=3)
    path = noise.walk(points, 4, closed=True)
    assert path.shape == (12, 5)
    np.testing.assert_allclose(path[::4], points, atol=1e-5)
    np.testing.assert_allclose(path[10], noise.between(points[2], points[0], 0.5), atol=1e-6)


def test_noise_is_a_function_of_its_seed():
    np.testing.assert_array_equal(noise.draw(2, 3, (0, 1)), noise.draw(2, 3, (0, 1)))
    assert np.abs(noise.draw(2, 3, (0, 1)) - noise.draw(2, 3, (0, 2))).max() > 0.1
