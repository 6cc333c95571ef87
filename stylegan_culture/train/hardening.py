"""Adversarial training of a tagger's head: attacked pictures join those that it learns from.

After Madry et al. (arXiv 1706.06083), over a fixed backbone: pictures are changed so that the head
of the moment errs most, described anew, and a new head learns from them too. What it can do is to
lean on those numbers of a description that small changes move least. What it cannot is to make the
backbone steadier: its features move as far as they did.
"""

import dataclasses

import numpy as np
import tensorflow as tf
import tqdm

from pipelines.preprocess import center_crop
from stylegan_culture.analysis import attacks
from stylegan_culture.config import option
from stylegan_culture.networks.classifier import CultureTagger

BATCH = 16  # pictures that are attacked at once


@dataclasses.dataclass(frozen=True)
class HardeningConfig:
    """How pictures are attacked for a head to learn from."""

    adversarial_radius: float = option(
        0.0, "largest change of a value in attacked training pictures, of full brightness; 0: none"
    )
    adversarial_rounds: int = option(3, "attacks, each on the head that learnt from the last")
    adversarial_steps: int = option(3, "steps of each attack (PGD)")


def hardened_views(tagger, source, side: int, views, fit, config: HardeningConfig) -> np.ndarray:
    """Descriptors `[V, N, D]` with those of attacked pictures added: `[V + rounds, N, D]`.

    Args:
        tagger: whose backbone is attacked.
        source: the N pictures that `views` describe, none of them held out.
        side: pixels a side of their middle squares.
        views: at least the plain ones.
        fit: descriptors `[V, N, D]` to a head.
        config: radius, rounds and steps.
    """
    for number in range(config.adversarial_rounds):
        # A new one each time: Keras lets no head be replaced in a tagger that has been called.
        current = CultureTagger(tagger.backbone, fit(views))
        attacked = _attacked(current, source, side, config, number)
        views = np.concatenate([views, attacked[None]])
    return views


def _attacked(tagger, source, side: int, config: HardeningConfig, seed: int) -> np.ndarray:
    """Descriptors `[N, D]` of pictures changed to mislead the tagger's head."""
    logits_of = tf.function(lambda batch: tagger(batch), reduce_retracing=True)
    describe = tf.function(tagger.describe, reduce_retracing=True)
    ball = attacks.Ball("linf", config.adversarial_radius)
    found = []
    for start in tqdm.tqdm(range(0, len(source), BATCH), "attacked", disable=None):
        numbers = range(start, min(start + BATCH, len(source)))
        squares = np.stack([center_crop(source.read(number), side) for number in numbers])
        objective = _wrongness(logits_of, source.tags[start : start + BATCH], tagger.head.exclusive)
        pictures = squares.astype(np.float32) / 255
        changed = attacks.pgd(objective, pictures, ball, config.adversarial_steps, seed=seed)
        found.append(np.asarray(describe(changed)))
    return np.concatenate(found)


def _wrongness(logits_of, tags, exclusive: bool):
    """How wrong pictures are tagged, `[B]`: cross-entropy of the one tag, or of every question."""
    if exclusive:
        return attacks.misnamed(logits_of, tags.argmax(axis=1))
    tags = tf.constant(tags, tf.float32)
    return lambda pictures: tf.reduce_sum(
        tf.nn.sigmoid_cross_entropy_with_logits(tags, logits_of(pictures)), axis=1
    )
