"""Directions of style codes: from the middle of all cultures to each, and those that tell apart.

Codes are `[N, D]`. Pure NumPy but for the shrinkage, which `features.linalg` chooses.
"""

import dataclasses

import numpy as np

from stylegan_culture.analysis import channels, distances
from stylegan_culture.features import linalg


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
        means = channels.culture_means(codes, labels, count)
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
        weights = distances.resampled(np.zeros(len(own), int), replicates, seed)
        mean = own.mean(axis=0)
        found.append(np.stack([mean, *distances.interval(mean, weights @ own / len(own))], axis=-1))
    return np.stack(found)


def accuracy(named, labels, count: int, replicates: int, seed: int) -> list[float]:
    """Mean over cultures of the share named rightly, with its 95 % interval over pictures."""
    right, labels = np.asarray(named) == labels, np.asarray(labels)
    value = distances.balanced_accuracy(right, labels, count)
    drawn = distances.resampled(labels, replicates, seed)
    each = np.array([distances.balanced_accuracy(right, labels, count, row) for row in drawn])
    return [value, *(float(end) for end in distances.interval(value, each, 0.0, 1.0))]


def cosine(first, second) -> float:
    """Of the angle between two vectors; 0 where one has no length."""
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.dot(first, second) / lengths) if lengths > 0.0 else 0.0
