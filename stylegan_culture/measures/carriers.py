"""Which channels of a network carry a culture: standardised differences, and what chance gives.

Values are one number of each picture and channel, `[N, C]`; labels `[N]` are cultures 0 to K - 1,
each at least once. Every culture has the same say, however many pictures it has. Pure NumPy.
"""

import dataclasses

import numpy as np

from stylegan_culture.features import linalg
from stylegan_culture.measures import gaps

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
    return float(np.quantile(found, gaps.LEVEL))


def intervals(values, labels, count: int, replicates: int, seed: int) -> np.ndarray:
    """Differences with their 95 % intervals over pictures, drawn within cultures: `[K, C, 3]` of
    value, low and high end."""
    value = differences(values, labels, count)
    drawn = gaps.resampled(labels, replicates, seed)
    replicated = np.stack([differences(values, labels, count, weights) for weights in drawn])
    return np.stack([value, *gaps.interval(value, replicated)], axis=-1)


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


@dataclasses.dataclass(frozen=True, eq=False)
class Directions:
    """From the middle of K codes to each: `middle [D]`, `steps [K, D]`; middle + step = code."""

    middle: np.ndarray
    steps: np.ndarray

    @classmethod
    def between(cls, codes) -> "Directions":
        """Of codes `[K, D]`, one a culture."""
        codes = np.asarray(codes, np.float64)
        middle = codes.mean(axis=0)
        return cls(middle, codes - middle)

    def at(self, culture: int, far) -> np.ndarray:
        """Codes `[n, D]` at `far [n]` steps from the middle: 0 is the middle, 1 the culture."""
        return self.middle + np.asarray(far, np.float64)[:, None] * self.steps[culture]

    def along(self, codes) -> np.ndarray:
        """How far codes `[N, D]` lie along each direction, in its steps: `[N, K]`.

        `<code - middle, step> / |step|^2`; 0 for a direction without length.
        """
        squares = np.square(self.steps).sum(axis=1)
        scaled = self.steps / np.where(squares > 0.0, squares, 1.0)[:, None]
        return (np.asarray(codes, np.float64) - self.middle) @ scaled.T


@dataclasses.dataclass(frozen=True, eq=False)
class Discriminant:
    """Fisher's linear discriminant of K cultures: `weights [K, D]`, `offsets [K]`, and the
    `shrinkage` of the covariance within cultures."""

    weights: np.ndarray
    offsets: np.ndarray
    shrinkage: float

    @classmethod
    def fit(cls, codes, labels, count: int) -> "Discriminant":
        """Of codes and their cultures, each with the same say.

            w_k = S^-1 m_k,   b_k = -m_k' S^-1 m_k / 2

        S is the mean of the cultures' covariances, shrunk as Ledoit and Wolf choose (2004), so that
        fewer codes than numbers in a code will do.
        """
        codes, labels = np.asarray(codes, np.float64), np.asarray(labels)
        means = culture_means(codes, labels, count)
        centred = codes - means[labels]
        own = [centred[labels == culture] for culture in range(count)]
        within = np.mean([rows.T @ rows / len(rows) for rows in own], axis=0)
        amount = linalg.ledoit_wolf_amount(centred)
        identity = np.eye(len(within))
        shrunk = (1.0 - amount) * within + (
            amount * np.trace(within) / len(within) + 1e-12
        ) * identity
        weights = np.linalg.solve(shrunk, means.T).T
        return cls(weights, -0.5 * np.sum(weights * means, axis=1), amount)

    def named(self, codes) -> np.ndarray:
        """The culture of the highest score, for each of `[N, D]`: `[N]`."""
        return (np.asarray(codes, np.float64) @ self.weights.T + self.offsets).argmax(axis=1)


def means_of_cultures(values, labels, count: int, replicates: int, seed: int) -> np.ndarray:
    """Mean of each culture's values `[N, J]` with its 95 % interval over pictures: `[K, J, 3]`."""
    values, labels = np.asarray(values, np.float64), np.asarray(labels)
    found = []
    for culture in range(count):
        own = values[labels == culture]
        weights = gaps.resampled(np.zeros(len(own), int), replicates, seed)
        mean = own.mean(axis=0)
        found.append(np.stack([mean, *gaps.interval(mean, weights @ own / len(own))], axis=-1))
    return np.stack(found)


def accuracy(named, labels, count: int, replicates: int, seed: int) -> list[float]:
    """Mean over cultures of the share named rightly, with its 95 % interval over pictures."""
    right, labels = np.asarray(named) == labels, np.asarray(labels)
    value = gaps.balanced_accuracy(right, labels, count)
    drawn = gaps.resampled(labels, replicates, seed)
    each = np.array([gaps.balanced_accuracy(right, labels, count, row) for row in drawn])
    return [value, *(float(end) for end in gaps.interval(value, each, 0.0, 1.0))]


def cosine(first, second) -> float:
    """Of the angle between two vectors; 0 where one has no length."""
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.dot(first, second) / lengths) if lengths > 0.0 else 0.0
