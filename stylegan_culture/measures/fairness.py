"""How evenly a model serves cultures: which it serves worst and best, and how sure that is.

K cultures, N contents, R bootstrap replicates. `asked [K, N]` says whether content n was restyled
into culture k; a content that already is of culture k was not. A measure of every culture comes as
`Estimates`: its values, and those of resampled contents.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import entropy

from stylegan_culture.measures import sets, statistics
from stylegan_culture.measures.statistics import PERMUTATIONS, Interval


@dataclasses.dataclass(frozen=True, eq=False)
class Estimates:
    """One measure of each culture."""

    values: np.ndarray  # `[K]`
    replicates: np.ndarray  # `[R, K]`, of resampled contents
    higher: bool  # whether more is better
    # The least and the greatest value that there can be
    ends: tuple[float, float] = (-math.inf, math.inf)

    def intervals(self) -> list[Interval]:
        """Of each culture, 95 %."""
        return [
            statistics.with_interval(value, self.replicates[:, culture], *self.ends)
            for culture, value in enumerate(self.values)
        ]

    @property
    def losses(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and replicates turned so that more is worse."""
        sign = -1.0 if self.higher else 1.0
        return sign * self.values, sign * self.replicates


def means(
    values: ArrayLike,
    asked: ArrayLike,
    weights: ArrayLike,
    higher: bool,
    ends: tuple[float, float] = (-math.inf, math.inf),
) -> Estimates:
    """The mean of each culture over the contents that were asked of it.

    `values [K, N]` that were not asked may hold anything finite; each culture is asked of at least
    one content in every one of the draws `weights [R, N]`.
    """
    asked = np.asarray(asked, np.float64)
    sums, counts = weights @ (asked * values).T, weights @ asked.T
    once = (asked * values).sum(axis=1) / asked.sum(axis=1)
    return Estimates(once, sums / counts, higher, ends)


def kids(
    features: ArrayLike, references: list[np.ndarray], asked: ArrayLike, weights: ArrayLike
) -> Estimates:
    """The kernel distance (`sets.kid`) of each culture's results to its artworks.

    Args:
        features: `[K, N, D]`, or `[1, N, D]` where all cultures have the same.
        references: K arrays `[A, D]` of at least two artworks.
        asked: `[K, N]` bool.
        weights: `[R, N]`.
    """
    values, replicates = [], []
    for culture, reference in enumerate(references):
        rows = features[culture % len(features)]
        once = np.asarray(asked[culture], np.float64)
        figures = sets.kid(rows, reference, np.concatenate([once[None], weights * once]))
        values.append(figures[0])
        replicates.append(figures[1:])
    return Estimates(np.array(values), np.stack(replicates, axis=1), False)


def proportions(right: ArrayLike, of: ArrayLike, replicates: int, seed: int) -> Estimates:
    """The share of right answers of each culture, each among its answers.

    Replicates are drawn from Jeffreys' posterior, Beta(right + 1/2, wrong + 1/2): a bootstrap would
    take 14 right answers of 14 for certain.

    `right [K]` of `of [K]` answers, at least one.
    """
    right, of = np.asarray(right), np.asarray(of)
    generator = np.random.default_rng(seed)
    drawn = generator.beta(right + 0.5, of - right + 0.5, (replicates, len(of)))
    return Estimates(right / of, drawn, True, (0.0, 1.0))


def less(measure: Estimates, base: Estimates) -> Estimates:
    """`measure - base` of each culture, of replicates that were drawn apart."""
    return Estimates(
        measure.values - base.values,
        measure.replicates - base.replicates,
        measure.higher,
        (measure.ends[0] - base.ends[1], measure.ends[1] - base.ends[0]),
    )


def covered(after: Estimates, before: Estimates) -> Estimates | None:
    """`1 - after / before`: how much of each culture's distance is gone; 1 is all of it.

    None where a distance before is not above 0 in every replicate: there is no share of nothing.
    """
    if min(before.values.min(), before.replicates.min()) <= 0.0:
        return None
    return Estimates(
        1.0 - after.values / before.values,
        1.0 - after.replicates / before.replicates,
        True,
        (-math.inf, 1.0),
    )


@dataclasses.dataclass(frozen=True)
class Worst:
    """The culture served worst, and how sure that is."""

    culture: str  # its name
    interval: Interval  # its value and 95 % interval
    share: float  # of replicates in which it is the worst; equally bad cultures share a replicate
    shares: dict[str, float]  # of each culture
    # Whether others are the worst in more than 5 % of replicates, so that the data do not settle it
    tie: bool
    best: str  # the name of the culture served best; `best_interval`: its value
    best_interval: Interval


def worst(measure: Estimates, cultures: Sequence[str]) -> Worst:
    """Which of K `cultures` a measure is worst for, over the replicates."""
    values, replicates = measure.losses
    worst_of_all = replicates == replicates.max(axis=1, keepdims=True)
    shares = (worst_of_all / worst_of_all.sum(axis=1, keepdims=True)).mean(axis=0)
    lowest, best, intervals = values.argmax(), values.argmin(), measure.intervals()
    return Worst(
        culture=cultures[lowest],
        interval=intervals[lowest],
        share=float(shares[lowest]),
        shares=dict(zip(cultures, shares.tolist(), strict=True)),
        tie=bool(shares[lowest] < statistics.LEVEL),
        best=cultures[best],
        best_interval=intervals[best],
    )


def worst_to_best(measure: Estimates) -> Interval | None:
    """The worst culture's value over the best one's; 1: all alike.

    None where a value is below 0 or a best one 0: there a ratio says nothing. The worst and the
    best may be others in each replicate; how far chance alone takes extremes apart is
    `spread_by_chance`.
    """
    ratios = []
    for values in (measure.values[None], measure.replicates):
        low, high = values.min(axis=1), values.max(axis=1)
        lower, upper = (low, high) if measure.higher else (high, low)
        if low.min() < 0.0 or upper.min() <= 0.0:
            return None
        ratios.append(lower / upper)
    ends = (0.0, 1.0) if measure.higher else (1.0,)
    return statistics.with_interval(ratios[0][0], ratios[1], *ends)


@dataclasses.dataclass(frozen=True)
class Spread:
    """How far best and worst culture lie apart."""

    range: float  # best less worst mean
    chance: float  # its mean over shuffles
    p: float  # the share of shuffles (and the data themselves) with as great a range


def spread_by_chance(values: ArrayLike, asked: ArrayLike, seed: int) -> Spread:
    """How far best and worst culture would lie apart if it made no difference which one is asked.

    Within each content the `values [K, N]` of the cultures that were `asked [K, N]` are shuffled: a
    permutation test of the range of the means.
    """
    values, asked = np.asarray(values, np.float64), np.asarray(asked, bool)
    generator, counts = np.random.default_rng(seed), asked.sum(axis=1)
    observed = np.ptp((values * asked).sum(axis=1) / counts)
    ranges, shuffled = [], np.zeros_like(values)
    for _ in range(PERMUTATIONS):
        # Sorted by random keys: what was asked of a content changes places with itself only.
        keys = np.where(asked, generator.random(values.shape), 2.0).argsort(axis=0)
        order = np.where(asked, 0.0, 2.0).argsort(axis=0, kind="stable")
        np.put_along_axis(shuffled, order, np.take_along_axis(values, keys, axis=0), axis=0)
        ranges.append(np.ptp((shuffled * asked).sum(axis=1) / counts))
    as_great = np.count_nonzero(np.array(ranges) >= observed - 1e-12)
    return Spread(float(observed), float(np.mean(ranges)), (1 + as_great) / (1 + PERMUTATIONS))


@dataclasses.dataclass(frozen=True)
class Paired:
    """Differences between cultures, row less column, with the ends of 95 % intervals, `[K][K]`.

    0 on the diagonal and None where no content was asked of both. `clear`: whether the interval
    leaves 0 out.
    """

    value: list[list[float | None]]
    low: list[list[float | None]]
    high: list[list[float | None]]
    clear: list[list[bool]]


def paired(values: ArrayLike, asked: ArrayLike, weights: ArrayLike) -> Paired:
    """Differences of `values [K, N]` within one content: means over the contents asked of both."""
    values, asked = np.asarray(values, np.float64), np.asarray(asked, bool)
    count = len(values)
    table, clear = np.full((3, count, count), None), np.zeros((count, count), bool)
    for i in range(count):
        table[:, i, i] = 0.0
        for j in range(i):
            both = asked[i] & asked[j]
            if both.any():
                apart = (values[i] - values[j])[None]
                gap = means(apart, both[None], weights, True).intervals()[0]
                table[:, i, j], table[:, j, i] = gap, (-gap.value, -gap.high, -gap.low)
                clear[i, j] = clear[j, i] = gap.low > 0.0 or gap.high < 0.0
    return Paired(*table.tolist(), clear.tolist())


@dataclasses.dataclass(frozen=True)
class Leaning:
    """The share of each class, and `effective`: `exp` of the entropy of the shares (Hill's number
    of order 1), the number of equally frequent classes that is as even."""

    shares: dict[str, Interval]
    effective: float


def leaning(named: ArrayLike, classes: Sequence[str], replicates: int, seed: int) -> Leaning:
    """What pictures that ask for no culture are named as.

    `named [N]` are numbers of `classes`; `replicates` and `seed` are of `proportions`.
    """
    counts = np.bincount(named, minlength=len(classes))
    shares = proportions(counts, np.full(len(classes), len(named)), replicates, seed)
    return Leaning(
        dict(zip(classes, shares.intervals(), strict=True)), float(np.exp(entropy(shares.values)))
    )
