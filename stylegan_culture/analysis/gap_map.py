"""Traditions as clouds of features: how wide each is, and a plane on which near ones lie near.

All pictures are taken, so that small traditions are seen as well as the data allow. To resample
them often, features are turned to the few principal directions that hold almost all variance.
"""

import dataclasses

import numpy as np

from stylegan_culture.analysis import distances, portraits
from stylegan_culture.analysis.alignment import DIVERGENCE_SHRINKAGE, Sampled
from stylegan_culture.features.moments import Moments

DIRECTIONS = 64
REPLICATES = 100
WHAT = {
    "spread": "variance of features, as a share of the mean tradition's: how much pictures vary",
    "directions": "number of directions that the variance fills, (sum of variances)^2 / sum of "
    "their squares",
    "shift": "squared distance of the mean feature from the mean over traditions, as a share of "
    "the mean variance",
}


@dataclasses.dataclass(frozen=True, eq=False)
class GapMap:
    """What `survey` finds of K traditions.

    Fields:
        figures: for each of `WHAT` rows `[K, 3]` of value, low and high end of a 95 % interval.
        frechet: `[K, K]`, Frechet distances as a share of the mean variance.
        points: `[K, 2]`, the plane of `portraits.layout`.
        kept: the share of the squared distances' variance that the plane keeps.
        scatter: `[K, 2, 2]`, covariance of the points over draws of the pictures.
        variance: the share of the features' variance that the principal directions hold.
    """

    figures: dict
    frechet: np.ndarray
    points: np.ndarray
    kept: float
    scatter: np.ndarray
    variance: float


def survey(sampled: Sampled, seed: int = 0, replicates: int = REPLICATES) -> GapMap:
    """Feature figures, distances and a map of K traditions, with what resampling does to them.

    The map's distances are square roots of Frechet distances, which are squared ones. Replicates'
    maps are turned and mirrored onto the map before their scatter is taken.
    """
    reduced, variance = principal(sampled, DIRECTIONS)
    pictures = _Pictures.of(reduced)
    figures, frechet = _measured(pictures.moments(np.ones(len(reduced.labels))))
    points, kept = portraits.layout(np.sqrt(frechet))
    drawn, placed = [], []
    for weights in distances.resampled(reduced.labels, replicates, seed):
        own, apart = _measured(pictures.moments(weights))
        drawn.append(own)
        placed.append(turned(portraits.layout(np.sqrt(apart))[0], points))
    placed = np.stack(placed)
    off = placed - placed.mean(axis=0)
    intervals = {}
    for name, values in figures.items():
        ends = distances.interval(values, np.stack([own[name] for own in drawn]), least=0.0)
        intervals[name] = np.stack([values, *ends], axis=1)
    scatter = np.einsum("rki,rkj->kij", off, off) / max(1, replicates - 1)
    return GapMap(intervals, frechet, points, kept, scatter, variance)


def principal(sampled: Sampled, directions: int) -> tuple[Sampled, float]:
    """Features in the principal directions of all traditions, each counting alike, and the share
    of the variance that these hold; at most as many directions as there are channels."""
    moments = sampled.moments()
    centre = np.mean([one.mean for one in moments], axis=0)
    gaps = [one.mean - centre for one in moments]
    whole = np.mean(
        [one.covariance + np.outer(gap, gap) for one, gap in zip(moments, gaps, strict=True)],
        axis=0,
    )
    values, vectors = np.linalg.eigh(whole)
    values, chosen = np.maximum(values[::-1], 0.0), vectors[:, ::-1][:, :directions]
    features = (sampled.features - centre.astype(np.float32)) @ chosen.astype(np.float32)
    total = values.sum()
    share = float(values[:directions].sum() / total) if total > 0.0 else 1.0
    return Sampled(features, sampled.labels), share


def turned(points, onto) -> np.ndarray:
    """Centred points `[K, 2]` rotated, and mirrored where need be, nearest to `onto` `[K, 2]`.

    Orthogonal Procrustes (Schoenemann, 1966); distances stay.
    """
    left, _, right = np.linalg.svd(np.asarray(points).T @ np.asarray(onto))
    return points @ (left @ right)


def ellipse(scatter) -> tuple[float, float, float]:
    """Half axes and angle in degrees of the ellipse that holds 95 % of a Gaussian `[2, 2]`."""
    values, vectors = np.linalg.eigh(scatter)
    halves = np.sqrt(5.991 * np.maximum(values[::-1], 0.0))
    x, y = vectors[:, 1]
    return float(halves[0]), float(halves[1]), float(np.degrees(np.arctan2(y, x)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Pictures:
    """Each picture's own mean `[N, d]` and covariance `[N, d, d]`, of which the moments of any
    replicate follow without its positions."""

    labels: np.ndarray
    positions: int
    means: np.ndarray
    covariances: np.ndarray

    @classmethod
    def of(cls, sampled: Sampled) -> "_Pictures":
        features = sampled.features.astype(np.float64)
        means, positions = features.mean(axis=1), features.shape[1]
        features -= means[:, None]
        covariances = features.transpose(0, 2, 1) @ features / positions
        return cls(sampled.labels, positions, means, covariances)

    def moments(self, weights) -> list:
        """`Moments` of each tradition, its pictures counted `weights [N]` times."""
        found = []
        for tradition in range(self.labels.max() + 1):
            own = self.labels == tradition
            shares = weights[own] / weights[own].sum()
            mean = shares @ self.means[own]
            gaps = self.means[own] - mean
            between = (shares[:, None] * gaps).T @ gaps
            within = np.tensordot(shares, self.covariances[own], 1)
            found.append(Moments(int(weights[own].sum()) * self.positions, mean, within + between))
        return found


def _measured(moments: list) -> tuple[dict, np.ndarray]:
    """Each of `WHAT` `[K]`, and the Frechet distances `[K, K]` by the mean variance."""
    traces = np.array([np.trace(one.covariance) for one in moments])
    unit = max(float(traces.mean()), 1e-30)
    centre = np.mean([one.mean for one in moments], axis=0)
    squares = np.array([np.square(one.covariance).sum() for one in moments])
    figures = {
        "spread": traces / unit,
        "directions": traces**2 / np.maximum(squares, 1e-30),
        "shift": np.array([np.square(one.mean - centre).sum() for one in moments]) / unit,
    }
    return figures, distances.gaps(moments, DIVERGENCE_SHRINKAGE)["frechet"] / unit
