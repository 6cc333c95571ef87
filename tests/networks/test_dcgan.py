"""Pictures from noise: shapes and ranges, what decides a picture, and no grid of the doublings."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.networks import dcgan
from stylegan_culture.networks.dcgan import NoiseGenerator
from stylegan_culture.networks.sizes import SamplerConfig, stage_sizes
from stylegan_culture.networks.vae import PictureEncoder, Vae

SMALL = SamplerConfig(width=4, noise_size=6, code_size=5)


@pytest.fixture(scope="module")
def generator():
    keras.utils.set_random_seed(1)
    return NoiseGenerator(3, 32, SMALL).create_weights()


def _noise(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 6)).astype(np.float32)


@pytest.mark.parametrize("size", [8, 16, 64])
def test_pictures_have_the_size_asked_for_and_lie_in_range(size):
    drawn = np.asarray(NoiseGenerator(3, size, SMALL)(_noise(2), np.eye(3, dtype="f4")[:2]))
    assert drawn.shape == (2, size, size, 3)
    assert drawn.dtype == np.float32 and 0.0 <= drawn.min() < drawn.max() <= 1.0


@pytest.mark.parametrize("size", [4, 12, 48, 0])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match=str(size)):
        stage_sizes(size)


def test_culture_and_noise_both_decide_the_picture(generator):
    point, labels = _noise(1), np.eye(3, dtype="f4")
    drawn = np.asarray(generator(np.repeat(point, 3, 0), labels))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(drawn[one] - drawn[other]).mean() > 0.01
    again, other = generator(_noise(2, seed=4), labels[[0, 0]])
    assert np.abs(np.asarray(again) - np.asarray(other)).mean() > 0.01


def test_the_culture_has_a_gradient_at_every_map(generator):
    """Not at the first alone: each modulation is asked by itself."""
    label = tf.constant([[1.0, 0.0, 0.0]])
    for modulation in generator.modulations:
        with tf.GradientTape() as tape:
            tape.watch(label)
            code = generator.code(_noise(1), label)
            features = tf.ones((1, 2, 2, modulation.channels))
            weights = tf.reshape(tf.range(features.shape[-1], dtype=tf.float32), (1, 1, 1, -1))
            value = tf.reduce_sum(weights * modulation(features, code))
        assert float(tf.reduce_max(tf.abs(tape.gradient(value, label)))) > 0.0


def test_a_picture_does_not_depend_on_the_others_of_its_batch(generator):
    points, labels = _noise(3), np.eye(3, dtype="f4")
    alone = np.asarray(generator(points[:1], labels[:1]))
    np.testing.assert_allclose(np.asarray(generator(points, labels))[:1], alone, atol=1e-5)


def test_doublings_leave_no_checkerboard(monkeypatch):
    """Of maps that say the same everywhere, a picture: its 2x2 phases agree, up to the borders."""
    keras.utils.set_random_seed(2)
    network = NoiseGenerator(1, 32, SMALL).create_weights()
    for place in network.places:
        place.assign(tf.zeros_like(place))
    monkeypatch.setattr(dcgan, "standardised", lambda features: features)
    kernel, bias = network.start.get_weights()
    flat = np.tile(kernel.reshape(len(kernel), 16, -1)[:, :1], (1, 16, 1))
    network.start.set_weights([flat.reshape(kernel.shape), bias])
    drawn = np.asarray(network(_noise(1), np.ones((1, 1), "f4")))[0]
    phases = [drawn[row::2, column::2].mean((0, 1)) for row in (0, 1) for column in (0, 1)]
    assert np.ptp(phases, axis=0).max() < 1e-4 and drawn.std((0, 1)).max() < 1e-4
    assert drawn.mean((0, 1)).std() > 0.0


def test_normalised_maps_have_mean_0_and_deviation_1():
    features = np.random.default_rng(3).normal(2.0, 3.0, (2, 8, 8, 4)).astype("f4")
    result = np.asarray(dcgan.standardised(features))
    mean, deviation = features.mean((1, 2)), features.std((1, 2))
    expected = (features - mean[:, None, None]) / deviation[:, None, None]
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_an_encoder_gives_a_gaussian_over_the_generators_noise():
    pictures = np.random.default_rng(4).uniform(size=(2, 32, 32, 3)).astype("f4")
    mean, log_variance = PictureEncoder(32, SMALL)(pictures)
    assert mean.shape == log_variance.shape == (2, 6)
    assert np.abs(np.asarray(mean[0] - mean[1])).max() > 0.0
    far = PictureEncoder(32, SMALL)
    far(pictures)
    far.code.set_weights([1e4 * value for value in far.code.get_weights()])
    limits = np.asarray(far(pictures)[1])
    assert limits.min() >= -10.0 and limits.max() <= 4.0


def test_a_vae_decodes_the_mean_of_its_encoder():
    model = Vae(3, 16, SMALL).create_weights()
    pictures = np.random.default_rng(5).uniform(size=(2, 16, 16, 3)).astype("f4")
    labels = np.eye(3, dtype="f4")[1:]
    expected = model.decoder(model.encoder(pictures)[0], labels)
    np.testing.assert_allclose(model(pictures, labels), expected, atol=1e-6)


def test_half_precision_keeps_weights_and_pictures_in_float32():
    network = NoiseGenerator(2, 16, SMALL, dtype=keras.DTypePolicy("mixed_bfloat16"))
    assert network(_noise(1), np.ones((1, 2), "f4")).dtype == tf.float32
    assert {variable.dtype for variable in network.variables} == {"float32"}
