"""A logit taken apart: its parts are the tagger's own, and its maps of means the original CAM."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures import evidence
from stylegan_culture.networks.classifier import OUTMOST, CultureHead, CultureTagger

WIDE, TEMPERATURE = 50.0, 0.6


def _tagger(vgg_archive, deviation_of):
    found = CultureTagger(build_backbone("vgg19_16x", vgg_archive))
    generator = np.random.default_rng(5)
    size = found.describe(np.zeros((1, 64, 64, 3), np.float32)).shape[1]
    found.head = CultureHead(3, True)
    found.head.build((None, size))
    found.head.mean.assign(generator.normal(0.2, 0.2, size))
    found.head.deviation.assign(deviation_of(np.arange(size)))
    for variable in found.head.logits.weights:
        variable.assign(generator.normal(size=variable.shape))
    found.head.temperature.assign(TEMPERATURE)
    return found


@pytest.fixture(scope="module")
def tagger(vgg_archive):
    """A head of random numbers on the small VGG; a few channels lie far outside what it reads."""
    return _tagger(vgg_archive, lambda number: np.where(number % 7 == 0, 0.01, 0.4))


@pytest.fixture(scope="module")
def wide(vgg_archive):
    """The same, but nothing is cut, and everything is divided by `WIDE`."""
    return _tagger(vgg_archive, lambda number: np.full(len(number), WIDE))


@pytest.fixture
def pictures(generator):
    return generator.uniform(size=(3, 80, 64, 3)).astype(np.float32)


def test_bias_and_parts_are_the_logit(tagger, pictures):
    standard = (tagger.describe(pictures) - tagger.head.mean) / tagger.head.deviation
    cut = np.abs(standard) > OUTMOST
    assert 0.02 < cut.mean() < 0.5, "some channels have to be cut, and some not"
    parts = evidence.take_apart(tagger, pictures)
    assert [tap for tap, _ in parts.maps][::2] == list(tagger.backbone.taps)
    np.testing.assert_allclose(parts.logits(), tagger(pictures), rtol=1e-3, atol=1e-3)
    summed = parts.bias + sum(parts.totals()[tap, kind] for tap, kind in parts.maps)
    np.testing.assert_allclose(summed, parts.logits())


def test_each_part_is_that_of_its_descriptors(tagger, pictures):
    """Once more by the head itself: all descriptors but one part's are set to their average."""
    described, start = np.asarray(tagger.describe(pictures)), 0
    none = tagger.head(np.asarray(tagger.head.mean)[None])
    totals = evidence.take_apart(tagger, pictures).totals()
    for tap, features in tagger.backbone(pictures).items():
        for kind in evidence.KINDS:
            slot = slice(start, start + features.shape[-1])
            start = slot.stop
            alone = np.tile(np.asarray(tagger.head.mean), (len(pictures), 1))
            alone[:, slot] = described[:, slot]
            expected = tagger.head(alone) - none
            np.testing.assert_allclose(totals[tap, kind], expected, rtol=1e-3, atol=1e-3)
    assert start == described.shape[1]


def test_the_map_of_means_is_cam(wide, pictures):
    """Up to one number for the whole map."""
    tap, features = next(iter(wide.backbone(pictures).items()))
    found = evidence.take_apart(wide, pictures).maps[tap, "means"]
    kernel = np.asarray(wide.head.logits.kernel)[: features.shape[-1]] / WIDE / TEMPERATURE
    for culture in range(3):
        cam = np.asarray(features) @ kernel[:, culture]
        apart = found[..., culture] - cam
        np.testing.assert_allclose(apart, np.full_like(apart, apart.mean()), atol=1e-5)
        assert cam.std() > 1e-3


def test_grad_cam_at_the_deepest_tap_sees_the_means_alone(wide, pictures):
    """The slopes of deviations average to 0, hence deeper taps have to follow a cut."""
    taps = wide.backbone(pictures)
    last = list(taps)[-1]

    def logits_of(taps):
        return CultureTagger(lambda _: taps, wide.head)(pictures)

    channels = taps[last].shape[-1]
    own = slice(-2 * channels, -channels)  # the means of the deepest tap
    kernel = np.asarray(wide.head.logits.kernel)[own] / WIDE / TEMPERATURE
    positions = taps[last].shape[1] * taps[last].shape[2]
    for culture in range(3):
        cam = np.maximum(np.asarray(taps[last]) @ kernel[:, culture], 0.0)
        found = evidence.grad_cam(wide.backbone, logits_of, pictures, last, culture)
        np.testing.assert_allclose(found, cam / positions, rtol=1e-3, atol=1e-6)


def test_deeper_taps_follow_the_one_at_which_a_network_is_cut(generator):
    """A network of two taps, the second twice the first's square; the logit reads the second."""
    pictures = generator.uniform(size=(2, 6, 5, 3)).astype(np.float32)

    def network(pictures):
        first = tf.convert_to_tensor(pictures) + 1.0
        return {"first": first, "second": 2.0 * first**2}

    def logits_of(taps):
        return tf.reduce_mean(taps["second"], axis=(1, 2))

    found = evidence.grad_cam(network, logits_of, pictures, "first", 1)
    slope = 4.0 * (pictures[..., 1] + 1.0) / 30
    expected = slope.mean(axis=(1, 2))[:, None, None] * (pictures[..., 1] + 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
