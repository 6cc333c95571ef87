"""A judge of restyled pictures that no training sees: what they look like, and whose they are.

A linear classifier on the features of a network that is no part of any loss names the tradition of
a picture, "photograph" among them; the same network's mid-level features tell whose content it has.
Pictures are `[N, S, S, 3]` in [0, 1] at one scale (`SIDE`), since artworks are often less sharp
than photographs and a judge would learn sharpness instead.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.config import InputError
from stylegan_culture.measures import gaps

SIDE = 160  # pixels a side of a judged picture
PHOTOGRAPH = "photograph"
BATCH = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """A fitted judge: `backbone`, the `probe` over its descriptors, and the classes in order."""

    backbone: object
    probe: object
    classes: tuple[str, ...]

    @classmethod
    def fit(cls, backbone, pictures: dict):
        """Fits the probe to `{class: [N, S, S, 3]}`, every class with the same say."""
        features = np.concatenate([descriptors(backbone, own) for own in pictures.values()])
        labels = np.repeat(np.arange(len(pictures)), [len(own) for own in pictures.values()])
        probe = logistic_probe(features.shape[1]).fit(features, labels)
        return cls(backbone, probe, tuple(pictures))

    def named(self, pictures) -> np.ndarray:
        """The class that each picture is named as first: its number, `[N]`."""
        return self.probabilities(pictures).argmax(axis=1)

    def probabilities(self, pictures) -> np.ndarray:
        """How probable each class is for each picture: `[N, classes]`, rows of sum 1."""
        return self.probe.predict_proba(descriptors(self.backbone, pictures))


def content_codes(backbone, pictures) -> np.ndarray:
    """What is where in pictures, whatever their style: unit vectors `[N, D]` float32.

    The features of `backbone.content_tap`, each channel brought to mean 0 and deviation 1 over the
    picture. The squared distance of two codes, `2 - 2 cos`, is the content distance: 0 for one
    picture, about 2 for pictures that have nothing in common.
    """
    starts = range(0, len(pictures), BATCH)
    return np.concatenate([_code(backbone, tf.constant(pictures[s : s + BATCH])) for s in starts])


def content_distances(codes, others) -> np.ndarray:
    """Content distances between each two of `[N, D]` and `[M, D]`: `[N, M]`."""
    return np.maximum(2.0 - 2.0 * np.asarray(codes) @ np.asarray(others).T, 0.0)


def crossfade(contents, artworks, share: float) -> np.ndarray:
    """The control that recognition alone would reward: each content under a veil of an artwork.

    `(1 - share) content + share artwork`, pictures `[N, S, S, 3]` both.
    """
    return (1.0 - share) * np.asarray(contents) + share * np.asarray(artworks)


def seen(backbone, pictures) -> tuple[np.ndarray, np.ndarray]:
    """What names pictures and what is where in them, `descriptors` `[N, D]` and
    `content_codes` `[N, E]`, in one pass."""
    starts = range(0, len(pictures), BATCH)
    parts = [_see(backbone, tf.constant(pictures[s : s + BATCH])) for s in starts]
    return tuple(np.concatenate(own) for own in zip(*parts, strict=True))


@tf.function(reduce_retracing=True)  # here, not where it is used: one trace serves every call
def _code(backbone, batch):
    tap = backbone.content_tap
    return standardised(backbone(batch, taps=(tap,))[tap])


@tf.function(reduce_retracing=True)
def _see(backbone, batch):
    features = backbone(batch)
    return described(features), standardised(features[backbone.content_tap])


def standardised(features):
    """Features `[B, h, w, C]` as unit vectors `[B, h w C]`, each channel of mean 0 and deviation 1
    over the picture."""
    features = tf.cast(features, tf.float32)
    mean, variance = tf.nn.moments(features, (1, 2), keepdims=True)
    standard = (features - mean) / tf.sqrt(variance + 1e-4)
    return tf.math.l2_normalize(tf.reshape(standard, (tf.shape(features)[0], -1)), axis=1)


DESCRIBED = 16  # pictures that pass a backbone at once
INVERSE_PENALTY = 24.0  # C of the logistic regression, times the number of features
REPLICATES = 400  # of the bootstrap


def descriptors(backbone, pictures) -> np.ndarray:
    """Mean and deviation of every channel of every tap: `[N, S, S, 3]` in [0, 1] -> `[N, D]`.

    `backbone` is called as `backbone(pictures) -> {tap: [B, h, w, C]}`.
    """
    starts = range(0, len(pictures), DESCRIBED)
    return np.concatenate(
        [_describe(backbone, tf.constant(pictures[s : s + DESCRIBED])) for s in starts]
    )


def style_distances(backbone, pictures) -> np.ndarray:
    """Distances between the styles of pictures, `[N, S, S, 3]` -> `[N, N]`.

    `losses.style_distances` over all the pictures at once, in float64.
    """
    grams = {}

    def describe(batch):
        features = backbone(batch)
        return tuple(losses.gram(value) for value in features.values())

    function = tf.function(describe, reduce_retracing=True)
    for start in range(0, len(pictures), DESCRIBED):
        for tap, gram in enumerate(function(tf.constant(pictures[start : start + DESCRIBED]))):
            grams.setdefault(tap, []).append(gram.numpy().reshape(len(gram), -1))
    total, count = 0.0, len(pictures)
    for parts in grams.values():
        flat = np.concatenate(parts).astype(np.float64)
        squares = (flat * flat).sum(axis=1)
        squared = squares[:, None] + squares[None] - 2.0 * flat @ flat.T
        distance = np.sqrt(np.maximum(squared, 0.0)) * (1.0 - np.eye(count))
        total = total + distance / (distance.sum() / (count * (count - 1)))
    return total / len(grams)


def rank_correlation(first, second) -> float:
    """Spearman's correlation of the distances between each two pictures of `[N, N]` matrices.

    Equal distances share the mean of their ranks.
    """
    pairs = np.triu_indices(len(first), 1)
    return float(np.corrcoef(_ranks(first[pairs]), _ranks(second[pairs]))[0, 1])


def folds(labels, count: int, seed: int) -> np.ndarray:
    """The number of each picture's fold, `[N]`: each culture's pictures dealt out in random order.

    Raises `InputError` where a culture has fewer pictures than there are folds.
    """
    labels, generator = np.asarray(labels), np.random.default_rng(seed)
    found = np.zeros(len(labels), np.int64)
    for culture in np.unique(labels):
        own = np.flatnonzero(labels == culture)
        if len(own) < count:
            raise InputError(f"a culture has {len(own)} pictures for {count} folds; take fewer")
        found[generator.permutation(own)] = np.arange(len(own)) % count
    return found


def probe_accuracy(features, labels, held, seed: int = 0) -> dict:
    """Accuracy of a linear culture probe, with a 95 % bootstrap interval over judged pictures.

    The probe is a logistic regression on standardised features, penalised (L2, C = 24 / D), every
    culture with the same say.

    Args:
        features: `[N, D]`.
        labels: `[N]`, 0 to K - 1.
        held: folds as a list of boolean `[N]`: pictures that a probe is not fitted to and judges.

    Returns:
        {"accuracy": [value, low, high]} over all judged pictures, and "balanced", the mean of the
        cultures' accuracies.
    """
    count = int(np.max(labels)) + 1
    right, judged = np.zeros(len(labels)), np.zeros(len(labels), bool)
    for part in held:
        probe = logistic_probe(features.shape[1]).fit(features[~part], labels[~part])
        right[part] = probe.predict(features[part]) == labels[part]
        judged |= part
    right, own = right[judged], labels[judged]
    found = {}
    weights = gaps.resampled(own, REPLICATES, seed)
    for name, measure in (
        ("accuracy", lambda w: float(np.average(right, weights=w))),
        ("balanced", functools.partial(gaps.balanced_accuracy, right, own, count)),
    ):
        value = measure(np.ones(len(own)))
        ends = gaps.interval(value, np.array([measure(w) for w in weights]), 0.0, 1.0)
        found[name] = [value, *(float(end) for end in ends)]
    return found


def logistic_probe(size: int):
    """scikit-learn's estimator for `size` features; `InputError` without scikit-learn."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ModuleNotFoundError:
        raise InputError(
            "the probe needs scikit-learn; install it with pip install 'stylegan_culture[study]'"
        ) from None
    regression = LogisticRegression(
        C=INVERSE_PENALTY / size, class_weight="balanced", max_iter=2000
    )
    return make_pipeline(StandardScaler(), regression)


def colour_descriptors(pictures) -> np.ndarray:
    """Mean and deviation of red, green and blue, `[N, 6]`: what any backbone has to surpass."""
    pictures = np.asarray(pictures)
    return np.concatenate([pictures.mean(axis=(1, 2)), pictures.std(axis=(1, 2))], axis=1)


@tf.function(reduce_retracing=True)  # here, not where it is used: one trace serves every call
def _describe(backbone, batch):
    return described(backbone(batch))


def described(features: dict):
    """Mean and deviation of every channel of taps `{name: [B, h, w, C]}`: `[B, D]` float32."""
    found = []
    for value in features.values():
        mean, variance = tf.nn.moments(tf.cast(value, tf.float32), (1, 2))
        found += [mean, tf.sqrt(variance + 1e-6)]
    return tf.concat(found, axis=1)


def _ranks(values) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - 0.5 * (counts - 1))[inverse]
