"""CIELAB against published values, its inverse, and palettes of known colours."""

import numpy as np
import pytest

from stylegan_culture.measures import colour


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [  # of the sRGB primaries under D65, as colour tables give them
        ((1, 1, 1), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (53.39, 0.0, 0.0)),
    ],
)
def test_lab_of_known_colours(rgb, expected):
    np.testing.assert_allclose(colour.lab(np.array(rgb, float)), expected, atol=0.02)


def test_lightness_alone_is_that_of_lab(generator):
    pictures = generator.uniform(size=(2, 9, 7, 3)).astype(np.float32) ** 3  # dark ones too
    found = colour.lightness(pictures)
    assert found.dtype == np.float32 and found.shape == (2, 9, 7)
    np.testing.assert_allclose(found, colour.lab(pictures)[..., 0], atol=1e-3)


def test_the_way_back(generator):
    pictures = generator.uniform(size=(3, 4, 5, 3))
    np.testing.assert_allclose(colour.srgb(colour.lab(pictures)), pictures, atol=1e-6)


def test_chroma_and_hue():
    colours = np.array([[50.0, 3.0, 4.0], [50.0, 0.0, -2.0], [50.0, -1.0, 0.0]])
    np.testing.assert_allclose(colour.chroma(colours), [5.0, 2.0, 1.0])
    np.testing.assert_allclose(colour.hue(colours), [53.1301, 270.0, 180.0], atol=1e-3)


def test_a_palette_finds_the_colours_that_are_there(generator):
    true = np.array([[20.0, 40.0, 0.0], [80.0, -30.0, 30.0], [60.0, 0.0, -50.0]])
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    points = true[labels] + generator.normal(size=(1000, 3))
    centres, shares = colour.palette(generator.permutation(points), 3, seed=4)
    np.testing.assert_allclose(centres, true, atol=0.3)
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2])


def test_a_palette_of_fewer_colours_than_asked_has_those():
    centres, shares = colour.palette(np.array([[1.0, 2.0, 3.0]] * 5 + [[7.0, 8.0, 9.0]] * 3), 4)
    np.testing.assert_allclose(centres, [[1, 2, 3], [7, 8, 9]])
    np.testing.assert_allclose(shares, [5 / 8, 3 / 8])
