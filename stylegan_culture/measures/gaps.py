"""How far apart the features of cultures are: distances of Gaussians, linear probes, a map.

In float64. Samples are pictures of P positions each, `[N, P, C]`. Pictures are resampled, not
positions, since positions of one picture depend on each other.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture.features import linalg
from stylegan_culture.features.alignment import CultureAlignment, ddr, mixed_covariance
from stylegan_culture.features.moments import Moments
from stylegan_culture.measures import statistics
from stylegan_culture.measures.probes import RidgeProbe

MEASURES = ("cosine", "bures", "divergence", "frechet")
SHRINKAGES = (0.003, 0.01, 0.03, 0.1, 0.3)  # tried for DDR
IDENTITIES = (0.0, 0.1, 0.25, 0.5)
DIVERGENCE_SHRINKAGE = 0.1
LIMITS = {"cosine": (0, 1), "bures": (0, 1), "divergence": (0, np.inf), "frechet": (0, np.inf)}


def frechet(first: Moments, second: Moments) -> float:
    """`|m - m'|^2 + tr S + tr S' - 2 tr (S^1/2 S' S^1/2)^1/2`, in squared units of the features.

    The squared 2-Wasserstein distance of Gaussians (Dowson and Landau, 1982), which FID is of
    Inception features (arXiv 1706.08500).
    """
    overlap = _overlap(_spectral(first.covariance, 0.0)[0], second.covariance)
    return _frechet(first, second, overlap)


def gaps(moments: list[Moments], shrinkage: float) -> dict[str, np.ndarray]:
    """Four measures between each two of K Gaussians: name of `MEASURES` to `[K, K]`.

        cosine       <S, S'> / (|S| |S'|) of Frobenius norms, 0 where one is zero
        bures        tr (S^1/2 S' S^1/2)^1/2 / sqrt(tr S tr S'), the fidelity
        divergence   KL(N || N') + KL(N' || N) in nats, of covariances (1 - l) S + l tr(S)/d I
        frechet      `frechet`

    The first two are similarities (from 0; 1 for multiples and on the diagonal), the others
    distances (0 on the diagonal). Each covariance is decomposed once.

    Args:
        shrinkage: l above 0, to 1; otherwise directions that one culture lacks decide the figure.
    """
    count = len(moments)
    decomposed = [_spectral(one.covariance, shrinkage) for one in moments]
    tables = {name: np.zeros((count, count)) for name in MEASURES}
    tables["cosine"] += np.eye(count)
    tables["bures"] += np.eye(count)
    for i in range(count):
        for j in range(i):
            one, other = moments[i], moments[j]
            overlap = _overlap(decomposed[i][0], other.covariance)
            inverses = (decomposed[i][1], decomposed[j][1])
            values = {
                "cosine": statistics.cosine(one.covariance.ravel(), other.covariance.ravel()),
                "bures": _relative(overlap, one.covariance, other.covariance),
                "divergence": _divergence((one, other), inverses, shrinkage),
                "frechet": _frechet(one, other, overlap),
            }
            for name, value in values.items():
                tables[name][i, j] = tables[name][j, i] = value
    return tables


def weighted_moments(samples: ArrayLike, weights: ArrayLike | None = None) -> Moments:
    """Moments of the positions of pictures `[N, P, C]`, each counted `weights [N]` times (None:
    once)."""
    count, positions, channels = samples.shape
    weights = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    rows = np.asarray(samples, np.float64).reshape(-1, channels)
    shares = np.repeat(weights / (weights.sum() * positions), positions)[:, None]
    mean = (shares * rows).sum(axis=0)
    centred = rows - mean
    return Moments(int(weights.sum()) * positions, mean, (shares * centred).T @ centred)


def _spectral(covariance: np.ndarray, shrinkage: float) -> tuple[np.ndarray, np.ndarray | None]:
    """`S^1/2`, and the inverse of the shrunk S (None where l is 0), from one decomposition."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    root = (vectors * np.sqrt(values)) @ vectors.T
    if not shrinkage:
        return root, None
    shrunk = (1.0 - shrinkage) * values + shrinkage * max(values.mean(), 1e-30)
    return root, (vectors / shrunk) @ vectors.T


def _overlap(root: np.ndarray, other: np.ndarray) -> float:
    """`tr (S^1/2 S' S^1/2)^1/2` from the root of S."""
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0.0)).sum())


def _relative(overlap: float, covariance: np.ndarray, other: np.ndarray) -> float:
    scale = np.sqrt(np.trace(covariance) * np.trace(other))
    return min(1.0, overlap / float(scale)) if scale > 0.0 else 0.0


def _frechet(first: Moments, second: Moments, overlap: float) -> float:
    apart = np.sum((first.mean - second.mean) ** 2)
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return max(0.0, float(apart + traces - 2.0 * overlap))


def _divergence(
    moments: tuple[Moments, Moments], inverses: tuple[np.ndarray, np.ndarray], shrinkage: float
) -> float:
    """The symmetric divergence of two Gaussians from the inverses of their shrunk covariances."""
    size, gap = len(moments[0].mean), moments[1].mean - moments[0].mean
    traces = 0.0
    for one, inverse in zip(moments, reversed(inverses), strict=True):
        scale = np.trace(one.covariance) / size
        traces += (1.0 - shrinkage) * np.sum(inverse * one.covariance)
        traces += shrinkage * scale * np.trace(inverse)
    return float(0.5 * (traces - 2.0 * size + gap @ (inverses[0] + inverses[1]) @ gap))


@dataclasses.dataclass(frozen=True, eq=False)
class Sampled:
    """Positions of N pictures at one tap: `features [N, P, C]`, culture numbers `labels [N]`."""

    features: np.ndarray
    labels: np.ndarray

    def moments(self, weights: ArrayLike | None = None) -> list[Moments]:
        """`Moments` of each culture, its pictures counted `weights [N]` times (None: once)."""
        cultures = [self.labels == culture for culture in range(self.labels.max() + 1)]
        return [
            weighted_moments(self.features[each], None if weights is None else weights[each])
            for each in cultures
        ]

    def means(self) -> np.ndarray:
        """Mean of each channel over each picture's positions: `[N, C]`."""
        return self.features.mean(axis=1)

    def descriptors(self) -> np.ndarray:
        """The means, and the deviations of each channel: `[N, 2 C]`."""
        return np.concatenate([self.means(), self.features.std(axis=1)], axis=1)


def aligned(layer: CultureAlignment | None, sampled: Sampled) -> Sampled:
    """The same positions in the shared space; None leaves them."""
    if layer is None:
        return sampled
    features = np.empty_like(sampled.features)
    for culture in np.unique(sampled.labels):
        members = sampled.labels == culture
        rows = sampled.features[members].reshape(1, -1, 1, features.shape[-1])
        mapped = np.asarray(layer.to_shared(rows, np.array([culture])))
        features[members] = mapped.reshape(features[members].shape)
    return Sampled(features, sampled.labels)


def aligned_moments(layer: CultureAlignment | None, moments: list[Moments]) -> list[Moments]:
    """`aligned` for Gaussians: means `A_k (m_k' - m_k) + m`, covariances `A_k S_k A_k'`."""
    if layer is None:
        return moments
    means, shared, maps = (
        np.asarray(x, np.float64) for x in (layer.means, layer.shared_mean, layer.forward)
    )
    return [
        Moments(one.count, a @ (one.mean - mean) + shared, a @ one.covariance @ a.T)
        for one, mean, a in zip(moments, means, maps, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number or a table `[K][K]`, and the ends of its 95 % interval over held-out pictures."""

    value: float | list
    low: float | list
    high: float | list


@dataclasses.dataclass(frozen=True)
class MapFigures:
    """Held-out features in the shared space of one alignment map."""

    gaps: dict[str, Figure]  # each of `MEASURES` between each two cultures, `[K][K]`
    mean: dict[str, Figure]  # each of `MEASURES`, the mean over pairs
    # Balanced accuracy of a probe that sees single "positions", pictures' "means", and their means
    # and deviations ("descriptors")
    probe: dict[str, Figure]


def compare_maps(
    layers: dict[str, CultureAlignment | None],
    train: Sampled,
    held: Sampled,
    replicates: Iterable[np.ndarray],
    unit: float,
) -> dict[str, MapFigures]:
    """Every measure of held-out features in the shared space of each layer, by the layer's name.

    Args:
        layers: by name; None is no alignment.
        train: what the probes are fitted to, in the shared space.
        held: what is measured.
        replicates: rows of `statistics.resampled`, at least one.
        unit: what Frechet distances are divided by, such as the variance of the features.
    """
    right = {name: _probed(layer, train, held) for name, layer in layers.items()}
    estimates, drawn = _measured(layers, held, None, right, unit), []
    for weights in replicates:
        drawn.append(_measured(layers, held, weights, right, unit))
    return {
        name: MapFigures(
            **{
                group: {
                    key: _figure(value, [each[name][group][key] for each in drawn], key)
                    for key, value in values.items()
                }
                for group, values in groups.items()
            }
        )
        for name, groups in estimates.items()
    }


def halves(held: Sampled, unit: float, seed: int, draws: int = 5) -> dict[str, float]:
    """How far apart two random halves of one culture's pictures are: the floor of every measure.

    Means over cultures of at least two pictures and over draws; empty where no culture has two.
    """
    generator, tables = np.random.default_rng(seed), []
    for culture in np.unique(held.labels):
        features = held.features[held.labels == culture]
        for _ in range(draws if len(features) > 1 else 0):
            order = generator.permutation(len(features))
            parts = np.array_split(features[order], [len(features) // 2])
            gap = gaps([weighted_moments(part) for part in parts], DIVERGENCE_SHRINKAGE)
            tables.append([gap[name][0, 1] for name in MEASURES])
    if not tables:
        return {}
    means = dict(zip(MEASURES, np.mean(tables, axis=0).tolist(), strict=True))
    return {**means, "frechet": means["frechet"] / unit}


@dataclasses.dataclass(frozen=True)
class DdrChoice:
    """The best `shrinkage` and `identity` of DDR; `tried`: each pair with its distance."""

    shrinkage: float
    identity: float
    tried: list[list[float]]


def choose_ddr(
    fitted: list[Moments], validation: list[Moments], shrinkage: float, rule: str
) -> DdrChoice:
    """The parameters of DDR that bring unseen pictures nearest to shared moments.

    Args:
        fitted: `Moments` of K cultures that the maps are made of.
        validation: theirs of other pictures; the mean Frechet distance of these, mapped, to the
            shared Gaussian decides.
        shrinkage: of every covariance beforehand.
        rule: of the shared covariance, "linear" or "barycentre".
    """
    covariances = [np.asarray(linalg.shrink(one.covariance, shrinkage)) for one in fitted]
    shares = np.full(len(fitted), 1.0 / len(fitted))
    shared = np.asarray(mixed_covariance(covariances, shares, rule))
    target = Moments(1, np.mean([one.mean for one in fitted], axis=0), shared)
    tried = []
    for amount in SHRINKAGES:
        maps = [np.asarray(ddr(shared, covariance, amount)) for covariance in covariances]
        for identity in IDENTITIES:
            apart = []
            for one, other, matrix in zip(fitted, validation, maps, strict=True):
                blended = identity * np.eye(len(matrix)) + (1.0 - identity) * matrix
                a = np.linalg.inv(blended)
                mean = a @ (other.mean - one.mean) + target.mean
                mapped = Moments(other.count, mean, a @ other.covariance @ a.T)
                apart.append(frechet(target, mapped))
            tried.append([amount, identity, float(np.mean(apart))])
    best = min(tried, key=lambda row: row[-1])
    return DdrChoice(best[0], best[1], tried)


def _probed(layer: CultureAlignment | None, train: Sampled, held: Sampled) -> dict[str, np.ndarray]:
    """For each kind of probe the share of each held-out picture that it names rightly, `[N]`."""
    train, held = aligned(layer, train), aligned(layer, held)
    count, positions, channels = held.labels.max() + 1, *held.features.shape[1:]
    rows = train.features.reshape(-1, channels)
    probe = RidgeProbe.fit(rows, np.repeat(train.labels, train.features.shape[1]), count)
    named = probe.named(held.features.reshape(-1, channels)).reshape(-1, positions)
    right = {"positions": (named == held.labels[:, None]).mean(axis=1)}
    for kind in ("means", "descriptors"):
        probe = RidgeProbe.fit(getattr(train, kind)(), train.labels, count)
        right[kind] = probe.named(getattr(held, kind)()) == held.labels
    return right


def _measured(
    layers: dict[str, CultureAlignment | None],
    held: Sampled,
    weights: np.ndarray | None,
    right: dict[str, dict[str, np.ndarray]],
    unit: float,
) -> dict[str, dict[str, dict]]:
    """The values of `MapFigures` of every layer, held-out pictures counted `weights [N]` times."""
    moments, count = held.moments(weights), held.labels.max() + 1
    pairs, values = np.tril_indices(count, -1), {}
    for name, layer in layers.items():
        tables = gaps(aligned_moments(layer, moments), DIVERGENCE_SHRINKAGE)
        tables["frechet"] = tables["frechet"] / unit
        values[name] = {
            "gaps": tables,
            "mean": {key: float(table[pairs].mean()) for key, table in tables.items()},
            "probe": {
                key: statistics.balanced_accuracy(share, held.labels, count, weights)
                for key, share in right[name].items()
            },
        }
    return values


def _figure(value: ArrayLike, replicates: list, key: str) -> Figure:
    ends = statistics.interval(value, np.stack(replicates), *LIMITS.get(key, (0, 1)))
    return Figure(*(np.round(each, 6).tolist() for each in (value, *ends)))


DIRECTIONS = 64
MAP_REPLICATES = 100
WHAT = {
    "spread": "variance of features, as a share of the mean tradition's: how much pictures vary",
    "directions": "number of directions that the variance fills, (sum of variances)^2 / sum of "
    "their squares",
    "shift": "squared distance of the mean feature from the mean over traditions, as a share of "
    "the mean variance",
}


@dataclasses.dataclass(frozen=True, eq=False)
class GapMap:
    """K traditions on a map."""

    # For each of `WHAT` rows `[K, 3]` of value, low and high end of a 95 % interval
    figures: dict[str, np.ndarray]
    frechet: np.ndarray  # `[K, K]`, Frechet distances as a share of the mean variance
    points: np.ndarray  # `[K, 2]`, `plane` of them
    kept: float  # the share of the squared distances' variance that the plane keeps
    scatter: np.ndarray  # `[K, 2, 2]`, covariance of the points over draws of the pictures
    variance: float  # the share of the features' variance that the principal directions hold


def survey(sampled: Sampled, seed: int = 0, replicates: int = MAP_REPLICATES) -> GapMap:
    """Feature figures, distances and a map of K traditions, with what resampling does to them.

    The map's distances are square roots of Frechet distances, which are squared ones. Replicates'
    maps are turned and mirrored onto the map before their scatter is taken.
    """
    reduced, variance = principal(sampled, DIRECTIONS)
    figures, distances = _measured_map(reduced.moments())
    points, kept = plane(np.sqrt(distances))
    drawn, placed = [], []
    for weights in statistics.resampled(reduced.labels, replicates, seed):
        values, apart = _measured_map(reduced.moments(weights))
        drawn.append(values)
        placed.append(turned(plane(np.sqrt(apart))[0], points))
    placed = np.stack(placed)
    off = placed - placed.mean(axis=0)
    intervals = {}
    for name, values in figures.items():
        ends = statistics.interval(values, np.stack([each[name] for each in drawn]), least=0.0)
        intervals[name] = np.stack([values, *ends], axis=1)
    scatter = np.einsum("rki,rkj->kij", off, off) / max(1, replicates - 1)
    return GapMap(intervals, distances, points, kept, scatter, variance)


def principal(sampled: Sampled, directions: int) -> tuple[Sampled, float]:
    """Features in the principal directions of all traditions, which count alike, and the share of
    the variance that these directions hold; at most as many as there are channels."""
    moments = sampled.moments()
    centre = np.mean([one.mean for one in moments], axis=0)
    offsets = [one.mean - centre for one in moments]
    whole = np.mean(
        [one.covariance + np.outer(gap, gap) for one, gap in zip(moments, offsets, strict=True)],
        axis=0,
    )
    values, vectors = np.linalg.eigh(whole)
    values, chosen = np.maximum(values[::-1], 0.0), vectors[:, ::-1][:, :directions]
    features = (sampled.features - centre.astype(np.float32)) @ chosen.astype(np.float32)
    total = values.sum()
    share = float(values[:directions].sum() / total) if total > 0.0 else 1.0
    return Sampled(features, sampled.labels), share


def turned(points: ArrayLike, onto: ArrayLike) -> np.ndarray:
    """Centred points `[K, 2]` rotated, and mirrored where need be, nearest to `onto` `[K, 2]`.

    Orthogonal Procrustes (Schoenemann, 1966); distances stay.
    """
    from scipy.linalg import orthogonal_procrustes

    return points @ orthogonal_procrustes(points, onto)[0]


def ellipse(scatter: ArrayLike) -> tuple[float, float, float]:
    """Half axes and angle in degrees of the ellipse that holds 95 % of a Gaussian `[2, 2]`."""
    values, vectors = np.linalg.eigh(scatter)
    halves = np.sqrt(5.991 * np.maximum(values[::-1], 0.0))
    x, y = vectors[:, 1]
    return float(halves[0]), float(halves[1]), float(np.degrees(np.arctan2(y, x)))


def _measured_map(moments: list) -> tuple[dict, np.ndarray]:
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
    return figures, gaps(moments, DIVERGENCE_SHRINKAGE)["frechet"] / unit


def plane(apart: ArrayLike) -> tuple[np.ndarray, float]:
    """Points in the plane whose distances are as near to `apart` `[K, K]` as a plane allows.

    Classical multidimensional scaling (Torgerson, 1952). Returns `[K, 2]`, centred, and the share
    of the squared distances' variance that the plane keeps. Signs are fixed: of each axis the
    point farthest out is positive.
    """
    squares = np.square(np.asarray(apart, np.float64))
    count = len(squares)
    centring = np.eye(count) - 1.0 / count
    values, vectors = np.linalg.eigh(-0.5 * centring @ squares @ centring)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    points = vectors[:, :2] * np.sqrt(values[:2])
    farthest = np.abs(points).argmax(axis=0)
    signs = np.sign(points[farthest, np.arange(points.shape[1])])
    kept = values[:2].sum() / values.sum() if values.sum() > 0.0 else 1.0
    return points * np.where(signs == 0.0, 1.0, signs), float(kept)
