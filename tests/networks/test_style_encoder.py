"""The style encoder: which pictures it takes, and what it reads of them."""

import numpy as np
import oracles

from stylegan_culture.networks.generator import StyleEncoder


def test_the_style_encoder_takes_any_size_and_ignores_where_things_are(culture_model, generator):
    encoder = culture_model.encoder
    for shape in ((32, 32), (32, 64), (64, 40)):
        mean, log_variance = encoder(generator.uniform(size=(2, *shape, 3)).astype(np.float32))
        assert mean.shape == log_variance.shape == (2, 64)
    texture = np.tile(generator.uniform(size=(1, 32, 32, 3)), (1, 3, 3, 1)).astype(np.float32)
    shifted = np.roll(texture, 32, axis=1)
    np.testing.assert_allclose(encoder(texture)[0], encoder(shifted)[0], atol=1e-5)


def test_the_log_variance_stays_within_its_bounds(small_sizes, generator):
    encoder = StyleEncoder(small_sizes)
    image = generator.uniform(size=(2, 32, 32, 3)).astype(np.float32)
    encoder(image)
    kernel, bias = encoder.code.get_weights()
    for shift, bound in ((1e3, 2.0), (-1e3, -8.0)):
        encoder.code.set_weights([kernel, bias + shift])
        mean, log_variance = encoder(image)
        np.testing.assert_array_equal(log_variance, np.full((2, 64), bound, np.float32))
        assert np.abs(mean).min() > 100.0


def test_the_style_encoder_reads_mean_and_deviation_of_its_last_features(small_sizes, generator):
    """The whole encoder by SciPy on one 32 px picture."""
    encoder = StyleEncoder(small_sizes)
    image = generator.uniform(size=(1, 32, 32, 3)).astype(np.float32)
    mean, log_variance = encoder(image)
    features = 2.0 * image[0] - 1.0
    for layer, stride in zip((*encoder.convolutions, encoder.last), (2, 2, 2, 1), strict=True):
        features = oracles.convolve(features, *layer.get_weights(), stride)
        features = np.where(features > 0, features, 0.2 * features)
    read = np.concatenate([features.mean((0, 1)), np.sqrt(features.var((0, 1)) + 1e-6)])
    kernel, bias = encoder.hidden.get_weights()
    hidden = read @ kernel + bias
    kernel, bias = encoder.code.get_weights()
    expected = np.where(hidden > 0, hidden, 0.2 * hidden) @ kernel + bias
    np.testing.assert_allclose(mean[0], expected[:64], atol=1e-4)
    np.testing.assert_allclose(log_variance[0], np.clip(expected[64:], -8, 2), atol=1e-4)
