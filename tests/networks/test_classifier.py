"""The culture classifier: logits per culture, and statistics that only training moves."""

import keras
import numpy as np
import oracles
import tensorflow as tf

from stylegan_culture.networks.classifier import CultureClassifier


def test_logits_have_one_number_per_culture_at_any_size(generator):
    model = CultureClassifier(5, width=8)
    for shape in ((32, 32), (64, 48)):
        logits = model(generator.uniform(size=(3, *shape, 3)).astype(np.float32))
        assert logits.shape == (3, 5) and logits.dtype == tf.float32


def test_logits_follow_the_formula(generator):
    """Convolutions, batch norm of moving statistics, rectifier, global mean, dense: by SciPy."""
    model = CultureClassifier(4, width=4)
    image = generator.uniform(size=(1, 32, 32, 3)).astype(np.float32)
    model(image)
    for variable in model.non_trainable_variables:
        variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    features = 2.0 * image[0] - 1.0
    for convolution, norm in zip(model.convolutions, model.norms, strict=True):
        features = oracles.convolve(features, *convolution.get_weights(), stride=2)
        gamma, beta, mean, variance = norm.get_weights()
        features = gamma * (features - mean) / np.sqrt(variance + norm.epsilon) + beta
        features = np.maximum(features, 0.0)
    kernel, bias = model.logits.get_weights()
    np.testing.assert_allclose(
        model(image)[0], features.mean((0, 1)) @ kernel + bias, rtol=1e-3, atol=1e-4
    )


def test_only_training_moves_the_statistics(generator):
    model = CultureClassifier(3, width=4)
    images = generator.uniform(size=(4, 32, 32, 3)).astype(np.float32)
    before = [np.asarray(model(images)) * 0] + [np.array(v) for v in model.non_trainable_variables]
    model(images, training=False)
    for variable, value in zip(model.non_trainable_variables, before[1:], strict=True):
        np.testing.assert_array_equal(variable, value)
    model(images, training=True)
    assert any(
        np.abs(np.asarray(variable) - value).max() > 1e-4
        for variable, value in zip(model.non_trainable_variables, before[1:], strict=True)
    )


def test_half_precision_gives_float32_logits_near_the_whole_ones(generator):
    images = generator.uniform(size=(2, 32, 32, 3)).astype(np.float32)
    whole, half = (
        CultureClassifier(3, width=8, dtype=keras.DTypePolicy(name))
        for name in ("float32", "mixed_bfloat16")
    )
    expected = whole(images)
    half(images)
    half.set_weights(whole.get_weights())
    assert half(images).dtype == tf.float32
    np.testing.assert_allclose(half(images), expected, atol=0.05)
