"""DiffAugment: a function of the seed alone, differentiable, and within the limits it states."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.training import augment

SIZE, BATCH = 32, 64
SEED = tf.constant([3, 14], tf.int32)


@pytest.fixture
def images(generator):
    return tf.constant(generator.uniform(0.1, 0.9, (BATCH, SIZE, SIZE, 3)), tf.float32)


def _numbered(batch=BATCH):
    """Pictures whose pixels say where they are: 1 + row * SIZE + column."""
    places = 1.0 + np.arange(SIZE * SIZE, dtype=np.float32).reshape(1, SIZE, SIZE, 1)
    return tf.constant(np.tile(places, (batch, 1, 1, 3)))


def test_names_are_parsed_and_unknown_ones_refused():
    assert augment.parse_kinds("translation,cutout") == ("translation", "cutout")
    assert augment.parse_kinds("") == ()
    with pytest.raises(InputError, match="'rotate'.*translation, cutout, colour"):
        augment.parse_kinds("cutout,rotate")


def test_without_kinds_nothing_changes(images):
    np.testing.assert_array_equal(augment.augment(images, (), SEED), images)


@pytest.mark.parametrize("kind", augment.KINDS)
def test_the_seed_alone_decides(images, kind):
    first = augment.augment(images, (kind,), SEED)
    tf.random.normal([3])  # other draws in between have no say
    np.testing.assert_array_equal(augment.augment(images, (kind,), SEED), first)
    compiled = tf.function(lambda x, s: augment.augment(x, (kind,), s))
    np.testing.assert_allclose(compiled(images, SEED), first, atol=1e-6)
    other = np.asarray(augment.augment(images, (kind,), SEED + 1))
    assert np.abs(other - np.asarray(first)).max() > 0.01


@pytest.mark.parametrize("kind", augment.KINDS)
def test_pictures_of_a_batch_change_differently(images, kind):
    same = tf.repeat(images[:1], BATCH, axis=0)
    changed = np.asarray(augment.augment(same, (kind,), SEED))
    assert len({picture.tobytes() for picture in changed}) > BATCH // 4


@pytest.mark.parametrize("kinds", [*((kind,) for kind in augment.KINDS), augment.KINDS])
def test_gradients_are_those_of_the_change(images, kinds):
    """All changes are affine in the pixels, so `f(x + h) - f(x)` is exactly the gradient's."""
    step = tf.random.stateless_normal(images.shape, [1, 2]) * 0.1
    weight = tf.random.stateless_normal(images.shape, [3, 4])
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(weight * augment.augment(images, kinds, SEED))
    found = tf.reduce_sum(tape.gradient(value, images) * step)
    moved = augment.augment(images + step, kinds, SEED) - augment.augment(images, kinds, SEED)
    assert float(found) == pytest.approx(float(tf.reduce_sum(weight * moved)), rel=1e-3, abs=0.05)


def test_translation_shifts_whole_pixels_by_at_most_an_eighth():
    """A pixel number that appears at (r, c) came from a place at most SIZE / 8 away."""
    changed, shifts = np.asarray(augment.augment(_numbered(), ("translation",), SEED)), set()
    for picture in changed[..., 0]:
        rows, columns = np.nonzero(picture)
        origins = picture[rows, columns].astype(int) - 1
        moves = {
            (int(a), int(b))
            for a, b in zip(origins // SIZE - rows, origins % SIZE - columns, strict=True)
        }
        assert len(moves) == 1
        ((down, right),) = moves
        assert len(rows) == (SIZE - abs(down)) * (SIZE - abs(right))  # the rest is black
        shifts.add((down, right))
    reach = SIZE // 8
    assert {abs(value) for pair in shifts for value in pair} <= set(range(reach + 1))
    assert reach in {abs(value) for pair in shifts for value in pair} and len(shifts) > 20


def test_cut_out_blanks_one_square_of_half_the_side():
    """Whole squares are SIZE / 2 (to a pixel) on a side; those at the border are cut off by it."""
    changed, sides = np.asarray(augment.augment(_numbered(), ("cutout",), SEED)), []
    for picture, original in zip(changed[..., 0], np.asarray(_numbered())[..., 0], strict=True):
        rows, columns = np.nonzero(picture == 0)
        blank = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
        assert not picture[blank].any()
        kept = picture != 0
        kept[blank] = True
        assert kept.all()
        np.testing.assert_array_equal(picture[picture != 0], original[picture != 0])
        sides += [blank[0].stop - blank[0].start, blank[1].stop - blank[1].start]
    assert abs(max(sides) - SIZE // 2) <= 1
    assert min(sides) >= SIZE // 4


def test_colour_changes_brightness_saturation_and_contrast_within_their_limits(images):
    """Recovered from the pictures: the shift of the mean, the scale of the deviation from grey,
    and the scale of the grey picture about its mean."""
    changed, original = np.asarray(augment.augment(images, ("colour",), SEED)), np.asarray(images)
    axes = (1, 2, 3)
    brightness = changed.mean(axes) - original.mean(axes)
    grey, grey_before = changed.mean(3, keepdims=True), original.mean(3, keepdims=True)
    contrast = grey.std(axes) / grey_before.std(axes)
    saturation = (changed - grey).std(axes) / (original - grey_before).std(axes) / contrast
    for found, low, high in (
        (brightness, -0.25, 0.25),
        (contrast, 0.75, 1.25),
        (saturation, 0.5, 1.5),
    ):
        assert low - 1e-4 <= found.min() and found.max() <= high + 1e-4
        assert np.ptp(found) > 0.8 * (high - low)


def test_augmentations_follow_each_other_with_draws_of_their_own(images):
    """Twice the same kind is not the same change twice."""
    same = tf.repeat(images[:1], BATCH, axis=0)
    once = augment.augment(same, ("cutout",), SEED)
    twice = np.asarray(augment.augment(same, ("cutout", "cutout"), SEED))
    assert (twice == 0).sum() > (np.asarray(once) == 0).sum()
