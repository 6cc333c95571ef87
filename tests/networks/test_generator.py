"""The culture generator and its parts: what strength, codes, mixtures and moments mean."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.networks.generator import CultureModel, Generator, MappingNetwork
from stylegan_culture.networks.sizes import GeneratorConfig
from stylegan_culture.restyling.feedforward import culture_code

CULTURES = ("alpha", "beta", "gamma")


@pytest.fixture
def picture(generator):
    """Two smooth pictures with some noise, 32 x 48 px."""
    row, column = np.mgrid[0:32, 0:48] / 10.0
    waves = 0.5 + 0.3 * np.sin(row + np.float32([0.0, 2.0])[:, None, None]) * np.cos(column)
    noise = 0.05 * generator.normal(size=(2, 32, 48, 3))
    return np.clip(waves[..., None] + noise, 0.0, 1.0).astype(np.float32)


@pytest.fixture
def code(generator):
    """Codes long enough to make a plain difference in an untrained generator."""
    return (4.0 * generator.normal(size=(2, 64))).astype(np.float32)


def _strength(value, batch=2):
    return np.full((batch, 1), value, np.float32)


def _multiply_adds(function):
    """Multiply-add operations of a traced function, from the shapes of its graph."""
    total = 0
    for operation in function.graph.get_operations():
        if operation.type not in ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2"):
            continue
        outputs = int(np.prod(operation.outputs[0].shape))
        left, right = (tensor.shape for tensor in operation.inputs[:2])
        if operation.type == "Conv2D":
            inner = int(np.prod(right[:3]))
        elif operation.type == "DepthwiseConv2dNative":
            inner = int(np.prod(right[:2]))
        elif operation.type == "MatMul":
            inner = left[0] if operation.get_attr("transpose_a") else left[1]
        else:
            inner = left[-2] if operation.get_attr("adj_x") else left[-1]
        total += outputs * int(inner)
    return total


def test_the_count_of_multiply_adds_is_right_for_a_known_network():
    """3x3 convolution of 8 x 8 x 4 to 6 channels: 64 * 9 * 4 * 6, and a product 2x3 by 3x5: 30."""
    kernel = tf.ones([3, 3, 4, 6])
    known = tf.function(
        lambda x, m: (tf.nn.conv2d(x, kernel, 1, "SAME"), m @ tf.ones([3, 5]))
    ).get_concrete_function(tf.TensorSpec([1, 8, 8, 4]), tf.TensorSpec([2, 3]))
    assert _multiply_adds(known) == 64 * 9 * 4 * 6 + 30


def test_the_default_generator_keeps_its_budget():
    """At most 2.5 M parameters and 2.0 GMAC at 256 x 256 px, so that a phone can run it."""
    config = GeneratorConfig()
    generator = Generator(config)
    function = tf.function(generator.__call__).get_concrete_function(
        tf.TensorSpec([1, 256, 256, 3]), tf.TensorSpec([1, config.code_size]), tf.TensorSpec([1, 1])
    )
    assert generator.count_params() <= 2_500_000
    assert 0.5e9 < _multiply_adds(function) <= 2.0e9


@pytest.mark.parametrize("shape", [(16, 16), (24, 40), (64, 32)])
def test_any_size_in_eights_comes_back_in_its_own_size_and_range(culture_model, generator, shape):
    image = generator.uniform(size=(1, *shape, 3)).astype(np.float32)
    result = np.asarray(culture_model(image, np.float32([[1, 0, 0]]), _strength(1.0, 1)))
    assert result.shape == image.shape and result.dtype == np.float32
    assert result.min() >= 0.0 and result.max() <= 1.0


def test_features_have_the_resolutions_that_are_promised(culture_model, picture):
    features = culture_model.generator.encode(picture)
    assert features["coarse"].shape == (2, 4, 6, 64)
    assert features["fine"].shape[:3] == (2, 8, 12)


def test_at_strength_zero_no_code_has_a_say(culture_model, picture, code):
    generator = culture_model.generator
    results = [np.asarray(generator(picture, c, _strength(0.0))) for c in (code, -code, 0 * code)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_strength_acts_on_features_not_on_pictures(culture_model, picture, code):
    """A crossfade of pictures would make the middle the average of the two ends."""
    ends_and_middle = [
        np.asarray(culture_model.generator(picture, code, _strength(s))) for s in (0.0, 0.5, 1.0)
    ]
    none, half, full = ends_and_middle
    assert np.abs(full - none).mean() > 0.02
    assert np.abs(half - (none + full) / 2).mean() > 0.1 * np.abs(full - none).mean()


def test_strength_moves_steadily_from_the_content(culture_model, picture, code):
    steps = [
        np.asarray(culture_model.generator(picture, code, _strength(s)))
        for s in (0.0, 0.02, 0.1, 1.0)
    ]
    distances = [np.abs(step - steps[0]).mean() for step in steps]
    assert distances == sorted(distances) and distances[1] < 0.25 * distances[3]


def test_each_picture_follows_its_own_code_and_strength(culture_model, picture, code):
    generator = culture_model.generator
    together = np.asarray(generator(picture, code, np.float32([[1.0], [0.3]])))
    for number, strength in enumerate((1.0, 0.3)):
        one = slice(number, number + 1)
        alone = np.asarray(generator(picture[one], code[one], _strength(strength, 1)))
        np.testing.assert_allclose(together[one], alone, atol=1e-4)


def test_the_pictures_own_moments_change_nothing(culture_model, picture, code):
    generator = culture_model.generator
    features = generator.encode(picture)
    computed = generator.decode(features, code, _strength(1.0), generator.moments(features))
    np.testing.assert_allclose(computed, generator(picture, code, _strength(1.0)), atol=1e-4)


def test_moments_of_another_picture_are_obeyed(culture_model, picture, code):
    generator = culture_model.generator
    features = generator.encode(picture)
    other = generator.moments(generator.encode(picture[::-1] ** 3))
    computed = np.asarray(generator.decode(features, code, _strength(1.0), other))
    assert np.abs(computed - np.asarray(generator(picture, code, _strength(1.0)))).max() > 0.01


def test_full_strength_may_fade_the_finest_lines_out(picture, code):
    """With `fade` the half-resolution code counts at strength 0 and not at 1; else at any."""
    for fade in (True, False):
        keras.utils.set_random_seed(3)
        model = CultureModel(CULTURES, GeneratorConfig(width=64, blocks=1, fade=fade))
        generator = model.create_weights(size=32).generator
        features = generator.encode(picture)
        changed = features | {"detail": features["detail"][:, ::-1]}
        differences = [
            np.abs(
                generator.decode(changed, code, _strength(s))
                - generator.decode(features, code, _strength(s))
            ).max()
            for s in (0.0, 0.5, 1.0)
        ]
        assert differences[0] > 0.01 and differences[1] > 0.005
        assert (differences[2] == 0.0) == fade
        assert tuple(generator.moments(features)) == generator.whitened
        assert ("detail" in generator.whitened) != fade


def test_only_the_whitening_layers_read_the_whole_picture(culture_model, generator, code):
    """With the moments held fixed, a change in one corner leaves the far corner as it was."""
    network = culture_model.generator
    image = generator.uniform(size=(1, 128, 128, 3)).astype(np.float32)
    changed = image.copy()
    changed[:, :8, :8] = 1.0 - changed[:, :8, :8]
    features = network.encode(image)
    moments, strength = network.moments(features), _strength(1.0, 1)
    before = np.asarray(network.decode(features, code[:1], strength, moments))
    after = np.asarray(network.decode(network.encode(changed), code[:1], strength, moments))
    assert np.abs(before - after)[:, :8, :8].max() > 1e-3
    np.testing.assert_allclose(after[:, 64:, 64:], before[:, 64:, 64:], atol=1e-6)


def test_a_constant_picture_gets_no_frame(culture_model, code):
    """Zero padding would show as a border; reflected borders leave a constant constant."""
    image = np.full((1, 48, 48, 3), 0.6, np.float32)
    for strength in (0.0, 0.5):
        result = np.asarray(culture_model.generator(image, 0.25 * code[:1], _strength(strength, 1)))
        middle = np.broadcast_to(result[:, 24:25, 24:25], result.shape)
        np.testing.assert_allclose(result, middle, atol=2e-3)


def test_the_same_generator_in_half_precision_is_near(culture_model, small_sizes, picture, code):
    half = Generator(small_sizes, dtype=keras.DTypePolicy("mixed_bfloat16"))
    half(picture, code, _strength(1.0))
    half.set_weights(culture_model.generator.get_weights())
    computed = half(picture, code, _strength(0.5))
    whole = culture_model.generator(picture, code, _strength(0.5))
    assert computed.dtype == tf.float32
    assert np.abs(np.asarray(computed) - np.asarray(whole)).mean() < 0.02


def test_without_noise_the_mapping_gives_the_default_code(culture_model):
    mapping, noise = culture_model.mapping, np.zeros((3, 16), np.float32)
    codes = np.asarray(mapping(noise, np.eye(3, dtype=np.float32)))
    assert codes.shape == (3, 64)
    np.testing.assert_allclose(culture_model.fusion(np.eye(3, dtype=np.float32)), codes, atol=1e-6)
    assert np.abs(codes[0] - codes[1]).max() > 1e-2


def test_noise_varies_a_cultures_code(culture_model, generator):
    noise = generator.normal(size=(2, 16)).astype(np.float32)
    codes = np.asarray(culture_model.mapping(noise, np.float32([[1, 0, 0], [1, 0, 0]])))
    assert np.abs(codes[0] - codes[1]).max() > 1e-2


def test_the_mapping_is_a_perceptron_of_culture_and_noise(generator):
    """`code = W4 f(W3 f(W2 f(W1 culture + b1 + N noise) + b2) + b3) + b4`, f leaky with 0.2."""
    mapping = MappingNetwork(3, GeneratorConfig(), hidden=20)
    noise = generator.normal(size=(5, 16)).astype(np.float32)
    culture = generator.dirichlet(np.ones(3), 5).astype(np.float32)
    computed = mapping(noise, culture)
    layers = (mapping.embedding, *mapping.hidden, mapping.code)
    features = noise @ np.asarray(mapping.noise_entry.kernel)
    for number, layer in enumerate(layers):
        kernel, bias = layer.get_weights()
        features = culture @ kernel + bias + features if number == 0 else features @ kernel + bias
        if number < len(layers) - 1:
            features = np.where(features > 0, features, 0.2 * features)
    np.testing.assert_allclose(computed, features, atol=1e-4)


def test_a_mixture_is_the_weighted_mean_of_the_default_codes(culture_model):
    fusion = culture_model.fusion
    codes = np.asarray(fusion(np.eye(3, dtype=np.float32)))
    computed = fusion(np.float32([[0.7, 0.3, 0.0], [2.0, 1.0, 1.0]]))
    np.testing.assert_allclose(computed[0], 0.7 * codes[0] + 0.3 * codes[1], atol=1e-6)
    np.testing.assert_allclose(computed[1], codes.T @ [0.5, 0.25, 0.25], atol=1e-6)


def test_negative_and_empty_mixtures_are_defined(culture_model):
    fusion = culture_model.fusion
    np.testing.assert_allclose(
        fusion(np.float32([[-5.0, 1.0, 0.0]])), fusion(np.float32([[0.0, 1.0, 0.0]])), atol=1e-6
    )
    assert np.isfinite(fusion(np.zeros((1, 3), np.float32))).all()


def test_a_one_hot_mixture_restyles_as_the_single_culture(culture_model, picture):
    for number in range(3):
        mixture = np.eye(3, dtype=np.float32)[[number, number]]
        single = culture_model.mapping(np.zeros((2, 16), np.float32), mixture)
        np.testing.assert_allclose(
            culture_model(picture, mixture, _strength(1.0)),
            culture_model.stylize_with(picture, single, _strength(1.0)),
            atol=1e-5,
        )


def test_the_code_of_an_example_is_the_mean_of_its_gaussian(culture_model, picture):
    np.testing.assert_array_equal(
        culture_model.encode_style(picture), culture_model.encoder(picture)[0]
    )


def test_creating_weights_leaves_nothing_to_be_built(small_sizes, picture):
    model = CultureModel(CULTURES, small_sizes).create_weights(size=32)
    names = [variable.path for variable in model.variables]
    model(picture, np.ones((2, 3), np.float32), _strength(1.0))
    model.encode_style(picture)
    model.mapping(np.ones((2, 16), np.float32), np.ones((2, 3), np.float32))
    assert [variable.path for variable in model.variables] == names
    parts = (model.generator, model.mapping, model.encoder)
    assert len(names) == sum(len(part.variables) for part in parts)
    assert len({id(variable) for variable in model.variables}) == len(names)


def test_saved_weights_restore_the_model_bit_for_bit(culture_model, small_sizes, picture, tmp_path):
    path = tmp_path / "model.weights.h5"
    culture_model.save_weights(path)
    loaded = CultureModel(CULTURES, small_sizes).create_weights(size=64)
    mixture = np.float32([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    expected = np.asarray(culture_model(picture, mixture, _strength(1.0)))
    assert np.abs(np.asarray(loaded(picture, mixture, _strength(1.0))) - expected).max() > 0.01
    loaded.load_weights(path)
    for computed, saved in zip(loaded.get_weights(), culture_model.get_weights(), strict=True):
        np.testing.assert_array_equal(computed, saved)
    np.testing.assert_array_equal(loaded(picture, mixture, _strength(1.0)), expected)


def test_every_part_learns_from_a_restyled_picture(culture_model, picture):
    """No weight is cut off: each variable of generator and mapping has a gradient."""
    noise, culture = np.ones((2, 16), np.float32), np.float32([[1, 0, 0], [0, 1, 0]])
    with tf.GradientTape() as tape:
        codes = culture_model.mapping(noise, culture)
        value = tf.reduce_sum(culture_model.generator(picture, codes, _strength(1.0)) ** 2)
    variables = [*culture_model.generator.trainable_variables]
    variables += culture_model.mapping.trainable_variables
    gradients = tape.gradient(value, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None and np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


def test_looks_stand_for_their_culture_and_can_be_mixed_by_name(culture_model, small_sizes):
    drawn = np.random.default_rng(3).normal(size=(2, small_sizes.code_size)).astype(np.float32)
    second = culture_model.cultures[1]
    model = CultureModel(culture_model.cultures, small_sizes, {second: drawn})
    model.create_weights(size=32)
    model.set_weights(culture_model.get_weights())
    mapped = np.asarray(culture_model.fusion.codes())
    np.testing.assert_array_equal(model.fusion.codes(), [mapped[0], drawn[0], mapped[2]])
    named = model.named_codes()
    assert set(named) == {*model.cultures, f"{second}:1", f"{second}:2"}
    np.testing.assert_array_equal(named[second], named[f"{second}:1"])
    text = f"{second}:2=3,{model.cultures[0]}=1"
    wanted = 0.75 * drawn[1] + 0.25 * mapped[0]
    np.testing.assert_allclose(culture_code(model, text)[0], wanted, atol=1e-6)
    with pytest.raises(InputError, match=f"unknown culture '{second}:3'"):
        culture_code(model, f"{second}:3")
