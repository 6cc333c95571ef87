"""What restyled pictures reach: named as asked, content kept, style near, against a control.

A result is one content in one culture. Results are `[K, N, S, S, 3]`, culture by content, at the
judge's side; every figure comes with a 95 % bootstrap interval over the contents, those of each
class drawn from their own.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.measures import gaps
from stylegan_culture.measures.probes import (
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
        source by `probes.content_codes`, `nearest` bool: no other source and no picture of the
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
    weights = gaps.resampled(sources, REPLICATES, seed)
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
        ordinary: `[3]` of `ordinary_strengths`.

    Returns:
        `[K, N]`.
    """
    strengths = np.stack([line_strengths(own) for own in results])
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
    return [float(value), *(float(end) for end in gaps.interval(value, replicates, *bounds))]


def _median(values, weights) -> list[float]:
    """Median of `[K, N]` and its interval over resampled contents."""
    value, replicates = np.nanmedian(values), []
    for counts in weights[: REPLICATES // 4]:
        drawn = np.repeat(values, counts, axis=1)
        if np.isfinite(drawn).any():
            replicates.append(np.nanmedian(drawn))
    ends = gaps.interval(value, np.array(replicates), 0.0)
    return [float(value), *(float(end) for end in ends)]


PERIODS = (2, 4, 8)  # pixels: the strides of the generator's layers
PERCENTILE = 99.0


def line_strength(picture, period: float) -> float:
    """Power at the frequency 1 / period against that of its neighbours, rows or columns.

    The stronger of the two directions; 1 where nothing stands out, in the mean. Power is averaged
    over the other direction's frequencies, so that a grid whose cells differ is found too.

    Args:
        picture: `[H, W, C]`, both edges at least 64 pixels; only the mean of channels counts.
        period: in pixels, from 2 on.
    """
    grey = np.asarray(picture, np.float64).mean(axis=-1)
    windows = [np.hanning(length) for length in grey.shape]
    grey = (grey - grey.mean()) * windows[0][:, None] * windows[1]
    power = np.abs(np.fft.fft2(grey)) ** 2
    found = []
    for profile in (power.mean(axis=1), power.mean(axis=0)):
        at, length = round(len(profile) / period), len(profile)
        own = np.arange(at - 1, at + 2) % length
        beside = np.r_[at - 8 : at - 3, at + 4 : at + 9] % length
        found.append(profile[own].mean() / max(profile[beside].mean(), 1e-12))
    return float(max(found))


def line_strengths(pictures) -> np.ndarray:
    """`line_strength` of pictures `[N, H, W, C]` at every one of `PERIODS`: `[N, 3]`."""
    return np.array([[line_strength(one, period) for period in PERIODS] for one in pictures])


def ordinary_strengths(artworks) -> np.ndarray:
    """What 99 in 100 of real pictures `[N, H, W, C]` stay below at each of `PERIODS`: `[3]`."""
    return np.percentile(line_strengths(artworks), PERCENTILE, axis=0)


LEAST_CHANGE = 0.15  # of the perceptual distance between contents
LEAST_DIVERSITY = 0.3  # of how the contents differ
LEAST_STYLES = 0.1  # of how the contents differ


@dataclasses.dataclass(frozen=True)
class Signs:
    """What the verdicts are taken from, each a number of one method.

    Attributes:
        change: median perceptual distance of results to their contents, over that between
            different contents (both at least 0).
        diversity: of `perceptual.diversity`, results of different contents.
        styles: of `perceptual.style_diversity`, results in different cultures; None where there
            is but one culture.
        named: share named as asked.
        unchanged_named: share of the contents themselves that are named as asked.
    """

    change: float
    diversity: float
    styles: float | None
    named: float
    unchanged_named: float


def verdicts(signs: Signs) -> dict:
    """Name to a sentence for each fault found, in the order of their weight; empty where none is.

    collapsed: results of different contents hardly differ. copies: results hardly differ from
    their contents. one_look: results hardly differ between cultures. unnamed: results are not
    named as asked more often than the contents themselves.
    """
    found = {}
    if signs.diversity < LEAST_DIVERSITY:
        found["collapsed"] = (
            f"Results of different pictures hardly differ: {signs.diversity:.2f} of what the "
            "pictures themselves differ by. The model paints one picture whatever it is given."
        )
    if signs.change < LEAST_CHANGE:
        found["copies"] = (
            f"Results hardly differ from the pictures that went in: {signs.change:.2f} of what two "
            "of those pictures differ by. The model gives back what it gets."
        )
    if signs.styles is not None and signs.styles < LEAST_STYLES:
        found["one_look"] = (
            f"One picture looks alike in all cultures: results differ by {signs.styles:.2f} of "
            "what the pictures differ by. The model does not heed the culture that is asked for."
        )
    if signs.named <= signs.unchanged_named:
        found["unnamed"] = (
            f"Results are named as asked in {signs.named:.0%}, the untouched pictures in "
            f"{signs.unchanged_named:.0%}: the judge sees nothing of the culture."
        )
    return found
