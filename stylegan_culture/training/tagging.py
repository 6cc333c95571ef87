"""Trains the head of a culture tagger on descriptors of pictures, and calibrates it."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.config import option
from stylegan_culture.networks.classifier import CultureHead

BATCH = 256  # descriptors in a batch
TEMPERATURES = (0.05, 20.0)  # searched for the one that fits


@dataclasses.dataclass(frozen=True)
class TaggingConfig:
    """How a head is trained."""

    epochs: int = option(30, "passes over the descriptors")
    rate: float = option(3e-3, "learning rate (Adam), falling to 0 along a cosine")
    decay: float = option(3e-2, "weight decay (AdamW)")
    dropout: float = option(0.5, "share of the descriptors left out, 0 to below 1")
    focus: float = option(1.0, "of the focal loss: 0 is cross-entropy, 2 heeds hard tags")
    balance: float = option(0.99, "of class-balanced weights: 0 none, near 1 every culture alike")


def train_head(descriptors, tags, config: TaggingConfig, seed: int = 0) -> CultureHead:
    """A head fitted to descriptors `[N, D]` and multi-hot tags `[N, K]`, not yet calibrated.

    Each tag is learnt as a question of its own, against all other pictures; where every picture
    carries just one, the head's probabilities are exclusive (a softmax over logits learnt so was
    better calibrated than one learnt as a softmax). Equal seeds give equal heads.
    """
    descriptors, tags = np.asarray(descriptors, np.float32), np.asarray(tags, np.float32)
    exclusive = bool(np.all(tags.sum(axis=1) == 1.0))
    head = CultureHead(tags.shape[1], exclusive, config.dropout, seed)
    head.build(descriptors.shape)
    deviation = descriptors.std(axis=0)
    head.mean.assign(descriptors.mean(axis=0))
    head.deviation.assign(np.where(deviation > 1e-6, deviation, 1.0))
    share = np.clip(tags.mean(axis=0), 1e-3, 1.0 - 1e-3)
    head.logits.bias.assign(np.log(share / (1.0 - share)))  # else tags start at a half
    weights = np.asarray(losses.class_balanced(tags, config.balance))
    steps = config.epochs * -(-len(tags) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(config.rate, steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.decay)
    optimizer.build(head.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(batch, wanted, weight):
        with tf.GradientTape() as tape:
            loss = losses.focal(head(batch, training=True), wanted, config.focus, weight)
        optimizer.apply(tape.gradient(loss, head.trainable_variables))

    generator = np.random.default_rng(seed)
    for _ in range(config.epochs):
        order = generator.permutation(len(tags))
        for start in range(0, len(tags), BATCH):
            chosen = order[start : start + BATCH]
            step(*(tf.constant(array[chosen]) for array in (descriptors, tags, weights)))
    return head


def temperature(logits, tags, exclusive: bool) -> float:
    """What logits `[N, K]` are to be divided by, for probabilities to be shares of pictures.

    The temperature of least cross-entropy (arXiv 1706.04599), by golden-section search of its
    logarithm. The logits must be of pictures that their head was not trained on; `exclusive` as
    of `CultureHead`.
    """
    logits, tags = np.asarray(logits, np.float64), np.asarray(tags, np.float64)

    def loss(logarithm):
        scaled = logits / np.exp(logarithm)
        if not exclusive:
            return np.logaddexp(0.0, -scaled * (2.0 * tags - 1.0)).mean()
        every = np.logaddexp.reduce(scaled, axis=1)
        return (every - (tags * scaled).sum(axis=1)).mean()

    low, high = np.log(TEMPERATURES)
    golden = (5**0.5 - 1) / 2
    while high - low > 1e-4:
        first, second = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, second) if loss(first) < loss(second) else (first, high)
    return float(np.exp((low + high) / 2))
