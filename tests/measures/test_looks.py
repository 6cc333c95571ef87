"""The numbers of a picture against pictures of which they are known."""

import dataclasses

import numpy as np
import pytest

from stylegan_culture.features.backbones import noise_pictures
from stylegan_culture.measures import looks


def grey(lightness):
    """A grey picture of CIELAB lightness `[H, W]` in [0, 100]."""
    ratio = (np.asarray(lightness, float) + 16) / 116
    linear = np.where(ratio > 6 / 29, ratio**3, (116 * ratio - 16) / (29 / 3) ** 3)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.repeat(encoded[..., None], 3, axis=-1)


def test_every_number_is_described_and_finite(generator):
    found = looks.Look.of(generator.uniform(size=(40, 50, 3)))
    values = dataclasses.asdict(found)
    assert set(values) == set(looks.WHAT) and np.isfinite(list(values.values())).all()


def test_an_even_grey_picture():
    found = looks.Look.of(np.full((32, 48, 3), 0.5))
    assert found.lightness == pytest.approx(53.39, abs=0.01)
    assert found.symmetry == found.balance == found.plain == 1.0
    for name in ("contrast", "chroma", "chroma_spread", "warmth", "edges", "slope"):
        assert getattr(found, name) == pytest.approx(0.0, abs=0.02), name
    np.testing.assert_array_equal(looks.hues(np.full((32, 48, 3), 0.5)), np.zeros(12))


def test_contrast_edges_and_plain_squares_by_hand():
    """Black left of a line between two squares, white right of it."""
    lightness = np.zeros((32, 64))
    lightness[:, 32:] = 100.0
    found = looks.Look.of(grey(lightness))
    assert found.contrast == pytest.approx(50.0, abs=0.1)
    assert found.edges == pytest.approx(2 / 64) and found.plain == 1.0
    assert found.symmetry == pytest.approx(-1.0, abs=1e-3)
    shifted = looks.Look.of(grey(np.roll(lightness, 4, axis=1)))
    assert shifted.plain == pytest.approx(6 / 8)


def test_symmetry_is_left_to_right(generator):
    half = generator.uniform(20, 80, (32, 16))
    mirrored = np.concatenate([half, half[:, ::-1]], axis=1)
    assert looks.symmetry(mirrored) == pytest.approx(1.0)
    assert abs(looks.symmetry(mirrored.T)) < 0.3


def test_weight_in_a_corner_unbalances():
    lab = np.zeros((41, 61, 3))
    lab[0, 0] = 100.0, 40.0, 0.0
    assert looks.balance(lab) < 0.55
    lab[-1, -1] = 100.0, 40.0, 0.0
    assert looks.balance(lab) == pytest.approx(1.0, abs=1e-6)


def test_the_slope_of_known_spectra():
    """Noise with power falling as f^-2, and white noise."""
    natural = noise_pictures(1, 6, 128).mean(axis=-1)
    slopes = [looks.spectral_slope(100 * one) for one in natural]
    white = np.random.default_rng(0).normal(size=(6, 128, 128))
    flat = [looks.spectral_slope(one) for one in white]
    assert np.mean(slopes) < np.mean(flat) - 1.0 and abs(np.mean(flat)) < 0.15


@pytest.mark.parametrize(("rgb", "bins"), [((0.9, 0.1, 0.1), 1), ((0.1, 0.1, 0.9), 10)])
def test_hues_count_by_chroma(rgb, bins):
    picture = np.full((16, 16, 3), 0.5)
    picture[:4] = rgb
    found = looks.hues(picture)
    assert found.argmax() == bins and found[bins] > 0.99 and found.sum() == pytest.approx(1.0)


@pytest.fixture(scope="module")
def picture():
    return noise_pictures(1, 1, 160)[0]


@pytest.mark.parametrize(("period", "height"), [(2, 0.03), (4, 0.1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_faint_grid_is_found_in_rows_and_in_columns(picture, period, height, axis):
    ridged = picture.copy()
    np.moveaxis(ridged, axis, 0)[::period] += height
    assert looks.line_strength(picture, period) < 2 < looks.line_strength(ridged, period)


def test_a_wave_of_another_period_is_no_line_of_a_stride(picture):
    wave = 0.05 * np.sin(2 * np.pi * np.arange(160) / 5.3)[:, None, None]
    plain, waved = looks.line_strengths(np.stack([picture, picture + wave]))
    np.testing.assert_allclose(waved, plain, rtol=0.05)


def test_pictures_that_are_not_square_are_read_in_both_directions(picture):
    wide = picture[:96].copy()
    wide[:, ::2] += 0.03
    assert looks.line_strength(wide, 2) > 2 * looks.line_strength(picture[:96], 2)


def test_real_pictures_set_the_bound_and_flat_ones_have_no_line():
    pictures = noise_pictures(3, 20, 64)
    bound = looks.ordinary_strengths(pictures)
    found = looks.line_strengths(pictures)
    assert bound.shape == (3,)
    assert ((found <= bound).mean(axis=0) == 0.95).all()  # interpolated under the largest of 20
    assert looks.line_strengths(np.full((1, 64, 64, 3), 0.5)).max() < 1
