"""Heads that imitate a teacher's taps, by which a backbone is distilled, and their standard."""

import keras
from keras import KerasTensor, ops

from stylegan_culture.features import linalg

# Each of the teacher's taps and the student's that sees as much of the picture.
FOLLOWS = {
    "relu1_1": "stem_3",
    "relu2_1": "stem_3",
    "relu3_1": "stem_5",
    "relu4_1": "mixed_5b",
    "relu5_1": "block35_10",
}


class DistillationHeads(keras.Model):
    """Heads for the teacher's taps and for cultures; deleted after training."""

    def __init__(self, channels: dict, classes: int, dropout: float, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        # relu1_1 has twice the student's resolution: four of its pixels come from one position.
        self.project = {
            tap: keras.layers.Conv2D(count * (4 if tap == "relu1_1" else 1), 1, **policy)
            for tap, count in channels.items()
        }
        self.standardise = keras.layers.BatchNormalization(center=False, scale=False, momentum=0.9)
        self.dropout = keras.layers.Dropout(dropout)
        self.classify = keras.layers.Dense(classes, dtype="float32")

    def call(self, features: dict, training: bool = False) -> tuple[dict, KerasTensor]:
        """The teacher's taps as the student sees them, and logits `[B, K]`."""
        seen = {}
        for tap, followed in FOLLOWS.items():
            value = features[followed]
            if tap == "relu5_1":
                value = ops.average_pool(value, 2, 2)
            value = self.project[tap](value)
            seen[tap] = ops.depth_to_space(value, 2) if tap == "relu1_1" else value
        statistics = self.standardise(linalg.descriptors(features), training=training)
        return seen, self.classify(self.dropout(statistics, training=training))


class Standard(keras.layers.Layer):
    """The teacher's taps with mean 0 and deviation 1 per channel, by moments of one batch.

    Channels that hardly ever fire keep a tenth of the tap's mean deviation as theirs, so that they
    do not outweigh the others.
    """

    def __init__(self, channels: dict, **kwargs):
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.mean = {t: self.add_weight(shape=(c,), name=f"{t}_mean") for t, c in channels.items()}
        self.deviation = {
            t: self.add_weight(shape=(c,), initializer="ones", name=f"{t}_deviation")
            for t, c in channels.items()
        }
        self.built = True

    def fit(self, wanted: dict) -> None:
        """Takes mean and deviation from these taps `{tap: [B, h, w, C]}`."""
        for tap, value in wanted.items():
            mean, variance = ops.moments(ops.cast(value, "float32"), axes=(0, 1, 2))
            deviation = ops.sqrt(variance)
            self.mean[tap].assign(mean)
            self.deviation[tap].assign(ops.maximum(deviation, 0.1 * ops.mean(deviation)))

    def call(self, wanted: dict) -> dict:
        return {
            tap: (ops.cast(value, "float32") - self.mean[tap]) / self.deviation[tap]
            for tap, value in wanted.items()
        }
