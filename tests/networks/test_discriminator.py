"""Discriminators: spectral norm against the SVD, its gradient, logit maps per culture."""

import dataclasses

import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.networks.discriminator import (
    Discriminator,
    FeatureDiscriminator,
    RunningScale,
    SpectralConvolution,
    of_culture,
)
from stylegan_culture.networks.sizes import DiscriminatorConfig

SMALL = DiscriminatorConfig(trunk_width=8, trunk_layers=3, head_width=8)


def _settled(shape=(3, 3, 6, 10), iterations=200, seed=0):
    """A layer whose power iteration has converged on a random kernel of this shape."""
    layer = SpectralConvolution(shape[3], kernel=shape[0])
    layer.build((1, 8, 8, shape[2]))
    layer.kernel.assign(np.random.default_rng(seed).normal(size=shape))
    for _ in range(iterations):
        layer.spectral_kernel(update=True)
    return layer


@pytest.mark.parametrize("shape", [(3, 3, 6, 10), (1, 1, 5, 3), (3, 3, 4, 1)])
def test_power_iteration_finds_the_largest_singular_value(shape):
    layer = _settled(shape)
    computed = np.asarray(layer.spectral_kernel(update=False))
    expected = np.asarray(layer.kernel) / oracles.spectral_norm(layer.kernel)
    assert oracles.relative_frobenius(computed, expected) < 1e-4
    assert oracles.spectral_norm(computed) == pytest.approx(1.0, abs=1e-4)


def test_one_training_call_iterates_once_and_a_verdict_never(generator):
    features = generator.normal(size=(1, 8, 8, 6)).astype(np.float32)
    layer = SpectralConvolution(10)
    layer(features)
    before = np.asarray(layer.left)
    layer(features, training=False)
    np.testing.assert_array_equal(layer.left, before)
    layer(features, training=True)
    matrix = np.asarray(layer.kernel, np.float64).reshape(-1, 10)
    expected = before @ matrix.T @ matrix
    np.testing.assert_allclose(layer.left, expected / np.linalg.norm(expected), atol=1e-5)
    assert np.abs(np.asarray(layer.left) - before).max() > 0


def test_the_norm_approaches_from_below_as_training_goes_on():
    layer = SpectralConvolution(10)
    layer.build((1, 8, 8, 6))
    layer.kernel.assign(np.random.default_rng(3).normal(size=(3, 3, 6, 10)))
    true, ratios = oracles.spectral_norm(layer.kernel), []
    for _ in range(40):
        kernel = np.asarray(layer.spectral_kernel(update=True))
        ratios.append(np.linalg.norm(layer.kernel) / np.linalg.norm(kernel) / true)
    assert ratios == sorted(ratios) or np.diff(ratios).min() > -1e-6
    assert ratios[0] < 0.99 and ratios[-1] == pytest.approx(1.0, abs=0.01)


def test_the_gradient_includes_the_norm():
    """`d<C, W/s> / dW = C/s - <C, W>/s^2 u v'` with `ds/dW = u v'` of the first singular pair.
    Where the norm is left out of the gradient the second term is missing."""
    layer = _settled()
    matrix = np.asarray(layer.kernel, np.float64).reshape(-1, 10)
    weight = np.random.default_rng(5).normal(size=matrix.shape)
    with tf.GradientTape() as tape:
        normalised = layer.spectral_kernel(update=False)
        value = tf.reduce_sum(tf.reshape(normalised, matrix.shape) * weight.astype(np.float32))
    computed = np.asarray(tape.gradient(value, layer.kernel.value)).reshape(matrix.shape)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    norm, direction = values[0], np.outer(left[:, 0], right[0])
    expected = weight / norm - (weight * matrix).sum() / norm**2 * direction
    assert oracles.relative_frobenius(computed, expected) < 1e-3
    assert oracles.relative_frobenius(computed, weight / norm) > 0.01


def test_the_gradient_leaves_the_kernels_length_alone():
    """`W/s(W)` does not change when W is scaled, so the gradient is orthogonal to W."""
    layer = _settled()
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer.spectral_kernel(update=False) ** 3)
    gradient = np.asarray(tape.gradient(value, layer.kernel.value), np.float64)
    kernel = np.asarray(layer.kernel, np.float64)
    cosine = (gradient * kernel).sum() / np.linalg.norm(gradient) / np.linalg.norm(kernel)
    assert abs(cosine) < 1e-4


def test_training_never_overwrites_the_kernel(generator):
    features = generator.normal(size=(1, 8, 8, 6)).astype(np.float32)
    layer = SpectralConvolution(10)
    layer(features)
    before = np.asarray(layer.kernel)
    layer(features, training=True)
    np.testing.assert_array_equal(layer.kernel, before)
    assert len(layer.trainable_variables) == 2 and len(layer.non_trainable_variables) == 1


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
def test_the_convolution_uses_the_normalised_kernel(generator, kernel, stride):
    features = generator.normal(size=(1, 8, 10, 4)).astype(np.float32)
    layer = SpectralConvolution(6, kernel, stride)
    layer(features)
    layer.bias.assign(generator.normal(size=6))
    # Largest singular values far enough apart for the power iteration to end.
    u, _, v = np.linalg.svd(np.reshape(layer.kernel, (-1, 6)), full_matrices=False)
    spectrum = np.array([3.0, 2.0, 1.0, 0.5, 0.2, 0.1])
    layer.kernel.assign(np.reshape((u * spectrum[: len(v)]) @ v, layer.kernel.shape))
    for _ in range(50):
        layer.spectral_kernel(update=True)
    normalised = np.asarray(layer.kernel) / oracles.spectral_norm(layer.kernel)
    expected = oracles.convolve(features[0], normalised, np.asarray(layer.bias), stride)
    np.testing.assert_allclose(layer(features)[0], expected, atol=1e-3)


def test_half_precision_keeps_norms_in_float32(generator):
    features = tf.cast(generator.normal(size=(1, 8, 8, 4)), tf.bfloat16)
    layer = SpectralConvolution(6, dtype="mixed_bfloat16")
    assert layer(features, training=True).dtype == tf.bfloat16
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    assert layer.spectral_kernel(update=False).dtype == tf.float32


def test_logit_maps_have_one_channel_per_culture(generator):
    judge = Discriminator(5, SMALL)
    logits = judge(generator.uniform(size=(2, 32, 48, 3)).astype(np.float32))
    assert logits.shape == (2, 8, 12, 5)


def test_a_shared_verdict_is_added_to_the_map_of_every_culture(generator):
    """`D_k = u + v_k`: without `u` the maps are those of the cultures alone."""
    config = dataclasses.replace(SMALL, spectral_norm=False, shared_verdict=True)
    judge, image = Discriminator(3, config), generator.uniform(size=(2, 32, 32, 3)).astype("f4")
    whole, hidden = judge.with_features(image)
    each, shared = (np.asarray(part(hidden[-1])) for part in (judge.logits, judge.shared))
    assert each.shape[-1] == 3 and shared.shape[-1] == 1 and np.abs(shared).min() > 0.0
    np.testing.assert_allclose(whole, each + shared, atol=1e-5)
    assert Discriminator(3, SMALL).shared is None


def test_every_trunk_layer_is_spectrally_normalised(generator):
    """Iterated to the end, no layer's kernel stretches a patch by more than 1."""
    judge, image = Discriminator(5, SMALL), generator.uniform(size=(1, 32, 32, 3)).astype("f4")
    for _ in range(60):
        judge(image, training=True)
    layers = [*judge.trunk, judge.logits]
    assert len(layers) == SMALL.trunk_layers + 1
    for layer in layers:
        normalised = layer.spectral_kernel(update=False)
        assert oracles.spectral_norm(normalised) == pytest.approx(1.0, abs=0.03)


def test_each_sample_is_judged_by_its_own_cultures_map(generator):
    logits = generator.normal(size=(4, 3, 5, 6)).astype(np.float32)
    culture = np.int32([5, 0, 0, 3])
    expected = np.stack([logits[sample, ..., k] for sample, k in enumerate(culture)])
    np.testing.assert_allclose(of_culture(logits, culture), expected, atol=1e-6)
    half = of_culture(tf.cast(logits, tf.bfloat16), culture)
    assert half.dtype == tf.bfloat16 and half.shape == (4, 3, 5)


def test_the_running_scale_is_the_weighted_root_mean_square():
    """After features of mean square a_1 .. a_n: `sum 0.99^(n-i) a_i / sum 0.99^(n-i)`."""
    layer, squares = RunningScale(), [4.0, 100.0, 1.0, 25.0]
    for square in squares:
        layer(np.full((2, 3, 3, 4), square**0.5, np.float32), training=True)
    weights = 0.99 ** np.arange(len(squares))[::-1]
    expected = (weights * squares).sum() / weights.sum()
    result = layer(np.ones((1, 2, 2, 4), np.float32))
    np.testing.assert_allclose(result, np.full((1, 2, 2, 4), expected**-0.5), rtol=1e-4)


def test_the_running_scale_stands_still_outside_training(generator):
    features = generator.normal(size=(2, 4, 4, 3)).astype(np.float32)
    layer = RunningScale()
    layer(features, training=True)
    before = layer.get_weights()
    layer(100.0 * features, training=False)
    for computed, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(computed, expected)
    assert not layer.trainable_variables


def test_feature_heads_judge_every_tap_whatever_its_scale(generator):
    """Two sets of heads with equal weights, fed features that differ by 1000: equal logits."""
    shapes = {"early": (2, 16, 16, 6), "late": (2, 8, 8, 10)}
    features = {k: generator.normal(size=s).astype(np.float32) for k, s in shapes.items()}
    larger = {name: 1000.0 * value for name, value in features.items()}
    first, second = (FeatureDiscriminator(tuple(shapes), 3, SMALL) for _ in range(2))
    first(features), second(larger)
    second.set_weights(first.get_weights())
    logits = first(features, training=True)
    assert {name: tuple(value.shape) for name, value in logits.items()} == {
        "early": (2, 8, 8, 3),
        "late": (2, 4, 4, 3),
    }
    for name, value in second(larger, training=True).items():
        np.testing.assert_allclose(value, logits[name], atol=1e-3)


def test_feature_heads_know_all_their_variables():
    """Per tap three layers of kernel, bias and singular vector, and a scale of two numbers."""
    heads = FeatureDiscriminator(("early", "late"), 3, SMALL)
    heads({"early": np.ones((1, 8, 8, 6), "f4"), "late": np.ones((1, 4, 4, 6), "f4")})
    assert len(heads.variables) == 2 * (3 * 3 + 2)
    assert len(heads.trainable_variables) == 2 * 3 * 2
