"""How far apart the features of cultures are: measures of Gaussians, a linear probe, resampling.

Pure functions of NumPy arrays in float64. Samples are pictures of P positions each,
`[N, P, C]`; what is resampled are pictures, since positions of one picture depend on each other.
"""

import dataclasses

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.features import linalg
from stylegan_culture.features.alignment import ddr, mixed_covariance
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


SHRINKAGES = (0.003, 0.01, 0.03, 0.1, 0.3)  # tried for DDR
IDENTITIES = (0.0, 0.1, 0.25, 0.5)
DIVERGENCE_SHRINKAGE = 0.1
LIMITS = {"cosine": (0, 1), "bures": (0, 1), "divergence": (0, np.inf), "frechet": (0, np.inf)}


@dataclasses.dataclass(frozen=True, eq=False)
class Sampled:
    """Positions of N pictures at one tap: `features [N, P, C]`, culture numbers `labels [N]`."""

    features: np.ndarray
    labels: np.ndarray

    def moments(self, weights=None) -> list:
        """`Moments` of each culture, its pictures counted `weights [N]` times (None: once)."""
        found = []
        for culture in range(self.labels.max() + 1):
            own = self.labels == culture
            counts = None if weights is None else weights[own]
            found.append(weighted_moments(self.features[own], counts))
        return found

    def means(self) -> np.ndarray:
        """Mean of each channel over each picture's positions: `[N, C]`."""
        return self.features.mean(axis=1)

    def descriptors(self) -> np.ndarray:
        """The means, and the deviations of each channel: `[N, 2 C]`."""
        return np.concatenate([self.means(), self.features.std(axis=1)], axis=1)


def aligned(layer, sampled: Sampled) -> Sampled:
    """The same positions in the shared space of a `CultureAlignment`; None leaves them."""
    if layer is None:
        return sampled
    features = np.empty_like(sampled.features)
    for culture in np.unique(sampled.labels):
        own = sampled.labels == culture
        rows = sampled.features[own].reshape(1, -1, 1, features.shape[-1])
        mapped = np.asarray(layer(rows, np.array([culture])))
        features[own] = mapped.reshape(features[own].shape)
    return Sampled(features, sampled.labels)


def aligned_moments(layer, moments: list) -> list:
    """What `aligned` does to Gaussians: `A_k (m_k' - m_k) + m` and `A_k S_k A_k'`, exactly."""
    if layer is None:
        return moments
    means, shared, maps = (
        np.asarray(x, np.float64) for x in (layer.means, layer.shared_mean, layer.forward)
    )
    return [
        Moments(one.count, a @ (one.mean - mean) + shared, a @ one.covariance @ a.T)
        for one, mean, a in zip(moments, means, maps, strict=True)
    ]


def compare_maps(layers: dict, train: Sampled, held: Sampled, replicates, unit: float) -> dict:
    """Every measure of held-out features in the shared space of each layer.

    Args:
        layers: name to `CultureAlignment`, or to None for no alignment.
        train: what the probes are fitted to, in the shared space too.
        held: what is measured.
        replicates: of `resampled`, iterable of `[N]`, at least one.
        unit: what Frechet distances are divided by, such as the variance of the shared features.

    Returns:
        Name to {"gaps": {measure: figure of [K][K]}, "mean": {measure: figure of the mean over
        pairs}, "probe": {"positions": figure, "means": figure, "descriptors": figure}}, where a
        figure is {"value", "low", "high"} with a 95 % interval over held-out pictures. The probes
        see single positions, pictures' means, and their means and deviations.
    """
    right = {name: _probed(layer, train, held) for name, layer in layers.items()}
    estimates, records = _measured(layers, held, None, right, unit), []
    for weights in replicates:
        records.append(_measured(layers, held, weights, right, unit))
    return {
        name: {
            group: {
                key: _figure(value, [record[name][group][key] for record in records], key)
                for key, value in found.items()
            }
            for group, found in groups.items()
        }
        for name, groups in estimates.items()
    }


def halves(held: Sampled, unit: float, seed: int, draws: int = 5) -> dict:
    """What two random halves of one culture's pictures are apart: the floor of every measure.

    Means over cultures of at least two pictures and over draws; empty where no culture has two.
    """
    generator, found = np.random.default_rng(seed), []
    for culture in np.unique(held.labels):
        own = held.features[held.labels == culture]
        for _ in range(draws if len(own) > 1 else 0):
            order = generator.permutation(len(own))
            parts = [own[order[: len(own) // 2]], own[order[len(own) // 2 :]]]
            gap = gaps([weighted_moments(part) for part in parts], DIVERGENCE_SHRINKAGE)
            found.append([gap[name][0, 1] for name in MEASURES])
    if not found:
        return {}
    means = dict(zip(MEASURES, np.mean(found, axis=0).tolist(), strict=True))
    return {**means, "frechet": means["frechet"] / unit}


def choose_ddr(fitted: list, judged: list, shrinkage: float, rule: str) -> dict:
    """The `shrinkage` and `identity` of DDR that bring unseen pictures nearest to shared moments.

    Args:
        fitted: `Moments` of K cultures that the maps are made of.
        judged: theirs of other pictures; the mean Frechet distance of these, mapped, to the shared
            Gaussian decides.
        shrinkage: of every covariance beforehand.
        rule: of the shared covariance, "linear" or "barycentre".

    Returns:
        {"shrinkage", "identity"}, and "tried": [[l, i, distance]].
    """
    covariances = [np.asarray(linalg.shrink(one.covariance, shrinkage)) for one in fitted]
    shares = np.full(len(fitted), 1.0 / len(fitted))
    shared = np.asarray(mixed_covariance(covariances, shares, rule))
    target = Moments(1, np.mean([one.mean for one in fitted], axis=0), shared)
    tried = []
    for amount in SHRINKAGES:
        maps = [np.asarray(ddr(shared, own, amount)) for own in covariances]
        for identity in IDENTITIES:
            apart = []
            for one, other, matrix in zip(fitted, judged, maps, strict=True):
                blended = identity * np.eye(len(matrix)) + (1.0 - identity) * matrix
                a = np.linalg.inv(blended)
                mean = a @ (other.mean - one.mean) + target.mean
                mapped = Moments(other.count, mean, a @ other.covariance @ a.T)
                apart.append(frechet(target, mapped))
            tried.append([amount, identity, float(np.mean(apart))])
    best = min(tried, key=lambda row: row[-1])
    return {"shrinkage": best[0], "identity": best[1], "tried": tried}


def _probed(layer, train: Sampled, held: Sampled) -> dict:
    """For each kind of probe the share of each held-out picture that it names rightly, `[N]`."""
    train, held = aligned(layer, train), aligned(layer, held)
    count, positions, channels = held.labels.max() + 1, *held.features.shape[1:]
    rows = train.features.reshape(-1, channels)
    probe = fit_probe(rows, np.repeat(train.labels, train.features.shape[1]), count)
    named = probe.named(held.features.reshape(-1, channels)).reshape(-1, positions)
    right = {"positions": (named == held.labels[:, None]).mean(axis=1)}
    for kind in ("means", "descriptors"):
        probe = fit_probe(getattr(train, kind)(), train.labels, count)
        right[kind] = probe.named(getattr(held, kind)()) == held.labels
    return right


def _measured(layers: dict, held: Sampled, weights, right: dict, unit: float) -> dict:
    """The figures of every layer for one way of counting the held-out pictures."""
    moments, count = held.moments(weights), held.labels.max() + 1
    pairs, found = np.tril_indices(count, -1), {}
    for name, layer in layers.items():
        measured = gaps(aligned_moments(layer, moments), DIVERGENCE_SHRINKAGE)
        measured["frechet"] = measured["frechet"] / unit
        found[name] = {
            "gaps": measured,
            "mean": {key: float(value[pairs].mean()) for key, value in measured.items()},
            "probe": {
                key: balanced_accuracy(share, held.labels, count, weights)
                for key, share in right[name].items()
            },
        }
    return found


def _figure(value, replicates: list, key: str) -> dict:
    low, high = interval(value, np.stack(replicates), *LIMITS.get(key, (0, 1)))
    return {
        name: np.round(one, 6).tolist()
        for name, one in (("value", value), ("low", low), ("high", high))
    }


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
        points: `[K, 2]`, the plane of `layout`.
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
    figures, frechet = _measured_map(pictures.moments(np.ones(len(reduced.labels))))
    points, kept = layout(np.sqrt(frechet))
    drawn, placed = [], []
    for weights in resampled(reduced.labels, replicates, seed):
        own, apart = _measured_map(pictures.moments(weights))
        drawn.append(own)
        placed.append(turned(layout(np.sqrt(apart))[0], points))
    placed = np.stack(placed)
    off = placed - placed.mean(axis=0)
    intervals = {}
    for name, values in figures.items():
        ends = interval(values, np.stack([own[name] for own in drawn]), least=0.0)
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


def layout(apart) -> tuple[np.ndarray, float]:
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
