"""What restyled pictures reach: named as asked, content kept, style near, against a control.

A result is one content in one culture. Results are `[K, N, S, S, 3]`, culture by content, at the
judge's side; every figure comes with a 95 % bootstrap interval over the contents, those of each
class drawn from their own.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.analysis import distances, spectrum
from stylegan_culture.analysis.judge import (
    PHOTOGRAPH,
    content_codes,
    content_distances,
    crossfade,
    seen,
)

REPLICATES = 400
BATCH = 8
# Of these the median is told, of all others the mean.
MEDIANS = ("content_distance", "perceptual_distance", "style_distance", "error")
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the artwork, in the control


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """Content codes that results are compared with, made once for all methods.

    others: `[N + G, E]`, of the N contents and of a gallery of pictures to be mistaken for them.
    artworks: `[A, E]`, which no result should be nearer to than to its source.
    """

    others: np.ndarray
    artworks: np.ndarray


def judged(judge, results, known: Known) -> tuple[np.ndarray, dict]:
    """Whose idiom and whose content results have, each passing the judge's network once.

    Args:
        judge: a `Judge`.
        results: `[K, N, S, S, 3]`.
        known: codes, those of the N contents first.

    Returns:
        Probabilities `[K, N, classes]`, and measures `[K, N]`: `content_distance` to the own
        source by `judge.content_codes`, `nearest` bool: no other source and no picture of the
        gallery is nearer, and `artwork_nearer` bool.
    """
    found = {"content_distance": [], "nearest": [], "artwork_nearer": []}
    probabilities = []
    for restyled in results:
        features, codes = seen(judge.backbone, restyled)
        probabilities.append(judge.probe.predict_proba(features))
        apart = content_distances(codes, known.others)
        distance = np.diagonal(apart)
        nearer = content_distances(codes, known.artworks).min(axis=1) < distance
        found["content_distance"].append(distance)
        found["nearest"].append(apart.argmin(axis=1) == np.arange(len(codes)))
        found["artwork_nearer"].append(nearer)
    return np.stack(probabilities), {name: np.stack(own) for name, own in found.items()}


def confusion(named, asked, classes: int) -> np.ndarray:
    """Of the results that were asked of culture k, the share named as class j: `[K, classes]`.

    `named [K, N]` class numbers, `asked [K, N]` whether content n was to become culture k.
    """
    return np.stack(
        [
            np.bincount(own[wanted], minlength=classes) / max(wanted.sum(), 1)
            for own, wanted in zip(np.asarray(named), np.asarray(asked), strict=True)
        ]
    )


def crossfades(judge, contents, artworks, seed: int) -> list[dict]:
    """The control: contents under a veil of a random artwork of each culture, by its share.

    Args:
        judge: a `Judge` whose first K classes are the cultures in order.
        contents: `[N, S, S, 3]`.
        artworks: K arrays `[A, S, S, 3]`.

    Returns:
        For each share its `share`, `named` (mean over cultures) and the median content `distance`.
    """
    generator = np.random.default_rng(seed)
    drawn = [own[generator.integers(0, len(own), len(contents))] for own in artworks]
    source, found = content_codes(judge.backbone, contents), []
    for share in SHARES:
        named, distance = [], []
        for culture, own in enumerate(drawn):
            veiled = crossfade(contents, own, share).astype(np.float32)
            named.append(np.mean(judge.named(veiled) == culture))
            codes = content_codes(judge.backbone, veiled)
            distance.append(2.0 - 2.0 * np.sum(codes * source, axis=1))
        found.append(
            {"share": share, "named": float(np.mean(named)), "distance": float(np.median(distance))}
        )
    return found


def named_at_distance(control: list[dict], distance: float) -> float:
    """How often the control is named as asked at a content distance, between its shares linearly.

    At distance 0 it is the photograph itself, which no tradition claims: 0.
    """
    points = [(0.0, 0.0)] + [(each["distance"], each["named"]) for each in control]
    return float(np.interp(distance, *zip(*points, strict=True)))


def tradition_grams(backbone, artworks) -> list[dict]:
    """The mean Gram matrix of each culture's artworks at each tap: K dicts `{tap: [C, C]}`.

    `artworks`: K iterables of pictures `[H, W, 3]` in [0, 1].
    """
    found = []
    for own in artworks:
        total, count = {}, 0
        for picture in own:
            for tap, features in backbone(picture[None]).items():
                total[tap] = total.get(tap, 0.0) + losses.gram(features)[0].numpy()
            count += 1
        found.append({tap: value / count for tap, value in total.items()})
    return found


def style_distances(backbone, results, targets: list[dict]) -> np.ndarray:
    """`mean_taps |G - G_k|_1 / |G_k|_1` of each result to its tradition's mean Gram: `[K, N]`."""

    @tf.function(reduce_retracing=True)
    def grams(batch):
        return {tap: losses.gram(value) for tap, value in backbone(batch).items()}

    found = np.zeros(np.shape(results)[:2])
    for culture, (own, target) in enumerate(zip(results, targets, strict=True)):
        for start in range(0, len(own), BATCH):
            parts = []
            for tap, value in grams(tf.constant(own[start : start + BATCH])).items():
                error = np.abs(value.numpy() - target[tap]).sum(axis=(1, 2))
                parts.append(error / np.abs(target[tap]).sum())
            found[culture, start : start + BATCH] = np.mean(parts, axis=0)
    return found


def summary(probabilities, measures: dict, classes, sources, seed: int = 0) -> dict:
    """The figures of one method with their intervals, and those of each culture and each pair.

    A content that is of the asked culture already asks for no change and counts nowhere.

    Args:
        probabilities: `[K, N, classes]` of the judge, of each result.
        measures: name to `[K, N]`: of `MEDIANS` and of anything that is meant; NaN counts nowhere.
        classes: the judge's; the first K are the cultures in order.
        sources: `[N]`, the class of each content.

    Returns:
        Each measure, `named` and `photograph` (where that is a class) as value, low, high; under
        "cultures" the same of each; under "pairs" `named` and `content_distance` by source class
        and culture.
    """
    named, sources = np.argmax(probabilities, axis=-1), np.asarray(sources)
    cultures = np.arange(len(named))[:, None]
    values = {"named": named == cultures}
    if PHOTOGRAPH in classes:
        values["photograph"] = named == classes.index(PHOTOGRAPH)
    values |= measures
    asked = cultures != sources
    values = {name: np.where(asked, value, np.nan) for name, value in values.items()}
    weights = distances.resampled(sources, REPLICATES, seed)
    found = {name: _figure(name, value, weights) for name, value in values.items()}
    found["cultures"] = {
        classes[k]: {name: _figure(name, value[[k]], weights) for name, value in values.items()}
        for k in range(len(named))
    }
    found["pairs"] = {
        name: _by_source(function, values[name], classes, sources)
        for name, function in (("named", np.nanmean), ("content_distance", np.nanmedian))
        if name in values
    }
    return found


def _by_source(function, values, classes, sources) -> dict:
    """Source class to one number a culture, None where nothing was asked."""
    found = {}
    for number in np.unique(sources):
        own = values[:, sources == number]
        found[classes[number]] = [
            float(function(row)) if np.isfinite(row).any() else None for row in own
        ]
    return found


def lines(results, ordinary) -> np.ndarray:
    """Of the strides, the share at which a result has a line that so strong 1 in 100 artworks has.

    Args:
        results: `[K, N, S, S, 3]`.
        ordinary: `[3]` of `spectrum.ordinary_strengths`.

    Returns:
        `[K, N]`.
    """
    strengths = np.stack([spectrum.line_strengths(own) for own in results])
    return (strengths > ordinary).mean(axis=-1)


def _figure(name: str, values, weights) -> list[float] | None:
    """A measure of `[K, N]` and its interval; None where nothing counts."""
    if not np.isfinite(values).any():
        return None
    return (_median if name in MEDIANS else _mean)(values, weights)


def _mean(values, weights) -> list[float]:
    """Mean of `[K, N]` and its interval over resampled contents."""
    totals, counts = np.nansum(values, axis=0), np.isfinite(values).sum(axis=0)
    value = totals.sum() / counts.sum()
    drawn = weights @ counts
    replicates = (weights @ totals)[drawn > 0] / drawn[drawn > 0]
    bounds = (0.0, 1.0) if np.nanmin(values) >= 0.0 and np.nanmax(values) <= 1.0 else ()
    return [float(value), *(float(end) for end in distances.interval(value, replicates, *bounds))]


def _median(values, weights) -> list[float]:
    """Median of `[K, N]` and its interval over resampled contents."""
    value, replicates = np.nanmedian(values), []
    for counts in weights[: REPLICATES // 4]:
        drawn = np.repeat(values, counts, axis=1)
        if np.isfinite(drawn).any():
            replicates.append(np.nanmedian(drawn))
    ends = distances.interval(value, np.array(replicates), 0.0)
    return [float(value), *(float(end) for end in ends)]
