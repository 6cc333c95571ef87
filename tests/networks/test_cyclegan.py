"""CycleGAN's networks: sizes, what a discriminator sees, normalisation, and files of weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.arrays import load_weights
from stylegan_culture.config import InputError
from stylegan_culture.networks import cyclegan
from stylegan_culture.networks.sizes import PatchConfig, TranslatorConfig

SMALL = TranslatorConfig(filters=2, blocks=0)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_a_logit_sees_a_patch_of_this_size_and_all_of_it(layers, field, norm):
    """The gradient of the middle logit; instance norms, which see the whole map, left out."""
    judge = cyclegan.PatchDiscriminator(PatchConfig(3, layers, norm))
    picture = tf.random.stateless_uniform([1, 152, 152, 3], [1, 2])
    with tf.GradientTape() as tape:
        tape.watch(picture)
        logits = judge(picture)
        verdict = logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]
    seen = np.abs(tape.gradient(verdict, picture)[0]).max(axis=-1)
    for axis in (0, 1):
        places = np.flatnonzero(seen.max(axis=axis))
        assert (places[-1] - places[0] + 1, len(places)) == (field, field)


def test_the_papers_discriminator_gives_30_x_30_logits_at_256_px():
    shape = keras.ops.shape
    judge = cyclegan.PatchDiscriminator(PatchConfig(2))
    assert shape(judge(tf.zeros([1, 256, 256, 3]))) == (1, 30, 30, 1)


def test_the_paper_sizes_have_as_many_weights_as_its_networks():
    """Kernels and biases of c7s1-64 ... c7s1-3 and C64 ... C512, counted by hand, and two numbers
    for each normalised channel."""

    def count(*layers):
        return sum(size * size * a * b + b for size, a, b in layers)

    generator = cyclegan.Translator(TranslatorConfig())
    generator(tf.zeros([1, 16, 16, 3]))
    outer = [(7, 3, 64), (3, 64, 128), (3, 128, 256), (3, 256, 128), (3, 128, 64), (7, 64, 3)]
    normed = 64 + 128 + 256 + 128 + 64 + 18 * 256
    assert generator.count_params() == count(*outer, *[(3, 256, 256)] * 18) + 2 * normed
    judge = cyclegan.PatchDiscriminator(PatchConfig())
    judge(tf.zeros([1, 64, 64, 3]))
    layers = [(4, 3, 64), (4, 64, 128), (4, 128, 256), (4, 256, 512), (4, 512, 1)]
    assert judge.count_params() == count(*layers) + 2 * (128 + 256 + 512)


def test_one_generator_takes_any_multiple_of_4_and_gives_values_in_range():
    generator = cyclegan.Translator(TranslatorConfig(filters=2, blocks=1))
    for size in ((16, 16), (20, 36), (44, 24)):
        picture = tf.random.stateless_uniform([2, *size, 3], [3, 4])
        result = np.asarray(generator(picture))
        assert result.shape == (2, *size, 3)
        assert 0.0 <= result.min() < result.max() <= 1.0


@pytest.mark.parametrize(("residual", "scale", "shift"), [(True, 0.98, 0.01), (False, 0.0, 0.5)])
def test_a_last_layer_of_zeros_leaves_a_residual_generators_picture(residual, scale, shift):
    """`tanh(atanh(0.98 x))` with x in [-1, 1] is `0.98 x`; one that draws anew draws grey."""
    network = cyclegan.Translator(TranslatorConfig(filters=2, blocks=0, residual=residual))
    picture = np.linspace(0.0, 1.0, 16 * 16 * 3, dtype=np.float32).reshape(1, 16, 16, 3)
    network(picture)
    layer = network.leave
    layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    np.testing.assert_allclose(network(picture), scale * picture + shift, atol=1e-5)


def test_instance_normalisation_is_that_of_each_picture_and_channel(generator):
    features = generator.normal(3.0, 2.0, (2, 5, 7, 3)).astype(np.float32)
    layer = cyclegan.InstanceNormalization()
    layer.build(features.shape)
    scale, shift = np.array([1.0, 2.0, -1.0]), np.array([0.0, 0.5, 1.0])
    layer.scale.assign(scale)
    layer.shift.assign(shift)
    computed = np.asarray(layer(features))
    for picture in range(2):
        for channel in range(3):
            values = features[picture, :, :, channel].astype(np.float64)
            expected = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
            expected = expected * scale[channel] + shift[channel]
            np.testing.assert_allclose(computed[picture, :, :, channel], expected, atol=1e-4)


def test_a_pair_comes_back_from_its_file_and_knows_its_directions(tmp_path):
    pair = cyclegan.CyclePair(("day", "night"), SMALL).create_weights()
    pair.save_weights(tmp_path / "model.weights.h5")

    def load_pair(name, sizes):
        build = cyclegan.CyclePair(("day", "night"), sizes).create_weights
        return load_weights(tmp_path / name, sizes.least_weights(), build, "train anew")

    again = load_pair("model.weights.h5", SMALL)
    picture = tf.random.stateless_uniform([1, 16, 16, 3], [5, 6])
    np.testing.assert_array_equal(again.towards("night")(picture), pair.forth(picture))
    np.testing.assert_array_equal(again.towards("day")(picture), pair.back(picture))
    assert np.abs(pair.forth(picture) - pair.back(picture)).max() > 1e-3
    with pytest.raises(InputError, match="unknown culture 'dawn'.*day into night"):
        again.towards("dawn")
    other = TranslatorConfig(filters=2, blocks=1)
    with pytest.raises(InputError, match="of a smaller network"):
        load_pair("model.weights.h5", other)
    with pytest.raises(InputError, match="does not exist"):
        load_pair("none.weights.h5", SMALL)
