"""Resampling, intervals, ranks, folds: what every measure's figure is made sure of with.

Labels `[N]` are the cultures of N pictures, 0 to K - 1. Weights `[R, N]` say how often each picture
counts in each of R bootstrap replicates.
"""

import dataclasses
import math
import typing

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture.config import InputError

LEVEL = 0.95  # of intervals
REPLICATES = 400  # of a bootstrap
CONSTANT = 1e-9  # relative: a smaller deviation is rounding
PERMUTATIONS = 4000  # enough to tell a chance of 0.05 from 0.06


class Interval(typing.NamedTuple):
    """A figure and the ends of its 95 % interval; a list of three numbers in JSON."""

    value: float
    low: float
    high: float


def resampled(labels: ArrayLike, replicates: int, seed: int) -> np.ndarray:
    """How often each picture counts in each bootstrap replicate: `[replicates, N]`.

    Every culture is drawn from its pictures, as many as it has, with repetition.
    """
    labels, generator = np.asarray(labels), np.random.default_rng(seed)
    weights = np.zeros((replicates, len(labels)), np.int64)
    for culture in np.unique(labels):
        members = np.flatnonzero(labels == culture)
        share = np.full(len(members), 1.0 / len(members))
        weights[:, members] = generator.multinomial(len(members), share, size=replicates)
    return weights


def interval(
    estimate: ArrayLike, replicates: ArrayLike, least: float = -np.inf, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Where an estimate would lie in 95 % of other draws of pictures: `[t + q_low, t + q_high]`.

    q are quantiles of the replicates less their mean: the spread about the estimate t. A replicate
    repeats pictures, which makes its covariances poorer and so further apart; plain quantiles would
    show this bias as spread, so it is left out here, and t is not corrected for it. The ends are
    cut to `[least, most]`; `replicates` are `[R, ...]` of an estimate of any shape.
    """
    tail = (1.0 - LEVEL) / 2.0
    apart = replicates - np.mean(replicates, axis=0)
    # 0 is rounding apart where all replicates are alike.
    low = np.minimum(np.quantile(apart, tail, axis=0), 0.0)
    high = np.maximum(np.quantile(apart, 1.0 - tail, axis=0), 0.0)
    return tuple(np.clip(np.asarray(estimate) + end, least, most) for end in (low, high))


def with_interval(
    estimate: float, replicates: ArrayLike, least: float = -np.inf, most: float = np.inf
) -> Interval:
    """One number with its `interval`."""
    low, high = interval(estimate, replicates, least, most)
    return Interval(float(estimate), float(low), float(high))


def mean_interval(values: ArrayLike, seed: int = 0, least: float = -np.inf) -> Interval:
    """Mean of `[..., N]` and its bootstrap interval over the N pictures."""
    per_picture = np.asarray(values, np.float64).reshape(-1, np.shape(values)[-1]).mean(axis=0)
    weights = resampled(np.zeros(len(per_picture), int), REPLICATES, seed)
    return with_interval(per_picture.mean(), weights @ per_picture / len(per_picture), least)


def balanced_accuracy(
    right: ArrayLike, labels: ArrayLike, count: int, weights: ArrayLike | None = None
) -> float:
    """The mean over K cultures of the share that was named rightly: 1/K by chance.

    `right [N]` is the share of each picture's parts that were named as its culture; `weights [N]`
    say how often each counts (None: once). Each culture has a picture.
    """
    weights = np.ones(len(right)) if weights is None else weights
    totals = np.bincount(labels, weights, count)
    return float(np.mean(np.bincount(labels, weights * np.asarray(right), count) / totals))


def balanced_accuracy_interval(
    right: ArrayLike, labels: ArrayLike, replicates: int, seed: int
) -> Interval:
    """`balanced_accuracy` with its interval over pictures, drawn within cultures."""
    labels = np.asarray(labels)
    count = int(labels.max()) + 1
    drawn = resampled(labels, replicates, seed)
    accuracies = np.array([balanced_accuracy(right, labels, count, row) for row in drawn])
    return with_interval(balanced_accuracy(right, labels, count), accuracies, 0.0, 1.0)


def folds(labels: ArrayLike, count: int, seed: int) -> np.ndarray:
    """The number of each picture's fold, `[N]`.

    Every culture's pictures are shuffled and dealt round; where one ends, the next goes on. So the
    folds' sizes differ by one at most, over all and within each culture. A culture of fewer
    pictures than folds is missing in some folds, but never in all folds but one. Raises
    `InputError` for a culture of one picture, and for fewer pictures than folds.
    """
    labels, generator = np.asarray(labels), np.random.default_rng(seed)
    cultures, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        raise InputError("a culture has one picture, which folds would leave nothing to learn from")
    if len(labels) < count:
        raise InputError(f"there are {len(labels)} pictures for {count} folds; take fewer")
    dealt = np.concatenate(
        [generator.permutation(np.flatnonzero(labels == culture)) for culture in cultures]
    )
    fold = np.zeros(len(labels), np.int64)
    fold[dealt] = np.arange(len(labels)) % count
    return fold


def folds_of_works(works: ArrayLike, labels: ArrayLike, count: int, seed: int) -> np.ndarray:
    """`folds` of works, so that pictures `[N]` of one work (equal entries of `works`) share one.

    A work's label is that of its first picture.
    """
    _, first, number = np.unique(works, return_index=True, return_inverse=True)
    return folds(np.asarray(labels)[first], count, seed)[number]


def share_interval(right: ArrayLike, works: ArrayLike, seed: int) -> Interval:
    """The share of pictures `[N]` that are right, with its interval over their works.

    Works are drawn with all their pictures. Of one work the interval is from 0 to 1, for it says
    nothing of others; a wider set that is right throughout has an interval without width.
    """
    right = np.asarray(right, np.float64)
    _, number = np.unique(works, return_inverse=True)
    pictures, hits = np.bincount(number), np.bincount(number, right)
    if len(pictures) == 1:
        return Interval(float(right.mean()), 0.0, 1.0)
    weights = resampled(np.zeros(len(pictures), int), REPLICATES, seed)
    return with_interval(right.mean(), (weights @ hits) / (weights @ pictures), 0.0, 1.0)


def standardised(rows: ArrayLike) -> np.ndarray:
    """`[N, D]` with columns of mean 0 and deviation 1; constant columns are 0."""
    rows = np.asarray(rows, np.float64)
    deviation = rows.std(axis=0)
    return (rows - rows.mean(axis=0)) / np.where(deviation > 0.0, deviation, 1.0)


def balanced_moments(rows: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation `[D]` of the columns of `[N, D]`, cultures counting alike; of a column
    that is constant but for rounding the deviation is 1, so that one may divide by it."""
    rows, labels = np.asarray(rows, np.float64), np.asarray(labels)
    members = np.bincount(labels)
    shares = 1.0 / (np.count_nonzero(members) * members[labels])
    mean = shares @ rows
    deviation = np.sqrt(shares @ (rows - mean) ** 2)
    return mean, np.where(deviation > CONSTANT * (np.abs(mean) + CONSTANT), deviation, 1.0)


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation of two rows of numbers; NaN where one row is constant."""
    from scipy.stats import spearmanr

    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return math.nan
    return float(spearmanr(first, second).statistic)


@dataclasses.dataclass(frozen=True)
class Correlation:
    """Spearman's correlation, and what so few points can show; all None where a row is constant."""

    value: float | None  # from -1 to 1
    p: float | None  # the share of shuffles with as great a correlation of either sign
    least: float | None  # the correlation that would have been needed for p = 0.05


def rank_correlation(first: ArrayLike, second: ArrayLike, seed: int) -> Correlation:
    """`spearman` of two rows of K numbers, against `PERMUTATIONS` shuffles."""
    from scipy.stats import rankdata

    value = spearman(first, second)
    if math.isnan(value):
        return Correlation(None, None, None)
    first, second = (standardised(rankdata(row)[:, None])[:, 0] for row in (first, second))
    generator = np.random.default_rng(seed)
    shuffles = np.stack([generator.permutation(second) for _ in range(PERMUTATIONS)])
    chance = np.abs(shuffles @ first) / len(first)
    as_great = np.count_nonzero(chance >= abs(value) - 1e-12)
    p = (1 + as_great) / (1 + PERMUTATIONS)
    return Correlation(value, p, float(np.quantile(chance, LEVEL)))


def distance_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """`spearman` of the distances between each two pictures, of two matrices `[N, N]`."""
    pairs = np.triu_indices(len(first), 1)
    return spearman(first[pairs], second[pairs])


def cosine(first: ArrayLike, second: ArrayLike) -> float:
    """Of the angle between two vectors; 0 where one has no length."""
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.dot(first, second) / lengths) if lengths > 0.0 else 0.0
