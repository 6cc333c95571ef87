"""Restyling of any size: tiles against the whole, colours, memory."""

import subprocess
import sys

import keras
import memory
import numpy as np
import pytest

from stylegan_culture.networks import generator
from stylegan_culture.networks.cyclegan import CyclePair, TranslatorConfig
from stylegan_culture.networks.generator import CultureModel, GeneratorConfig
from stylegan_culture.networks.restoration import RestorationConfig, RestorationModel
from stylegan_culture.restyling import feedforward
from stylegan_culture.restyling.restoration import RestoringNetwork


def make_model(blocks=1, **changes):
    """Random weights, with the last layer scaled to a trained picture's contrast, unclipped."""
    keras.utils.set_random_seed(5)
    config = GeneratorConfig(width=64, blocks=blocks, **changes)
    model = CultureModel(["a", "b"], config).create_weights()
    last = model.generator.to_rgb.layer.kernel
    last.assign((1.2 if config.fade else 0.8) * last)
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


def scene(height, width, seed=0):
    """A picture whose statistics differ from corner to corner, so that tiles' moments differ."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    ramp = np.stack([rows / height, columns / width, rows * columns / (height * width)], -1)
    return np.clip(0.8 * ramp + 0.2 * rng.random((height, width, 3)), 0, 1).astype(np.float32)


def code(model, seed=0):
    size = (1, model.config.code_size)
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


@pytest.mark.parametrize("blocks, size, tile", [(1, (320, 264), 64), (3, (256, 200), 72)])
@pytest.mark.parametrize("shipped", [False, True])
def test_tiled_equals_untiled(blocks, size, tile, shipped):
    model = make_model(blocks, fade=shipped, smooth=shipped, grain=shipped)
    image, style = scene(*size), code(model)
    whole = feedforward.CultureNetwork(model, style)(image)
    tiled = feedforward.CultureNetwork(model, style)(image, tile=tile)
    assert whole.std() > 0.05
    np.testing.assert_allclose(tiled, whole, atol=0.3 / 255)


def test_a_narrower_margin_would_show(model, monkeypatch):
    """The margin is what makes tiles agree: without one they do not."""
    image, style = scene(256, 256), code(model)
    whole = feedforward.CultureNetwork(model, style)(image)
    monkeypatch.setattr(feedforward, "DECODER_MARGIN", -model.config.blocks)
    assert np.abs(feedforward.CultureNetwork(model, style)(image, tile=64) - whole).max() > 2 / 255


def test_tiled_features_and_moments_are_those_of_the_whole(model):
    image = scene(200, 136)
    features = model.generator.encode(image[None])
    network = feedforward.CultureNetwork(model, code(model))
    tiled = network.encode(image, 48)
    moments = network.moments(tiled)
    expected = model.generator.moments(features)
    for name, value in features.items():
        np.testing.assert_allclose(tiled[name], np.asarray(value), atol=1e-5)
        mean, covariance = moments[name]
        np.testing.assert_allclose(mean, np.asarray(expected[name][0]), atol=1e-5)
        np.testing.assert_allclose(covariance, np.asarray(expected[name][1]), atol=1e-5)


def test_moments_far_from_zero_do_not_cancel(model):
    features = 1000.0 + np.random.default_rng(1).normal(size=(1, 80, 30, 16)).astype(np.float32)
    samples = features.reshape(-1, 16).astype(np.float64)
    _, covariance = feedforward.moments_of(features, model.generator.coarse_colouring.group)
    np.testing.assert_allclose(covariance[0, 0], np.cov(samples.T, bias=True), atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (64, 64), (65, 130)])
def test_any_size_comes_back_in_its_size(model, size):
    result = feedforward.CultureNetwork(model, code(model))(scene(*size))
    assert result.shape == (*size, 3)
    assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1


def test_tiles_cover_every_position_once():
    count = np.zeros((13, 9), int)
    for core, outer in feedforward.tiles(13, 9, 4, 2):
        count[core] += 1
        assert outer[0].start <= core[0].start and outer[1].stop >= core[1].stop
    assert (count == 1).all()


def test_keep_colour_keeps_chrominance_and_matches_luminance():
    content = 0.35 + 0.3 * scene(40, 50, 1)
    restyled = 0.35 + 0.3 * scene(40, 50, 2)[::-1]
    result = feedforward.keep_colour(content, restyled)
    yiq, original = result @ feedforward.YIQ.T, content @ feedforward.YIQ.T
    np.testing.assert_allclose(yiq[..., 1:], original[..., 1:], atol=2e-3)
    np.testing.assert_allclose(yiq[..., 0].mean(), original[..., 0].mean(), atol=1e-3)
    np.testing.assert_allclose(yiq[..., 0].std(), original[..., 0].std(), atol=1e-3)


MEMORY = """
import numpy as np
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.networks.sizes import GeneratorConfig
from stylegan_culture.restyling import feedforward
model = CultureModel(["a", "b"], GeneratorConfig()).create_weights()
image = np.random.default_rng(0).random((4096, 4096, 3), dtype=np.float32)
code = np.ones((1, model.config.code_size), np.float32)
result = feedforward.CultureNetwork(model, code)(image)
assert result.shape == image.shape
result = feedforward.keep_colour(image, result)
print(peak_mib() / 1024)
"""


@pytest.mark.slow
def test_sixteen_megapixels_stay_below_three_gigabytes():
    answer = subprocess.run(
        [sys.executable, "-c", memory.PEAK + MEMORY],
        capture_output=True,
        text=True,
        check=True,
        timeout=550,
    )
    assert float(answer.stdout.split()[-1]) < 3.0


def test_every_network_draws_pictures_of_any_size_and_in_batches(model):
    """The culture generator, a translator and the restoring network, whose pictures have a fourth
    channel: a picture alone equals the same picture in a batch."""
    keras.utils.set_random_seed(2)
    restoring = RestorationModel(("denoise",), RestorationConfig(64, 1, 8, 8, 1)).create_weights()
    pair = CyclePair(("a", "b"), TranslatorConfig(4, 1)).create_weights()
    for network, channels in [
        (feedforward.CultureNetwork(model, code(model)), 3),
        (feedforward.TranslatorNetwork(pair.forth), 3),
        (RestoringNetwork(restoring, "denoise"), 4),
    ]:
        batch = np.random.default_rng(3).random((2, 24, 32, channels), np.float32)
        together = np.asarray(network.whole(batch, np.ones((2, 1), np.float32)))
        for picture, drawn in zip(batch, together, strict=True):
            np.testing.assert_allclose(network(picture), np.clip(drawn, 0.0, 1.0), atol=1e-5)
        assert network(batch[0, :17, :21]).shape == (17, 21, 3)


def test_the_stride_is_that_of_the_generator():
    """Written a second time, since importing the generator takes seconds."""
    assert feedforward.STRIDE == generator.STRIDE
