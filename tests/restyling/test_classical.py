"""Training-free restyling over an encoder whose decoder is its exact inverse: pixel blocks."""

import dataclasses
import types

import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features.inception import InceptionResNetV2
from stylegan_culture.features.operators import Target
from stylegan_culture.restyling import classical
from stylegan_culture.restyling.classical import operation, transfer
from stylegan_culture.restyling.request import normalised_weights

NAMES = ("alpha", "adain", "wct", "match", "moments")
TAPS = ("fine", "coarse")
STRIDES = {"fine": 1, "coarse": 2}


def _aligned(image, taps=None):
    """Blocks of stride x stride pixels as channels."""
    wanted = TAPS if taps is None else taps
    image = tf.cast(image, tf.float32)
    return {t: image if t == "fine" else tf.nn.space_to_depth(image, STRIDES[t]) for t in wanted}


@pytest.fixture(scope="module")
def backbone():
    return types.SimpleNamespace(
        name="blocks",
        taps=TAPS,
        strides=STRIDES,
        content_tap="coarse",
        multiple=4,
        least_size=8,
        aligned=_aligned,
    )


@pytest.fixture(scope="module")
def decoders():
    return {"fine": lambda x: x, "coarse": lambda x: tf.nn.depth_to_space(x, 2)}


@pytest.fixture
def content(generator):
    """Away from 0 and 1, so that nothing is clipped; 13 x 18 pixels fit no grid."""
    return generator.uniform(0.4, 0.6, (13, 18, 3)).astype(np.float32)


@pytest.fixture
def style(generator):
    colours = generator.uniform(0.42, 0.5, (12, 20, 3)) * np.array([1.2, 1.0, 0.9])
    return colours.astype(np.float32)


def at(strength, name):
    """A method's operation at another strength."""
    return dataclasses.replace(operation(name), strength=strength)


def target_of(backbone, picture):
    return classical.example_target(backbone, TAPS, picture)


@pytest.mark.parametrize("name", NAMES)
def test_a_result_has_the_pictures_size_and_range(backbone, decoders, content, style, name):
    result = transfer(backbone, decoders, content, operation(name), [target_of(backbone, style)])
    assert result.shape == content.shape and result.dtype == np.float32
    assert result.min() >= 0.0 and result.max() <= 1.0
    assert np.abs(result - content).mean() > 0.005


@pytest.mark.parametrize("name", NAMES)
def test_strength_zero_is_the_picture(backbone, decoders, content, style, name):
    targets = [target_of(backbone, style)]
    result = transfer(backbone, decoders, content, at(0.0, name), targets)
    np.testing.assert_array_equal(result, content)


@pytest.mark.parametrize("name", NAMES)
def test_its_own_style_changes_nothing(backbone, decoders, name, generator):
    """A picture on the grid: through exact decoders every level must hand it on as it is."""
    picture = generator.uniform(0.3, 0.7, (16, 20, 3)).astype(np.float32)
    targets = [target_of(backbone, picture)]
    result = transfer(backbone, decoders, picture, at(1.0, name), targets)
    np.testing.assert_allclose(result, picture, atol=3e-3)


@pytest.mark.parametrize("name", ["wct", "moments"])
def test_the_last_level_leaves_the_colours_of_the_style(backbone, decoders, style, name, generator):
    """At strength 1 the finest tap, the pixels themselves, gets the style's mean and covariance."""
    picture = generator.uniform(0.4, 0.6, (16, 20, 3)).astype(np.float32)
    targets = [target_of(backbone, style)]
    result = transfer(backbone, decoders, picture, at(1.0, name), targets)
    mean, covariance = oracles.moments(result.reshape(-1, 3))
    wanted_mean, wanted = oracles.moments(style.reshape(-1, 3))
    np.testing.assert_allclose(mean, wanted_mean, atol=2e-3)
    assert oracles.relative_frobenius(covariance, wanted) < 0.02


def test_levels_go_from_deep_to_shallow_and_skip_taps_without_decoder(backbone, decoders):
    assert classical.levels(decoders, backbone, operation("wct")) == ["coarse", "fine"]
    assert classical.levels({"fine": None}, backbone, operation("wct")) == ["fine"]
    assert classical.levels(decoders, backbone, operation("match")) == ["coarse"]


def test_of_taps_of_one_stride_the_shallowest_acts():
    """The culture backbone has three taps of stride 8, two of them with decoders."""
    shipped = dict.fromkeys(("stem_3", "stem_5", "mixed_5b", "block35_10"))
    chosen = classical.levels(shipped, InceptionResNetV2, operation("wct"))
    assert chosen == ["mixed_5b", "stem_5", "stem_3"]
    del shipped["mixed_5b"]
    assert classical.levels(shipped, InceptionResNetV2, operation("wct"))[0] == "block35_10"


def test_weights_mix_styles_and_one_weight_is_that_style(backbone, decoders, content, style):
    first, second = target_of(backbone, style), target_of(backbone, style[::-1] * 0.8)
    only = transfer(backbone, decoders, content, operation("adain"), [first])
    same = transfer(backbone, decoders, content, operation("adain"), [first, second], [2.0, 0.0])
    np.testing.assert_allclose(same, only, atol=1e-6)
    mixed = transfer(backbone, decoders, content, operation("adain"), [first, second], [1.0, 1.0])
    assert np.abs(mixed - only).mean() > 0.005


def test_a_mask_keeps_its_style_to_its_region(backbone, decoders, content, style):
    """The mask ends on the grid of both taps, so that no position is half in, half out."""
    mask = np.zeros(content.shape[:2], np.float32)
    mask[:8] = 1.0
    targets = [target_of(backbone, style)]
    result = transfer(backbone, decoders, content, operation("wct"), targets, masks=[mask])
    np.testing.assert_allclose(result[8:], content[8:], atol=1e-6)
    assert np.abs(result[:8] - content[:8]).mean() > 0.005


@pytest.mark.parametrize("shape", [(12, 18), (13, 17)])
def test_a_mask_of_another_size_is_wrong_input(backbone, decoders, content, style, shape):
    with pytest.raises(InputError, match="masks of .* do not fit"):
        transfer(
            backbone,
            decoders,
            content,
            operation("wct"),
            [target_of(backbone, style)],
            masks=[np.ones(shape, np.float32)],
        )


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [1.0, float("nan")], [1.0]])
def test_weights_that_cannot_be_normalised_are_wrong_input(weights):
    with pytest.raises(InputError, match="weights"):
        normalised_weights(weights, 2)


def test_moments_without_the_tap_are_wrong_input():
    moments = {"coarse": types.SimpleNamespace(mean=np.zeros(12), covariance=np.eye(12))}
    assert isinstance(classical.moments_target(moments, ["coarse"])["coarse"], Target)
    with pytest.raises(InputError, match="no tap fine"):
        classical.moments_target(moments, TAPS)


def test_a_picture_smaller_than_the_backbones_least_is_wrong_input(backbone, decoders, style):
    small = np.full((7, 30, 3), 0.5, np.float32)
    with pytest.raises(InputError, match="too small for blocks"):
        transfer(backbone, decoders, small, operation("wct"), [target_of(backbone, style)])
    with pytest.raises(InputError, match="too small for blocks"):
        target_of(backbone, small)


def test_what_a_decoder_loses_of_the_content_is_given_back(backbone, content, style):
    """A decoder that knows means of blocks alone: the result is the content plus what the style
    changed of those means."""

    def blurred(features):
        means = tf.reduce_mean(tf.reshape(features, (*features.shape[:3], 4, 3)), 3)
        return tf.repeat(tf.repeat(means, 2, 1), 2, 2)

    method = operation("alpha")
    targets = [target_of(backbone, style)]
    result = classical.transfer(backbone, {"coarse": blurred}, content, method, targets)
    inside = slice(0, 12), slice(0, 18)
    blocks = (result - content)[inside].reshape(6, 2, 9, 2, 3)
    np.testing.assert_allclose(blocks, blocks[:, :1, :, :1] * np.ones_like(blocks), atol=1e-5)
    assert np.abs(blocks).max() > 0.01


@pytest.mark.parametrize("every_level", [True, False])
def test_deep_levels_draw_and_do_not_colour(content, style, generator, every_level):
    """One level of stride 8 that is asked for another colour: it gives it only where it is the
    only level of its method."""
    large = generator.uniform(0.4, 0.6, (64, 72, 3)).astype(np.float32)
    backbone = types.SimpleNamespace(
        name="blocks",
        taps=("deep",),
        strides={"deep": 8},
        content_tap="deep",
        multiple=8,
        least_size=8,
        aligned=lambda image, taps: {"deep": tf.nn.space_to_depth(image, 8)},
    )
    decoders = {"deep": lambda x: tf.nn.depth_to_space(x, 8)}
    method = classical.Operation(lambda f, target, strength, mask=None: f + 0.2, every_level, 1.0)
    result = classical.transfer(backbone, decoders, large, method, [{"deep": None}])
    expected = 0.0 if every_level else 0.2
    np.testing.assert_allclose(result - large, expected, atol=1e-3)
