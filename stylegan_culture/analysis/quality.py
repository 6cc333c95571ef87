"""How near a set of pictures is to another, from their features: FID, KID, precision and coverage.

Pure functions of features `[N, D]`, one row a picture, in float64. The same measure over another
network is another measure: `name_of` puts the network and its weights into the name.
"""

import dataclasses

import numpy as np

from stylegan_culture.analysis import distances
from stylegan_culture.config import InputError
from stylegan_culture.features.moments import Moments, merge

NEIGHBOURS = 5  # that reach a real picture's neighbourhood
BLOCK = 512  # rows whose distances are held at once
FEWEST = 2048  # pictures from which on FID's bias is small (arXiv 1706.08500 asks for as many)


def name_of(measure: str, backbone) -> str:
    """A measure's full name: `fid@inception_resnet_v2-1a2b3c4d`."""
    return f"{measure}@{backbone.name}-{backbone.fingerprint[:8]}"


@dataclasses.dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean `[D]` and unbiased covariance `[D, D]` of `count` pictures' features."""

    count: int
    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of_batches(cls, batches) -> "Gaussian":
        """From batches of features `[n, D]`, in one pass and float64; at least two pictures."""
        found = None
        for batch in batches:
            own = Moments.of(batch)
            found = own if found is None else merge(found, own)
        if found is None or found.count < 2:
            raise InputError("a Gaussian needs the features of at least two pictures")
        unbiased = found.covariance * found.count / (found.count - 1)
        return cls(found.count, found.mean, unbiased)


def fid(first: Gaussian, second: Gaussian) -> float:
    """`|m - m'|^2 + tr(S + S' - 2 (S S')^1/2)` (Frechet inception distance, arXiv 1706.08500).

    Too great by about a constant over the number of pictures: compare sets of one size, and see
    `fid_without_bias`.
    """
    return distances.frechet(first, second)


def fid_without_bias(features, reference: Gaussian, seed: int = 0, points: int = 8) -> float:
    """FID as it would be of endlessly many pictures: FID over 1/n, extended to 0.

    Random subsets of sizes from half of the pictures to all; the line of least squares through
    their FIDs at 1/n is read at 0 (FID-infinity, arXiv 1911.07023). The bias of `reference` stays.

    Args:
        features: `[N, D]`, N at least 16.
    """
    features = np.asarray(features, np.float64)
    if len(features) < 16:
        raise InputError(f"{len(features)} pictures are too few to extrapolate FID; take 16")
    generator = np.random.default_rng(seed)
    sizes = np.linspace(len(features) // 2, len(features), points).astype(int)
    values = []
    for size in sizes:
        chosen = features[generator.permutation(len(features))[:size]]
        values.append(fid(Gaussian.of_batches([chosen]), reference))
    return float(np.polyfit(1.0 / sizes, values, 1)[1])


def kid(features, reference) -> float:
    """Unbiased squared maximum mean discrepancy of `[N, D]` and `[M, D]` (arXiv 1801.01401).

        sum_{i!=j} k(x_i, x_j) / N(N-1) + sum_{i!=j} k(y_i, y_j) / M(M-1) - 2 mean k(x_i, y_j)
        k(x, y) = (x'y / D + 1)^3

    Right in the mean for any number of pictures, from two each; may be negative. Differs from the
    paper: of all pictures at once, not the mean over blocks of 100.
    """
    first, second = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if min(len(first), len(second)) < 2:
        raise InputError("KID needs at least two pictures on each side")
    inner = sum(_within(own) for own in (first, second))
    across = sum(kernel(part, second).sum() for part in _blocks(first))
    return float(inner - 2.0 * across / (len(first) * len(second)))


def neighbourhoods(features, reference, count: int = NEIGHBOURS) -> dict:
    """Precision, recall and coverage by nearest neighbours, each a share of pictures.

    precision: pictures that lie within the reach of a real one, which is the distance to its
        `count`-th nearest real one; recall: the same with the parts changed (arXiv 1904.06991).
    coverage: real pictures within whose reach lies a picture (arXiv 2002.09797); less shaken by
        outliers than recall.

    Args:
        features: `[N, D]`, of the pictures judged.
        reference: `[M, D]`, of real ones; both more than `count`.
    """
    first, second = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if min(len(first), len(second)) <= count:
        raise InputError(f"neighbourhoods need more than {count} pictures on each side")
    reach = {"judged": reaches(first, count), "real": reaches(second, count)}
    precise, recalled = np.zeros(len(first), bool), np.zeros(len(second), bool)
    nearest = np.full(len(second), np.inf)
    for start in range(0, len(first), BLOCK):
        apart = between(first[start : start + BLOCK], second)
        rows = slice(start, start + len(apart))
        precise[rows] = (apart <= reach["real"]).any(axis=1)
        recalled |= (apart <= reach["judged"][rows, None]).any(axis=0)
        nearest = np.minimum(nearest, apart.min(axis=0))
    return {
        "precision": float(precise.mean()),
        "recall": float(recalled.mean()),
        "coverage": float((nearest <= reach["real"]).mean()),
    }


def kernel(first, second) -> np.ndarray:
    """`(x'y / D + 1)^3` of each two rows of `[N, D]` and `[M, D]`: `[N, M]`."""
    return (first @ second.T / first.shape[1] + 1.0) ** 3


def between(first, second) -> np.ndarray:
    """Distances of each two rows of `[N, D]` and `[M, D]`: `[N, M]`."""
    squares = (first * first).sum(axis=1)[:, None] + (second * second).sum(axis=1)
    return np.sqrt(np.maximum(squares - 2.0 * first @ second.T, 0.0))


def reaches(rows, count: int = NEIGHBOURS) -> np.ndarray:
    """The distance of each row of `[N, D]` to its `count`-th nearest other one: `[N]`."""
    found = []
    for start in range(0, len(rows), BLOCK):
        apart = between(rows[start : start + BLOCK], rows)
        apart[np.arange(len(apart)), start + np.arange(len(apart))] = np.inf  # not to itself
        found.append(np.partition(apart, count - 1, axis=1)[:, count - 1])
    return np.concatenate(found)


def artfid(content: float, distance: float) -> float:
    """`(1 + content)(1 + FID)` of style transfer: 1 at best (ArtFID, arXiv 2207.12280)."""
    return (1.0 + content) * (1.0 + distance)


def _blocks(rows):
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def _within(rows) -> float:
    """The mean kernel of different rows."""
    own = ((rows * rows).sum(axis=1) / rows.shape[1] + 1.0) ** 3
    total = sum(kernel(part, rows).sum() for part in _blocks(rows))
    return (total - own.sum()) / (len(rows) * (len(rows) - 1))
