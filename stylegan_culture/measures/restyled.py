"""What restyled pictures reach: named as asked, content kept, style near, against a control.

A result is one content in one culture. Results are `[K, N, S, S, 3]`, culture by content, at the
probe's side; every figure comes with a 95 % bootstrap interval over the contents, each class's
drawn from that class.
"""

import dataclasses
from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stylegan_culture import losses
from stylegan_culture.measures import content as content_measures
from stylegan_culture.measures import statistics
from stylegan_culture.measures.batches import in_batches
from stylegan_culture.measures.probes import PHOTOGRAPH, CultureProbe
from stylegan_culture.measures.statistics import Interval

# Of these the median is given, of all others the mean.
MEDIANS = ("content_distance", "perceptual_distance", "style_distance", "error", "motifs")
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the artwork, in the control


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """Content codes that results are compared with, made once for all methods."""

    others: np.ndarray  # `[N + G, E]`, of the N contents and of a gallery of G other pictures
    artworks: np.ndarray  # `[A, E]`; a result should be nearer to its source than to any of them


@dataclasses.dataclass(frozen=True, eq=False)
class Recognition:
    """Whose idiom and whose content results have."""

    probabilities: np.ndarray  # `[K, N, classes]`
    content_distance: np.ndarray  # `[K, N]`, to the source
    nearest: np.ndarray  # `[K, N]` bool: no other source and no picture of the gallery is nearer
    artwork_nearer: np.ndarray  # `[K, N]` bool: an artwork is nearer than the source


def recognised(probe: CultureProbe, results: ArrayLike, known: Known) -> Recognition:
    """Passes each of `results [K, N, S, S, 3]` through the probe's network once; the first N codes
    of `known.others` are the contents'."""
    rows = []
    for restyled in results:
        features, codes = content_measures.descriptors_and_codes(probe.backbone, restyled)
        apart = content_measures.content_distances(codes, known.others)
        distance = np.diagonal(apart)
        rows.append(
            (
                probe.classifier.predict_proba(features),
                distance,
                apart.argmin(axis=1) == np.arange(len(codes)),
                content_measures.content_distances(codes, known.artworks).min(axis=1) < distance,
            )
        )
    return Recognition(*(np.stack(parts) for parts in zip(*rows, strict=True)))


def confusion(named: ArrayLike, asked: ArrayLike, classes: int) -> np.ndarray:
    """Of the results that were asked of culture k, the share named as class j: `[K, classes]`.

    `named [K, N]` class numbers, `asked [K, N]` whether content n was to become culture k.
    """
    return np.stack(
        [
            np.bincount(numbers[wanted], minlength=classes) / max(wanted.sum(), 1)
            for numbers, wanted in zip(np.asarray(named), np.asarray(asked), strict=True)
        ]
    )


@dataclasses.dataclass(frozen=True)
class Crossfade:
    """The control at one share of the artwork: how often it is named as asked (mean over cultures),
    and its median content distance."""

    share: float
    named: float
    distance: float


def crossfades(
    probe: CultureProbe, contents: ArrayLike, artworks: list[np.ndarray], seed: int
) -> list[Crossfade]:
    """What recognition alone would reward: contents under a veil of a random artwork,
    `(1 - share) content + share artwork`, for each of `SHARES`.

    Args:
        probe: its first K classes are the cultures in order.
        contents: `[N, S, S, 3]`.
        artworks: K arrays `[A, S, S, 3]`.
        seed: of the artworks drawn.
    """
    generator, controls = np.random.default_rng(seed), []
    veils = [each[generator.integers(0, len(each), len(contents))] for each in artworks]
    source = content_measures.content_codes(probe.backbone, contents)
    for share in SHARES:
        named, distance = [], []
        for culture, veil in enumerate(veils):
            mixed = ((1.0 - share) * contents + share * veil).astype(np.float32)
            named.append(np.mean(probe.named(mixed) == culture))
            codes = content_measures.content_codes(probe.backbone, mixed)
            distance.append(content_measures.content_distance(codes, source))
        controls.append(Crossfade(share, float(np.mean(named)), float(np.median(distance))))
    return controls


def named_at_distance(control: list[Crossfade], distance: float) -> float:
    """How often the control is named as asked at a content distance, between its shares linearly.

    At distance 0 it is the photograph itself, which is of no tradition: 0.
    """
    points = [(0.0, 0.0)] + [(each.distance, each.named) for each in control]
    return float(np.interp(distance, *zip(*points, strict=True)))


def mean_grams(backbone: keras.Model, pictures: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """The mean Gram matrix of pictures `[H, W, 3]` in [0, 1] at each tap: `{tap: [C, C]}`."""
    total, count = {}, 0
    for picture in pictures:
        for tap, gram in _grams(backbone, tf.constant(picture[None])).items():
            total[tap] = total.get(tap, 0.0) + gram[0].numpy()
        count += 1
    return {tap: value / count for tap, value in total.items()}


def style_distances(
    backbone: keras.Model, pictures: ArrayLike, target: dict[str, np.ndarray]
) -> np.ndarray:
    """`mean_taps |G - G_t|_1 / |G_t|_1` of pictures `[N, S, S, 3]` to Gram matrices of
    `mean_grams`: `[N]`."""

    def distances(batch: tf.Tensor) -> np.ndarray:
        errors = [
            np.abs(gram.numpy() - target[tap]).sum(axis=(1, 2)) / np.abs(target[tap]).sum()
            for tap, gram in _grams(backbone, batch).items()
        ]
        return np.mean(errors, axis=0)

    return in_batches(distances, pictures, size=8)


@tf.function(reduce_retracing=True)  # at the top level: one trace serves every call
def _grams(backbone: keras.Model, batch: tf.Tensor) -> dict[str, tf.Tensor]:
    return {tap: losses.gram(features) for tap, features in backbone(batch).items()}


@dataclasses.dataclass(frozen=True)
class Summary:
    """The figures of one method by measure; None where no content was asked of the culture."""

    figures: dict[str, Interval | None]  # over all results
    cultures: dict[str, dict[str, Interval | None]]  # culture to its figures
    # `named` and `content_distance` by source class, one number a culture
    pairs: dict[str, dict[str, list[float | None]]]


def summary(
    probabilities: ArrayLike,
    measures: dict[str, ArrayLike],
    classes: tuple[str, ...],
    sources: ArrayLike,
    seed: int = 0,
) -> Summary:
    """The figures of one method with their intervals.

    A content that is of the asked culture already asks for no change and counts nowhere.

    Args:
        probabilities: `[K, N, classes]`, of each result.
        measures: name to `[K, N]`; NaN counts nowhere. The mean is taken, of `MEDIANS` the median;
            `named`, and `photograph` where that is a class, are added.
        classes: names; the first K are the cultures in order.
        sources: `[N]`, the class of each content.
    """
    named, sources = np.argmax(probabilities, axis=-1), np.asarray(sources)
    cultures = np.arange(len(named))[:, None]
    values = {"named": named == cultures}
    if PHOTOGRAPH in classes:
        values["photograph"] = named == classes.index(PHOTOGRAPH)
    asked = cultures != sources
    values = {name: np.where(asked, each, np.nan) for name, each in (values | measures).items()}
    weights = statistics.resampled(sources, statistics.REPLICATES, seed)
    return Summary(
        figures={name: _figure(name, value, weights) for name, value in values.items()},
        cultures={
            classes[k]: {name: _figure(name, value[[k]], weights) for name, value in values.items()}
            for k in range(len(named))
        },
        pairs={
            name: _by_source(function, values[name], classes, sources)
            for name, function in (("named", np.nanmean), ("content_distance", np.nanmedian))
            if name in values
        },
    )


def _by_source(
    function: Callable, values: np.ndarray, classes: tuple[str, ...], sources: np.ndarray
) -> dict[str, list[float | None]]:
    """Source class to one number a culture, None where nothing was asked."""
    return {
        classes[number]: [
            float(function(row)) if np.isfinite(row).any() else None
            for row in values[:, sources == number]
        ]
        for number in np.unique(sources)
    }


def _figure(name: str, values: np.ndarray, weights: np.ndarray) -> Interval | None:
    """A measure of `[K, N]` and its interval; None where nothing counts."""
    if not np.isfinite(values).any():
        return None
    return (_median if name in MEDIANS else _mean)(values, weights)


def _mean(values: np.ndarray, weights: np.ndarray) -> Interval:
    """Mean of `[K, N]` and its interval over resampled contents."""
    totals, counts = np.nansum(values, axis=0), np.isfinite(values).sum(axis=0)
    drawn = weights @ counts
    replicates = (weights @ totals)[drawn > 0] / drawn[drawn > 0]
    bounds = (0.0, 1.0) if np.nanmin(values) >= 0.0 and np.nanmax(values) <= 1.0 else ()
    return statistics.with_interval(totals.sum() / counts.sum(), replicates, *bounds)


def _median(values: np.ndarray, weights: np.ndarray) -> Interval:
    """Median of `[K, N]` and its interval over resampled contents."""
    replicates = []
    for counts in weights[: statistics.REPLICATES // 4]:
        drawn = np.repeat(values, counts, axis=1)
        if np.isfinite(drawn).any():
            replicates.append(np.nanmedian(drawn))
    return statistics.with_interval(np.nanmedian(values), np.array(replicates), 0.0)


LEAST_CHANGE = 0.15  # of the perceptual distance between contents
LEAST_DIVERSITY = 0.3  # of how the contents differ
LEAST_STYLES = 0.1  # of how the contents differ


@dataclasses.dataclass(frozen=True)
class Signs:
    """What faults show in, each a number of one method."""

    # Median perceptual distance of results to their contents, over that between different contents
    # (both at least 0)
    change: float
    diversity: float  # of `content.diversity`, results of different contents
    # Of `content.style_diversity`, results in different cultures; None where there is one culture
    styles: float | None
    named: float  # share named as asked
    unchanged_named: float  # share of the contents themselves that are named as asked

    def faults(self) -> tuple[str, ...]:
        """The names of the faults, the gravest first; empty where there is none.

        collapsed: results of different contents hardly differ. copies: results hardly differ from
        their contents. one_look: results hardly differ between cultures. unnamed: results are not
        named as asked more often than the contents themselves.
        """
        signs = {
            "collapsed": self.diversity < LEAST_DIVERSITY,
            "copies": self.change < LEAST_CHANGE,
            "one_look": self.styles is not None and self.styles < LEAST_STYLES,
            "unnamed": self.named <= self.unchanged_named,
        }
        return tuple(name for name, faulty in signs.items() if faulty)
