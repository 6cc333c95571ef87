"""One step of CycleGAN: both generators, then both discriminators.

Zhu et al., arXiv 1703.10593. A batch holds B pictures of the first tradition ("content") and B of
the second ("style") that have nothing to do with each other.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.config import option
from stylegan_culture.networks.cyclegan import CyclePair, PatchDiscriminator
from stylegan_culture.training import average
from stylegan_culture.training.augment import augment, parse_kinds
from stylegan_culture.training.judges import HINGE, LEAST_SQUARES, LOGISTIC
from stylegan_culture.training.options import LinearDecay
from stylegan_culture.training.pool import ImagePool
from stylegan_culture.training.replicas import shared, update

VERDICTS = {"least_squares": LEAST_SQUARES, "non_saturating": LOGISTIC, "hinge": HINGE}


@dataclasses.dataclass(frozen=True)
class CycleConfig:
    """Weights of the losses, and how networks follow their gradients; the defaults are the paper's,
    but for the average."""

    adversarial: float = option(1.0, "weight of the discriminators' verdicts")
    cycle: float = option(10.0, "weight of pictures recovered after there and back")
    identity: float = option(5.0, "weight of pictures that are of the target already and must stay")
    verdict: str = option("least_squares", "the adversarial loss", tuple(VERDICTS))
    pool: int = option(50, "made pictures of each tradition that discriminators see again; 0: none")
    generator_rate: float = option(2e-4, "generators' learning rate (Adam)")
    discriminator_rate: float = option(2e-4, "discriminators' learning rate (Adam)")
    momentum: float = option(0.5, "first-moment decay of Adam, 0 to 1")
    decay_from: float = option(0.5, "share of the run after which both rates fall linearly to 0")
    average: float = option(0.998, "decay of the weight average (EMA) that is shown and exported")
    augmentation: str = option("", "DiffAugment: any of translation,cutout,colour")


class CycleTrainer:
    """Networks, optimisers and the step of CycleGAN.

    Args:
        domains: keys of the two traditions.
        configs: `translator`, `patch` (see `networks.cyclegan`) and `cycle` (`CycleConfig`).
        steps: of the whole run.
        precision: Keras dtype policy.
        seed: of what is drawn in a step.
    """

    def __init__(self, domains, configs, steps: int, precision: str, seed: int):
        self.config: CycleConfig = configs.cycle
        self.seed, self.previews = seed, ()
        policy = keras.DTypePolicy(precision)
        self.model = CyclePair(domains, configs.translator, dtype=policy).create_weights()
        self.average = CyclePair(domains, configs.translator, dtype=policy).create_weights()
        self.average.set_weights(self.model.get_weights())
        self.judges = [PatchDiscriminator(configs.patch, dtype=policy) for _ in domains]
        self.verdicts = VERDICTS[self.config.verdict]
        self.kinds = parse_kinds(self.config.augmentation)
        rates = (self.config.generator_rate, self.config.discriminator_rate)
        self.rates = [LinearDecay.over(rate, steps, self.config.decay_from) for rate in rates]
        self.optimizers = [
            keras.optimizers.Adam(rate, beta_1=self.config.momentum, beta_2=0.999) for rate in rates
        ]

    def build(self, batch) -> None:
        """Creates the variables that are left from a batch's shapes."""
        for judge in self.judges:
            judge(batch["content"])
        self.pools = [ImagePool(self.config.pool, batch["content"].shape[1:]) for _ in self.judges]
        self.optimizers[0].build(self.model.trainable_variables)
        self.optimizers[1].build(self._judged_by)

    @property
    def _judged_by(self) -> list:
        return [v for judge in self.judges for v in judge.trainable_variables]

    def state(self) -> dict:
        """Every variable of the training state by name, in a fixed order."""
        groups = {
            "model": self.model.variables,
            "average": self.average.variables,
            "generator_optimizer": self.optimizers[0].variables,
            "discriminator_optimizer": self.optimizers[1].variables,
        }
        for number, domain in enumerate(("first", "second")):
            groups[f"{domain}_judge"] = self.judges[number].variables
            groups[f"{domain}_pool"] = self.pools[number].variables
        return {f"{g}/{i:04d}": v for g, group in groups.items() for i, v in enumerate(group)}

    def step(self, batch, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name."""
        parts = self._step(batch, tf.constant([self.seed, number], tf.int32))
        self.follow(tf.constant(number))
        return parts

    @shared
    def _step(self, batch, seed):
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.learning_rate.assign(rate(seed[1]))
        real = (batch["content"], batch["style"])
        with tf.GradientTape() as tape:
            made, parts = self._translate(real)
            verdicts = [
                self.verdicts.generator(judge(augment(picture, self.kinds, seed + number)))
                for number, (judge, picture) in enumerate(zip(self.judges, made, strict=True))
            ]
            parts["adversarial"] = tf.add_n(verdicts)
            total, parts = losses.weighted_sum(parts, dataclasses.asdict(self.config))
        update(self.optimizers[0], tape, total, self.model.trainable_variables)
        parts |= self._train_judges(real, made, seed)
        return parts | {"total": total} | _health(made)

    def _translate(self, real):
        """Pictures made to be of the first and of the second tradition; picture-space losses.

        What a generator translates and what it must leave alone pass it as one batch.
        """
        first, second = real
        count, parts = first.shape[0], {}
        if self.config.identity:
            forth = self.model.forth(tf.concat([first, second], 0))
            back = self.model.back(tf.concat([second, first], 0))
            parts["identity"] = losses.absolute_difference(
                forth[count:], second
            ) + losses.absolute_difference(back[count:], first)
            made = (back[:count], forth[:count])
        else:
            made = (self.model.back(second), self.model.forth(first))
        if self.config.cycle:
            returned = (self.model.back(made[1]), self.model.forth(made[0]))
            parts["cycle"] = losses.absolute_difference(
                returned[0], first
            ) + losses.absolute_difference(returned[1], second)
        return made, parts

    def _train_judges(self, real, made, seed) -> dict:
        """One update of both discriminators; half of the loss, as in the paper."""
        shown = [
            pool.exchange(tf.stop_gradient(picture), seed + 10 * (number + 1))
            for number, (pool, picture) in enumerate(zip(self.pools, made, strict=True))
        ]
        with tf.GradientTape() as tape:
            total = tf.zeros(())
            for number, judge in enumerate(self.judges):
                pictures = tf.concat([real[number], shown[number]], 0)
                changed = augment(pictures, self.kinds, seed + 5 + number)
                logits = tf.split(judge(changed, training=True), 2)
                total += self.verdicts.real(logits[0]) + self.verdicts.fake(logits[1])
            total = 0.5 * total
        update(self.optimizers[1], tape, total, self._judged_by)
        return {"discriminator": total}

    @tf.function
    def follow(self, number):
        """Moves the average towards the model."""
        average.follow(self.average, self.model, self.config.average, number)

    def samples(self) -> dict:
        """Sheets of each direction: pictures, what they become, and what comes back."""
        sheets = {}
        directions = (self.average.forth, self.average.back)
        for number, pictures in enumerate(self.previews):
            there, return_ = directions[number], directions[1 - number]
            made = [np.asarray(there(picture[None])) for picture in pictures]
            returned = [np.asarray(return_(picture))[0] for picture in made]
            cells = [c for row in zip(pictures, made, returned, strict=True) for c in row]
            cells = [cell.reshape(cell.shape[-3:]) for cell in cells]
            source, target = self.average.domains[:: 1 - 2 * number]
            labels = [source, target, "and back"]
            sheets[f"{source}_to_{target}"] = images.grid(cells, 3, column_labels=labels)
        return sheets

    def codes(self) -> dict:
        """CycleGAN has no style codes."""
        return {}


def _health(made) -> dict:
    """Spread between the pictures of a batch, of more than one, and the share of values at the
    ends of their range."""
    pictures = tf.stack(made)
    ends = tf.cast((pictures < 0.005) | (pictures > 0.995), tf.float32)
    health = {"saturated": tf.reduce_mean(ends)}
    if pictures.shape[1] > 1:
        health["spread"] = tf.reduce_mean(tf.math.reduce_std(pictures, axis=1))
    return health
