"""The up-convolution: the same as doubling and convolving, at a quarter of the work."""

import numpy as np
import oracles
import pytest
import tensorflow as tf
from scipy import ndimage

from stylegan_culture.networks import blocks


def _features(generator, shape=(2, 6, 8, 4)):
    return generator.normal(size=shape).astype(np.float32)


def _doubled(picture, smooth):
    """`[H, W, C]` at twice the size: each pixel repeated, or three quarters of it and a quarter of
    its neighbour on that side, the outermost being its neighbour too."""
    for axis in (0, 1):
        doubled = picture.repeat(2, axis=axis)
        if smooth:
            count = picture.shape[axis]
            beside = np.arange(2 * count) // 2 + np.tile([-1, 1], count)
            doubled = 0.75 * doubled + 0.25 * picture.take(np.clip(beside, 0, count - 1), axis=axis)
        picture = doubled
    return picture


@pytest.mark.parametrize("smooth", [False, True])
def test_an_up_convolution_is_doubling_and_a_convolution_for_any_kernel(generator, smooth):
    """Computed at low resolution, it must equal the plain form: double, repeat edges, convolve."""
    features = _features(generator, (2, 3, 5, 4))
    layer = blocks.UpConvolution(6, smooth=smooth)
    assert layer(features).shape == (2, 6, 10, 6)
    layer.set_weights([generator.normal(size=variable.shape) for variable in layer.weights])
    computed, (kernel, bias) = np.asarray(layer(features)), layer.get_weights()
    for picture, result in zip(features, computed, strict=True):
        padded = np.pad(_doubled(picture, smooth), [(1, 1), (1, 1), (0, 0)], mode="edge")
        expected = oracles.convolve(padded, kernel, bias)[1:-1, 1:-1]
        np.testing.assert_allclose(result, expected, atol=1e-4)


def test_a_new_up_convolution_is_one_convolution_of_the_doubled_features(generator):
    """So no checkerboard at birth. The 3x3 kernel is recovered from the output by least squares:
    nothing is left over, and its deviation suits a rectifier: `2 / (1 + 0.2^2)` over the inputs."""
    features = _features(generator, (1, 12, 14, 8))
    result = np.asarray(blocks.UpConvolution(24)(features))[0].reshape(-1, 24)
    doubled = features[0].repeat(2, axis=0).repeat(2, axis=1)
    padded = np.pad(doubled, [(1, 1), (1, 1), (0, 0)], mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    patches = patches.reshape(len(result), -1).astype(np.float64)
    kernel = np.linalg.lstsq(patches, result, rcond=None)[0]
    np.testing.assert_allclose(patches @ kernel, result, atol=1e-4)
    assert kernel.std() == pytest.approx((2 / 1.04 / (9 * 8)) ** 0.5, rel=0.1)


def test_the_low_pass_is_a_binomial_filter_of_what_was_doubled(generator):
    features = _features(generator, (1, 5, 6, 4))
    plain, filtered = (blocks.UpConvolution(3, True, lowpass) for lowpass in (False, True))
    expected = np.asarray(plain(features))[0]
    filtered(features)
    filtered.set_weights(plain.get_weights())
    for axis in (0, 1):
        expected = ndimage.convolve1d(expected, [0.25, 0.5, 0.25], axis=axis, mode="mirror")
    np.testing.assert_allclose(filtered(features)[0], expected, atol=1e-5)


def test_an_up_convolution_of_unknown_size_is_the_same(generator):
    features, layer = _features(generator, (2, 3, 5, 4)), blocks.UpConvolution(6)
    expected = layer(features)
    compiled = tf.function(
        lambda x: layer(x), input_signature=[tf.TensorSpec([None, None, None, 4], tf.float32)]
    )
    np.testing.assert_allclose(compiled(features), expected, atol=1e-6)
