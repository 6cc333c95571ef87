"""Trains the restoring network on pairs of a picture and the same with synthetic damage."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.config import InputError, option
from stylegan_culture.networks.holes import kept_around
from stylegan_culture.networks.restoration import RestorationConfig, RestorationModel
from stylegan_culture.training import average
from stylegan_culture.training.degradations import DamageConfig, damaged, mixed, parse_kinds
from stylegan_culture.training.replicas import count, own_rows, update
from stylegan_culture.training.schedule import warm_cosine


@dataclasses.dataclass(frozen=True)
class LearningConfig:
    """How the network follows its gradients."""

    rate: float = option(1e-3, "learning rate (Adam), falling to 0 along a cosine")
    warm_up: int = option(100, "steps during which the rate rises from 0")
    clip: float = option(0.5, "greatest norm of all gradients together; longer ones are shortened")
    average: float = option(0.995, "decay of the weight average (EMA) that is shown and kept")

    def check(self) -> None:
        """Raises `InputError` for values that cannot be trained with."""
        if self.rate <= 0.0 or self.clip <= 0.0 or not 0.0 <= self.average < 1.0:
            raise InputError(
                "--rate and --clip have to be above 0, and --average from 0 to less than 1"
            )


class RestorationTrainer:
    """A network for several kinds of damage, and the step that trains it by absolute difference.

    All pictures of a batch count alike, contents and styles; the kinds of damage go round, so that
    each picture of a data set meets all of them. The loss asks for the most likely picture: it
    sharpens what is certain and leaves the rest soft, instead of inventing it as a judged one does.
    Where a picture has holes, it asks for them alone.

    Args:
        damage: kinds and noise.
        sizes: of the network.
        learning: rate and average.
        steps: of the whole run.
        precision: Keras dtype policy.
        seed: of what is drawn in a step.
    """

    def __init__(
        self, damage: DamageConfig, sizes: RestorationConfig, learning, steps, precision, seed
    ):
        self.kinds, self.learning, self.seed = parse_kinds(damage.damage), learning, seed
        self.noise = (damage.least_noise, damage.most_noise)
        policy = keras.DTypePolicy(precision)
        self.model = RestorationModel(self.kinds, sizes, dtype=policy).create_weights()
        self.average = RestorationModel(self.kinds, sizes, dtype=policy).create_weights()
        self.average.set_weights(self.model.get_weights())
        self.rate = warm_cosine(learning.rate, steps, learning.warm_up)
        self.optimizer = keras.optimizers.Adam(
            learning.rate, beta_2=0.99, global_clipnorm=learning.clip
        )
        self.optimizer.build(self.model.trainable_variables)
        self.previews = np.zeros((0, 64, 64, 3), np.float32)

    def state(self) -> dict:
        """Every variable of the training state by name, in a fixed order."""
        groups = {
            "model": self.model.variables,
            "average": self.average.variables,
            "optimizer": self.optimizer.variables,
        }
        return {f"{g}/{i:04d}": v for g, group in groups.items() for i, v in enumerate(group)}

    def step(self, batch, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name."""
        parts = self._step(batch, tf.constant([self.seed, number], tf.int32))
        self.follow(tf.constant(number, tf.int32))
        return parts

    @tf.function
    def _step(self, batch, seed):
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        pictures = tf.concat([batch["content"], batch["style"]], 0)
        chosen = own_rows((tf.range(pictures.shape[0] * count()) + seed[1]) % len(self.kinds))
        given = mixed(self.kinds, pictures, chosen, seed, self.noise)
        with tf.GradientTape() as tape:
            restored = self.model(given, chosen)
            total = tf.reduce_mean(what_counts(given[..., 3:]) * tf.abs(restored - pictures))
        update(self.optimizer, tape, total, self.model.trainable_variables)
        return {"total": total, "damage": losses.absolute_difference(given[..., :3], pictures)}

    @tf.function
    def follow(self, number):
        """Moves the average towards the model, outside of replicas."""
        average.follow(self.average, self.model, self.learning.average, number)

    def samples(self) -> dict:
        """A sheet for each kind: damaged, restored, and the truth."""
        if not len(self.previews):
            return {}
        sheets = {}
        for number, kind in enumerate(self.kinds):
            given = damaged(kind, tf.constant(self.previews), tf.constant([self.seed, 0]))
            restored = self.average.restore(given, tf.fill([len(self.previews)], number))
            restored = kept_around(given, restored)
            rows = zip(np.asarray(given[..., :3]), np.asarray(restored), self.previews, strict=True)
            cells = [picture for row in rows for picture in row]
            sheets[kind] = images.grid(cells, 3, column_labels=["damaged", "restored", "truth"])
        return sheets

    def codes(self) -> dict:
        """The kinds' codes for histograms."""
        return {"kinds": np.asarray(self.average.codes.codes)}


def what_counts(mask):
    """Weights `[B, H, W, 1]` of a picture's pixels, of mean 1: its holes, where it has any.

    The rest of a picture with holes is kept bit for bit when it is restored. Were it to count, to
    change nothing would be nearly right, and after 9,000 steps the network still did just that.
    """
    share = tf.reduce_mean(mask, axis=[1, 2, 3], keepdims=True)
    return tf.where(share > 0.0, mask / tf.maximum(share, 1e-6), 1.0)
