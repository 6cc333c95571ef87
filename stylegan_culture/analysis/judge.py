"""A judge of restyled pictures that no training sees: what they look like, and whose they are.

A linear classifier on the features of a network that is no part of any loss names the tradition of
a picture, "photograph" among them; the same network's mid-level features tell whose content it has.
Pictures are `[N, S, S, 3]` in [0, 1] at one scale (`SIDE`), since artworks are often less sharp
than photographs and a judge would learn sharpness instead.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from stylegan_culture.analysis.backbones import described, descriptors, logistic_probe

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
    """What names pictures and what is where in them, `backbones.descriptors` `[N, D]` and
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
