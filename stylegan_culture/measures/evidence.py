"""Where in a picture a network sees a culture: class activation maps and Grad-CAM."""

import dataclasses

import numpy as np
import tensorflow as tf

from stylegan_culture import images
from stylegan_culture.networks.classifier import OUTMOST

COLD, HOT = np.array([0.05, 0.10, 0.35]), np.array([1.0, 0.55, 0.05])  # of an overlay
AGAINST = np.array([0.10, 0.35, 0.95])  # of evidence against a culture
BLUR = 6  # pixels a side that a picture is reduced to where it is covered


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
    return weighted(features, tape.gradient(logit, features))


def grad_cam_inside(network, logits_of, pictures, tap: str, culture: int):
    """Grad-CAM at a tap of a network several of whose taps are read.

    The deeper taps follow the tap at which it is cut, and the shallower ones stay as they are: the
    gradient is that of every way from this tap to the logit. Holding the deeper taps too would
    leave the direct way alone; of a head that reads means and deviations Grad-CAM then sees the
    means only, since the slopes of a deviation average to nought over the map.

    Args:
        network: pictures to `{tap: [B, h, w, C]}`.
        logits_of: such taps to logits `[B, K]`.
        pictures: `[B, H, W, 3]`.
        tap: where it is cut.
        culture: its number.

    Returns:
        `[B, h, w]`, at least 0.
    """
    pictures = tf.convert_to_tensor(pictures)
    with tf.GradientTape() as tape:
        tape.watch(pictures)  # else the fixed network is not recorded
        taps = network(pictures)
        logit = logits_of(taps)[:, culture]
    return weighted(taps[tap], tape.gradient(logit, taps[tap]))


def weighted(features, gradient):
    """`max(0, sum_c mean(gradient_c) features_c)`: `[B, h, w, C]` twice to `[B, h, w]`."""
    slopes = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(tf.cast(slopes * features, tf.float32), axis=-1))


def on_picture(evidence, stride: int, height: int, width: int) -> np.ndarray:
    """A map `[h, w]` at the pixels of its picture, `[height, width]` float64, between positions
    linearly.

    Positions lie `stride` pixels apart and the map's middle in the picture's. Of networks that pad
    this is so to a pixel, of those that do not to 3 (backbones of 160-pixel pictures). Beyond the
    outermost positions the map goes on as it ends.
    """
    evidence = np.asarray(evidence, np.float64)
    for axis, size in enumerate((height, width)):
        count = evidence.shape[axis]
        first = (size - 1 - stride * (count - 1)) / 2
        place = np.clip((np.arange(size) - first) / stride, 0.0, count - 1.0)
        low = np.minimum(place.astype(int), max(0, count - 2))
        share = (place - low).reshape((-1, 1) if axis == 0 else (1, -1))
        after = np.take(evidence, np.minimum(low + 1, count - 1), axis)
        evidence = (1.0 - share) * np.take(evidence, low, axis) + share * after
    return evidence


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


def signed_overlay(picture, evidence, scale: float, share: float = 0.75) -> np.ndarray:
    """A picture `[H, W, 3]` in grey, orange where evidence `[H, W]` is for a culture and blue where
    it is against it; at `scale` and beyond, `share` of the result is that colour."""
    strength = np.clip(np.asarray(evidence, np.float64) / max(scale, 1e-12), -1.0, 1.0)[..., None]
    grey = np.asarray(picture, np.float64).mean(axis=-1, keepdims=True)
    veil = share * np.abs(strength)
    colour = np.where(strength > 0.0, HOT, AGAINST)
    return np.clip((1.0 - veil) * grey + veil * colour, 0.0, 1.0).astype(np.float32)


def strongest(evidence, share: float) -> np.ndarray:
    """The pixels of most evidence: bool `[H, W]`, `share` of them, rounded; ties by position."""
    flat = np.asarray(evidence).ravel()
    mask = np.zeros(flat.size, bool)
    mask[np.argsort(-flat, kind="stable")[: round(share * flat.size)]] = True
    return mask.reshape(np.shape(evidence))


def elsewhere(mask, count: int, seed: int) -> np.ndarray:
    """The mask `[H, W]` moved around the picture at random, what leaves it comes in at the other
    side: `[count, H, W]`, of the same number of pixels."""
    generator = np.random.default_rng(seed)
    shifts = generator.integers(0, np.shape(mask), (count, 2))
    return np.stack([np.roll(mask, shift, (0, 1)) for shift in shifts])


def covered(picture, mask) -> np.ndarray:
    """A picture `[H, W, 3]` with a mask's pixels blurred beyond recognition, colours kept."""
    height, width = mask.shape
    picture = np.asarray(picture, np.float32)
    blurred = images.resize(images.resize(picture, BLUR, BLUR), height, width)
    return np.where(mask[..., None], blurred, picture)


KINDS = ("means", "deviations")
FLOOR = 1e-6  # e above, the one that `CultureTagger.describe` adds to variances


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """Logits of N pictures and K cultures, taken apart.

    Fields:
        bias: `[K]`.
        maps: `{(tap, kind): [N, h, w, K]}`, kinds of `KINDS`, taps from shallow to deep.
    """

    bias: np.ndarray
    maps: dict

    def totals(self) -> dict:
        """The parts of the logits, `{(tap, kind): [N, K]}`."""
        return {name: one.mean(axis=(1, 2)) for name, one in self.maps.items()}

    def logits(self) -> np.ndarray:
        """Bias and all parts summed: `[N, K]`."""
        return self.bias + sum(self.totals().values())


def take_apart(tagger, pictures) -> Parts:
    """The parts of a `CultureTagger`'s logits for pictures `[N, H, W, 3]` in [0, 1]."""
    head = tagger.head
    kernel, bias = (np.asarray(value, np.float64) for value in head.logits.weights)
    temperature = float(np.asarray(head.temperature))
    centre, spread = (np.asarray(value, np.float64) for value in (head.mean, head.deviation))
    maps, start = {}, 0
    for tap, features in tagger.backbone(pictures).items():
        features = np.asarray(features, np.float64)
        for kind, values in zip(KINDS, _statistics(features), strict=True):
            slot = slice(start, start + features.shape[-1])
            start = slot.stop
            standard = (values - centre[slot]) / spread[slot]
            whole = standard.mean(axis=(1, 2), keepdims=True)
            standard = np.where(
                np.abs(whole) > OUTMOST, np.clip(whole, -OUTMOST, OUTMOST), standard
            )
            maps[tap, kind] = standard @ kernel[slot] / temperature
    return Parts(bias / temperature, maps)


def _statistics(features) -> tuple[np.ndarray, np.ndarray]:
    """What averages to a channel's mean and to its deviation, `[N, h, w, C]` each."""
    squares = np.square(features - features.mean(axis=(1, 2), keepdims=True)) + FLOOR
    return features, squares / np.sqrt(squares.mean(axis=(1, 2), keepdims=True))
