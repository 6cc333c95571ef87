"""What a step needs so that several devices can share its batch.

A batch is split into equal parts, one for each device ("replica"), in order. What is drawn is
drawn for the whole batch, of which each replica takes its own rows, and gradients are averaged, so
that replicas together do what one device does with the whole batch. On one device, and outside of
`tf.distribute`, all this changes nothing.
"""

import tensorflow as tf


def count() -> int:
    """How many replicas share a batch; 1 outside of a strategy."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def own_rows(values):
    """This replica's rows of values `[R B, ...]` that are of the whole batch: `[B, ...]`."""
    if count() == 1:
        return values
    rows = values.shape[0] // count()
    number = tf.distribute.get_replica_context().replica_id_in_sync_group
    start = tf.concat([[number * rows], tf.zeros([len(values.shape) - 1], tf.int32)], 0)
    return tf.slice(values, start, [rows, *values.shape[1:]])


def normal(shape, seed):
    """Standard normal numbers `[B, ...]`, each row of its own; `seed` is int32 `[2]`."""
    return own_rows(tf.random.stateless_normal(_whole(shape), seed))


def uniform(shape, seed, low=0, high=1, dtype=tf.float32):
    """Uniform numbers `[B, ...]` in [low, high), each row of its own; `seed` is int32 `[2]`."""
    return own_rows(tf.random.stateless_uniform(_whole(shape), seed, low, high, dtype))


def update(optimizer, tape, total, variables) -> None:
    """Applies the gradients of `total`; a variable that took no part gets a gradient of zero.

    `total` is the mean over this replica's part of the batch. Keras adds up the gradients of all
    replicas, so each gives its share.
    """
    gradients = tape.gradient(total, [variable.value for variable in variables])
    share = 1.0 / count()
    optimizer.apply(
        [
            tf.zeros_like(v) if g is None else (g if share == 1.0 else share * g)
            for g, v in zip(gradients, variables, strict=True)
        ],
        variables,
    )


def _whole(shape) -> list:
    return [shape[0] * count(), *shape[1:]]
