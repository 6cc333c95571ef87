"""VGG19, ResNet50 and MobileNetV2 of Keras: what goes in, which layers come out, how calibrated."""

import keras
import numpy as np
import oracles
import pytest
import scipy.spatial.distance
import scipy.stats
import tensorflow as tf

from stylegan_culture.features import backbones as applications
from stylegan_culture.features.backbones import build_backbone, noise_pictures

SIZE = (96, 128)
CHANNELS = {
    "vgg19": (64, 128, 256, 512, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "mobilenet_v2": (24, 32, 96, 1280),
}
STRIDES = {
    "vgg19": (1, 2, 4, 8, 16),
    "resnet50": (2, 4, 8, 16, 32),
    "mobilenet_v2": (4, 8, 16, 32),
}
LAYERS = {
    "vgg19": {
        "relu1_1": "block1_conv1",
        "relu2_1": "block2_conv1",
        "relu3_1": "block3_conv1",
        "relu4_1": "block4_conv1",
        "relu5_1": "block5_conv1",
    },
    "resnet50": {
        "conv1": "conv1_relu",
        "conv2": "conv2_block3_out",
        "conv3": "conv3_block4_out",
        "conv4": "conv4_block6_out",
        "conv5": "conv5_block3_out",
    },
    "mobilenet_v2": {
        "stage_4": "block_2_add",
        "stage_8": "block_5_add",
        "stage_16": "block_12_add",
        "stage_32": "out_relu",
    },
}
EACH = pytest.mark.parametrize("name", list(LAYERS))


@pytest.fixture(scope="module")
def backbones():
    """The networks with the random weights of seed 0; tests must not change them."""
    return {name: build_backbone(name, "random") for name in LAYERS}


@pytest.fixture
def picture(generator):
    return generator.uniform(size=(1, 80, 80, 3)).astype(np.float32)


def _bgr(pictures):
    """0 to 255, blue first, minus ImageNet's means, one number after the other."""
    pictures = 255.0 * np.asarray(pictures, np.float64)
    red, green, blue = pictures[..., 0], pictures[..., 1], pictures[..., 2]
    return np.stack([blue - 103.939, green - 116.779, red - 123.68], axis=-1)


def _prepared(name, pictures):
    """What a network of Keras is given."""
    if name == "mobilenet_v2":
        return keras.applications.mobilenet_v2.preprocess_input(255.0 * pictures)
    return _bgr(pictures).astype(np.float32)


@EACH
def test_taps_have_their_names_channels_and_strides(backbones, name):
    backbone, (height, width) = backbones[name], SIZE
    features = backbone(np.full((2, height, width, 3), 0.5, np.float32))
    assert tuple(features) == backbone.taps == tuple(LAYERS[name])
    assert backbone.multiple == STRIDES[name][-1] and backbone.content_tap in backbone.taps
    for tap, channels, stride in zip(features, CHANNELS[name], STRIDES[name], strict=True):
        assert backbone.strides[tap] == stride
        assert features[tap].shape == (2, height // stride, width // stride, channels)


@EACH
def test_taps_are_keras_s_layers_of_the_preprocessed_picture(backbones, name, picture):
    """Each tap by a model of its own from the same input: blue first and without its mean, or
    from -1 to 1."""
    backbone = backbones[name]
    features, aligned = backbone(picture), backbone.aligned(picture)
    for tap, layer in LAYERS[name].items():
        cut = keras.Model(backbone.network.input, backbone.network.get_layer(layer).output)
        expected = cut(_prepared(name, picture), training=False)
        assert oracles.relative_frobenius(features[tap], expected) < 1e-4
        np.testing.assert_array_equal(aligned[tap], features[tap])


def test_the_first_tap_of_vgg_is_one_convolution_of_what_keras_calls_preprocessed(
    backbones, picture
):
    vgg = backbones["vgg19"]
    first = vgg.network.get_layer("block1_conv1")
    colours = _bgr(picture)[0]
    np.testing.assert_allclose(
        colours, keras.applications.vgg19.preprocess_input(255.0 * picture)[0], atol=1e-3
    )
    kernel, padded = np.asarray(first.kernel, np.float64), np.pad(colours, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    expected = np.einsum("hwcij,ijcf->hwf", windows, kernel) + np.asarray(first.bias)
    found = vgg(picture, taps=("relu1_1",))["relu1_1"][0]
    assert oracles.relative_frobenius(found, np.maximum(expected, 0.0)) < 1e-5


@EACH
def test_no_layer_deeper_than_the_deepest_tap_asked_for_is_computed(backbones, name, picture):
    backbone = backbones[name]
    taps = backbone.taps[1], backbone.taps[0]
    features = backbone(picture, taps=taps)
    assert tuple(features) == backbone.taps[:2]
    everything = backbone(picture)
    for tap, value in features.items():
        np.testing.assert_array_equal(value, everything[tap])
    compiled = tf.function(lambda image: backbone(image, taps=taps))
    graph = compiled.get_concrete_function(tf.TensorSpec([1, 80, 80, 3])).graph
    whole = tf.function(backbone.__call__).get_concrete_function(tf.TensorSpec([1, 80, 80, 3]))
    count, all_of_them = (
        sum(operation.type == "Conv2D" for operation in g.get_operations())
        for g in (graph, whole.graph)
    )
    # Of 35 convolutions of MobileNetV2 that are no depthwise ones, 12 lie before block 5's end.
    expected = {"vgg19": (3, 13), "resnet50": (11, 53), "mobilenet_v2": (12, 35)}
    assert (count, all_of_them) == expected[name]


@EACH
def test_an_unknown_tap_raises_with_the_known_ones(backbones, name, picture):
    known = ", ".join(LAYERS[name])
    with pytest.raises(ValueError, match=f"{known}, not mixed_5b"):
        backbones[name](picture, taps=(backbones[name].taps[0], "mixed_5b"))


@EACH
def test_nothing_is_trained_and_gradients_reach_the_picture(backbones, name, picture):
    image, backbone = tf.constant(picture), backbones[name]
    with tf.GradientTape() as tape:
        tape.watch(image)
        total = tf.reduce_sum(backbone(image)[backbone.taps[-1]])
    gradient = np.asarray(tape.gradient(total, image))
    assert backbone.trainable_variables == []
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_calibrated_vgg_layers_have_mean_0_and_variance_1(backbones):
    """Before the rectifier, per channel, on the pictures of the calibration."""
    network = backbones["vgg19"].network
    layers = [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    inputs = keras.Model(network.input, [layer.input for layer in layers])
    pictures = _bgr(noise_pictures(0)).astype(np.float32)
    for layer, features in zip(layers, inputs(pictures), strict=True):
        before = tf.nn.conv2d(features, layer.kernel, 1, "SAME") + layer.bias
        before = np.asarray(before, np.float64)
        np.testing.assert_allclose(before.mean(axis=(0, 1, 2)), 0.0, atol=2e-3)
        np.testing.assert_allclose(before.var(axis=(0, 1, 2)), 1.0, atol=5e-3)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2"])
def test_calibrated_normalisations_hold_the_moments_of_what_they_get(backbones, name):
    network, momentum = backbones[name].network, {"resnet50": 0.99, "mobilenet_v2": 0.999}[name]
    norms = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    inputs = keras.Model(network.input, [norm.input for norm in norms])
    pictures = _prepared(name, noise_pictures(0))
    for norm, features in zip(norms, inputs(pictures, training=False), strict=True):
        features = np.asarray(features, np.float64)
        mean, variance = features.mean(axis=(0, 1, 2)), features.var(axis=(0, 1, 2))
        scale = np.sqrt(variance.mean())
        np.testing.assert_allclose(norm.moving_mean, mean, atol=5e-3 * scale)
        np.testing.assert_allclose(norm.moving_variance, variance, rtol=0.02, atol=1e-3 * scale**2)
        assert norm.momentum == momentum and not norm.trainable


@EACH
def test_half_precision_has_the_same_weights_and_near_features(backbones, name, picture):
    half = build_backbone(name, "random", dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    for found, expected in zip(half.get_weights(), backbones[name].get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    whole, most = backbones[name](picture), 0.2 if name == "mobilenet_v2" else 0.1
    for tap, value in half(picture).items():
        assert value.dtype == tf.bfloat16
        assert oracles.relative_frobenius(tf.cast(value, tf.float32), whole[tap]) < most


@EACH
def test_downloaded_weights_arrive(backbones, name, monkeypatch, picture):
    """keras.applications returns a network as if it had downloaded its weights."""
    kind = {"vgg19": "VGG19", "resnet50": "ResNet50", "mobilenet_v2": "MobileNetV2"}[name]
    build, asked = getattr(keras.applications, kind), {}

    def download(**arguments):
        asked.update(arguments)
        network = build(include_top=False, weights=None)
        network.set_weights(backbones[name].network.get_weights())
        return network

    monkeypatch.setattr(keras.applications, kind, download)
    loaded = build_backbone(name, "imagenet")
    assert asked == {"include_top": False, "weights": "imagenet"}
    whole = backbones[name](picture)
    for tap, value in loaded(picture).items():
        np.testing.assert_array_equal(value, whole[tap])
    assert len(loaded.fingerprint) == 16 and loaded.fingerprint != backbones[name].fingerprint


def test_an_embedding_is_128_numbers_of_length_1(backbones, generator):
    pictures = generator.uniform(size=(3, 96, 80, 3)).astype(np.float32)
    found = np.asarray(backbones["resnet50"].embedding(pictures))
    assert found.shape == (3, 128) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(backbones["resnet50"].embedding(pictures), found)
    # An isometry of 128 of the 2048 dimensions, in which all 2048 have a say.
    projection = applications._projection(2048).astype(np.float64)
    np.testing.assert_allclose(projection.T @ projection, np.eye(128), atol=1e-5)
    assert np.linalg.norm(projection, axis=1).min() > 0.1
    pooled = np.asarray(backbones["resnet50"](pictures)["conv5"], np.float64).mean(axis=(1, 2))
    expected = pooled @ projection
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_embeddings_keep_the_order_of_distances(backbones, generator):
    """128 of 2048 dimensions: a distance keeps its length within about `1 / sqrt(128)` (Johnson
    and Lindenstrauss), so which pictures are near and which far stays."""
    rows = np.sin(np.arange(64) / 3.0)[None, :, None, None] * np.ones((1, 64, 64, 3))
    pictures = [0.5 + 0.4 * rows, 0.5 + 0.4 * rows.swapaxes(1, 2), noise_pictures(3, 3, 64)]
    pictures += [generator.uniform(0.0, top, (2, 64, 64, 3)) for top in (0.3, 1.0)]
    pictures = np.concatenate(pictures).astype(np.float32)
    resnet = backbones["resnet50"]
    whole = np.asarray(resnet(pictures, taps=("conv5",))["conv5"], np.float64).mean(axis=(1, 2))
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    distances = scipy.spatial.distance.pdist(whole)
    found = scipy.spatial.distance.pdist(np.asarray(resnet.embedding(pictures), np.float64))
    assert distances.max() > 2 * distances.min()
    assert scipy.stats.spearmanr(found, distances).statistic > 0.85
    np.testing.assert_allclose(found, distances, rtol=0.3)
