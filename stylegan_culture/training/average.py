"""The moving average of a network's weights (EMA): what is shown, saved and exported."""

import tensorflow as tf


def follow(average, model, decay: float, number) -> None:
    """Moves a network's average towards it: `a <- a + (1 - d) (w - a)`.

    `d = min(decay, (1 + t) / (10 + t))` at step `number` t, so that a young run's average is not
    held back by the weights that it began with. To be called outside of replicas.
    """
    age = tf.cast(number, tf.float32)
    kept = tf.minimum(decay, (1.0 + age) / (10.0 + age))
    for mean, value in zip(average.variables, model.variables, strict=True):
        mean.assign(mean + (1.0 - kept) * (value - mean))
