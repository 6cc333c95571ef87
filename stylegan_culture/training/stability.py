"""How far a restyling can be moved by a small change of its content, as a loss to be lowered.

Adversarial training by one cheap step (Wong, Rice and Kolter, arXiv 2001.03994), with the change of
the output itself as the loss in place of labels (as TRADES does, arXiv 1901.08573).
"""

import tensorflow as tf

from stylegan_culture.training.replicas import uniform

STEP = 1.25  # radii: what the paper found best for one step from a random start


def instability(restyle, contents, restyled, radius: float, seed):
    """`E (G(x + d) - G(x))^2`, |d| <= radius: the mean squared change that `shifted` finds.

    Args:
        restyle: `[B, H, W, 3]` to the same shape, deterministic.
        contents: x, in [0, 1].
        restyled: G(x), as computed already.
        radius: the largest change of a value, in units of brightness; 0 gives 0.
        seed: of the random start, int32 `[2]`.
    """
    changed = shifted(restyle, contents, restyled, radius, seed)
    return tf.reduce_mean((restyle(changed) - restyled) ** 2)


def shifted(restyle, contents, restyled, radius: float, seed):
    """Contents moved, within the radius and [0, 1], to where their restyling changes most.

    One step along the sign of the gradient from a random start, since at the contents themselves
    the change is 0 and so is its gradient. No gradient leads back through the search.
    """
    start = contents + uniform(contents.shape, seed, -radius, radius)
    reference = tf.stop_gradient(restyled)
    with tf.GradientTape() as tape:
        tape.watch(start)
        change = tf.reduce_sum((restyle(start) - reference) ** 2)
    step = STEP * radius * tf.sign(tape.gradient(change, start))
    moved = tf.clip_by_value(start + step, contents - radius, contents + radius)
    return tf.stop_gradient(tf.clip_by_value(moved, 0.0, 1.0))
