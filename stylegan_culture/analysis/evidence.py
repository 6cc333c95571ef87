"""Where in a picture a network sees a culture: class activation maps and Grad-CAM."""

import numpy as np
import tensorflow as tf

from stylegan_culture import images

COLD, HOT = np.array([0.05, 0.10, 0.35]), np.array([1.0, 0.55, 0.05])  # of an overlay


def class_activation(features, kernel, culture: int):
    """The original CAM: `sum_c kernel[c, culture] features[..., c]`, `[B, h, w]`.

    For networks that end in a global average and a linear layer (Zhou et al., arXiv 1512.04150):
    the mean of the map plus the bias is the culture's logit.

    Args:
        features: `[B, h, w, C]` before the average.
        kernel: `[C, K]` of the linear layer.
        culture: its number.
    """
    return tf.tensordot(tf.cast(features, tf.float32), tf.cast(kernel[:, culture], tf.float32), 1)


def grad_cam(features, head, culture: int):
    """Grad-CAM: `max(0, sum_c a_c features_c)`, a_c the mean gradient of the culture's logit.

    For any network that can be cut at a layer (Selvaraju et al., arXiv 1610.02391). Of a global
    average and a linear layer it is the positive part of CAM over the number of positions.

    Args:
        features: `[B, h, w, C]` at the cut.
        head: features to logits `[B, K]`.
        culture: its number.

    Returns:
        `[B, h, w]`, at least 0.
    """
    features = tf.convert_to_tensor(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logit = head(features)[:, culture]
    slopes = tf.reduce_mean(tape.gradient(logit, features), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(tf.cast(slopes * features, tf.float32), axis=-1))


def overlay(picture, evidence, share: float = 0.6) -> np.ndarray:
    """A picture `[H, W, 3]` under its evidence `[h, w]`, blue where there is none, orange where
    there is most; `share` of the result is the evidence's colour."""
    strength = np.maximum(np.asarray(evidence, np.float64), 0.0)
    strength = strength / max(strength.max(), 1e-12)
    height, width = np.asarray(picture).shape[:2]
    enlarged = images.resize(np.repeat(strength[..., None], 3, axis=-1), height, width)
    grey = np.asarray(picture, np.float64).mean(axis=-1, keepdims=True)
    colour = COLD + np.clip(enlarged, 0.0, 1.0) * (HOT - COLD)
    return np.clip((1.0 - share) * grey + share * colour, 0.0, 1.0).astype(np.float32)
