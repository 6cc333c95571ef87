"""How well restyled pictures keep their content, and how much they vary.

The network takes most of the time, so no picture passes it twice: contents pass once in
`Perceived.of`, results once in `compared`, and the measures are computed from these features.
Pictures are `[N, H, W, 3]` in [0, 1].
"""

import dataclasses
import functools
import typing

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from stylegan_culture.config import InputError
from stylegan_culture.features import linalg
from stylegan_culture.features.backbones import check_size
from stylegan_culture.measures import statistics
from stylegan_culture.measures.batches import in_batches
from stylegan_culture.measures.statistics import Interval

LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue
WINDOW, SPREAD = 11, 1.5  # pixels: side and deviation of the Gaussian window
LEAST_STRUCTURE = 0.5 * 0.03**2  # c: half of C2 of the paper, for brightness from 0 to 1


@dataclasses.dataclass(frozen=True, eq=False)
class Perceived:
    """Features of N pictures, kept so that others can be compared with them."""

    shape: tuple[int, int, int]  # of the pictures, `(N, H, W)`
    pooled: np.ndarray  # mean over positions of the deepest tap, `[N, D]` float32
    # `{name: [N, h, w, C]}` float16, channels of length 1 at every position: for a picture of 256
    # px of the default backbone 4 MB
    taps: dict[str, np.ndarray]

    @classmethod
    def of(cls, backbone: keras.Model, pictures: ArrayLike) -> "Perceived":
        """Passes pictures `[N, H, W, 3]` once; `InputError` where they are too small."""
        check_size(backbone, *np.shape(pictures)[1:3])
        pooled, taps = in_batches(functools.partial(_perceive, backbone), pictures)
        return cls(np.shape(pictures)[:3], pooled, taps)


def compared(
    backbone: keras.Model, pictures: ArrayLike, known: Perceived
) -> tuple[np.ndarray, np.ndarray]:
    """Perceptual distances of pictures to the known ones, and their pooled features, in one pass.

        d = mean_taps mean_positions sum_channels (x^ - y^)^2,    x^ = x / |x|

    where |x| is the length of the vector of channels at a position. From 0 to 4, and to 2 for
    features that are never negative (after a rectifier). LPIPS (arXiv 1801.03924) with weights 1.
    Differs from the paper: no learnt weights of channels, any backbone, the mean of the taps
    instead of their sum; figures of other backbones cannot be compared. x^ is kept in float16.

    Pictures `[N, H, W, 3]` or `[K, N, H, W, 3]`, n compared with known picture n by the same
    backbone, give distances `[N]` or `[K, N]` and features `[N, D]` or `[K, N, D]`. Raises
    `InputError` for another number or size than the known ones'.
    """
    shape = np.shape(pictures)
    if shape[-4:-1] != tuple(known.shape):
        raise InputError(
            f"pictures of {shape[-4:-1]} (number, height, width) are not comparable with known "
            f"ones of {tuple(known.shape)}; bring them to one size"
        )

    def compare(batch: tf.Tensor, *others: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        means, taps = _perceive(backbone, batch)
        return _apart(taps, dict(zip(known.taps, others, strict=True))), means

    groups = np.reshape(pictures, (-1, *shape[-4:]))
    parts = [in_batches(compare, group, *known.taps.values()) for group in groups]
    apart, pooled = zip(*parts, strict=True)
    first = shape[:-3]
    return np.concatenate(apart).reshape(first), np.concatenate(pooled).reshape(*first, -1)


def pooled(backbone: keras.Model, pictures: ArrayLike) -> np.ndarray:
    """Mean over positions of the deepest tap: `[N, D]` float32; cheaper than `Perceived.of`."""
    check_size(backbone, *np.shape(pictures)[1:3])
    return in_batches(functools.partial(_pool, backbone), pictures)


def content_codes(backbone: keras.Model, pictures: ArrayLike) -> np.ndarray:
    """What is where in pictures, whatever their style: unit vectors `[N, D]` float32.

    The features of `backbone.content_tap`, each channel brought to mean 0 and deviation 1 over the
    picture.
    """
    return in_batches(functools.partial(_code, backbone), pictures)


def descriptors_and_codes(
    backbone: keras.Model, pictures: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """`probes.descriptors` `[N, D]` and `content_codes` `[N, E]` of pictures, in one pass."""
    return in_batches(functools.partial(_describe_and_code, backbone), pictures)


def content_distances(codes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Content distances `2 - 2 cos` between each two of `[N, E]` and `[M, E]`: `[N, M]`.

    0 for one picture, about 2 for pictures that have nothing in common.
    """
    return np.maximum(2.0 - 2.0 * np.asarray(codes) @ np.asarray(others).T, 0.0)


def content_distance(codes: ArrayLike, sources: ArrayLike) -> np.ndarray:
    """The content distance of each of `[..., E]` to the code at its place in `sources`: `[...]`."""
    return 2.0 - 2.0 * np.sum(np.asarray(codes) * sources, axis=-1)


def structure_similarity(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """The structure term of SSIM on luminance, mean over the picture: `[N]`, from -1 to 1.

        s = (cov(x, y) + c) / (sd(x) sd(y) + c),    c = 0.03^2 / 2

    in a Gaussian window of 11x11 pixels, deviation 1.5, at every place where it fits (Wang et al.,
    "Image quality assessment", 2004). 1 for equal pictures, and for brightness that is a rising
    linear function of the other's where the contrast is well above sqrt(c) = 0.02; about 0 for
    pictures that have nothing in common, negative for inverted ones. Differs from the paper: no
    terms of luminance and contrast, which restyling changes on purpose.

    Both `[N, H, W, 3]`, at least 11 pixels a side; else `InputError`.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or min(first.shape[1:3]) < WINDOW:
        raise InputError(
            f"pictures of shape {first.shape} and {second.shape} have no structure similarity; "
            f"give as many of one size, of at least {WINDOW} pixels a side"
        )
    x, y = (each.astype(np.float64) @ LUMINANCE for each in (first, second))
    reach = WINDOW // 2

    def smooth(maps: np.ndarray) -> np.ndarray:
        blurred = gaussian_filter(maps, (0.0, SPREAD, SPREAD), radius=(0, reach, reach))
        return blurred[:, reach:-reach, reach:-reach]

    mean, other_mean = smooth(x), smooth(y)
    variances = [smooth(x * x) - mean**2, smooth(y * y) - other_mean**2]
    deviations = np.sqrt(np.maximum(variances, 0.0)).prod(axis=0)
    covariance = smooth(x * y) - mean * other_mean
    terms = (covariance + LEAST_STRUCTURE) / (deviations + LEAST_STRUCTURE)
    return terms.mean(axis=(1, 2))


def diversity(features: ArrayLike, reference: ArrayLike, seed: int = 0) -> Interval:
    """How much results of different contents differ, against how much the contents do.

        mean_{k, i<j} |f_ki - f_kj| / mean_{i<j} |r_i - r_j|

    0: results of one culture are all alike (collapsed); 1: they differ as the contents do. The
    interval is over contents; pairs of one content drawn twice are left out. Raises `InputError`
    for fewer than two contents, or contents that do not differ.

    Args:
        features: of results, `[K, N, D]` culture by content, or `[N, D]` of one culture.
        reference: of the contents, `[N, D]`.
    """
    features = np.asarray(features, np.float64).reshape(-1, *np.shape(features)[-2:])
    between = _between(reference)
    apart = np.mean([_distances(each) for each in features], axis=0)
    return _with_interval(
        len(between), lambda w: _pair_mean(apart, w) / _pair_mean(between, w), seed
    )


def style_diversity(features: ArrayLike, reference: ArrayLike, seed: int = 0) -> Interval:
    """How much results of one content differ between cultures, against how contents differ.

        mean_{i, k<l} |f_ki - f_li| / mean_{i<j} |r_i - r_j|

    0: every culture gives the same picture. As `diversity`, for at least two cultures.
    """
    features = np.asarray(features, np.float64)
    between, count = _between(reference), len(features)
    apart = np.array(
        [_distances(cultures).sum() / (count * (count - 1)) for cultures in features.swapaxes(0, 1)]
    )
    return _with_interval(
        len(between), lambda w: w @ apart / w.sum() / _pair_mean(between, w), seed
    )


@tf.function(reduce_retracing=True)
def _perceive(backbone: keras.Model, batch: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Pooled features, and all taps with channels of length 1 in float16."""
    taps = {name: tf.cast(value, tf.float32) for name, value in backbone(batch).items()}
    means = tf.reduce_mean(taps[backbone.taps[-1]], (1, 2))
    unit = {name: tf.math.l2_normalize(value, -1, 1e-10) for name, value in taps.items()}
    return means, {name: tf.cast(value, tf.float16) for name, value in unit.items()}


@tf.function(reduce_retracing=True)
def _pool(backbone: keras.Model, batch: tf.Tensor) -> tf.Tensor:
    deepest = backbone.taps[-1]
    return tf.reduce_mean(tf.cast(backbone(batch, taps=(deepest,))[deepest], tf.float32), (1, 2))


@tf.function(reduce_retracing=True)
def _apart(first: dict[str, tf.Tensor], second: dict[str, tf.Tensor]) -> tf.Tensor:
    parts = []
    for name, value in first.items():
        gap = tf.cast(value, tf.float32) - tf.cast(second[name], tf.float32)
        parts.append(tf.reduce_mean(tf.reduce_sum(gap * gap, -1), (1, 2)))
    return tf.add_n(parts) / len(parts)


@tf.function(reduce_retracing=True)  # at the top level: one trace serves every call
def _code(backbone: keras.Model, batch: tf.Tensor) -> tf.Tensor:
    tap = backbone.content_tap
    return _unit(backbone(batch, taps=(tap,))[tap])


@tf.function(reduce_retracing=True)
def _describe_and_code(backbone: keras.Model, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    features = backbone(batch)
    return linalg.descriptors(features), _unit(features[backbone.content_tap])


def _unit(features: tf.Tensor) -> tf.Tensor:
    """Features `[B, h, w, C]` as unit vectors `[B, h w C]`, each channel of mean 0 and deviation 1
    over the picture."""
    features = tf.cast(features, tf.float32)
    mean, variance = tf.nn.moments(features, (1, 2), keepdims=True)
    standard = (features - mean) / tf.sqrt(variance + 1e-4)
    return tf.math.l2_normalize(tf.reshape(standard, (tf.shape(features)[0], -1)), axis=1)


def _distances(rows: ArrayLike) -> np.ndarray:
    """Distances between each two rows of `[N, D]`, exactly 0 for equal ones: `[N, N]`."""
    from scipy.spatial.distance import cdist

    return cdist(rows, rows)


def _between(reference: ArrayLike) -> np.ndarray:
    """Distances between contents; `InputError` where none differ."""
    distances = _distances(np.asarray(reference, np.float64))
    if not distances.any():
        raise InputError("diversity needs at least two contents that differ; give more pictures")
    return distances


def _pair_mean(apart: np.ndarray, weights: np.ndarray) -> float:
    """The mean over pairs of different contents, content i counted `weights[i]` times."""
    pairs = weights.sum() ** 2 - weights @ weights
    return weights @ apart @ weights / pairs if pairs else np.nan


def _with_interval(count: int, measure: typing.Callable, seed: int) -> Interval:
    """A measure of weights `[N]`. A draw of one content alone has no pairs and counts nowhere."""
    weights = statistics.resampled(np.zeros(count, int), statistics.REPLICATES, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.array([measure(each) for each in weights])
    return statistics.with_interval(measure(np.ones(count)), values[np.isfinite(values)], 0.0)
