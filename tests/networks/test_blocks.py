"""Layers against NumPy: padding, convolutions, modulation, and whitening with colouring."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.networks import blocks

CODE = 12


def _features(generator, shape=(2, 6, 8, 4)):
    return generator.normal(size=shape).astype(np.float32)


def _correlated(generator, shape=(2, 16, 20, 32)):
    """Features whose channels are correlated and off-centre, with a benign spectrum."""
    channels = shape[-1]
    mixing = np.eye(channels) + 0.3 * generator.normal(size=(channels, channels)) / channels**0.5
    return (generator.normal(size=shape) @ mixing + generator.normal(size=channels)).astype("f4")


def _whitening(generator, features, **kwargs):
    """A built layer whose parameters are large random numbers instead of the small start."""
    layer = blocks.WhiteningColouring(**kwargs)
    layer(features, np.zeros((len(features), CODE), "f4"), np.ones((len(features), 1), "f4"))
    for variable in layer.trainable_variables:
        variable.assign(0.4 * generator.normal(size=variable.shape))
    return layer


def _replace_all(layer):
    """Makes a layer's groups take over the style wholly for the code (1, 0, 0, ...), and that code
    ask for no colouring: `sigmoid(100) = 1` in float32."""
    for dense in (layer.matrix, layer.shift):
        dense.kernel.assign(np.zeros(dense.kernel.shape))
    amount = np.zeros(layer.amount.kernel.shape)
    amount[0] = 100.0
    layer.amount.kernel.assign(amount)
    return layer


def _codes(batch):
    return np.eye(1, CODE, dtype=np.float32).repeat(batch, axis=0)


@pytest.mark.parametrize(("pad", "mode"), [("reflect_pad", "reflect"), ("edge_pad", "edge")])
def test_padding_is_that_of_numpy(generator, pad, mode):
    features = _features(generator, (2, 3, 5, 4))
    expected = np.pad(features, [(0, 0), (1, 1), (1, 1), (0, 0)], mode=mode)
    np.testing.assert_array_equal(getattr(blocks, pad)(features), expected)


def test_a_wider_border_is_mirrored_as_numpy_does(generator):
    features = _features(generator, (2, 6, 5, 3))
    for border in (2, 3):
        around = [(0, 0), (border, border), (border, border), (0, 0)]
        expected = np.pad(features, around, mode="reflect")
        np.testing.assert_array_equal(blocks.reflect_pad(features, border), expected)


@pytest.mark.parametrize("kernel", [1, 3, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_convolution_is_the_reflect_padded_one(generator, kernel, stride, depthwise):
    features = _features(generator, (1, 8, 10, 4))
    layer = blocks.Convolution(4 if depthwise else 6, kernel, stride, depthwise=depthwise)
    computed = layer(features)
    weights, bias = layer.get_weights()
    bias = generator.normal(size=bias.shape).astype(np.float32)
    layer.set_weights([weights, bias])
    expected = oracles.convolve(features[0], weights, bias, stride, depthwise)
    assert computed.shape[1:3] == (8 // stride, 10 // stride)
    np.testing.assert_allclose(layer(features)[0], expected, atol=1e-5)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_a_new_convolution_gives_unit_noise_the_deviation_of_its_gain(generator, gain, depthwise):
    noise = _features(generator, (1, 32, 32, 128))
    layer = blocks.Convolution(128, gain=gain, depthwise=depthwise)
    assert np.asarray(layer(noise)).std() == pytest.approx(gain, rel=0.1)


def test_the_activation_and_its_gain_keep_the_mean_square(generator):
    """`E[f(g x)^2] = g^2 (1 + 0.2^2) / 2` for x of a unit Gaussian: 1 for the gain in use."""
    np.testing.assert_allclose(blocks.leaky_relu(np.float32([-5.0, 3.0])), [-1.0, 3.0])
    noise = generator.normal(size=400_000).astype(np.float32)
    activated = np.asarray(blocks.leaky_relu(blocks.ACTIVATED * noise))
    assert (activated**2).mean() == pytest.approx(1.0, abs=0.01)


def test_convolutions_put_no_frame_around_a_constant_picture():
    """Zero padding would darken the border; a constant stays constant at every stride."""
    constant = np.full((1, 12, 12, 4), 0.7, np.float32)
    for layer in (blocks.Convolution(8), blocks.Convolution(8, stride=2), blocks.UpConvolution(8)):
        value = np.asarray(layer(constant))
        middle = np.broadcast_to(value[:, 3:4, 3:4], value.shape)
        np.testing.assert_allclose(value, middle, atol=1e-5)
        assert np.abs(value).max() > 0.01


def test_a_zero_code_asks_for_nothing():
    layer = blocks.StyleDense(7)
    assert not np.asarray(layer(np.zeros((3, CODE), np.float32))).any()
    assert len(layer.weights) == 1


def test_a_modulation_by_the_zero_code_is_the_identity(generator):
    features = _features(generator)
    layer = blocks.Modulation()
    np.testing.assert_array_equal(layer(features, np.zeros((2, CODE), np.float32)), features)


def test_a_modulation_scales_and_shifts_each_channel(generator):
    features, code = _features(generator), generator.normal(size=(2, CODE)).astype(np.float32)
    layer = blocks.Modulation()
    computed = layer(features, code)
    scale, shift = np.split(code @ np.asarray(layer.affine.kernel), 2, axis=-1)
    expected = features * (1 + scale[:, None, None]) + shift[:, None, None]
    np.testing.assert_allclose(computed, expected, atol=1e-5)
    assert np.abs(expected - features).max() > 0.05


def test_a_modulated_block_is_its_formula(generator):
    features = _features(generator, (1, 8, 8, 4))
    code = 5.0 * generator.normal(size=(1, CODE)).astype(np.float32)
    block = blocks.ModulatedBlock(4)
    computed = block(features, code)
    spread, widen, narrow = (
        [np.asarray(v) for v in layer.trainable_variables]
        for layer in (block.spread, block.widen, block.narrow)
    )
    hidden = oracles.convolve(features[0], *spread, depthwise=True)
    hidden = oracles.convolve(hidden, *widen)
    scale, shift = np.split(code @ np.asarray(block.modulation.affine.kernel), 2, axis=-1)
    hidden = hidden * (1 + scale) + shift
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    np.testing.assert_allclose(
        computed[0], features[0] + oracles.convolve(hidden, *narrow), rtol=1e-4, atol=1e-4
    )


def test_a_modulated_block_reads_only_a_pixels_neighbours(generator):
    """Tiling a large picture relies on it: one changed pixel changes 3 x 3 pixels and no more."""
    features = _features(generator, (1, 12, 12, 4))
    changed = features.copy()
    changed[0, 5, 6] += 1.0
    code, block = np.ones((1, CODE), np.float32), blocks.ModulatedBlock(4)
    differs = (np.asarray(block(features, code)) != np.asarray(block(changed, code))).any(-1)[0]
    rows, columns = np.nonzero(differs)
    assert set(rows) == {4, 5, 6} and set(columns) == {5, 6, 7}


def test_whitened_features_have_identity_covariance_in_every_group(generator):
    """Identity colouring, whole replacement, and a shrinkage too small to matter."""
    features = _correlated(generator)
    layer = _replace_all(_whitening(generator, features, group=8, shrinkage=1e-6, floor=1e-8))
    result = np.asarray(layer(features, _codes(2), np.ones((2, 1), np.float32)))
    for picture in result:
        for group in np.split(picture.reshape(-1, 32), 4, axis=-1):
            mean, covariance = oracles.moments(group)
            np.testing.assert_allclose(mean, 0.0, atol=1e-4)
            assert oracles.relative_frobenius(covariance, np.eye(8)) < 1e-3


def test_shrinkage_leaves_the_covariance_that_its_formula_says(generator):
    """`W S W` with `W = S'^-1/2` is `S S'^-1`, since S and S' share their eigenvectors."""
    features = _correlated(generator, (1, 16, 16, 8))
    layer = _replace_all(_whitening(generator, features, group=8, shrinkage=0.2, floor=1e-8))
    result = np.asarray(layer(features, _codes(1), np.ones((1, 1), np.float32)))
    covariance = oracles.moments(features.reshape(-1, 8))[1]
    expected = covariance @ np.linalg.inv(oracles.shrunk(covariance, 0.2))
    computed = oracles.moments(result.reshape(-1, 8))[1]
    assert oracles.relative_frobenius(computed, expected) < 1e-3
    assert oracles.relative_frobenius(computed, np.eye(8)) > 0.05


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_whitening_and_colouring_follow_their_formula_pixel_by_pixel(generator, strength):
    features = _correlated(generator, (2, 6, 9, 16))
    code = generator.normal(size=(2, CODE)).astype(np.float32)
    layer = _whitening(generator, features, group=8, shrinkage=1e-2)
    computed = np.asarray(layer(features, code, np.full((2, 1), strength, np.float32)))
    matrices = (code @ np.asarray(layer.matrix.kernel)).reshape(2, 2, 8, 8)
    shifts = (code @ np.asarray(layer.shift.kernel)).reshape(2, 2, 8)
    amounts = 1.0 / (1.0 + np.exp(-(code @ np.asarray(layer.amount.kernel))))
    for picture, group in np.ndindex(2, 2):
        channels = slice(8 * group, 8 * group + 8)
        expected = oracles.whitened_and_coloured(
            features[picture, ..., channels],
            np.eye(8) + matrices[picture, group],
            shifts[picture, group],
            strength * amounts[picture, group],
            1e-2,
        )
        result = computed[picture, ..., channels]
        assert oracles.relative_frobenius(result, expected) < 1e-3


def test_strength_zero_returns_the_features_exactly(generator):
    features = _correlated(generator)
    code = 10.0 * generator.normal(size=(2, CODE)).astype(np.float32)
    layer = _whitening(generator, features)
    np.testing.assert_array_equal(layer(features, code, np.zeros((2, 1), np.float32)), features)


def test_strength_belongs_to_each_picture_alone(generator):
    features = _correlated(generator)
    code = generator.normal(size=(2, CODE)).astype(np.float32)
    layer = _whitening(generator, features)
    computed = np.asarray(layer(features, code, np.float32([[0.0], [1.0]])))
    alone = np.asarray(layer(features[1:], code[1:], np.ones((1, 1), np.float32)))
    np.testing.assert_array_equal(computed[0], features[0])
    np.testing.assert_allclose(computed[1], alone[0], atol=1e-4)


def test_given_moments_of_the_same_picture_change_nothing(generator):
    features = _correlated(generator)
    code = generator.normal(size=(2, CODE)).astype(np.float32)
    layer, strength = _whitening(generator, features), np.ones((2, 1), np.float32)
    mean, covariance = layer.moments(features)
    assert mean.shape == (2, 2, 16) and covariance.shape == (2, 2, 16, 16)
    computed = layer(features, code, strength, (mean, covariance))
    np.testing.assert_allclose(computed, layer(features, code, strength), atol=1e-5)


def test_a_part_with_the_moments_of_the_whole_is_that_part_of_the_whole(generator):
    features = _correlated(generator)
    code = generator.normal(size=(2, CODE)).astype(np.float32)
    layer, strength = _whitening(generator, features), np.ones((2, 1), np.float32)
    whole = np.asarray(layer(features, code, strength))[:, 2:9, 4:]
    part = features[:, 2:9, 4:]
    computed = layer(part, code, strength, layer.moments(features))
    np.testing.assert_allclose(computed, whole, atol=1e-4)
    assert np.abs(np.asarray(layer(part, code, strength)) - whole).max() > 0.1


@pytest.mark.parametrize("kind", ["constant", "one pixel wide colours", "dead channels"])
def test_degenerate_features_stay_finite(generator, kind):
    features = _correlated(generator, (1, 8, 8, 32))
    if kind == "constant":
        features[:] = 0.3
    elif kind == "dead channels":
        features[..., ::2] = 0.0
    else:
        features[:] = 0.0
        features[0, 4, 4] = 1.0
    layer = _whitening(generator, features)
    result = layer(features, np.ones((1, CODE), np.float32), np.ones((1, 1), np.float32))
    assert np.isfinite(result).all()


def test_channels_that_do_not_divide_into_groups_are_refused():
    layer = blocks.WhiteningColouring(group=16)
    with pytest.raises(ValueError, match="24 channels"):
        layer.build((1, 8, 8, 24), (1, CODE))


def test_whitening_stays_in_float32_in_half_precision_training(generator):
    features = _correlated(generator, (1, 8, 8, 32))
    layer = blocks.WhiteningColouring(dtype="mixed_bfloat16")
    result = layer(features, np.ones((1, CODE), np.float32), np.ones((1, 1), np.float32))
    assert result.dtype == tf.float32 and layer.compute_dtype == "float32"
    half = blocks.Convolution(8, dtype=keras.DTypePolicy("mixed_bfloat16"))
    assert half(tf.cast(features, tf.bfloat16)).dtype == tf.bfloat16
    assert {variable.dtype for variable in half.variables} == {"float32"}


def test_whitening_of_unknown_size_is_the_same(generator):
    features = _correlated(generator)
    code, strength = np.ones((2, CODE), np.float32), np.float32([[0.5], [1.0]])
    layer = _whitening(generator, features)
    compiled = tf.function(
        lambda x, c, s: layer(x, c, s),
        input_signature=[
            tf.TensorSpec([None, None, None, 32]),
            tf.TensorSpec([None, CODE]),
            tf.TensorSpec([None, 1]),
        ],
    )
    np.testing.assert_allclose(
        compiled(features, code, strength), layer(features, code, strength), atol=1e-5
    )
