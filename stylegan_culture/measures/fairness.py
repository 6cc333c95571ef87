"""How evenly several cultures are served: worst and best, how sure that is, and against what.

Pure functions of NumPy arrays: K cultures, N contents, R bootstrap replicates. `asked [K, N]` says
whether content n was to become culture k; a content of culture k itself is not. A measure of every
culture comes as `Estimates`: what was found, and what resampled contents would have given.
"""

import dataclasses
import math

import numpy as np

from stylegan_culture.measures import gaps, sets

PERMUTATIONS = 4000  # that a chance of 0.05 is told from 0.06 by


@dataclasses.dataclass(frozen=True, eq=False)
class Estimates:
    """One measure of each culture.

    Attributes:
        values: `[K]`.
        replicates: `[R, K]`, of resampled contents.
        higher: whether more is better.
        ends: the least and the greatest value that there can be.
    """

    values: np.ndarray
    replicates: np.ndarray
    higher: bool
    ends: tuple = (-math.inf, math.inf)

    def intervals(self) -> list:
        """`[value, low, high]` of each culture, 95 %."""
        low, high = gaps.interval(self.values, self.replicates, *self.ends)
        rows = np.stack([self.values, low, high], axis=1)
        return [[float(end) for end in row] for row in rows]

    @property
    def losses(self) -> tuple:
        """Values and replicates turned so that more is worse."""
        sign = -1.0 if self.higher else 1.0
        return sign * self.values, sign * self.replicates


def means(values, asked, weights, higher: bool, ends=(-math.inf, math.inf)) -> Estimates:
    """The mean of each culture over the contents that were asked of it.

    Args:
        values: `[K, N]`; what was not asked may hold anything finite.
        asked: `[K, N]` bool, each culture of at least one content in every replicate.
        weights: how often each content counts, `[R, N]`.
    """
    asked = np.asarray(asked, np.float64)
    sums, counts = weights @ (asked * values).T, weights @ asked.T
    found = (asked * values).sum(axis=1) / asked.sum(axis=1)
    return Estimates(found, sums / counts, higher, ends)


def kids(features, references, asked, weights) -> Estimates:
    """The kernel distance (`sets.kid`) of each culture's results to its artworks.

    A replicate takes pairs of different contents only: a content drawn twice is no pair, or
    repeated pictures would look as if results were more alike than they are.

    Args:
        features: `[K, N, D]`, or `[1, N, D]` where all cultures have the same.
        references: K arrays `[A, D]` of at least two artworks.
        asked: `[K, N]` bool.
        weights: `[R, N]`.
    """
    found, replicates = [], []
    for culture, reference in enumerate(references):
        rows = features[culture % len(features)]
        inner = sets.kernel(rows, rows)
        across = sets.kernel(rows, reference).mean(axis=1)
        own = sets.kernel(reference, reference)
        count = len(reference)
        constant = (own.sum() - np.trace(own)) / (count * (count - 1))
        once = np.asarray(asked[culture], np.float64)
        found.append(_weighted_kid(once[None], inner, across)[0] + constant)
        replicates.append(_weighted_kid(weights * once, inner, across) + constant)
    return Estimates(np.array(found), np.stack(replicates, axis=1), False)


def _weighted_kid(weights, inner, across) -> np.ndarray:
    """`sum_{i!=j} w_i w_j k_ij / sum_{i!=j} w_i w_j - 2 sum_i w_i a_i / sum_i w_i`: `[R]`.

    Where one content alone was drawn there is no pair, and its kernel with itself is taken; of
    eight contents that is one replicate in two million.
    """
    weights = np.asarray(weights, np.float64)
    squares = weights**2
    total = weights.sum(axis=1)
    alone = squares @ np.diagonal(inner)
    pairs, count = ((weights @ inner) * weights).sum(axis=1) - alone, total**2 - squares.sum(axis=1)
    within = np.where(count > 0.0, pairs, alone) / np.where(count > 0.0, count, total**2)
    return within - 2.0 * weights @ across / total


def proportions(right, of, replicates: int, seed: int) -> Estimates:
    """The share of right answers of each culture, each among answers of its own.

    Replicates are drawn from Jeffreys' posterior, Beta(right + 1/2, wrong + 1/2): a bootstrap would
    take 14 right answers of 14 for certainty.

    Args:
        right: `[K]`, how many were right.
        of: `[K]`, how many there were, at least one.
        replicates: R.
        seed: of the draws.
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

    None where a distance before is not above 0 in every replicate: no way, no share of it.
    """
    if min(before.values.min(), before.replicates.min()) <= 0.0:
        return None
    return Estimates(
        1.0 - after.values / before.values,
        1.0 - after.replicates / before.replicates,
        True,
        (-math.inf, 1.0),
    )


def worst(measure: Estimates) -> dict:
    """The culture served worst, and how sure that is.

    Returns:
        `culture`, its number; `interval`, its value with the ends; `share`, of replicates in which
        it is the worst, equal ones sharing; `shares [K]` of all cultures; `tie`: whether others are
        the worst in more than 5 % of replicates, so that the data do not settle it.
    """
    values, replicates = measure.losses
    lowest = replicates == replicates.max(axis=1, keepdims=True)
    shares = (lowest / lowest.sum(axis=1, keepdims=True)).mean(axis=0)
    culture = int(values.argmax())
    return {
        "culture": culture,
        "interval": measure.intervals()[culture],
        "share": float(shares[culture]),
        "shares": [float(share) for share in shares],
        "tie": bool(shares[culture] < gaps.LEVEL),
    }


def worst_to_best(measure: Estimates) -> list | None:
    """`[value, low, high]` of the worst culture's value over the best one's; 1: all alike.

    None where a value is below 0 or a best one 0: there a ratio says nothing. Which culture is the
    worst and which the best may change from replicate to replicate; by chance alone the extremes of
    several lie apart, which `spread_by_chance` tells.
    """
    found = []
    for values in (measure.values[None], measure.replicates):
        low, high = values.min(axis=1), values.max(axis=1)
        lower, upper = (low, high) if measure.higher else (high, low)
        if low.min() < 0.0 or upper.min() <= 0.0:
            return None
        found.append(lower / upper)
    value = float(found[0][0])
    ends = gaps.interval(value, found[1], *((0.0, 1.0) if measure.higher else (1.0,)))
    return [value, *(float(end) for end in ends)]


def spread_by_chance(values, asked, seed: int) -> dict:
    """How far best and worst culture would lie apart if it made no difference which one is asked.

    Within each content the values of the cultures that were asked are shuffled: a permutation test
    of the range of the means.

    Args:
        values: `[K, N]`.
        asked: `[K, N]` bool.

    Returns:
        `range`, best less worst mean; `chance`, its mean over shuffles; `p`, the share of shuffles
        (and the data themselves) with as great a range.
    """
    values, asked = np.asarray(values, np.float64), np.asarray(asked, bool)
    generator, counts = np.random.default_rng(seed), asked.sum(axis=1)
    found = np.ptp((values * asked).sum(axis=1) / counts)
    ranges, shuffled = [], np.zeros_like(values)
    for _ in range(PERMUTATIONS):
        # Sorted by random keys: what was asked of a content changes places with itself only.
        keys = np.where(asked, generator.random(values.shape), 2.0).argsort(axis=0)
        order = np.where(asked, 0.0, 2.0).argsort(axis=0, kind="stable")
        np.put_along_axis(shuffled, order, np.take_along_axis(values, keys, axis=0), axis=0)
        ranges.append(np.ptp((shuffled * asked).sum(axis=1) / counts))
    as_great = np.count_nonzero(np.array(ranges) >= found - 1e-12)
    return {
        "range": float(found),
        "chance": float(np.mean(ranges)),
        "p": (1 + as_great) / (1 + PERMUTATIONS),
    }


def paired(values, asked, weights) -> dict:
    """Differences between cultures within one content: `value`, `low` and `high`, `[K, K]` each.

    Row less column, means over the contents asked of both; 0 on the diagonal and NaN where no
    content was asked of both. `clear` is whether the interval leaves 0 out.
    """
    values, asked = np.asarray(values, np.float64), np.asarray(asked, bool)
    count = len(values)
    found = {name: np.zeros((count, count)) for name in ("value", "low", "high")}
    for i in range(count):
        for j in range(i):
            both = np.asarray(asked[i] & asked[j], np.float64)
            if not both.any():
                for name in found:
                    found[name][i, j] = found[name][j, i] = np.nan
                continue
            own = means((values[i] - values[j])[None], both[None], weights, True).intervals()[0]
            for name, end in zip(found, own, strict=True):
                found[name][i, j] = end
            found["value"][j, i] = -own[0]
            found["low"][j, i], found["high"][j, i] = -own[2], -own[1]
    found["clear"] = (found["low"] > 0.0) | (found["high"] < 0.0)
    return found


def rank_correlation(first, second, seed: int) -> dict:
    """Spearman's correlation of two rows of K numbers, with what so few points can show.

    Returns:
        `value`; `p`, the share of shuffles with as great a correlation of either sign; `least`,
        the correlation that would have been needed for p = 0.05. NaN where a row is constant.
    """
    first, second = (_ranks(np.asarray(row, np.float64)) for row in (first, second))
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return {"value": math.nan, "p": math.nan, "least": math.nan}
    first, second = ((row - row.mean()) / row.std() for row in (first, second))
    value = float(first @ second / len(first))
    generator = np.random.default_rng(seed)
    shuffles = np.stack([generator.permutation(second) for _ in range(PERMUTATIONS)])
    chance = np.abs(shuffles @ first) / len(first)
    as_great = np.count_nonzero(chance >= abs(value) - 1e-12)
    return {
        "value": value,
        "p": (1 + as_great) / (1 + PERMUTATIONS),
        "least": float(np.quantile(chance, gaps.LEVEL)),
    }


def leaning(named, classes: int, replicates: int, seed: int) -> dict:
    """What pictures that ask for no culture are named as.

    Args:
        named: `[N]` class numbers.
        classes: how many there are.
        replicates: of `proportions`.
        seed: of the draws.

    Returns:
        `shares`: `[value, low, high]` of each class; `effective`: `exp` of the entropy of the
        shares (Hill's number of order 1): the number of classes, all alike, that it is as even as.
    """
    counts = np.bincount(named, minlength=classes)
    shares = proportions(counts, np.full(classes, len(named)), replicates, seed)
    positive = shares.values[shares.values > 0.0]
    return {
        "shares": shares.intervals(),
        "effective": float(np.exp(-np.sum(positive * np.log(positive)))),
    }


def _ranks(row) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    below = (row[None] < row[:, None]).sum(axis=1)
    return below + ((row[None] == row[:, None]).sum(axis=1) - 1) / 2.0
