"""The restoring network: how holes are filled, what it sees, and what its codes do."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.arrays import load_weights
from stylegan_culture.config import InputError
from stylegan_culture.networks.holes import filled, kept_around, with_holes
from stylegan_culture.networks.restoration import RestorationModel
from stylegan_culture.networks.sizes import RestorationConfig

SIZES = RestorationConfig(blocks=1, code_size=8, refining_width=8, refining_blocks=1)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    return RestorationModel(("denoise", "inpaint"), SIZES).create_weights()


def test_around_a_hole_the_given_picture_stays(generator):
    """Without a hole all is restored; with one, the hole alone."""
    given, restored = generator.uniform(size=(2, 2, 4, 6, 3)).astype(np.float32)
    mask = np.zeros((2, 4, 6, 1), np.float32)
    mask[1, 2, 3:5] = 1.0
    kept = np.array(kept_around(np.concatenate([given, mask], -1), restored))
    np.testing.assert_array_equal(kept[0], restored[0])
    np.testing.assert_array_equal(kept[1, 2, 3:5], restored[1, 2, 3:5])
    kept[1, 2, 3:5] = given[1, 2, 3:5]
    np.testing.assert_array_equal(kept[1], given[1])


def test_holes_take_the_colour_that_surrounds_them(generator):
    picture = np.ones((1, 21, 30, 3), np.float32) * np.array([0.2, 0.5, 0.9], np.float32)
    hole = np.zeros((1, 21, 30, 1), np.float32)
    hole[:, 4:17, 6:20] = 1.0
    broken = np.where(hole > 0, generator.uniform(size=picture.shape), picture).astype(np.float32)
    np.testing.assert_allclose(filled(broken, hole), picture, atol=1e-5)


def test_known_pixels_stay_bit_for_bit_and_holes_stay_within_them(generator):
    picture = generator.uniform(0.3, 0.6, (2, 16, 24, 3)).astype(np.float32)
    hole = (generator.uniform(size=(2, 16, 24, 1)) < 0.4).astype(np.float32)
    given = np.asarray(with_holes(picture, hole))
    outside = hole[..., 0] == 0
    np.testing.assert_array_equal(given[..., :3][outside], picture[outside])
    np.testing.assert_array_equal(given[..., 3:], hole)
    assert given[..., :3].min() >= 0.299 and given[..., :3].max() <= 0.601


def test_a_picture_that_is_one_hole_is_grey():
    ones = np.ones((1, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(filled(ones, ones[..., :1]), 0.5 * ones)


def test_the_refiner_sees_no_further_than_it_says(model, generator):
    given = generator.uniform(size=(1, 64, 64, 4)).astype(np.float32)
    draft = given[..., :3]
    code = model.codes(np.array([0]))
    changed = given.copy()
    changed[:, 32, 32] = 1.0 - changed[:, 32, 32]
    difference = np.abs(model.refiner(given, draft, code) - model.refiner(changed, draft, code))
    rows, columns = np.nonzero(difference.sum((0, 3)))
    assert len(rows)
    assert max(np.abs(rows - 32).max(), np.abs(columns - 32).max()) <= model.refiner.reach


def test_every_kind_has_a_code_of_its_own_that_changes_the_result(model, generator):
    given = generator.uniform(size=(1, 16, 16, 4)).astype(np.float32)
    both = np.repeat(given, 2, axis=0)
    first, second = np.asarray(model.restore(both, np.array([0, 1])))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(model.restore(given, np.array([1]))[0], second, atol=1e-5)


def test_gradients_reach_every_weight(model, generator):
    given = generator.uniform(size=(2, 16, 16, 4)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(given, np.array([0, 1])) ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert len(gradients) > 20
    assert all(g is not None and np.abs(g).max() > 0 for g in gradients)


def test_weights_of_another_size_are_refused(model, tmp_path):
    path = tmp_path / "model.weights.h5"

    def load(sizes):
        build = RestorationModel(model.kinds, sizes).create_weights
        return load_weights(path, sizes.least_weights(), build, "train anew")

    with pytest.raises(InputError, match="does not exist"):
        load(SIZES)
    model.save_weights(path)
    with pytest.raises(InputError, match="of a smaller network"):
        load(RestorationConfig())
    with pytest.raises(InputError, match="of another network"):
        load(dataclasses.replace(SIZES, refining_width=7))
