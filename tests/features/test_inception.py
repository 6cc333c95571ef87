"""InceptionResNetV2 built to block35_10: Keras's own values, and maps that lie where they say."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.features import inception as module
from stylegan_culture.features.backbones import build_backbone, noise_pictures
from stylegan_culture.features.inception import InceptionResNetV2, arrays_of_application

TAPS = ("stem_3", "stem_5", "mixed_5b", "block35_5", "block35_10")
CHANNELS = (64, 192, 320, 320, 320)
# Keras's layers of the same activations; the stem's are told by their place.
STEM = {"stem_3": 2, "stem_5": 4}
NAMED = {"mixed_5b": "mixed_5b", "block35_5": "block35_5_ac", "block35_10": "block35_10_ac"}


@pytest.fixture(scope="module")
def application():
    """Keras's whole network whose normalisations have statistics as training leaves them."""
    network = keras.applications.InceptionResNetV2(include_top=False, weights=None)
    generator = np.random.default_rng(2)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.beta.shape
            layer.beta.assign(generator.normal(0.1, 0.3, size))
            layer.moving_mean.assign(generator.normal(0.0, 0.3, size))
            layer.moving_variance.assign(generator.uniform(0.3, 2.0, size))
        elif layer.name.startswith("block35") and layer.weights:
            layer.bias.assign(generator.normal(0.0, 0.3, layer.bias.shape))
    return network


@pytest.fixture(scope="module")
def asked():
    """What `imagenet` asks keras.applications for; see `same`."""
    return {}


@pytest.fixture(scope="module")
def same(application, asked):
    """The backbone with `imagenet` weights, where those of `application` came as if downloaded."""

    def download(**arguments):
        asked.update(arguments)
        return application

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "InceptionResNetV2", download)
        return build_backbone("inception_resnet_v2", "imagenet")


@pytest.fixture
def picture(generator):
    return generator.uniform(size=(1, 80, 80, 3)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 75, 75, 3), (2, 96, 131, 3)])
def test_features_are_those_of_keras_with_the_same_weights(application, same, generator, shape):
    """Whole tensors of all five taps; statistics, shifts and biases are far from a new network's,
    so that one that went to another layer would show."""
    pictures = generator.uniform(size=shape).astype(np.float32)
    stem = [x for x in application.layers if isinstance(x, keras.layers.Activation)]
    layers = {tap: stem[place] for tap, place in STEM.items()}
    layers |= {tap: application.get_layer(name) for tap, name in NAMED.items()}
    cut = keras.Model(application.input, {tap: layer.output for tap, layer in layers.items()})
    preprocess = keras.applications.inception_resnet_v2.preprocess_input
    expected = cut(preprocess(255.0 * pictures))
    found = same(pictures)
    for tap in TAPS:
        assert found[tap].shape == expected[tap].shape
        assert np.std(expected[tap]) > 0.1
        assert oracles.relative_frobenius(found[tap], expected[tap]) < 1e-5


def test_downloaded_weights_arrive_in_every_variable(application, same, asked):
    assert asked == {"include_top": False, "weights": "imagenet"}
    arrays, named = arrays_of_application(application, same), same.named_variables()
    assert list(arrays) == list(named)
    assert sum(array.size for array in arrays.values()) == same.count_params() == 1_676_000
    for name, value in arrays.items():
        np.testing.assert_array_equal(named[name], value)


@pytest.mark.parametrize(
    ("size", "edges"),
    [(75, (35, 15, 7, 7, 7)), (128, (61, 28, 13, 13, 13)), (256, (125, 60, 29, 29, 29))],
)
def test_maps_have_the_sizes_of_a_stem_that_pads_valid(inception, size, edges):
    """(256 - 3)/2 + 1 = 127, then 125, pool 62, 60, pool 29."""
    features = inception(np.full((1, size, size, 3), 0.5, np.float32))
    assert tuple(features) == TAPS == inception.taps
    for tap, edge, channels in zip(TAPS, edges, CHANNELS, strict=True):
        assert features[tap].shape == (1, edge, edge, channels)


def test_taps_come_in_order_of_depth_whatever_the_order_of_the_question(inception, picture):
    features = inception(picture, taps=("mixed_5b", "stem_3"))
    assert tuple(features) == ("stem_3", "mixed_5b")
    everything = inception(picture)
    for tap, value in features.items():
        np.testing.assert_array_equal(value, everything[tap])


@pytest.mark.parametrize("taps", [("stem_9",), ("stem_3", "relu4_1")])
def test_an_unknown_tap_raises_with_the_known_ones(inception, picture, taps):
    with pytest.raises(ValueError, match="stem_3, stem_5, mixed_5b.*not .*" + taps[-1]):
        inception(picture, taps=taps)


def test_nothing_deeper_than_the_deepest_tap_asked_for_is_computed(inception, monkeypatch, picture):
    def fail(*arguments, **more):
        raise AssertionError("computed")

    monkeypatch.setattr(module.Block35, "call", fail)
    assert tuple(inception(picture, taps=("mixed_5b",))) == ("mixed_5b",)
    monkeypatch.setattr(module.Branches, "call", fail)
    assert tuple(inception(picture, taps=("stem_3",))) == ("stem_3",)
    with pytest.raises(Exception, match="computed"):
        inception(picture, taps=("mixed_5b",))


@pytest.mark.parametrize(("height", "width"), [(80, 80), (96, 136), (64, 72)])
def test_aligned_maps_have_one_position_for_every_square_of_stride_pixels(inception, height, width):
    features = inception.aligned(np.full((1, height, width, 3), 0.5, np.float32))
    assert tuple(features) == TAPS
    for (tap, value), channels in zip(features.items(), CHANNELS, strict=True):
        stride = inception.strides[tap]
        assert value.shape == (1, height // stride, width // stride, channels)


@pytest.mark.parametrize(("height", "width"), [(100, 96), (96, 100)])
def test_pictures_without_a_grid_are_refused(inception, height, width):
    with pytest.raises(ValueError, match=f"{height}x{width}.*multiple of 8"):
        inception.aligned(np.zeros((1, height, width, 3), np.float32))


@pytest.mark.parametrize(
    ("tap", "margin", "tolerance"),
    [
        ("stem_3", 3, 1e-5),
        ("stem_5", 3, 1e-5),
        ("mixed_5b", 4, 1e-5),
        # Ten blocks reach 22 positions far, but what comes from afar is faint.
        ("block35_5", 8, 0.02),
        ("block35_10", 8, 0.05),
    ],
)
def test_a_picture_moved_by_the_stride_moves_its_map_by_one(
    inception, generator, tap, margin, tolerance
):
    """Inside of what the borders can reach: `map(moved)[i] = map(picture)[i + 1]`."""
    stride, size = inception.strides[tap], 208
    wide = generator.uniform(size=(1, size + stride, size + stride, 3)).astype(np.float32)
    first, moved = (
        np.asarray(inception.aligned(part, taps=(tap,))[tap])
        for part in (wide[:, :size, :size], wide[:, stride:, stride:])
    )
    inner = slice(margin, -margin - 1), slice(margin + 1, -margin)
    gap = np.abs(moved[:, inner[0], inner[0]] - first[:, inner[1], inner[1]])
    assert gap.max() < tolerance * first.std()
    unmoved = np.abs(moved[:, inner[0], inner[0]] - first[:, inner[0], inner[0]])
    assert unmoved.max() > first.std()


@pytest.fixture(scope="module")
def positive():
    """Positive kernels without shifts: brighter pixels make every position that sees them brighter,
    so that what a position sees can be read off its value."""
    own, generator = InceptionResNetV2(), np.random.default_rng(5)
    for name, variable in own.named_variables().items():
        if name.endswith("kernel"):
            kernel = generator.uniform(0.5, 1.0, variable.shape)
            variable.assign(kernel / kernel.sum(axis=(0, 1, 2)))
    return own


@pytest.mark.parametrize("axis", ["rows", "columns"])
@pytest.mark.parametrize("tap", ["stem_3", "stem_5", "mixed_5b"])
def test_the_middle_of_what_a_position_sees_lies_in_its_own_square(positive, tap, axis):
    """Position i sees pixels a to b, found by lighting one line of pixels after the other;
    `stride i <= (a + b) / 2 < stride (i + 1)` for every position whose sight no border cuts."""
    stride, long, short = positive.strides[tap], 136, 24
    shape = (1, short, long, 3)
    dark = np.full(shape, 0.6, np.float32)
    lit = np.repeat(dark, long, axis=0)
    lit[np.arange(long), :, np.arange(long)] = 1.0
    if axis == "rows":
        dark, lit = dark.swapaxes(1, 2), lit.swapaxes(1, 2)
    features = np.asarray(positive.aligned(np.concatenate([dark, lit]), taps=(tap,))[tap])
    gained = np.abs(features[1:] - features[:1]).max(axis=(1, 3) if axis == "columns" else (2, 3))
    seen = gained > 1e-5 * gained.max()
    whole = 0
    for position in range(seen.shape[1]):
        pixels = np.flatnonzero(seen[:, position])
        if pixels[0] > 0 and pixels[-1] < long - 1:
            middle = (pixels[0] + pixels[-1]) / 2
            assert stride * position <= middle < stride * (position + 1)
            whole += 1
    assert whole > 8


@pytest.mark.parametrize("tap", TAPS)
def test_a_lit_square_is_answered_around_its_own_position(inception, tap):
    """The centre of gravity of the change is within half a position of the square's."""
    stride, height, width = inception.strides[tap], 128, 160
    dark = np.full((1, height, width, 3), 0.5, np.float32)
    row, column = height // stride // 2, width // stride // 3
    lit = dark.copy()
    lit[:, row * stride : (row + 1) * stride, column * stride : (column + 1) * stride] = 1.0
    before, after = (inception.aligned(x, taps=(tap,))[tap] for x in (dark, lit))
    energy = np.square(np.asarray(after - before, np.float64)).sum(axis=(0, 3))
    rows, columns = np.mgrid[: energy.shape[0], : energy.shape[1]]
    assert abs((energy * rows).sum() / energy.sum() - row) < 0.5
    assert abs((energy * columns).sum() / energy.sum() - column) < 0.5


def test_calibration_gives_every_channel_mean_0_and_deviation_1(inception, monkeypatch):
    """Convolutions of what each layer gets on the pictures of the calibration, normalised by the
    layer's own moments; epsilon 1e-3 takes a little from channels that vary little."""
    seen, call = {}, module.ConvolutionNorm.call

    def watch(layer, features, calibrate=False):
        seen[layer] = features
        return call(layer, features, calibrate=calibrate)

    monkeypatch.setattr(module.ConvolutionNorm, "call", watch)
    inception(noise_pictures(0))
    norms = [x for x in inception.layers_in_order() if isinstance(x, module.ConvolutionNorm)]
    assert len(seen) == len(norms) == 72
    for layer, features in seen.items():
        convolved = tf.nn.conv2d(features, layer.kernel, layer.stride, layer.padding.upper())
        mean, variance = (np.asarray(x, np.float64) for x in (layer.mean, layer.variance))
        before = (np.asarray(convolved, np.float64) - mean) / np.sqrt(variance + 1e-3)
        np.testing.assert_allclose(before.mean(axis=(0, 1, 2)), 0.0, atol=1e-3)
        expected = np.sqrt(variance / (variance + 1e-3))
        np.testing.assert_allclose(before.std(axis=(0, 1, 2)), expected, rtol=1e-3)
        assert expected.min() > 0.9


def test_a_fixed_network_trains_nothing_and_passes_gradients_to_the_picture(inception, picture):
    image = tf.constant(picture)
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = tf.reduce_sum(inception.aligned(image)["block35_10"])
    assert inception.trainable_variables == []
    gradient = np.asarray(tape.gradient(value, image))
    assert np.isfinite(gradient).all() and (np.abs(gradient).max(axis=-1) > 0).mean() > 0.99


def test_a_trainable_network_learns_kernels_and_shifts_but_no_moments(picture):
    student = InceptionResNetV2(trainable=True)
    named = student.named_variables()
    learned = {id(variable) for variable in student.trainable_variables}
    for name, variable in named.items():
        assert (id(variable) in learned) == name.endswith(("kernel", "beta", "bias")), name
    with tf.GradientTape() as tape:
        features = student(picture)
        total = tf.add_n([tf.reduce_sum(value**2) for value in features.values()])
    gradients = tape.gradient(total, [variable.value for variable in student.trainable_variables])
    assert all(g is not None and np.abs(g).max() > 0 for g in gradients)


def test_half_precision_has_the_same_weights_and_near_features(inception, picture):
    """The weights of a seed bit for bit, in float32: they are calibrated before."""
    half = build_backbone("inception_resnet_v2", "random", seed=0, dtype="mixed_bfloat16")
    for found, expected in zip(half.variables, inception.variables, strict=True):
        assert str(found.dtype) == "float32"
        np.testing.assert_array_equal(found, expected)
    whole = inception.aligned(picture)
    for tap, value in half.aligned(picture).items():
        assert value.dtype == tf.bfloat16
        assert oracles.relative_frobenius(tf.cast(value, tf.float32), whole[tap]) < 0.05


def test_a_compiled_call_gives_the_same(inception, picture):
    compiled = tf.function(lambda image: inception.aligned(image, taps=("stem_5", "block35_10")))
    expected = inception.aligned(picture)
    for tap, value in compiled(tf.constant(picture)).items():
        assert oracles.relative_frobenius(value, expected[tap]) < 1e-5
