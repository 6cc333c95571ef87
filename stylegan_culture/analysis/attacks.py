"""Small changes of pictures that mislead a network: FGSM and PGD.

Pictures are `[B, H, W, 3]` in [0, 1] and stay there. An objective maps pictures to one number each,
`[B]`, which the attack makes as great as it can: `misnamed`, `named_as` and `restyled_apart` build
the usual ones.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from stylegan_culture.config import InputError

NORMS = ("linf", "l2")


@dataclasses.dataclass(frozen=True)
class Ball:
    """What changes are allowed: at most `radius` in the norm "linf" (the largest change of a value)
    or "l2" (the root of the sum of squares over the picture)."""

    norm: str
    radius: float

    def __post_init__(self):
        if self.norm not in NORMS or self.radius < 0.0:
            raise InputError(f"no ball {self.norm} of radius {self.radius}; norms: linf, l2")

    def steepest(self, gradient):
        """The change of length 1 that follows `gradient [B, H, W, 3]` best; 0 where that is 0."""
        if self.norm == "linf":
            return tf.sign(gradient)
        return gradient / tf.maximum(_length(gradient), 1e-12)

    def project(self, change):
        """The nearest change within the ball."""
        if self.norm == "linf":
            return tf.clip_by_value(change, -self.radius, self.radius)
        return change * tf.minimum(1.0, self.radius / tf.maximum(_length(change), 1e-12))


def fgsm(objective, pictures, ball: Ball):
    """One step to the ball's edge along the steepest rise (Goodfellow et al., arXiv 1412.6572).

    In the norm "linf" `x + radius sign(gradient)`; values are kept in [0, 1].
    """
    pictures = tf.convert_to_tensor(pictures, tf.float32)
    step = ball.radius * ball.steepest(_gradient(objective, pictures))
    return tf.clip_by_value(pictures + step, 0.0, 1.0)


def pgd(objective, pictures, ball: Ball, steps: int = 20, rate: float = 0.0, seed=None):
    """Steps of steepest rise, each projected back (Madry et al., arXiv 1706.06083).

    Args:
        objective, pictures, ball: as above.
        steps: their number, at least 1.
        rate: length of a step; 0 takes 2.5 radius / steps.
        seed: of a random start within the ball; None starts at the pictures.

    Returns:
        Of all pictures passed through, for each the one of the greatest objective.
    """
    if steps < 1:
        raise InputError("an attack needs at least one step")
    pictures = tf.convert_to_tensor(pictures, tf.float32)
    rate = rate or 2.5 * ball.radius / steps
    current = pictures if seed is None else _somewhere(pictures, ball, seed)
    best, highest = current, objective(current)
    for _ in range(steps):
        change = current + rate * ball.steepest(_gradient(objective, current)) - pictures
        # Clipping to [0, 1] only moves values towards the picture's own: no way out of the ball.
        current = tf.clip_by_value(pictures + ball.project(change), 0.0, 1.0)
        value = objective(current)
        better = value > highest
        highest = tf.where(better, value, highest)
        best = tf.where(better[:, None, None, None], current, best)
    return best


def misnamed(logits_of, tags):
    """Untargeted: cross-entropy of the true culture, `tags [B]`, under `logits_of(pictures)`."""
    return lambda pictures: tf.nn.sparse_softmax_cross_entropy_with_logits(
        tags, logits_of(pictures)
    )


def named_as(logits_of, wanted):
    """Targeted: how probable culture `wanted [B]` is."""
    worse = misnamed(logits_of, wanted)
    return lambda pictures: -worse(pictures)


def restyled_apart(restyle, pictures):
    """The mean squared change of `restyle(pictures)` from that of the pictures themselves.

    At the pictures themselves its gradient is 0: start `pgd` with a seed.
    """
    reference = tf.stop_gradient(restyle(tf.convert_to_tensor(pictures, tf.float32)))
    return lambda changed: tf.reduce_mean((restyle(changed) - reference) ** 2, axis=(1, 2, 3))


def _gradient(objective, pictures):
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        value = objective(pictures)
    return tape.gradient(value, pictures)


def _length(change):
    return tf.sqrt(tf.reduce_sum(change * change, axis=(1, 2, 3), keepdims=True))


def _somewhere(pictures, ball: Ball, seed: int):
    """Uniform in the ball of "linf"; in that of "l2" in a random direction, at a uniform length."""
    generator = np.random.default_rng(seed)
    if ball.norm == "linf":
        change = generator.uniform(-ball.radius, ball.radius, pictures.shape)
    else:
        noise = generator.normal(size=pictures.shape)
        length = np.sqrt((noise * noise).sum(axis=(1, 2, 3), keepdims=True))
        change = ball.radius * generator.uniform(size=(len(noise), 1, 1, 1)) * noise / length
    return tf.clip_by_value(pictures + tf.constant(change, tf.float32), 0.0, 1.0)
