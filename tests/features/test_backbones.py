"""Backbones: which taps, of what, with which weights, and what is said when there are none."""

import pathlib
import warnings

import keras
import numpy as np
import oracles
import pytest
import scipy.signal
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features import backbones
from stylegan_culture.features.backbones import DistilledVGG19, InceptionResNetV2, build_backbone

TAPS = ("stem_3", "stem_5", "mixed_5b", "block35_5", "block35_10")


@pytest.fixture(scope="module")
def other_inception():
    """A second network, built after the first, with the kernels of seed 1."""
    return InceptionResNetV2("random", seed=1)


@pytest.fixture
def picture(generator):
    return generator.uniform(size=(1, 80, 80, 3)).astype(np.float32)


def _fail_to_download(**kwargs):
    raise OSError("URL fetch failure: no network")


@pytest.mark.parametrize(
    ("size", "edges"),
    [(75, (35, 15, 7, 7, 7)), (128, (61, 28, 13, 13, 13)), (256, (125, 60, 29, 29, 29))],
)
def test_taps_have_their_names_channels_and_sizes(inception, size, edges):
    """VALID stem: (256 - 3)/2 + 1 = 127, 125, pool 62, 60, pool 29."""
    features = inception(np.full((1, size, size, 3), 0.5, np.float32))
    assert tuple(features) == TAPS == inception.taps
    for (tap, edge), channels in zip(
        zip(TAPS, edges, strict=True), (64, 192, 320, 320, 320), strict=True
    ):
        assert features[tap].shape == (1, edge, edge, channels)


def test_the_content_tap_is_one_of_the_taps(inception):
    assert inception.content_tap in inception.taps
    assert DistilledVGG19.content_tap in DistilledVGG19.taps


def test_the_first_tap_is_three_convolutions_of_the_picture_in_minus_one_to_one(inception, picture):
    """Stem by SciPy: 3x3 stride 2 VALID, 3x3 VALID, 3x3 SAME, each with batch normalisation of a
    new network (mean 0, variance 1, epsilon 1e-3) and a rectifier."""
    convolutions = [x for x in inception.network.layers if isinstance(x, keras.layers.Conv2D)]
    features = 2.0 * picture[0].astype(np.float64) - 1.0
    for layer, stride, mode in zip(
        convolutions[:3], (2, 1, 1), ("valid", "valid", "same"), strict=True
    ):
        kernel = np.asarray(layer.kernel, np.float64)
        maps = [
            sum(
                scipy.signal.correlate2d(features[..., c], kernel[..., c, f], mode)
                for c in range(kernel.shape[2])
            )
            for f in range(kernel.shape[3])
        ]
        features = np.stack(maps, -1)[::stride, ::stride]
        features = np.maximum(features / np.sqrt(1.0 + 1e-3), 0.0)
    found = inception(picture)["stem_3"][0]
    assert oracles.relative_frobenius(found, features) < 1e-4


def test_random_kernels_are_the_numbers_of_their_seed(inception):
    """The first kernel has 3 * 3 * 3 inputs: He-normal deviation `sqrt(2 / 27)`."""
    first = next(x for x in inception.network.layers if isinstance(x, keras.layers.Conv2D))
    expected = np.random.default_rng(0).normal(0.0, np.sqrt(2 / 27), (3, 3, 3, 32))
    np.testing.assert_array_equal(first.kernel, expected.astype(np.float32))


def test_another_seed_has_other_features(inception, other_inception, picture):
    for tap, value in other_inception(picture).items():
        assert oracles.relative_frobenius(value, inception(picture)[tap]) > 0.3


def test_random_features_keep_a_sane_scale_and_tell_pictures_apart(inception, generator):
    """He-normal kernels keep the variance from layer to layer: nothing explodes or dies."""
    pictures = generator.uniform(size=(2, 128, 128, 3)).astype(np.float32)
    for value in inception(pictures).values():
        value = np.asarray(value)
        assert 0.1 < value.std() < 10.0 and np.isfinite(value).all()
        assert (value.max(axis=(0, 1, 2)) > 0).mean() > 0.8
        assert oracles.relative_frobenius(value[0], value[1]) > 0.05


def test_nothing_of_a_backbone_is_trained_and_gradients_reach_the_picture(inception, picture):
    image = tf.constant(picture)
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = tf.reduce_sum(inception(image)["block35_10"])
    assert inception.trainable_variables == []
    gradient = np.asarray(tape.gradient(value, image))
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_a_saved_file_gives_the_same_features_back(inception, other_inception, picture, tmp_path):
    path = tmp_path / "own.weights.h5"
    other_inception.network.save_weights(path)
    loaded = InceptionResNetV2(str(path))
    for tap, value in loaded(picture).items():
        np.testing.assert_array_equal(value, other_inception(picture)[tap])


def test_missing_weights_are_named_with_the_alternatives(inception, monkeypatch):
    monkeypatch.setattr(backbones, "_load_application", lambda weights: inception.network)
    with pytest.raises(InputError) as raised:
        InceptionResNetV2("/nowhere/own.weights.h5")
    assert "/nowhere/own.weights.h5" in str(raised.value)
    assert "random" in str(raised.value) and "imagenet" in str(raised.value)


@pytest.mark.parametrize("content", ["text", "other network", "truncated", "wrong name"])
def test_a_file_of_something_else_is_wrong_input(other_inception, monkeypatch, tmp_path, content):
    path = tmp_path / "own.weights.h5"
    if content == "text":
        path.write_text("no weights")
    elif content == "wrong name":
        path = tmp_path / "own.bin"
        path.write_bytes(b"\x00" * 64)
    elif content == "other network":
        keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)]).save_weights(path)
    else:
        other_inception.network.save_weights(path)
        path.write_bytes(path.read_bytes()[:100_000])
    # Its weights may be half assigned, so a network that no other test reads.
    own = keras.models.clone_model(other_inception.network)
    monkeypatch.setattr(backbones, "_load_application", lambda weights: own)
    with pytest.raises(InputError) as raised, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # keras warns of layers that it did not find, then raises
        InceptionResNetV2(str(path))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


def test_imagenet_weights_that_cannot_be_downloaded_are_named(monkeypatch):
    monkeypatch.setattr(keras.applications, "InceptionResNetV2", _fail_to_download)
    with pytest.raises(InputError) as raised:
        build_backbone("inception_resnet_v2", "imagenet")
    message = str(raised.value)
    assert "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5" in message
    assert str(pathlib.Path.home() / ".keras" / "models") in message
    assert "random" in message and "\n" not in message


def test_a_failed_download_leaves_the_global_precision_as_it_was(monkeypatch):
    monkeypatch.setattr(keras.applications, "InceptionResNetV2", _fail_to_download)
    before = keras.config.dtype_policy().name
    with pytest.raises(InputError):
        InceptionResNetV2("imagenet", dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == before


def test_another_build_of_the_same_seed_in_half_precision_has_the_same_weights(inception, picture):
    """The weights bit for bit, in float32; the features as near as eight bits of mantissa allow."""
    half = InceptionResNetV2("random", seed=0, dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    for found, expected in zip(half.get_weights(), inception.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    for tap, value in half(picture).items():
        assert value.dtype == tf.bfloat16
        value = tf.cast(value, tf.float32)
        assert oracles.relative_frobenius(value, inception(picture)[tap]) < 0.05


def test_an_unknown_backbone_is_wrong_input_with_the_known_names():
    with pytest.raises(InputError, match="'vgg99'.*inception_resnet_v2.*vgg19_16x"):
        build_backbone("vgg99", "random")


def test_vgg_taps_have_their_names_and_halve_their_size(vgg_archive):
    backbone = build_backbone("vgg19_16x", str(vgg_archive))
    features = backbone(np.full((2, 64, 32, 3), 0.5, np.float32))
    assert tuple(features) == backbone.taps
    for level, (tap, channels) in enumerate(zip(backbone.taps, (4, 6, 8, 8, 8), strict=True)):
        assert features[tap].shape == (2, 64 >> level, 32 >> level, channels)


def test_vgg_features_are_reflect_padded_convolutions_of_the_archive(vgg_archive, generator):
    """The whole network by SciPy: conv0 (1x1), then blocks of 2, 2, 4, 4 and 1 convolutions."""
    picture = generator.uniform(size=(32, 48, 3)).astype(np.float32)
    archive, expected = np.load(vgg_archive), {}

    def convolve(name, features):
        return oracles.convolve(features, archive[f"{name}/kernel"], archive[f"{name}/bias"])

    features = convolve("conv0", picture)
    for block, depth in enumerate((2, 2, 4, 4, 1), start=1):
        features = oracles.max_pool(features) if block > 1 else features
        for position in range(1, depth + 1):
            features = np.maximum(convolve(f"conv{block}{position}", features), 0.0)
            expected.setdefault(f"relu{block}_1", features)
    found = DistilledVGG19(str(vgg_archive))(picture[None])
    for tap, value in expected.items():
        assert oracles.relative_frobenius(found[tap][0], value) < 1e-5


def test_vgg_holds_every_number_of_the_archive_and_trains_none(vgg_archive):
    backbone = DistilledVGG19(str(vgg_archive))
    held = sum(int(np.prod(variable.shape)) for variable in backbone.variables)
    assert held == sum(array.size for array in np.load(vgg_archive).values())
    assert backbone.trainable_variables == []


def test_vgg_runs_in_half_precision(vgg_archive, generator):
    picture = generator.uniform(size=(1, 32, 32, 3)).astype(np.float32)
    whole = DistilledVGG19(str(vgg_archive))(picture)
    for tap, value in DistilledVGG19(str(vgg_archive), dtype="mixed_bfloat16")(picture).items():
        assert value.dtype == tf.bfloat16
        assert oracles.relative_frobenius(tf.cast(value, tf.float32), whole[tap]) < 0.05


@pytest.mark.parametrize("damage", ["missing", "text", "truncated", "another archive", "array"])
def test_a_wrong_vgg_archive_is_named(vgg_archive, tmp_path, damage):
    path = tmp_path / "distilled.npz"
    if damage == "text":
        path.write_text("no archive")
    elif damage == "truncated":
        path.write_bytes(vgg_archive.read_bytes()[:2000])
    elif damage == "another archive":
        np.savez(path, conv0=np.zeros(3))
    elif damage == "array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(InputError) as raised:
        build_backbone("vgg19_16x", str(path))
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
