"""A history of made pictures, which a discriminator is shown in place of some of the newest.

Shrivastava et al., arXiv 1612.07828, section 2.3, in the form of CycleGAN (arXiv 1703.10593,
section 4): a generator cannot fool its judge by going back to what the judge has forgotten.
"""

import tensorflow as tf

from stylegan_culture.training import replicas


class ImagePool:
    """The last pictures that were kept; part of the training state.

    Where several devices share a batch, each keeps the same pool, of the pictures of all.

    Args:
        size: pictures in the pool; 0 gives back what comes in.
        shape: of a picture, `(H, W, 3)`.
    """

    def __init__(self, size: int, shape):
        self.size = size
        same = {
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
        }
        self.pictures = tf.Variable(tf.zeros([size, *shape]), **same)
        self.count = tf.Variable(0, **same)

    @property
    def variables(self) -> list:
        """What a checkpoint must hold; none where there is no pool."""
        return [self.pictures, self.count] if self.size else []

    def exchange(self, made, seed):
        """Pictures `[B, H, W, 3]` to be judged for the B that were `made` now.

        One after the other: while there is room, a picture is kept and given back; afterwards one
        half, by chance, is given back and not kept, and the other half takes the place of one of
        the pool, drawn evenly, which is given back instead. `seed` is int32 `[2]`.
        """
        if not self.size:
            return made
        every = _of_all_replicas(made)
        # The whole batch's draws in each replica, where `replicas.uniform` would give its own rows.
        swapped = tf.random.stateless_uniform([every.shape[0]], seed) < 0.5
        drawn = tf.random.stateless_uniform([every.shape[0]], seed + 1, 0, self.size, tf.int32)
        pictures, count, given = tf.convert_to_tensor(self.pictures), self.count + 0, []
        for number in range(every.shape[0]):
            room, new = count < self.size, every[number]
            place = tf.where(room, count, drawn[number])
            old = pictures[place]
            given.append(tf.where(room | ~swapped[number], new, old))
            kept = tf.where(room | swapped[number], new, old)
            pictures = tf.tensor_scatter_nd_update(pictures, [[place]], kept[None])
            count += tf.cast(room, tf.int32)
        self.pictures.assign(pictures)
        self.count.assign(count)
        return replicas.own_rows(tf.stack(given))


def _of_all_replicas(values):
    """Rows `[B, ...]` of each replica in order, `[R B, ...]`."""
    if replicas.count() == 1:
        return values
    every = tf.distribute.get_replica_context().all_gather(values, axis=0)
    return tf.ensure_shape(every, [values.shape[0] * replicas.count(), *values.shape[1:]])
