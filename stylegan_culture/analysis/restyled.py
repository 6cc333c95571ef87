"""What restyled pictures reach: named as asked, content kept, style near, against a control.

A result is one content in one culture. Results are `[K, N, S, S, 3]`, culture by content, at the
judge's side; every figure comes with a 95 % bootstrap interval over the contents.
"""

import numpy as np
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.analysis import distances, spectrum
from stylegan_culture.analysis.judge import (
    PHOTOGRAPH,
    content_codes,
    content_distances,
    crossfade,
)

REPLICATES = 400
BATCH = 8
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the artwork, in the control


def naming(judge, results) -> np.ndarray:
    """The class that each result is named as first: `[K, N]`, numbers of `judge.classes`."""
    return np.stack([judge.named(own) for own in results])


def confusion(named, classes: int) -> np.ndarray:
    """Shares of results of culture k that are named as class j: `[K, classes]`."""
    return np.stack([np.bincount(own, minlength=classes) / len(own) for own in named])


def content_measures(backbone, results, contents, gallery, artworks) -> dict:
    """Whose content results have, by `judge.content_codes`.

    Args:
        backbone: of the judge.
        results: `[K, N, S, S, 3]`.
        contents: their sources `[N, S, S, 3]`.
        gallery: pictures to be mistaken for the source, `[G, S, S, 3]`, the sources not among them.
        artworks: `[A, S, S, 3]`, which no result should be nearer to than to its source.

    Returns:
        `distance [K, N]` to the own source, `nearest [K, N]` bool: no other source and no picture
        of the gallery is nearer; `artwork_nearer [K, N]` bool.
    """
    own = content_codes(backbone, contents)
    others = np.concatenate([own, content_codes(backbone, gallery)]) if len(gallery) else own
    known = content_codes(backbone, artworks)
    found = {"distance": [], "nearest": [], "artwork_nearer": []}
    for restyled in results:
        codes = content_codes(backbone, restyled)
        apart = content_distances(codes, others)
        distance = np.diagonal(apart)
        found["distance"].append(distance)
        found["nearest"].append(apart.argmin(axis=1) == np.arange(len(codes)))
        found["artwork_nearer"].append(content_distances(codes, known).min(axis=1) < distance)
    return {name: np.stack(values) for name, values in found.items()}


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


def summary(named, content: dict, styles, classes, seed: int = 0) -> dict:
    """The figures of one method with their intervals, and those of each culture.

    Args:
        named: `[K, N]` of `naming`.
        content: of `content_measures`.
        styles: `[K, N]` of `style_distances`, or None.
        classes: the judge's; the first K are the cultures in order.
    """
    count, contents = np.shape(named)
    right = np.asarray(named) == np.arange(count)[:, None]
    photograph = np.asarray(named) == list(classes).index(PHOTOGRAPH)
    values = {"named": right, "photograph": photograph}
    values |= {name: content[name] for name in ("nearest", "artwork_nearer")}
    weights = distances.resampled(np.zeros(contents, int), REPLICATES, seed)
    found = {name: _mean(value, weights) for name, value in values.items()}
    medians = {"content_distance": content["distance"]}
    if styles is not None:
        medians["style_distance"] = styles
    found |= {name: _median(value, weights) for name, value in medians.items()}
    found["cultures"] = {
        classes[culture]: {name: _mean(value[[culture]], weights) for name, value in values.items()}
        | {name: float(np.median(value[culture])) for name, value in medians.items()}
        for culture in range(count)
    }
    return found


def lines(results, ordinary, seed: int = 0) -> list[float]:
    """The share of results with a line at a stride that so strong 1 in 100 artworks has.

    Args:
        results: `[K, N, S, S, 3]`.
        ordinary: `[3]` of `spectrum.ordinary_strengths`.

    Returns:
        Share and its interval, the mean over the three strides.
    """
    strengths = np.stack([spectrum.line_strengths(own) for own in results])
    weights = distances.resampled(np.zeros(strengths.shape[1], int), REPLICATES, seed)
    return _mean((strengths > ordinary).mean(axis=-1), weights)


def _mean(values, weights) -> list[float]:
    """Mean of `[K, N]` and its interval over resampled contents."""
    per_content = np.mean(values, axis=0)
    replicates = weights @ per_content / weights.sum(axis=1)
    ends = distances.interval(per_content.mean(), replicates, 0.0, 1.0)
    return [float(per_content.mean()), *(float(end) for end in ends)]


def _median(values, weights) -> list[float]:
    """Median of `[K, N]` and its interval over resampled contents."""
    value = np.median(values)
    replicates = np.array(
        [np.median(np.repeat(values, counts, axis=1)) for counts in weights[: REPLICATES // 4]]
    )
    return [float(value), *(float(end) for end in distances.interval(value, replicates, 0.0))]
