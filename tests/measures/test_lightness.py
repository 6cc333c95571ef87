"""Marks, edges, order and structure of lightness: by loops, and on made pictures."""

import numpy as np
import pytest
import scipy.ndimage

from stylegan_culture import images
from stylegan_culture.measures import lightness


def _gaussian(deviation):
    """A matrix `[SIDE, SIDE]` that blurs rows by a sampled Gaussian, cut at four deviations, of a
    picture that is mirrored at its border (the border's pixel twice)."""
    side, reach = lightness.SIDE, int(4 * deviation + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    matrix = np.zeros((side, side))
    for row in range(side):
        for step, weight in zip(range(-reach, reach + 1), weights / weights.sum(), strict=True):
            place = (row + step) % (2 * side)
            matrix[row, min(place, 2 * side - 1 - place)] += weight
    return matrix


def _blur(picture, deviation):
    matrix = _gaussian(deviation)
    return matrix @ picture @ matrix.T


def _slope(picture):
    """Central differences, one-sided at the border."""
    padded = np.pad(picture, 1, "reflect", reflect_type="odd")
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    right = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    return np.sqrt(down**2 + right**2)


def _plain(source):
    """Mean slope of 13 x 13 pixels below 1; pixels whose neighbours up to 10 steps away are."""
    slope = np.pad(_slope(source), 6, "symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(slope, (13, 13))
    calm = windows.mean(axis=(2, 3)) < 1.0
    for _ in range(10):
        around = np.pad(calm, 1)
        calm = (
            around[1:-1, 1:-1]
            & (around[:-2, 1:-1] & around[2:, 1:-1])
            & (around[1:-1, :-2] & around[1:-1, 2:])
        )
    return calm


def expected(source, result):
    """Motifs, edges and order of one pair of lightness, by the formulas."""
    places = _plain(source)
    marks = (_blur(result, 2.0) - _blur(result, 6.0))[places]
    slopes = [_slope(_blur(each, 0.7)).ravel() for each in (source, result)]
    blurred = [_blur(each, 8.0).ravel() for each in (source, result)]
    return (
        np.sqrt(np.mean((marks - marks.mean()) ** 2)) if places.sum() >= 2500 else np.nan,
        np.corrcoef(*slopes)[0, 1],
        np.corrcoef(*blurred)[0, 1],
    )


def measured(source, results):
    return [one(source, results) for one in (lightness.motifs, lightness.edges, lightness.order)]


@pytest.fixture(scope="module")
def scenes():
    """A sky above a meadow `[256, 256]`, and results: itself, with rows of marks, its negative."""
    generator = np.random.default_rng(5)
    row, column = np.mgrid[0:256, 0:256]
    sky = 70.0 + 10.0 * row / 256
    source = np.where(row < 128, sky, 40.0 + generator.normal(0, 8, (256, 256)))
    marked = source + 5.0 * np.sin(2 * np.pi * column / 14)
    return source, np.stack([source, marked, 100.0 - source])


def test_all_three_agree_with_their_formulas(scenes):
    source, results = scenes
    wanted = np.transpose([expected(source, result) for result in results])
    np.testing.assert_allclose(measured(source, results), wanted, rtol=1e-6, atol=1e-6)


def test_marks_are_seen_on_the_sky_and_its_slow_change_is_not(scenes):
    """Rows of marks of 14 pixels pass the band, of amplitude 5, at a factor of 0.64."""
    source, results = scenes
    still, marked, negative = lightness.motifs(source, results)
    assert still < 0.05 and negative == pytest.approx(still)
    frequency = 2 * np.pi / 14
    passed = np.exp(-0.5 * (2 * frequency) ** 2) - np.exp(-0.5 * (6 * frequency) ** 2)
    assert marked == pytest.approx(5.0 * passed / np.sqrt(2), rel=0.05)


def test_a_copy_keeps_edges_and_order_and_a_negative_turns_the_order(scenes):
    source, results = scenes
    np.testing.assert_allclose(lightness.edges(source, results)[[0, 2]], 1.0)
    np.testing.assert_allclose(lightness.order(source, results)[[0, 2]], [1.0, -1.0])
    assert lightness.edges(source, results)[1] < 0.95


def test_where_little_is_plain_there_are_no_marks_to_measure(generator):
    busy = generator.normal(50, 20, (256, 256))
    assert np.isnan(lightness.motifs(busy, np.stack([busy, busy]))).all()
    grey = np.full((256, 256), 50.0)
    assert lightness.motifs(grey, grey) == 0.0
    assert np.isnan(lightness.edges(grey, busy)) and np.isnan(lightness.order(grey, busy))


def test_lightness_is_of_256_pixels_a_side_and_from_black_to_white():
    pictures = np.stack([np.zeros((64, 64, 3)), np.ones((64, 64, 3))]).astype(np.float32)
    found = lightness.lightness(pictures)
    assert found.shape == (2, 256, 256)
    np.testing.assert_allclose(found[:, 5, 5], [0.0, 100.0], atol=1e-4)


@pytest.fixture
def face(generator):
    """Lightness `[48, 40]`: shading from one side, two eyes and a mouth."""
    row, column = np.mgrid[0:48, 0:40]
    values = 55.0 + 0.3 * column + generator.normal(0, 0.5, (48, 40))
    for top, left, height, width in ((14, 8, 4, 8), (14, 24, 4, 8), (34, 14, 3, 12)):
        values[top : top + height, left : left + width] -= 20.0
    return values


def test_marks_are_kept_where_all_is_lighter_and_lit_from_the_other_side(face):
    column = np.arange(40)
    lighter = 0.6 * face + 30.0 - 0.4 * column
    assert lightness.structure(face, face) == pytest.approx(1.0)
    assert lightness.structure(face, lighter) > 0.97
    assert lightness.structure(face, 100.0 - face) == pytest.approx(-1.0)


def test_marks_are_lost_where_eyes_and_mouth_go(face, generator):
    plain = 55.0 + 0.3 * np.mgrid[0:48, 0:40][1] + generator.normal(0, 0.5, face.shape)
    assert abs(lightness.structure(face, plain)) < 0.2
    assert np.isnan(lightness.structure(face, np.zeros((48, 40))))


def test_structure_is_the_correlation_of_what_lies_above_the_shading(face, generator):
    other = face + generator.normal(0, 6, face.shape)
    first, second = (
        (each - scipy.ndimage.gaussian_filter(each, 40 / 8)).ravel() for each in (face, other)
    )
    found = lightness.structure(face, other)
    assert found == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-6)


def test_ten_restyled_photographs_by_the_formulas(data_folder):
    """Ten photographs by the shipped model, an 8-bit file between, as another tool reads them."""
    from stylegan_culture.stylizer import Stylizer

    stylizer = Stylizer.load("culture256")
    photographs = sorted((data_folder / "photos").glob("*.jpg"))[:10]
    for number, path in enumerate(photographs):
        content = images.fit_short_side(images.read(path), 256)
        top, left = ((side - 256) // 2 for side in content.shape[:2])
        square = content[top : top + 256, left : left + 256]
        result = stylizer(square, stylizer.cultures[number % len(stylizer.cultures)])
        pair = images.to_uint8(np.stack([square, result])) / 255.0
        source, restyled = lightness.lightness(pair)
        found = measured(source, restyled)
        np.testing.assert_allclose(
            found, expected(source.astype(float), restyled.astype(float)), rtol=1e-5, atol=1e-5
        )
