"""What a step needs so that several devices can share its batch.

A batch is split into equal parts, one for each device ("replica"), in order. What is drawn is
drawn for the whole batch, of which each replica takes its own rows, and gradients are averaged, so
that replicas together do what one device does with the whole batch, as long as losses are means
over rows. On one device, and outside of `tf.distribute`, all this changes nothing.
"""

import functools
import threading

import tensorflow as tf

_OWN = threading.local()  # each replica of a step is traced in a thread of its own


def shared(method):
    """Compiles a method `(self, batch, seed) -> {name: scalar}`: a step, or a part of one.

    In the scope of a strategy it is run by every replica, on its own rows of the batch, whose
    tensors are then one for each replica, and what it returns are means over replicas.
    """

    @functools.wraps(method)
    def run(self, batch, seed):
        if not tf.distribute.has_strategy():
            return method(self, batch, seed)
        names, strategy = [], tf.distribute.get_strategy()

        def own(batch, seed):
            _OWN.rows = next(iter(batch.values())).shape[0]
            parts = method(self, batch, seed)
            names[:] = parts
            values = tf.stack([tf.cast(value, tf.float32) for value in parts.values()])
            return tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.MEAN, values
            )

        values = strategy.experimental_local_results(strategy.run(own, (batch, seed)))[0]
        return dict(zip(names, tf.unstack(values), strict=True))

    return tf.function(run)


def count() -> int:
    """How many replicas share a batch; 1 outside of a strategy."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def own_rows(values):
    """This replica's rows of values `[R n, ...]` that are of the whole batch: `[n, ...]`.

    A replica that has n = k B rows, k > 1, of a batch of which it has B, has put k parts of B rows
    one after another, such as real and made pictures; its rows of each part are taken.
    """
    if count() == 1:
        return values
    rows = values.shape[0] // count()
    batch = _OWN.rows
    parts = rows // batch if rows > batch else 1
    if rows > batch and rows % batch:
        raise ValueError(f"{rows} rows are no multiple of the {batch} rows of a replica's batch")
    number = tf.distribute.get_replica_context().replica_id_in_sync_group
    rest = values.shape[1:]
    every = tf.reshape(values, [parts, count(), rows // parts, *rest])
    return tf.reshape(tf.gather(every, number, axis=1), [rows, *rest])


def normal(shape, seed):
    """Standard normal numbers `[n, ...]`, each row of its own; `seed` is int32 `[2]`."""
    return own_rows(tf.random.stateless_normal(_whole(shape), seed))


def uniform(shape, seed, low=0, high=1, dtype=tf.float32):
    """Uniform numbers `[n, ...]` in [low, high), each row of its own; `seed` is int32 `[2]`."""
    return own_rows(tf.random.stateless_uniform(_whole(shape), seed, low, high, dtype))


def share(weights):
    """What a mean weighted by `[n]` has to be multiplied by, to be this replica's share.

    `R max(sum_own w, 1) / max(sum_all w, 1)`: the mean over replicas then is that over the whole
    batch, though the weights of replicas differ; 1 on one device.
    """
    if count() == 1:
        return 1.0
    own = tf.reduce_sum(weights)
    every = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
    return count() * tf.maximum(own, 1.0) / tf.maximum(every, 1.0)


def update(optimizer, tape, total, variables) -> None:
    """Applies the gradients of `total`; a variable that took no part gets a gradient of zero.

    `total` is the mean over this replica's part of the batch. Keras adds up the gradients of all
    replicas, so each gives its share. A `global_clipnorm` holds for the whole batch's gradient.
    """
    found = tape.gradient(total, [variable.value for variable in variables])
    pairs = zip(found, variables, strict=True)
    gradients = [tf.zeros_like(v) if g is None else g for g, v in pairs]
    if count() > 1:
        if optimizer.clipnorm or optimizer.clipvalue:
            raise ValueError("of the ways to clip gradients, replicas share global_clipnorm only")
        if optimizer.global_clipnorm:
            mean = tf.distribute.ReduceOp.MEAN
            gradients = tf.distribute.get_replica_context().all_reduce(mean, gradients)
            gradients, _ = tf.clip_by_global_norm(gradients, optimizer.global_clipnorm)
        gradients = [gradient / count() for gradient in gradients]
    optimizer.apply(gradients, variables)


def _whole(shape) -> list:
    return [shape[0] * count(), *shape[1:]]
