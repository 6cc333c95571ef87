"""How near a set of pictures is to another, from their features: FID, KID, precision and coverage.

Pure functions of features `[N, D]`, one row a picture, in float64. The same measure over another
network is another measure: `name_of` puts the network and its weights into the name.
"""

import dataclasses

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.features.moments import Moments, merge
from stylegan_culture.measures import gaps

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
    return gaps.frechet(first, second)


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


LEAST = 16  # pictures on each side, without which there are no figures
REPLICATES = 400  # of the bootstrap
COSTLY_REPLICATES = 100  # where each takes eight FIDs
POINTS = 8  # of `fid_without_bias`
SHARES = ("precision", "recall", "coverage")
NAMES = ("fid", "fid_without_bias", "kid", *SHARES)


def set_measures(features, reference, seed: int = 0) -> dict:
    """FID, KID, precision, recall and coverage of a set of pictures against real ones.

    The intervals tell how the figures would differ for other pictures to judge, the real ones
    being the same; they tell nothing of FID's bias, which `few` is there to warn of. The reach of
    judged pictures, which recall is made of, is that among all of them in every draw. A share of 0
    or 1 has an interval without width, since no draw can change it.

    Args:
        features: `[N, D]`, of the pictures judged.
        reference: `[M, D]`, of real ones.
        seed: of the draws.

    Returns:
        `{name: [value, low, high]}` of `NAMES`, each with its 95 % interval, or None where either
        side has fewer than 16 pictures; and `few`: whether either side has fewer than 2048, or
        fewer than features, so that the FID tells more of their number than of the pictures.
    """
    weights = gaps.resampled(np.zeros(len(features), int), REPLICATES, seed)
    return with_intervals(set_replicates(features, reference, weights, seed)) | {
        "few": few(features, reference)
    }


def few(features, reference) -> bool:
    """Whether either side has fewer than 2048 pictures, or fewer than features."""
    least = min(len(features), len(reference))
    return bool(least < max(FEWEST, np.shape(features)[1]))


def set_replicates(features, reference, weights, seed: int = 0) -> dict:
    """Each measure and its replicates for weighted pictures: `{name: (value, [R])}`, or None.

    `weights [R, N]`, how often each picture counts. What takes longest has fewer replicates, those
    of the first weights.
    """
    first, second = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if min(len(first), len(second)) < LEAST:
        return dict.fromkeys(NAMES)
    real = Gaussian.of_batches([second])
    near = neighbourhoods(first, second)
    drawn = shares(first, second, weights)
    return {
        "fid": (fid(Gaussian.of_batches([first]), real), fids(first, real, weights)),
        "fid_without_bias": (
            fid_without_bias(first, real, seed, POINTS),
            fids_without_bias(first, real, weights[:COSTLY_REPLICATES], seed),
        ),
        "kid": (kid(first, second), kids(first, second, weights)),
    } | {name: (near[name], drawn[name]) for name in near}


def mean_of(sets: list[dict]) -> dict:
    """The mean over several sets of `set_replicates`, drawn alike; None where one has no figure.

    Of FIDs against each culture's own artworks it is the mean FID of StarGAN v2 (arXiv 1912.01865).
    """
    found = {}
    for name in NAMES:
        own = [each[name] for each in sets]
        found[name] = (
            None if None in own else tuple(np.mean(part, axis=0) for part in zip(*own, strict=True))
        )
    return found


def with_intervals(replicates: dict) -> dict:
    """`{name: [value, low, high]}` of `set_replicates`, with 95 % intervals; None stays None."""
    found = dict.fromkeys(replicates)
    for name, own in replicates.items():
        if own is not None:
            bounds = (0.0, 1.0) if name in SHARES else ()
            ends = gaps.interval(*own, *bounds)
            found[name] = [float(own[0]), *(float(end) for end in ends)]
    return found


def fids(features, reference: Gaussian, weights) -> np.ndarray:
    """`fid` of weighted pictures, for each of R weightings: `[R]`.

    With S the reference's covariance and X the centred pictures, each times the root of its weight
    over n - 1, `tr (S^1/2 X'X S^1/2)^1/2` is the sum of the roots of the eigenvalues of `X S X'`:
    a matrix as large as the pictures are many, where those are fewer than features.

    Args:
        features: `[N, D]`.
        weights: `[R, N]`, how often each picture counts; each row sums to at least 2.
    """
    values, vectors = np.linalg.eigh(reference.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))  # S = root root'
    centred = np.asarray(features, np.float64) - reference.mean
    turned, squares = centred @ root, (centred**2).sum(axis=1)
    found = []
    for own in np.asarray(weights, np.float64):
        drawn, total = own > 0.0, own.sum()
        mean = own @ centred / total
        gap = mean @ mean
        trace = (own @ squares - total * gap) / (total - 1.0)
        scale = np.sqrt(own[drawn] / (total - 1.0))[:, None]
        rows = scale * (turned[drawn] - mean @ root)
        small = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
        overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(small), 0.0)).sum()
        found.append(max(0.0, gap + trace + np.trace(reference.covariance) - 2.0 * overlap))
    return np.array(found)


def fids_without_bias(features, reference: Gaussian, weights, seed: int) -> np.ndarray:
    """`fid_without_bias` of R draws, each with random subsets of its own: `[R]`.

    Args:
        features: `[N, D]`, N at least 16.
        weights: `[R, N]`, how often each picture was drawn; each row sums to N.
    """
    generator, count = np.random.default_rng(seed), len(features)
    sizes = np.linspace(count // 2, count, POINTS).astype(int)
    parts = []
    for own in weights:
        drawn = np.repeat(np.arange(count), own)
        parts += [np.bincount(generator.permutation(drawn)[:n], minlength=count) for n in sizes]
    values = fids(features, reference, np.array(parts)).reshape(len(weights), POINTS)
    return np.polyfit(1.0 / sizes, values.T, 1)[1]


def kids(features, reference, weights) -> np.ndarray:
    """`kid` of weighted pictures, for each of R weightings: `[R]`.

    Only pairs of different pictures count, with the product of their weights: a picture that was
    drawn twice is no evidence of how alike two pictures are.

    Args:
        features: `[N, D]`.
        reference: `[M, D]`.
        weights: `[R, N]`, of at least two pictures above 0 in each row.
    """
    features, reference = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    weights = np.asarray(weights, np.float64)
    own, real = (kernel(rows, rows) for rows in (features, reference))
    for matrix in (own, real):
        np.fill_diagonal(matrix, 0.0)
    total = weights.sum(axis=1)
    pairs = total**2 - (weights**2).sum(axis=1)
    inner = ((weights @ own) * weights).sum(axis=1) / pairs
    across = weights @ kernel(features, reference).mean(axis=1) / total
    return inner + real.sum() / (len(real) * (len(real) - 1)) - 2.0 * across


def shares(features, reference, weights) -> dict:
    """`neighbourhoods` of weighted pictures, for each of R weightings: `{name: [R]}`.

    A picture with weight 0 covers nothing and reaches nothing; the reach of the others stays what
    it is among all, since twice the same picture would be its own nearest neighbour.
    """
    features, reference = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    weights = np.asarray(weights, np.float64)
    apart = between(features, reference)
    near_real = apart <= reaches(reference)
    near_judged = apart <= reaches(features)[:, None]
    return {
        "precision": weights @ near_real.any(axis=1) / weights.sum(axis=1),
        "recall": (weights @ near_judged > 0.0).mean(axis=1),
        "coverage": (weights @ near_real > 0.0).mean(axis=1),
    }
