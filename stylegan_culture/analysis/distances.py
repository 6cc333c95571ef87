"""How far apart the features of cultures are: measures of Gaussians, a linear probe, resampling.

Pure functions of NumPy arrays in float64. Samples are pictures of P positions each,
`[N, P, C]`; what is resampled are pictures, since positions of one picture depend on each other.
"""

import dataclasses

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.features.moments import Moments

MEASURES = ("cosine", "bures", "divergence", "frechet")
LEVEL = 0.95  # of intervals


def cosine_similarity(covariance, other) -> float:
    """`<S, S'> / (|S| |S'|)` of Frobenius norms: 1 for multiples of each other, at least 0.

    0 where one of them is zero.
    """
    norms = np.linalg.norm(covariance) * np.linalg.norm(other)
    return float(np.sum(covariance * other) / norms) if norms > 0.0 else 0.0


def bures_similarity(covariance, other) -> float:
    """`tr (S^1/2 S' S^1/2)^1/2 / sqrt(tr S tr S')`: the fidelity, 1 for multiples, at least 0."""
    return _relative(_overlap(_spectral(covariance, 0.0)[0], other), covariance, other)


def frechet(first: Moments, second: Moments) -> float:
    """`|m - m'|^2 + tr S + tr S' - 2 tr (S^1/2 S' S^1/2)^1/2`, in squared units of the features.

    The squared 2-Wasserstein distance of Gaussians (Dowson and Landau, 1982), which FID is of
    Inception features (arXiv 1706.08500).
    """
    overlap = _overlap(_spectral(first.covariance, 0.0)[0], second.covariance)
    return _frechet(first, second, overlap)


def symmetric_divergence(first: Moments, second: Moments, shrinkage: float) -> float:
    """`KL(N || N') + KL(N' || N)` in nats, of covariances shrunk to `(1 - l) S + l tr(S)/d I`.

        (tr(S'^-1 S) + tr(S^-1 S') - 2d + e'(S^-1 + S'^-1) e) / 2,   e = m' - m

    Args:
        shrinkage: l above 0, to 1; otherwise directions that one culture lacks decide the figure.
    """
    inverses = [_spectral(one.covariance, shrinkage)[1] for one in (first, second)]
    return _divergence((first, second), inverses, shrinkage)


def gaps(moments: list, shrinkage: float) -> dict:
    """All four measures between each two of K Gaussians: name of `MEASURES` to `[K, K]`.

    `cosine` and `bures` are similarities (1 on the diagonal), `divergence` and `frechet` distances
    (0 on the diagonal). Each covariance is decomposed once. `shrinkage` is the divergence's.
    """
    count = len(moments)
    decomposed = [_spectral(one.covariance, shrinkage) for one in moments]
    found = {name: np.zeros((count, count)) for name in MEASURES}
    found["cosine"] += np.eye(count)
    found["bures"] += np.eye(count)
    for i in range(count):
        for j in range(i):
            one, other = moments[i], moments[j]
            overlap = _overlap(decomposed[i][0], other.covariance)
            inverses = (decomposed[i][1], decomposed[j][1])
            values = {
                "cosine": cosine_similarity(one.covariance, other.covariance),
                "bures": _relative(overlap, one.covariance, other.covariance),
                "divergence": _divergence((one, other), inverses, shrinkage),
                "frechet": _frechet(one, other, overlap),
            }
            for name, value in values.items():
                found[name][i, j] = found[name][j, i] = value
    return found


def weighted_moments(samples, weights=None) -> Moments:
    """Moments of the positions of some pictures, each picture with its weight.

    Args:
        samples: `[N, P, C]`.
        weights: how often each picture counts, `[N]` whole numbers; None counts each once.
    """
    count, positions, channels = samples.shape
    weights = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    rows = np.asarray(samples, np.float64).reshape(-1, channels)
    shares = np.repeat(weights / (weights.sum() * positions), positions)[:, None]
    mean = (shares * rows).sum(axis=0)
    centred = rows - mean
    return Moments(int(weights.sum()) * positions, mean, (shares * centred).T @ centred)


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
    """A linear classifier: scores are `((x - mean) / deviation) @ weights`, `[n, d] -> [n, K]`."""

    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray

    def named(self, features) -> np.ndarray:
        """The culture with the highest score, for each row of `[n, d]`."""
        standard = (np.asarray(features, np.float64) - self.mean) / self.deviation
        return (standard @ self.weights).argmax(axis=1)


def fit_probe(features, labels, count: int, ridge: float = 1e-2) -> Probe:
    """The linear culture probe, by ridge regression to one-hot targets in closed form.

        B = (X' D X + r I)^-1 X' D (Y - 1/K)

    where X are the features standardised by their balanced mean and deviation, and D weighs
    samples so that every culture has the same say.

    Args:
        features: `[n, d]`.
        labels: `[n]`, 0 to K - 1, each at least once; else `InputError`.
        count: K.
        ridge: r, relative to the channels' variance of 1.
    """
    features, labels = np.asarray(features, np.float64), np.asarray(labels)
    members = np.bincount(labels, minlength=count)
    if not members.all():
        raise InputError(f"culture number {members.argmin()} has no sample to fit a probe to")
    shares = (1.0 / (count * members))[labels][:, None]
    mean = (shares * features).sum(axis=0)
    deviation = np.sqrt((shares * (features - mean) ** 2).sum(axis=0))
    deviation = np.where(deviation > 1e-9 * (np.abs(mean) + 1e-9), deviation, 1.0)
    standard = (features - mean) / deviation
    second = (shares * standard).T @ standard
    targets = np.eye(count)[labels] - 1.0 / count
    first = (shares * standard).T @ targets
    return Probe(mean, deviation, np.linalg.solve(second + ridge * np.eye(len(second)), first))


def balanced_accuracy(right, labels, count: int, weights=None) -> float:
    """The mean over K cultures of the share that was named rightly: 1/K by chance.

    Args:
        right: `[N]`, share of each picture's parts that were named as its culture.
        labels: `[N]`, 0 to K - 1, each at least once.
        count: K.
        weights: how often each picture counts, `[N]`; None counts each once.
    """
    weights = np.ones(len(right)) if weights is None else weights
    totals = np.bincount(labels, weights, count)
    return float(np.mean(np.bincount(labels, weights * np.asarray(right), count) / totals))


def resampled(labels, replicates: int, seed: int) -> np.ndarray:
    """How often each picture counts in each bootstrap replicate: `[replicates, N]`.

    Every culture is drawn from its own pictures, as many as it has, with repetition.
    """
    labels, generator = np.asarray(labels), np.random.default_rng(seed)
    weights = np.zeros((replicates, len(labels)), np.int64)
    for culture in np.unique(labels):
        own = np.flatnonzero(labels == culture)
        share = np.full(len(own), 1.0 / len(own))
        weights[:, own] = generator.multinomial(len(own), share, size=replicates)
    return weights


def interval(estimate, replicates, least=-np.inf, most=np.inf):
    """Where an estimate would lie in 95 % of other draws of pictures: `[t + q_low, t + q_high]`.

    q are quantiles of the replicates less their mean: the spread about the estimate t. Repeated
    pictures make covariances of replicates poorer, and so further apart, than those of the
    pictures themselves; that bias, which plain quantiles would show as if it were spread, is left
    out here and not corrected in t. Cut to `[least, most]`.

    Args:
        estimate: a number or an array.
        replicates: `[R, ...]`.

    Returns:
        Lower and upper ends, of the estimate's shape.
    """
    tail = (1.0 - LEVEL) / 2.0
    apart = replicates - np.mean(replicates, axis=0)
    ends = (np.quantile(apart, quantile, axis=0) for quantile in (tail, 1.0 - tail))
    return tuple(np.clip(np.asarray(estimate) + end, least, most) for end in ends)


def _spectral(covariance, shrinkage: float):
    """`S^1/2`, and the inverse of the shrunk S or None where l is 0, from one decomposition."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    root = (vectors * np.sqrt(values)) @ vectors.T
    if not shrinkage:
        return root, None
    shrunk = (1.0 - shrinkage) * values + shrinkage * max(values.mean(), 1e-30)
    return root, (vectors / shrunk) @ vectors.T


def _overlap(root, other) -> float:
    """`tr (S^1/2 S' S^1/2)^1/2` by the root of S."""
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0.0)).sum())


def _relative(overlap: float, covariance, other) -> float:
    scale = np.sqrt(np.trace(covariance) * np.trace(other))
    return min(1.0, overlap / float(scale)) if scale > 0.0 else 0.0


def _frechet(first: Moments, second: Moments, overlap: float) -> float:
    apart = np.sum((first.mean - second.mean) ** 2)
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return max(0.0, float(apart + traces - 2.0 * overlap))


def _divergence(moments, inverses, shrinkage: float) -> float:
    """`symmetric_divergence` of two Gaussians by the inverses of their shrunk covariances."""
    size, gap = len(moments[0].mean), moments[1].mean - moments[0].mean
    traces = 0.0
    for one, inverse in zip(moments, reversed(inverses), strict=True):
        scale = np.trace(one.covariance) / size
        traces += (1.0 - shrinkage) * np.sum(inverse * one.covariance)
        traces += shrinkage * scale * np.trace(inverse)
    return float(0.5 * (traces - 2.0 * size + gap @ (inverses[0] + inverses[1]) @ gap))
