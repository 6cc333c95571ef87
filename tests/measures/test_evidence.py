"""CAM and Grad-CAM: closed forms, their agreement, and evidence that lies where it was put."""

import numpy as np
import tensorflow as tf

from stylegan_culture.measures import evidence
from stylegan_culture.networks.classifier import CultureClassifier
from stylegan_culture.reports import explanation


def test_grad_cam_of_an_averaging_head_is_cam(generator):
    """The real classifier, cut before its average; CAM: `sum_c kernel_c features_c` (arXiv
    1512.04150), whose mean is the logit."""
    model = CultureClassifier(4, width=4)
    picture = generator.uniform(size=(2, 64, 48, 3)).astype(np.float32)
    model(picture)
    kernel = model.logits.get_weights()[0]

    def network(pictures):
        features = 2.0 * pictures - 1.0
        for convolution, norm in zip(model.convolutions, model.norms, strict=True):
            features = tf.nn.relu(norm(convolution(features)))
        return {"last": features}

    def logits_of(taps):
        return model.logits(tf.reduce_mean(taps["last"], axis=(1, 2)))

    taps = network(picture)
    np.testing.assert_allclose(logits_of(taps), model(picture), rtol=1e-4, atol=1e-5)
    cams = np.maximum(taps["last"].numpy() @ kernel, 0.0)
    positions = cams.shape[1] * cams.shape[2]
    for culture in range(4):
        found = evidence.grad_cam(network, logits_of, picture, "last", culture)
        np.testing.assert_allclose(found, cams[..., culture] / positions, rtol=1e-3, atol=1e-6)


def test_evidence_lies_where_it_was_put():
    """A head that reads squares of the first channel: the map is its bright corner."""
    features = np.full((1, 8, 8, 2), 0.1, np.float32)
    features[0, 5:, :2, 0] = 3.0
    features[0, :3, :, 1] = 5.0  # bright too, but not read

    def logits_of(taps):
        return tf.reduce_mean(taps["it"][..., :1] ** 2, axis=(1, 2))

    found = np.asarray(evidence.grad_cam(_itself, logits_of, features, "it", 0))[0]
    assert found[5:, :2].min() > 10.0 * np.delete(found, [5, 6, 7], axis=0).max()


def test_evidence_against_a_culture_is_left_out(generator):
    features = generator.uniform(0.1, 1.0, (1, 4, 4, 3)).astype(np.float32)
    against = evidence.grad_cam(
        _itself, lambda taps: -tf.reduce_mean(taps["it"], axis=(1, 2)), features, "it", 2
    )
    assert not np.any(against)


def _itself(pictures):
    """A network whose one tap is the picture."""
    return {"it": tf.identity(pictures)}


def test_a_map_lies_on_its_picture_where_the_network_saw_it():
    """A linear map stays linear between positions, whatever the stride; the ends go on."""
    column = np.array([3.0, 11.0, 19.0])  # of positions 8 pixels apart in the middle of 23
    found = evidence.on_picture(np.tile(column, (2, 1)), 8, 16, 23)
    assert found.shape == (16, 23)
    expected = np.clip(np.arange(23.0), 3.0, 19.0)
    np.testing.assert_allclose(found, np.tile(expected, (16, 1)))
    np.testing.assert_allclose(evidence.on_picture(np.tile(column, (2, 1)).T, 8, 23, 16), found.T)
    np.testing.assert_allclose(evidence.on_picture(np.full((1, 1), 2.5), 16, 4, 5), 2.5)


def test_a_signed_overlay_tells_for_from_against(generator):
    picture = generator.uniform(0.3, 0.7, (6, 9, 3)).astype(np.float32)
    strength = np.zeros((6, 9))
    strength[:, :3], strength[:, 6:] = -2.0, 2.0
    shown = explanation.overlay(picture, strength, 2.0)
    warm = shown[..., 0] - shown[..., 2]
    assert warm[:, :3].max() < -0.4 and warm[:, 6:].min() > 0.4
    grey = picture.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(shown[:, 3:6], np.repeat(grey[:, 3:6], 3, axis=-1), atol=1e-6)
    weaker = explanation.overlay(picture, strength, 20.0)
    assert 0.0 < (weaker[..., 0] - weaker[..., 2])[:, 6:].mean() < 0.2


def test_the_strongest_pixels_and_as_many_elsewhere(generator):
    strength = generator.normal(size=(10, 12))
    mask = evidence.strongest_pixels(strength, 0.2)
    assert mask.sum() == 24 and strength[mask].min() >= strength[~mask].max()
    moved = evidence.elsewhere(mask, 9, 3)
    assert moved.shape == (9, 10, 12) and (moved.sum(axis=(1, 2)) == 24).all()
    assert len(np.unique(moved, axis=0)) > 5
    assert evidence.strongest_pixels(np.zeros((4, 5)), 0.25).sum() == 5


def test_what_is_covered_loses_its_detail_and_keeps_its_colour(generator):
    picture = np.clip(generator.normal(0.5, 0.2, (60, 60, 3)), 0.0, 1.0).astype(np.float32)
    mask = np.zeros((60, 60), bool)
    mask[:, 30:] = True
    found = evidence.covered(picture, mask)
    np.testing.assert_array_equal(found[~mask], picture[~mask])
    assert found[mask].std() < 0.3 * picture[mask].std()
    np.testing.assert_allclose(found[mask].mean(axis=0), picture[mask].mean(axis=0), atol=0.03)
