"""All measures of `quality` of one set of pictures, with intervals over the pictures judged.

What would be done anew for every draw of the bootstrap is done once: a draw only weighs pictures.
"""

import numpy as np

from stylegan_culture.analysis import distances, quality
from stylegan_culture.analysis.quality import Gaussian

LEAST = 16  # pictures on each side, without which there are no figures
REPLICATES = 400  # of the bootstrap
COSTLY_REPLICATES = 100  # where each takes eight FIDs
POINTS = 8  # of `quality.fid_without_bias`
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
    weights = distances.resampled(np.zeros(len(features), int), REPLICATES, seed)
    return with_intervals(set_replicates(features, reference, weights, seed)) | {
        "few": few(features, reference)
    }


def few(features, reference) -> bool:
    """Whether either side has fewer than 2048 pictures, or fewer than features."""
    least = min(len(features), len(reference))
    return bool(least < max(quality.FEWEST, np.shape(features)[1]))


def set_replicates(features, reference, weights, seed: int = 0) -> dict:
    """Each measure and its replicates for weighted pictures: `{name: (value, [R])}`, or None.

    `weights [R, N]`, how often each picture counts. What takes longest has fewer replicates, those
    of the first weights.
    """
    first, second = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if min(len(first), len(second)) < LEAST:
        return dict.fromkeys(NAMES)
    real = Gaussian.of_batches([second])
    near = quality.neighbourhoods(first, second)
    drawn = shares(first, second, weights)
    return {
        "fid": (quality.fid(Gaussian.of_batches([first]), real), fids(first, real, weights)),
        "fid_without_bias": (
            quality.fid_without_bias(first, real, seed, POINTS),
            fids_without_bias(first, real, weights[:COSTLY_REPLICATES], seed),
        ),
        "kid": (quality.kid(first, second), kids(first, second, weights)),
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
            ends = distances.interval(*own, *bounds)
            found[name] = [float(own[0]), *(float(end) for end in ends)]
    return found


def fids(features, reference: Gaussian, weights) -> np.ndarray:
    """`quality.fid` of weighted pictures, for each of R weightings: `[R]`.

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
    """`quality.fid_without_bias` of R draws, each with random subsets of its own: `[R]`.

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
    """`quality.kid` of weighted pictures, for each of R weightings: `[R]`.

    Only pairs of different pictures count, with the product of their weights: a picture that was
    drawn twice is no evidence of how alike two pictures are.

    Args:
        features: `[N, D]`.
        reference: `[M, D]`.
        weights: `[R, N]`, of at least two pictures above 0 in each row.
    """
    features, reference = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    weights = np.asarray(weights, np.float64)
    own, real = (quality.kernel(rows, rows) for rows in (features, reference))
    for matrix in (own, real):
        np.fill_diagonal(matrix, 0.0)
    total = weights.sum(axis=1)
    pairs = total**2 - (weights**2).sum(axis=1)
    inner = ((weights @ own) * weights).sum(axis=1) / pairs
    across = weights @ quality.kernel(features, reference).mean(axis=1) / total
    return inner + real.sum() / (len(real) * (len(real) - 1)) - 2.0 * across


def shares(features, reference, weights) -> dict:
    """`quality.neighbourhoods` of weighted pictures, for each of R weightings: `{name: [R]}`.

    A picture with weight 0 covers nothing and reaches nothing; the reach of the others stays what
    it is among all, since twice the same picture would be its own nearest neighbour.
    """
    features, reference = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    weights = np.asarray(weights, np.float64)
    apart = quality.between(features, reference)
    near_real = apart <= quality.reaches(reference)
    near_judged = apart <= quality.reaches(features)[:, None]
    return {
        "precision": weights @ near_real.any(axis=1) / weights.sum(axis=1),
        "recall": (weights @ near_judged > 0.0).mean(axis=1),
        "coverage": (weights @ near_real > 0.0).mean(axis=1),
    }
