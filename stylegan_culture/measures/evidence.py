"""Why a network names a culture: where in a picture it sees it (class activation maps, Grad-CAM),
in which channels, and in which direction of a code.

Of channels, values are one number of each picture and channel, `[N, C]`, and labels `[N]` are
cultures 0 to K - 1, each at least once. Cultures count alike, however many pictures each has.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from scipy.ndimage import map_coordinates

from stylegan_culture import images
from stylegan_culture.features import linalg
from stylegan_culture.measures import statistics
from stylegan_culture.networks.classifier import OUTMOST

LEAST_DEVIATION = 1e-9  # relative; a channel that never changes differs by nothing
BLUR = 6  # pixels a side that a picture is reduced to where it is covered


def grad_cam(
    network: Callable, logits_of: Callable, pictures: ArrayLike, tap: str, culture: int
) -> tf.Tensor:
    """Grad-CAM: `max(0, sum_c a_c features_c)`, a_c the mean gradient of the culture's logit.

    For any network that can be cut at a tap (Selvaraju et al., arXiv 1610.02391). The head may read
    several taps: deeper taps follow a change of this tap, shallower ones do not, so the gradient
    covers every way from this tap to the logit. If deeper taps were held fixed, Grad-CAM of a head
    that reads means and deviations would see the means only, since the slopes of a deviation
    average to 0 over the map.

    `network` maps pictures `[B, H, W, 3]` to `{tap: [B, h, w, C]}` and `logits_of` such taps to
    logits `[B, K]`; the map is `[B, h, w]`, at least 0.
    """
    pictures = tf.convert_to_tensor(pictures)
    with tf.GradientTape() as tape:
        tape.watch(pictures)  # else the fixed network is not recorded
        taps = network(pictures)
        logit = logits_of(taps)[:, culture]
    slopes = tf.reduce_mean(tape.gradient(logit, taps[tap]), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(tf.cast(slopes * taps[tap], tf.float32), axis=-1))


def on_picture(evidence: ArrayLike, stride: int, height: int, width: int) -> np.ndarray:
    """A map `[h, w]` at the pixels of its picture, `[height, width]` float64, linearly between
    positions and constant beyond the outermost.

    Positions lie `stride` pixels apart and the map's middle in the picture's: to a pixel for
    networks that pad, to 3 for the others (backbones of 160-pixel pictures).
    """
    places = []
    for count, size in zip(np.shape(evidence), (height, width), strict=True):
        first = (size - 1 - stride * (count - 1)) / 2  # pixel of the outermost position
        places.append((np.arange(size) - first) / stride)
    grid = np.meshgrid(*places, indexing="ij")
    return map_coordinates(np.asarray(evidence, np.float64), grid, order=1, mode="nearest")


def strongest_pixels(evidence: ArrayLike, share: float) -> np.ndarray:
    """The pixels of most evidence: bool `[H, W]`, `share` of them, rounded; ties by position."""
    flat = np.asarray(evidence).ravel()
    mask = np.zeros(flat.size, bool)
    mask[np.argsort(-flat, kind="stable")[: round(share * flat.size)]] = True
    return mask.reshape(np.shape(evidence))


def elsewhere(mask: ArrayLike, count: int, seed: int) -> np.ndarray:
    """The mask `[H, W]` shifted at random, circularly: `[count, H, W]`, each of as many pixels."""
    generator = np.random.default_rng(seed)
    shifts = generator.integers(0, np.shape(mask), (count, 2))
    return np.stack([np.roll(mask, shift, (0, 1)) for shift in shifts])


def covered(picture: ArrayLike, mask: ArrayLike) -> np.ndarray:
    """A picture `[H, W, 3]` in which the mask's pixels are blurred beyond recognition."""
    height, width = mask.shape
    picture = np.asarray(picture, np.float32)
    blurred = images.resize(images.resize(picture, BLUR, BLUR), height, width)
    return np.where(mask[..., None], blurred, picture)


KINDS = ("means", "deviations")


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """Logits of N pictures and K cultures, taken apart."""

    bias: np.ndarray  # `[K]`
    maps: dict  # `{(tap, kind): [N, h, w, K]}`, kinds of `KINDS`, taps from shallow to deep

    def totals(self) -> dict[tuple[str, str], np.ndarray]:
        """The parts of the logits, `{(tap, kind): [N, K]}`."""
        return {name: one.mean(axis=(1, 2)) for name, one in self.maps.items()}

    def logits(self) -> np.ndarray:
        """Bias and all parts summed: `[N, K]`."""
        return self.bias + sum(self.totals().values())


def take_apart(tagger: keras.Model, pictures: ArrayLike) -> Parts:
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


def _statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What averages to a channel's mean and to its deviation, `[N, h, w, C]` each."""
    squares = (
        np.square(features - features.mean(axis=(1, 2), keepdims=True)) + linalg.DEVIATION_FLOOR
    )
    return features, squares / np.sqrt(squares.mean(axis=(1, 2), keepdims=True))


def channel_differences(
    values: ArrayLike, labels: ArrayLike, count: int, weights: ArrayLike | None = None
) -> np.ndarray:
    """How many deviations a culture's mean lies above the other cultures': `[K, C]`.

        d_k = (m_k - mean of the other cultures' m_j) / s,   s^2 = mean of the cultures' variances

    Cohen's d with a pooled deviation that counts cultures alike.

    Args:
        weights: how often each picture counts, `[N]`; None counts each once.
    """
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    values = np.asarray(values, np.float64)
    means, variances = _moments(values, weights[:, None] * _member(labels, count))
    spread = np.sqrt(variances.mean(axis=0))
    constant = spread <= LEAST_DEVIATION * (np.abs(values).max(axis=0) + LEAST_DEVIATION)
    return np.where(constant, 0.0, above_others(means) / np.where(constant, 1.0, spread))


def above_others(means: ArrayLike) -> np.ndarray:
    """Each culture's mean `[K, C]` less the mean of the other cultures' means."""
    count = len(means)
    return (means - means.mean(axis=0)) * count / max(1, count - 1)


def culture_means(values: ArrayLike, labels: ArrayLike, count: int) -> np.ndarray:
    """The mean of each culture's pictures: `[K, C]`."""
    return _moments(np.asarray(values, np.float64), _member(labels, count))[0]


def eta_squared(values: ArrayLike, labels: ArrayLike, count: int) -> np.ndarray:
    """The share of each channel's variance that lies between cultures, `[C]` in [0, 1].

    `between / (between + within)`, the mean square of the cultures' means about their mean and the
    mean of their variances; 0 for a channel that never changes.
    """
    means, variances = _moments(np.asarray(values, np.float64), _member(labels, count))
    between, within = means.var(axis=0), variances.mean(axis=0)
    whole = between + within
    return np.where(whole > 0.0, between / np.where(whole > 0.0, whole, 1.0), 0.0)


def chance_difference(
    values: ArrayLike, labels: ArrayLike, count: int, permutations: int, seed: int
) -> float:
    """The 95 % quantile of the greatest difference of all channels and cultures when the pictures'
    tags are shuffled: one threshold for all, since the strongest of many channels is strong even
    where no channel tells anything (maximum statistic; Westfall and Young, 1993)."""
    generator, labels = np.random.default_rng(seed), np.asarray(labels)
    greatest = [
        np.max(channel_differences(values, generator.permutation(labels), count))
        for _ in range(permutations)
    ]
    return float(np.quantile(greatest, statistics.LEVEL))


def difference_intervals(
    values: ArrayLike, labels: ArrayLike, count: int, replicates: int, seed: int
) -> np.ndarray:
    """Differences with 95 % intervals over pictures, `[K, C, 3]` of value, low and high end."""
    value = channel_differences(values, labels, count)
    drawn = statistics.resampled(labels, replicates, seed)
    replicated = np.stack([channel_differences(values, labels, count, row) for row in drawn])
    return np.stack([value, *statistics.interval(value, replicated)], axis=-1)


def strongest_channels(differences: ArrayLike, count: int) -> np.ndarray:
    """The channels of greatest value of each row `[K, C]`, the greatest first: `[K, count]`."""
    return np.argsort(-np.asarray(differences), axis=1, kind="stable")[:, :count]


def _member(labels: ArrayLike, count: int) -> np.ndarray:
    """Tags `[N, K]` of labels."""
    return np.eye(count)[np.asarray(labels)]


def _moments(values: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance `[K, C]` of each column of `shares [N, K]`."""
    shares = (shares / shares.sum(axis=0)).T
    centre = values.mean(axis=0)  # squares of values far from zero would cancel
    means = shares @ (values - centre)
    variances = np.maximum(shares @ np.square(values - centre) - np.square(means), 0.0)
    return means + centre, variances


@dataclasses.dataclass(frozen=True, eq=False)
class Directions:
    """From the middle of K codes to each: `middle [D]`, `steps [K, D]`; middle + step = code."""

    middle: np.ndarray
    steps: np.ndarray

    @classmethod
    def between(cls, codes: ArrayLike) -> "Directions":
        """Of codes `[K, D]`, one a culture."""
        codes = np.asarray(codes, np.float64)
        middle = codes.mean(axis=0)
        return cls(middle, codes - middle)

    def at(self, culture: int, far: ArrayLike) -> np.ndarray:
        """Codes `[n, D]` at `far [n]` steps from the middle: 0 is the middle, 1 the culture."""
        return self.middle + np.asarray(far, np.float64)[:, None] * self.steps[culture]

    def along(self, codes: ArrayLike) -> np.ndarray:
        """How far codes `[N, D]` lie along each direction, in its steps: `[N, K]`.

        `<code - middle, step> / |step|^2`; 0 for a direction without length.
        """
        squares = np.square(self.steps).sum(axis=1)
        scaled = self.steps / np.where(squares > 0.0, squares, 1.0)[:, None]
        return (np.asarray(codes, np.float64) - self.middle) @ scaled.T


def means_of_cultures(
    values: ArrayLike, labels: ArrayLike, count: int, replicates: int, seed: int
) -> np.ndarray:
    """Mean of each culture's values `[N, J]` with its 95 % interval over pictures: `[K, J, 3]`."""
    values, labels = np.asarray(values, np.float64), np.asarray(labels)
    figures = []
    for culture in range(count):
        rows = values[labels == culture]
        weights = statistics.resampled(np.zeros(len(rows), int), replicates, seed)
        mean = rows.mean(axis=0)
        ends = statistics.interval(mean, weights @ rows / len(rows))
        figures.append(np.stack([mean, *ends], axis=-1))
    return np.stack(figures)
