"""How much of the gap between cultures each alignment map removes on pictures it never saw."""

import dataclasses

import numpy as np

from stylegan_culture.analysis import distances
from stylegan_culture.features import linalg
from stylegan_culture.features.alignment import ddr, mixed_covariance
from stylegan_culture.features.moments import Moments

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
            found.append(distances.weighted_moments(self.features[own], counts))
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
        replicates: of `distances.resampled`, iterable of `[N]`, at least one.
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
            gap = distances.gaps(
                [distances.weighted_moments(part) for part in parts], DIVERGENCE_SHRINKAGE
            )
            found.append([gap[name][0, 1] for name in distances.MEASURES])
    if not found:
        return {}
    means = dict(zip(distances.MEASURES, np.mean(found, axis=0).tolist(), strict=True))
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
                apart.append(distances.frechet(target, mapped))
            tried.append([amount, identity, float(np.mean(apart))])
    best = min(tried, key=lambda row: row[-1])
    return {"shrinkage": best[0], "identity": best[1], "tried": tried}


def _probed(layer, train: Sampled, held: Sampled) -> dict:
    """For each kind of probe the share of each held-out picture that it names rightly, `[N]`."""
    train, held = aligned(layer, train), aligned(layer, held)
    count, positions, channels = held.labels.max() + 1, *held.features.shape[1:]
    rows = train.features.reshape(-1, channels)
    probe = distances.fit_probe(rows, np.repeat(train.labels, train.features.shape[1]), count)
    named = probe.named(held.features.reshape(-1, channels)).reshape(-1, positions)
    right = {"positions": (named == held.labels[:, None]).mean(axis=1)}
    for kind in ("means", "descriptors"):
        probe = distances.fit_probe(getattr(train, kind)(), train.labels, count)
        right[kind] = probe.named(getattr(held, kind)()) == held.labels
    return right


def _measured(layers: dict, held: Sampled, weights, right: dict, unit: float) -> dict:
    """The figures of every layer for one way of counting the held-out pictures."""
    moments, count = held.moments(weights), held.labels.max() + 1
    pairs, found = np.tril_indices(count, -1), {}
    for name, layer in layers.items():
        gaps = distances.gaps(aligned_moments(layer, moments), DIVERGENCE_SHRINKAGE)
        gaps["frechet"] = gaps["frechet"] / unit
        found[name] = {
            "gaps": gaps,
            "mean": {key: float(value[pairs].mean()) for key, value in gaps.items()},
            "probe": {
                key: distances.balanced_accuracy(share, held.labels, count, weights)
                for key, share in right[name].items()
            },
        }
    return found


def _figure(value, replicates: list, key: str) -> dict:
    low, high = distances.interval(value, np.stack(replicates), *LIMITS.get(key, (0, 1)))
    return {
        name: np.round(one, 6).tolist()
        for name, one in (("value", value), ("low", low), ("high", high))
    }
