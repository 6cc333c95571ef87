"""CAM and Grad-CAM: closed forms, their agreement, and evidence that lies where it was put."""

import numpy as np
import tensorflow as tf

from stylegan_culture.analysis import evidence
from stylegan_culture.networks.classifier import CultureClassifier


def test_cam_explains_the_logit(generator):
    features = generator.normal(size=(2, 5, 4, 6)).astype(np.float32)
    kernel = generator.normal(size=(6, 3)).astype(np.float32)
    found = evidence.class_activation(features, kernel, 1)
    np.testing.assert_allclose(found, features @ kernel[:, 1], rtol=1e-4, atol=1e-5)
    logits = features.mean(axis=(1, 2)) @ kernel
    np.testing.assert_allclose(np.mean(found, axis=(1, 2)), logits[:, 1], rtol=1e-3, atol=1e-5)


def test_grad_cam_of_an_averaging_head_is_cam(generator):
    """The real classifier, cut before its average."""
    model = CultureClassifier(4, width=4)
    picture = generator.uniform(size=(2, 64, 48, 3)).astype(np.float32)
    model(picture)
    kernel = model.logits.get_weights()[0]
    seen = []

    def head(features):
        seen.append(features)
        return model.logits(tf.reduce_mean(features, axis=(1, 2)))

    features = 2.0 * picture - 1.0
    for convolution, norm in zip(model.convolutions, model.norms, strict=True):
        features = tf.nn.relu(norm(convolution(features)))
    np.testing.assert_allclose(head(features), model(picture), rtol=1e-4, atol=1e-5)
    for culture in range(4):
        cam = np.maximum(evidence.class_activation(features, kernel, culture), 0.0)
        positions = features.shape[1] * features.shape[2]
        found = evidence.grad_cam(features, head, culture)
        np.testing.assert_allclose(found, cam / positions, rtol=1e-3, atol=1e-6)


def test_evidence_lies_where_it_was_put():
    """A head that reads squares of the first channel: the map is its bright corner."""
    features = np.full((1, 8, 8, 2), 0.1, np.float32)
    features[0, 5:, :2, 0] = 3.0
    features[0, :3, :, 1] = 5.0  # bright too, but not read

    def head(values):
        return tf.reduce_mean(values[..., :1] ** 2, axis=(1, 2))

    found = np.asarray(evidence.grad_cam(features, head, 0))[0]
    assert found[5:, :2].min() > 10.0 * np.delete(found, [5, 6, 7], axis=0).max()


def test_evidence_against_a_culture_is_left_out(generator):
    features = generator.uniform(0.1, 1.0, (1, 4, 4, 3)).astype(np.float32)
    found = evidence.grad_cam(features, lambda f: -tf.reduce_mean(f, axis=(1, 2)), 2)
    assert not np.any(found)


def test_an_overlay_is_warm_where_evidence_is_and_keeps_the_drawing(generator):
    picture = generator.uniform(size=(40, 60, 3)).astype(np.float32)
    shown = evidence.overlay(picture, np.array([[0.0, 0.0], [0.0, 4.0]]))
    assert shown.shape == picture.shape and shown.min() >= 0.0 and shown.max() <= 1.0
    warm = shown[..., 0] - shown[..., 2]
    assert warm[30:, 45:].mean() > 0.3 > 0.0 > warm[:10, :15].mean()
    brightness, grey = shown[:10, :15].mean(axis=-1), picture[:10, :15].mean(axis=-1)
    assert np.corrcoef(brightness.ravel(), grey.ravel())[0, 1] > 0.9
    plain = evidence.overlay(picture, np.zeros((2, 2)))
    assert np.isfinite(plain).all()
