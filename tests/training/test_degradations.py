"""Synthetic damage against Pillow, closed forms and loops over pixels."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.networks import sizes
from stylegan_culture.training import restore

SEED = tf.constant([3, 5])


@pytest.fixture
def pictures(generator):
    """Two pictures `[2, 32, 40, 3]` with both plain areas and edges."""
    coarse = generator.uniform(size=(2, 8, 10, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return tf.constant(0.7 * coarse + 0.3 * generator.uniform(size=coarse.shape), tf.float32)


@pytest.mark.parametrize("factor", [2, 4])
def test_super_resolution_starts_from_what_pillow_makes(pictures, factor):
    given = restore.damaged(f"enlarge{factor}", pictures, SEED)
    assert given.shape == (2, 32, 40, 4)
    for own, picture in zip(given.numpy(), pictures.numpy(), strict=True):
        small = images.resize(picture, 32 // factor, 40 // factor)
        assert np.abs(own[..., :3] - images.resize(small, 32, 40)).max() < 2e-3
        assert not own[..., 3].any()


def test_noise_has_the_deviation_asked_for_and_is_uncorrelated():
    plain = tf.fill([4, 64, 64, 3], 0.5)
    noise = restore.damaged("denoise", plain, SEED, (25.0, 25.0)).numpy()[..., :3] - 0.5
    assert 255 * noise.std() == pytest.approx(25.0, rel=0.02)
    assert abs(255 * noise.mean()) < 0.5
    beside = np.mean(noise[:, :, 1:] * noise[:, :, :-1]) / noise.var()
    across = np.mean(noise[..., 0] * noise[..., 1]) / noise.var()
    pictures = np.mean(noise[0] * noise[1]) / noise.var()
    assert max(abs(beside), abs(across), abs(pictures)) < 0.03


def test_each_picture_draws_its_own_deviation_within_the_range():
    plain = tf.fill([32, 32, 32, 3], 0.5)
    noise = restore.damaged("denoise", plain, SEED, (5.0, 40.0)).numpy()[..., :3]
    found = 255 * noise.std(axis=(1, 2, 3))
    assert 4.5 < found.min() < 12.0
    assert 33.0 < found.max() < 42.0


def test_grey_is_luminance_in_three_equal_channels(pictures):
    given = restore.damaged("colourise", pictures, SEED).numpy()
    expected = pictures.numpy() @ np.array([0.299, 0.587, 0.114], np.float32)
    for channel in range(3):
        np.testing.assert_allclose(given[..., channel], expected, atol=1e-6)


def test_flat_contrast_keeps_order_and_narrows_the_range(pictures):
    ramp = tf.tile(tf.reshape(tf.linspace(0.05, 0.95, 64), [1, 1, 64, 1]), [16, 2, 1, 3])
    given = restore.damaged("contrast", ramp, SEED).numpy()[..., :3]
    assert (np.diff(given, axis=2) > 0).all()
    span = given[:, 0, -1, 0] - given[:, 0, 0, 0]
    assert (span < 0.9).all()
    assert span.min() < 0.5 < span.max()  # each picture draws its own


def test_holes_are_rectangles_and_strokes_where_a_loop_finds_them():
    height, width = 24, 32
    mask = restore.holes((2, height, width, 3), SEED).numpy()
    boxes = tf.random.stateless_uniform([2, restore.RECTANGLES, 4, 1, 1], SEED).numpy()
    lines = tf.random.stateless_uniform([2, restore.STROKES, 5, 1, 1], SEED + 1).numpy()
    expected = np.zeros_like(mask)
    for picture in range(2):
        for row in range(height):
            for column in range(width):
                y, x = (row + 0.5) / height, (column + 0.5) / width
                inside = _in_boxes(y, x, boxes[picture, ..., 0, 0])
                if inside or _on_lines(y, x, lines[picture, ..., 0, 0]):
                    expected[picture, row, column] = 1.0
    assert (mask != expected).mean() < 0.003  # rounding at an edge
    assert 0.02 < expected.mean() < 0.6


def _in_boxes(y, x, boxes):
    low, high = restore.RECTANGLE
    return any(
        abs(y - top) < (low + (high - low) * tall) / 2
        and abs(x - left) < (low + (high - low) * wide) / 2
        for top, left, tall, wide in boxes
    )


def _on_lines(y, x, lines):
    low, high = restore.STROKE
    for top, left, bottom, right, wide in lines:
        points = np.linspace([top, left], [bottom, right], 2001)
        if np.hypot(*(points - [y, x]).T).min() < low + (high - low) * wide:
            return True
    return False


def test_inpainting_leaves_what_is_known_untouched_and_marks_the_rest(pictures):
    given = restore.damaged("inpaint", pictures, SEED).numpy()
    hole = given[..., 3] == 1.0
    assert hole.any() and not hole.all()
    np.testing.assert_array_equal(given[~hole][:, :3], pictures.numpy()[~hole])
    assert (given[hole][:, :3] != pictures.numpy()[hole]).mean() > 0.95


@pytest.mark.parametrize("kind", sizes.KINDS)
def test_damage_is_a_function_of_picture_and_seed(pictures, kind):
    first, again, other = (
        restore.damaged(kind, pictures, seed, (5.0, 40.0)).numpy()
        for seed in (SEED, SEED, SEED + 1)
    )
    np.testing.assert_array_equal(first, again)
    drawn = kind in ("denoise", "inpaint", "contrast")
    assert (first != other).any() == drawn
    assert first.min() >= 0.0 and first.max() <= 1.0


def test_a_mixed_batch_gives_each_picture_its_kind(pictures):
    kinds = ("colourise", "enlarge2")
    mixed = restore.mixed(kinds, pictures, tf.constant([1, 0]), SEED, (5.0, 5.0)).numpy()
    for place, kind in ((0, "enlarge2"), (1, "colourise")):
        np.testing.assert_array_equal(mixed[place], restore.damaged(kind, pictures, SEED)[place])


@pytest.mark.parametrize("text", ["", "scratches", "denoise,denoise"])
def test_kinds_that_cannot_be_are_refused(text):
    with pytest.raises(InputError, match="--damage"):
        sizes.parse_kinds(text)
    assert sizes.parse_kinds(" denoise, inpaint") == ("denoise", "inpaint")
