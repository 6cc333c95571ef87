"""Linear classifiers fitted to features of pictures: a probe names the tradition of a picture.

Every probe weighs cultures alike, however many pictures each has. Pictures are `[N, S, S, 3]` in
[0, 1]. Where restyled pictures are named, all come at one scale (`SIDE`), since artworks are often
less sharp than photographs and a probe would learn sharpness instead.
"""

import dataclasses
import functools
import typing

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from stylegan_culture import losses
from stylegan_culture.config import InputError
from stylegan_culture.features import linalg
from stylegan_culture.measures import statistics
from stylegan_culture.measures.batches import in_batches
from stylegan_culture.measures.statistics import Interval

if typing.TYPE_CHECKING:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import Pipeline

SIDE = 160  # pixels a side of a picture that is named
PHOTOGRAPH = "photograph"
INVERSE_PENALTY = 24.0  # C of the logistic regression, times the number of features


@dataclasses.dataclass(frozen=True, eq=False)
class CultureProbe:
    """Names restyled pictures by a network that is in no loss: a fitted `classifier` over the
    descriptors of `backbone`, and its classes in order, "photograph" among them."""

    backbone: typing.Any
    classifier: "Pipeline"
    classes: tuple[str, ...]

    @classmethod
    def fit(cls, backbone: keras.Model, pictures: dict[str, np.ndarray]) -> "CultureProbe":
        """Fitted to `{class: [N, S, S, 3]}`."""
        features = np.concatenate([descriptors(backbone, each) for each in pictures.values()])
        labels = np.repeat(np.arange(len(pictures)), [len(each) for each in pictures.values()])
        classifier = logistic_probe(features.shape[1]).fit(features, labels)
        return cls(backbone, classifier, tuple(pictures))

    @property
    def standard(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation `[D]` of the descriptors that the classifier was fitted to."""
        scale = self.classifier[0]
        return scale.mean_, scale.scale_

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel `[D, classes]` and bias `[classes]` whose logits of descriptors `[N, D]` give, by
        softmax, the classifier's probabilities."""
        (mean, deviation), regression = self.standard, self.classifier[-1]
        kernel = (regression.coef_ / deviation).T
        return kernel, regression.intercept_ - mean @ kernel

    def named(self, pictures: ArrayLike) -> np.ndarray:
        """The class that each picture is named as first: its number, `[N]`."""
        return self.probabilities(pictures).argmax(axis=1)

    def probabilities(self, pictures: ArrayLike) -> np.ndarray:
        """How probable each class is for each picture: `[N, classes]`, rows of sum 1."""
        return self.classifier.predict_proba(descriptors(self.backbone, pictures))


def descriptors(backbone: keras.Model, pictures: ArrayLike) -> np.ndarray:
    """`linalg.descriptors` of every tap of a backbone: `[N, S, S, 3]` -> `[N, D]`."""
    return in_batches(functools.partial(_describe, backbone), pictures)


def colour_descriptors(pictures: ArrayLike) -> np.ndarray:
    """Mean and deviation of red, green and blue, `[N, 6]`: what any backbone has to surpass."""
    pictures = np.asarray(pictures)
    return np.concatenate([pictures.mean(axis=(1, 2)), pictures.std(axis=(1, 2))], axis=1)


def style_distances(backbone: keras.Model, pictures: ArrayLike) -> np.ndarray:
    """Distances between the styles of pictures, `[N, S, S, 3]` -> `[N, N]`.

    `losses.style_distances` over all the pictures at once, in float64.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    describe = tf.function(
        lambda batch: tuple(losses.gram(value) for value in backbone(batch).values()),
        reduce_retracing=True,
    )
    grams, total, count = in_batches(describe, pictures), 0.0, len(pictures)
    for gram in grams:
        distances = euclidean_distances(gram.reshape(count, -1).astype(np.float64))
        total = total + distances / (distances.sum() / (count * (count - 1)))
    return total / len(grams)


def logistic_probe(size: int) -> "Pipeline":
    """A logistic regression on `size` standardised features, penalised (L2, C = 24 / D)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(
        C=INVERSE_PENALTY / size, class_weight="balanced", max_iter=2000
    )
    return make_pipeline(StandardScaler(), regression)


@dataclasses.dataclass(frozen=True)
class ProbeAccuracy:
    """Accuracy over all pictures that were held out, and the mean of the cultures' accuracies."""

    accuracy: Interval
    balanced: Interval


def probe_accuracy(
    features: ArrayLike, labels: ArrayLike, held: list[np.ndarray], seed: int = 0
) -> ProbeAccuracy:
    """Accuracy of a `logistic_probe`, with 95 % bootstrap intervals over held-out pictures.

    Args:
        features: `[N, D]`.
        labels: `[N]`, 0 to K - 1.
        held: folds as a list of boolean `[N]`: pictures that a probe is not fitted to and names.
    """
    right, named = np.zeros(len(labels)), np.zeros(len(labels), bool)
    for part in held:
        probe = logistic_probe(features.shape[1]).fit(features[~part], labels[~part])
        right[part] = probe.predict(features[part]) == labels[part]
        named |= part
    right, labels = right[named], labels[named]
    weights = statistics.resampled(labels, statistics.REPLICATES, seed)
    return ProbeAccuracy(
        statistics.with_interval(right.mean(), weights @ right / len(right), 0.0, 1.0),
        statistics.balanced_accuracy_interval(right, labels, statistics.REPLICATES, seed),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class RidgeProbe:
    """A ridge `regression` to one-hot targets on features less `mean`, over `deviation` `[d]`."""

    mean: np.ndarray
    deviation: np.ndarray
    regression: "Ridge"

    @classmethod
    def fit(
        cls, features: ArrayLike, labels: ArrayLike, count: int, penalty: float = 1e-2
    ) -> "RidgeProbe":
        """Fitted to features standardised by their balanced moments.

        Args:
            features: `[n, d]`.
            labels: `[n]`, 0 to K - 1, each at least once; else `InputError`.
            count: K.
            penalty: relative to the channels' variance of 1.
        """
        from sklearn.linear_model import Ridge

        labels = np.asarray(labels)
        members = np.bincount(labels, minlength=count)
        if not members.all():
            raise InputError(f"culture number {members.argmin()} has no sample to fit a probe to")
        mean, deviation = statistics.balanced_moments(features, labels)
        regression = Ridge(alpha=penalty).fit(
            (features - mean) / deviation,
            np.eye(count)[labels],
            sample_weight=(1.0 / (count * members))[labels],
        )
        return cls(mean, deviation, regression)

    def named(self, features: ArrayLike) -> np.ndarray:
        """The culture of the greatest score, for each row of `[n, d]`: `[n]`."""
        return self.regression.predict((features - self.mean) / self.deviation).argmax(axis=1)


def discriminant(codes: ArrayLike, labels: ArrayLike) -> "LinearDiscriminantAnalysis":
    """Fisher's linear discriminant of codes `[N, D]` of cultures `[N]`, fitted.

    The mean of the cultures' covariances is shrunk as Ledoit and Wolf choose (2004), so that fewer
    codes than numbers in a code will do; `shrinkage` of the result says by how much.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    codes, labels = np.asarray(codes, np.float64), np.asarray(labels)
    count = len(np.unique(labels))
    means = np.stack([codes[labels == culture].mean(axis=0) for culture in range(count)])
    amount = linalg.ledoit_wolf_amount(codes - means[labels])
    analysis = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=amount, priors=np.full(count, 1.0 / count)
    )
    return analysis.fit(codes, labels)


@tf.function(reduce_retracing=True)  # at the top level: one trace serves every call
def _describe(backbone: keras.Model, batch: tf.Tensor) -> tf.Tensor:
    return linalg.descriptors(backbone(batch))
