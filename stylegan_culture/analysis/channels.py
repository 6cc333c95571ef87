"""Which channels of a network carry a culture: standardised differences, and what chance gives.

Values are one number of each picture and channel, `[N, C]`; labels `[N]` are cultures 0 to K - 1,
each at least once. Every culture has the same say, however many pictures it has. Pure NumPy.
"""

import numpy as np

from stylegan_culture.analysis import distances

LEAST_DEVIATION = 1e-9  # relative; a channel that never changes differs by nothing


def differences(values, labels, count: int, weights=None) -> np.ndarray:
    """How many deviations a culture's mean lies above the other cultures': `[K, C]`.

        d_k = (m_k - mean of the other cultures' m_j) / s,   s^2 = mean of the cultures' variances

    Cohen's d with a pooled deviation that counts cultures alike.

    Args:
        weights: how often each picture counts, `[N]`; None counts each once.
    """
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    values = np.asarray(values, np.float64)
    means, variances = _moments(values, weights[:, None] * _member(labels, count))
    spread = np.sqrt(variances.mean(axis=0))
    constant = spread <= LEAST_DEVIATION * (np.abs(values).max(axis=0) + LEAST_DEVIATION)
    return np.where(constant, 0.0, above_others(means) / np.where(constant, 1.0, spread))


def above_others(means) -> np.ndarray:
    """Each culture's mean `[K, C]` less the mean of the other cultures' means."""
    count = len(means)
    return (means - means.mean(axis=0)) * count / max(1, count - 1)


def culture_means(values, labels, count: int) -> np.ndarray:
    """The mean of each culture's pictures: `[K, C]`."""
    return _moments(np.asarray(values, np.float64), _member(labels, count))[0]


def eta_squared(values, labels, count: int) -> np.ndarray:
    """The share of each channel's variance that lies between cultures, `[C]` in [0, 1].

    `between / (between + within)`, the mean square of the cultures' means about their mean and the
    mean of their variances; 0 for a channel that never changes.
    """
    means, variances = _moments(np.asarray(values, np.float64), _member(labels, count))
    between, within = means.var(axis=0), variances.mean(axis=0)
    whole = between + within
    return np.where(whole > 0.0, between / np.where(whole > 0.0, whole, 1.0), 0.0)


def chance(values, labels, count: int, permutations: int, seed: int) -> float:
    """What the greatest difference of all channels and cultures comes to by chance: it is below
    this number in 95 % of draws in which the pictures' tags are shuffled.

    One threshold for all, since the strongest of many channels is strong even where none carries
    anything (maximum statistic; Westfall and Young, 1993).
    """
    generator, labels = np.random.default_rng(seed), np.asarray(labels)
    found = [
        np.max(differences(values, generator.permutation(labels), count))
        for _ in range(permutations)
    ]
    return float(np.quantile(found, distances.LEVEL))


def intervals(values, labels, count: int, replicates: int, seed: int) -> np.ndarray:
    """Differences with their 95 % intervals over pictures, drawn within cultures: `[K, C, 3]` of
    value, low and high end."""
    value = differences(values, labels, count)
    drawn = distances.resampled(labels, replicates, seed)
    replicated = np.stack([differences(values, labels, count, weights) for weights in drawn])
    return np.stack([value, *distances.interval(value, replicated)], axis=-1)


def strongest(found, count: int) -> np.ndarray:
    """The channels of greatest value of each row `[K, C]`, the greatest first: `[K, count]`."""
    return np.argsort(-np.asarray(found), axis=1, kind="stable")[:, :count]


def _member(labels, count: int) -> np.ndarray:
    """Tags `[N, K]` of labels."""
    return np.eye(count)[np.asarray(labels)]


def _moments(values, shares) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance `[K, C]` of each column of `shares [N, K]`."""
    shares = (shares / shares.sum(axis=0)).T
    centre = values.mean(axis=0)  # squares of values far from zero would cancel
    means = shares @ (values - centre)
    variances = np.maximum(shares @ np.square(values - centre) - np.square(means), 0.0)
    return means + centre, variances
