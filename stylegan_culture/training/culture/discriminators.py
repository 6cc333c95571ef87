"""The discriminators of the culture GAN: verdicts for the generator, and their own updates."""

import dataclasses
import typing

import keras
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.networks.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    FeatureDiscriminator,
    of_culture,
)
from stylegan_culture.training.augment import augment, parse_kinds
from stylegan_culture.training.culture.settings import OptimizerConfig
from stylegan_culture.training.optimisers import LinearDecay
from stylegan_culture.training.replicas import share, update


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """The three sides of an adversarial loss; see `losses`."""

    generator: typing.Callable
    real: typing.Callable
    fake: typing.Callable


LOGISTIC = Verdicts(
    losses.generator_adversarial, losses.discriminator_real, losses.discriminator_fake
)
HINGE = Verdicts(
    losses.generator_hinge, losses.discriminator_hinge_real, losses.discriminator_hinge_fake
)
LEAST_SQUARES = Verdicts(
    losses.generator_least_squares,
    losses.discriminator_least_squares_real,
    losses.discriminator_least_squares_fake,
)


class Judges:
    """A discriminator on pictures and, where there is a backbone, one on its features.

    Args:
        cultures: their number.
        taps: of the backbone; empty where there is none.
        config: sizes.
        optimizer: rates and augmentation.
        steps: length of the run.
        policy: Keras dtype policy.
    """

    def __init__(self, cultures, taps, config: DiscriminatorConfig, optimizer, steps, policy):
        self.networks = {}
        if config.trunk_width:
            self.networks["picture"] = Discriminator(cultures, config, dtype=policy)
            taps = taps[1:]  # the first tap's detail is what it sees anyway
        if taps and config.head_width:
            heads = FeatureDiscriminator(taps, cultures, config, dtype=policy)
            self.networks["features"] = heads
        settings: OptimizerConfig = optimizer
        self.losses = HINGE if settings.hinge else LOGISTIC
        self.kinds = parse_kinds(settings.augmentation)
        self.rate = LinearDecay.over(settings.discriminator_rate, steps, settings.decay_from)
        momentum = settings.momentum
        self.optimizer = keras.optimizers.Adam(self.rate.rate, beta_1=momentum, beta_2=0.99)

    @property
    def variables(self) -> list:
        """Trainable variables of all the discriminators."""
        return [v for network in self.networks.values() for v in network.trainable_variables]

    def build(self, images, features) -> None:
        """Creates all variables from the shapes of pictures and their backbone features."""
        self.logits(images, features, tf.zeros([2], tf.int32), training=False)
        self.optimizer.build(self.variables)

    def set_rate(self, number) -> None:
        """The learning rate at step `number` of the run, however many updates there were."""
        self.optimizer.learning_rate.assign(self.rate(number))

    def logits(self, images, features, seed, training: bool) -> dict[str, list]:
        """Logit maps `[B, h, w, K]`: "picture" to one, "features" to one for each head."""
        return self._look(images, features, seed, training)[0]

    def _look(self, images, features, seed, training: bool):
        """The logit maps as `logits` gives them, and every layer's feature maps."""
        maps, hidden = {}, []
        if "picture" in self.networks:
            changed = augment(images, self.kinds, seed)
            found, layers = self.networks["picture"].judge(changed, training)
            maps["picture"], hidden = [found], layers
        if "features" in self.networks:
            found, layers = self.networks["features"].judge(features, training)
            maps["features"], hidden = list(found.values()), hidden + layers
        return maps, hidden

    def verdicts(self, images, features, culture, seed, models=None) -> dict:
        """The generator's losses on restyled pictures asked to be of `culture [B]`.

        Adversarial ones and, where `models` are given, feature matching: `models` are real pictures
        of those cultures and their backbone features, as `images` and `features` are.
        """
        names = {"picture": "adversarial", "features": "feature_adversarial"}
        parts = {}
        found, hidden = self._look(images, features, seed, training=False)
        for kind, maps in found.items():
            verdicts = [self.losses.generator(of_culture(logits, culture)) for logits in maps]
            parts[names[kind]] = tf.add_n(verdicts) / len(verdicts)
        if models is not None:
            _, wanted = self._look(*models, seed, training=False)
            wanted = [tf.stop_gradient(layer) for layer in wanted]
            parts["feature_matching"] = losses.feature_matching(hidden, wanted)
        return parts

    def train(self, images, features, plan: dict, seed) -> dict:
        """One update on real, restyled and foreign pictures, B of each, in this order.

        Args:
            images: `[3 B, H, W, 3]`; features: `{tap: [3 B, h, w, C]}`.
            plan: `culture [3 B]`, the one each picture is asked about; `foreign [B]` in {0, 1},
                whether a picture of the last third is of another culture than that; `other [B]`,
                the cultures that real pictures are asked about again as; and `weights` of the
                pictures that are not: `restyled`, `foreign` and `relabelled`, those of `other`.
        """
        count, weights = plan["foreign"].shape[0], plan["weights"]
        other, foreign = plan["other"], plan["foreign"]
        differ = tf.cast(plan["culture"][:count] != other, tf.float32)
        # Each replica has weights of its own, and they are to count alike in all.
        weights = weights | {"foreign": weights["foreign"] * share(foreign)}
        if weights["relabelled"]:
            weights["relabelled"] *= share(differ)
        with tf.GradientTape() as tape:
            verdicts = []
            maps = self.logits(images, features, seed, training=True)
            for every in (logits for kind in maps.values() for logits in kind):
                logits = of_culture(every, plan["culture"])
                verdicts.append(
                    self.losses.real(logits[:count])
                    + weights["restyled"] * self.losses.fake(logits[count : 2 * count])
                    + weights["foreign"] * self.losses.fake(logits[2 * count :], foreign)
                )
                if plan["weights"]["relabelled"]:
                    renamed = self.losses.fake(of_culture(every[:count], other), differ)
                    verdicts[-1] += weights["relabelled"] * renamed
            total = tf.add_n(verdicts)
        update(self.optimizer, tape, total, self.variables)
        return {"discriminator": total / len(verdicts)}

    def penalise(self, images, culture, weight: float, seed) -> dict:
        """One update by R1, `weight * E|dD/dx|^2 / 2`, of the picture discriminator alone."""
        judge = self.networks["picture"]
        images = augment(images, self.kinds, seed)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(images)
                logits = of_culture(judge(images, training=False), culture)
                verdict = tf.reduce_sum(tf.reduce_mean(tf.cast(logits, tf.float32), axis=[1, 2]))
            penalty = losses.gradient_penalty(inner.gradient(verdict, images))
            total = weight * penalty
        # The same Adam, which weighs it against the other updates, but this judge's variables
        # only: momentum would go on moving the others.
        update(self.optimizer, outer, total, judge.trainable_variables)
        return {"r1": penalty}
