"""How near a set of pictures is to another, from their features: FID, KID, precision and coverage.

Pure functions of features `[N, D]`, one row a picture, in float64. Each takes `weights [R, N]`, how
often each picture counts in each of R draws, and then gives R figures, `[R]`; without weights it
gives one number, every picture counted once. Figures over different networks are not comparable.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture.config import InputError
from stylegan_culture.features.moments import Moments
from stylegan_culture.measures import statistics
from stylegan_culture.measures.statistics import Interval

NEIGHBOURS = 5  # that reach a real picture's neighbourhood
FEWEST = 2048  # pictures from which on FID's bias is small (arXiv 1706.08500 asks for as many)
LEAST = 16  # pictures on each side, without which there are no figures
COSTLY_REPLICATES = 100  # where each takes eight FIDs
POINTS = 8  # sizes of subsets that FID is extended from
SHARES = ("precision", "recall", "coverage")


def gaussian(features: ArrayLike) -> Moments:
    """Mean `[D]` and unbiased covariance `[D, D]` of features `[N, D]` of at least two pictures."""
    if len(features) < 2:
        raise InputError("a Gaussian needs the features of at least two pictures")
    moments = Moments.of(features)
    unbiased = moments.covariance * moments.count / (moments.count - 1)
    return dataclasses.replace(moments, covariance=unbiased)


def fid(
    features: ArrayLike, reference: Moments, weights: ArrayLike | None = None
) -> float | np.ndarray:
    """`|m - m'|^2 + tr(S + S' - 2 (S S')^1/2)` (Frechet inception distance, arXiv 1706.08500).

    Too great by about a constant over the number of pictures: compare sets of one size, and see
    `fid_without_bias`. With S the reference's covariance and X the centred pictures, each times
    the root of its weight over n - 1, `tr (S^1/2 X'X S^1/2)^1/2` is the sum of the roots of the
    eigenvalues of `X S X'`: a matrix as large as the pictures are many, where they are fewer than
    features.

    Args:
        features: `[N, D]`.
        reference: of `gaussian`.
        weights: `[R, N]`, each row of sum 2 or more.
    """
    values, vectors = np.linalg.eigh(reference.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))  # S = root root'
    centred = np.asarray(features, np.float64) - reference.mean
    turned, squares = centred @ root, (centred**2).sum(axis=1)
    figures = []
    for counts in _rows(weights, len(centred)):
        drawn, total = counts > 0.0, counts.sum()
        mean = counts @ centred / total
        gap = mean @ mean
        trace = (counts @ squares - total * gap) / (total - 1.0)
        scale = np.sqrt(counts[drawn] / (total - 1.0))[:, None]
        rows = scale * (turned[drawn] - mean @ root)
        small = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
        overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(small), 0.0)).sum()
        figures.append(max(0.0, gap + trace + np.trace(reference.covariance) - 2.0 * overlap))
    return _answer(np.array(figures), weights)


def fid_without_bias(
    features: ArrayLike, reference: Moments, weights: ArrayLike | None = None, seed: int = 0
) -> float | np.ndarray:
    """FID extrapolated to infinitely many pictures (FID-infinity, arXiv 1911.07023).

    The line of least squares through the FIDs of random subsets of n pictures, from half of them to
    all, over 1/n, read at 0. The bias of `reference` stays.

    Args:
        features: `[N, D]`, N at least 16.
        reference: of `gaussian`.
        weights: `[R, N]` whole numbers, each row of sum N.
        seed: of the subsets.
    """
    generator, count = np.random.default_rng(seed), len(features)
    if count < LEAST:
        raise InputError(f"{count} pictures are too few to extrapolate FID; take {LEAST}")
    sizes = np.linspace(count // 2, count, POINTS).astype(int)
    subsets = []
    for counts in _rows(weights, count):
        drawn = np.repeat(np.arange(count), counts.astype(int))
        subsets += [np.bincount(generator.permutation(drawn)[:n], minlength=count) for n in sizes]
    figures = fid(features, reference, np.array(subsets)).reshape(-1, POINTS)
    return _answer(np.polyfit(1.0 / sizes, figures.T, 1)[1], weights)


def kid(
    features: ArrayLike, reference: ArrayLike, weights: ArrayLike | None = None
) -> float | np.ndarray:
    """Unbiased squared maximum mean discrepancy of `[N, D]` and `[M, D]` (arXiv 1801.01401).

        sum_{i!=j} w_i w_j k(x_i, x_j) / sum_{i!=j} w_i w_j + sum_{i!=j} k(y_i, y_j) / M(M-1)
        - 2 sum_ij w_i k(x_i, y_j) / (M sum_i w_i),    k(x, y) = (x'y / D + 1)^3

    Right in the mean for any number of pictures, from two each; may be negative. Only pairs of
    different pictures count, since a picture drawn twice says nothing of how similar two pictures
    are. A draw of one picture alone takes its kernel with itself (with eight pictures, one draw in
    two million). Differs from the paper: all pictures at once, not the mean over blocks of 100.
    """
    first, second = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if min(len(first), len(second)) < 2:
        raise InputError("KID needs at least two pictures on each side")
    inner, real = _kernel(first, first), _kernel(second, second)
    count = len(second)
    constant = (real.sum() - np.trace(real)) / (count * (count - 1))
    rows = _rows(weights, len(first))
    squares, total = rows**2, rows.sum(axis=1)
    alone = squares @ np.diagonal(inner)
    pairs, pair_count = ((rows @ inner) * rows).sum(axis=1) - alone, total**2 - squares.sum(axis=1)
    paired = pair_count > 0.0
    within = np.where(paired, pairs, alone) / np.where(paired, pair_count, total**2)
    across = rows @ _kernel(first, second).mean(axis=1) / total
    return _answer(within + constant - 2.0 * across, weights)


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Shares of pictures in [0, 1]: numbers, or `[R]` where R draws are counted."""

    # Pictures within the reach of a real one: the distance to its k-th nearest real picture
    precision: float | np.ndarray
    # Real pictures within the reach of a picture (arXiv 1904.06991). Reaches are among all
    # pictures, not those drawn: a picture drawn twice would be its own nearest neighbour.
    recall: float | np.ndarray
    # Real pictures that have a picture within their reach (arXiv 2002.09797); robuster than recall
    coverage: float | np.ndarray


def neighbourhoods(
    features: ArrayLike,
    reference: ArrayLike,
    weights: ArrayLike | None = None,
    count: int = NEIGHBOURS,
) -> Neighbourhoods:
    """Precision, recall and coverage by nearest neighbours.

    Args:
        features: `[N, D]`, of the pictures measured.
        reference: `[M, D]`, of real ones; both more than `count`.
        weights: `[R, N]`; a picture with weight 0 covers nothing and reaches nothing.
        count: k above.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    first, second = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if min(len(first), len(second)) <= count:
        raise InputError(f"neighbourhoods need more than {count} pictures on each side")
    # A row's smallest distance is the 0 to itself.
    reach, real_reach = (
        np.partition(euclidean_distances(rows), count, axis=1)[:, count] for rows in (first, second)
    )
    apart, rows = euclidean_distances(first, second), _rows(weights, len(first))
    near_real, near_measured = apart <= real_reach, apart <= reach[:, None]
    return Neighbourhoods(
        precision=_answer(rows @ near_real.any(axis=1) / rows.sum(axis=1), weights),
        recall=_answer((rows @ near_measured > 0.0).mean(axis=1), weights),
        coverage=_answer((rows @ near_real > 0.0).mean(axis=1), weights),
    )


def artfid(content: float, distance: float) -> float:
    """`(1 + content)(1 + FID)` of style transfer: 1 at best (ArtFID, arXiv 2207.12280)."""
    return (1.0 + content) * (1.0 + distance)


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`(x'y / D + 1)^3` of each two rows of `[N, D]` and `[M, D]`: `[N, M]`."""
    return (first @ second.T / first.shape[1] + 1.0) ** 3


def _rows(weights: ArrayLike | None, count: int) -> np.ndarray:
    """The weights; every picture once where there are none."""
    return np.ones((1, count)) if weights is None else np.asarray(weights, np.float64)


def _answer(figures: np.ndarray, weights: ArrayLike | None) -> float | np.ndarray:
    """One number where there are no weights."""
    return float(figures[0]) if weights is None else figures


def replicates(
    features: ArrayLike, reference: ArrayLike, weights: ArrayLike, seed: int = 0
) -> dict[str, np.ndarray]:
    """Every measure of `SetMeasures` by name: `[1 + R]`, of every picture once, then of each draw.

    Empty where either side has fewer than 16 pictures. The extended FID, which takes longest, has
    the draws of the first weights alone.

    Args:
        features: `[N, D]`; `reference`: `[M, D]`.
        weights: `[R, N]`, how often each picture counts.
        seed: of the extended FID's subsets.
    """
    if min(len(features), len(reference)) < LEAST:
        return {}
    real, counts = gaussian(reference), np.concatenate([np.ones((1, len(features))), weights])
    extended = fid_without_bias(features, real, seed=seed)
    draws = fid_without_bias(features, real, weights[:COSTLY_REPLICATES], seed)
    return {
        "fid": fid(features, real, counts),
        "fid_without_bias": np.concatenate([[extended], draws]),
        "kid": kid(features, reference, counts),
    } | vars(neighbourhoods(features, reference, counts))


def mean_of(sets: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The mean of `replicates` of several sets, of the same draws; empty where one is empty.

    Of FIDs against each culture's artworks it is the mean FID of StarGAN v2 (arXiv 1912.01865).
    """
    if not all(sets):
        return {}
    return {name: np.mean([one[name] for one in sets], axis=0) for name in sets[0]}


@dataclasses.dataclass(frozen=True)
class SetMeasures:
    """FID, KID, precision, recall and coverage of a set of pictures against real ones.

    None where either side has fewer than 16 pictures. The intervals tell how the figures would
    differ for other pictures to measure, the real ones being the same; they tell nothing of FID's
    bias, which `few` warns of. A share of 0 or 1 has an interval without width, since no draw can
    change it.
    """

    few: bool
    fid: Interval | None = None
    fid_without_bias: Interval | None = None
    kid: Interval | None = None
    precision: Interval | None = None
    recall: Interval | None = None
    coverage: Interval | None = None

    @classmethod
    def of(cls, replicates: dict[str, np.ndarray], few: bool) -> "SetMeasures":
        """Each measure of `replicates` with its 95 % interval."""
        ends = dict.fromkeys(SHARES, (0.0, 1.0))
        intervals = {
            name: statistics.with_interval(values[0], values[1:], *ends.get(name, ()))
            for name, values in replicates.items()
        }
        return cls(few, **intervals)


def few(features: ArrayLike, reference: ArrayLike) -> bool:
    """Whether either side has fewer pictures than 2048 or than features: then FID depends on their
    number more than on the pictures."""
    least = min(len(features), len(reference))
    return bool(least < max(FEWEST, np.shape(features)[1]))
