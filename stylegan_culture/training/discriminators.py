"""The discriminators of the GANs: their losses for the generator, and their updates."""

import dataclasses

from stylegan_culture.config import fraction, option, share, weight
from stylegan_culture.networks.sizes import DiscriminatorConfig, TrunkConfig
from stylegan_culture.training import later, replicas
from stylegan_culture.training.augment import augment, parse_kinds
from stylegan_culture.training.loop import Trainer

keras, tf = later("keras"), later("tensorflow")
losses = later("stylegan_culture.losses")
networks = later("stylegan_culture.networks.discriminator")
optimisers = later("stylegan_culture.training.optimisers")


@dataclasses.dataclass(frozen=True)
class AdversarialConfig:
    """How generator and discriminators follow their gradients."""

    generator_rate: float = option(4e-4, "generator's learning rate (Adam)", low=0.0)
    discriminator_rate: float = option(4e-4, "discriminators' learning rate (Adam)", low=0.0)
    momentum: float = fraction(0.5, "first-moment decay of Adam")
    decay_from: float = share(0.6, "share of the run after which both rates fall linearly to 0")
    average: float = fraction(0.998, "decay of the weight average (EMA) that is shown and exported")
    hinge: bool = option(False, "hinge losses of the discriminators instead of logistic ones")
    augmentation: str = option(
        "cutout", "DiffAugment: any of translation,cutout,colour", metavar="KINDS"
    )


@dataclasses.dataclass(frozen=True)
class PenaltyConfig:
    """The gradient penalty (R1), which is calculated at some of the steps only."""

    r1: float = weight(1.0, "the gradient penalty on real pictures", once_in="losses")
    r1_interval: int = option(16, "steps between gradient penalties", low=1, once_in="losses")

    def is_due(self, number: int) -> bool:
        """Whether step `number` has it."""
        return bool(self.r1) and number % self.r1_interval == 0

    @property
    def lazy_weight(self) -> float:
        """The weight, scaled up by the interval (StyleGAN2, arXiv 1912.04958)."""
        return self.r1 * self.r1_interval


@dataclasses.dataclass(frozen=True)
class DiscriminatorLossConfig(PenaltyConfig):
    """Weights in the discriminators' loss, beside real pictures, which count 1."""

    restyled: float = weight(1.0, "restyled pictures", once_in="losses")
    foreign: float = weight(1.0, "contents of other cultures", once_in="losses")
    relabelled: float = weight(0.0, "style pictures called another culture's", once_in="losses")


VERDICTS = ("least_squares", "non_saturating", "hinge")  # of `losses.ADVERSARIAL`


@dataclasses.dataclass(frozen=True)
class Shown:
    """What discriminators learn from in one update: B real, B restyled and B foreign pictures, in
    this order.

    images: `[3 B, H, W, 3]`. features: `{tap: [3 B, h, w, C]}`. culture: `[3 B]`, the culture that
    each is judged as. foreign: `[B]` in {0, 1}, whether a picture of the last third is of another
    culture than that. other: `[B]`, cultures that the real pictures are judged as besides.
    """

    images: "tf.Tensor"
    features: dict
    culture: "tf.Tensor"
    foreign: "tf.Tensor"
    other: "tf.Tensor"


class Discriminators:
    """A discriminator on pictures and, where there is a backbone, one on its features.

    Args:
        cultures: their number.
        taps: of the backbone; empty where there is none.
        sizes: of the networks; of a `TrunkConfig` there is a discriminator on pictures only.
        config: rates, losses and augmentation.
        steps: length of the run.
        policy: Keras dtype policy.
    """

    def __init__(
        self,
        cultures: int,
        taps: tuple[str, ...],
        sizes: DiscriminatorConfig | TrunkConfig,
        config: AdversarialConfig,
        steps: int,
        policy: "keras.DTypePolicy",
    ):
        self.networks = {}
        if sizes.trunk_width:
            self.networks["picture"] = networks.Discriminator(cultures, sizes, dtype=policy)
            taps = taps[1:]  # it sees the first tap's detail anyway
        if taps and sizes.head_width:
            heads = networks.FeatureDiscriminator(taps, cultures, sizes, dtype=policy)
            self.networks["features"] = heads
        self.losses = losses.ADVERSARIAL["hinge" if config.hinge else "non_saturating"]
        self.kinds = parse_kinds(config.augmentation)
        self.rate = optimisers.LinearDecay.over(config.discriminator_rate, steps, config.decay_from)
        self.optimizer = keras.optimizers.Adam(self.rate.rate, beta_1=config.momentum, beta_2=0.99)

    @property
    def variables(self) -> list:
        """Trainable variables of all discriminators."""
        return [v for network in self.networks.values() for v in network.trainable_variables]

    def groups(self, trainer: Trainer) -> dict[str, list]:
        """All variables of a trainer that has a `model`, its `average` and an `optimizer`; a
        checkpoint calls the discriminators judges."""
        return {
            "model": trainer.model.variables,
            "average": trainer.average.variables,
            "generator_optimizer": trainer.optimizer.variables,
            "discriminator_optimizer": self.optimizer.variables,
            **{f"{name}_judge": network.variables for name, network in self.networks.items()},
        }

    def build(self, images: "tf.Tensor", features: dict) -> None:
        """Creates all variables from the shapes of pictures and their backbone features."""
        self.logits(images, features, tf.zeros([2], tf.int32), training=False)
        self.optimizer.build(self.variables)

    def set_rate(self, number: "tf.Tensor") -> None:
        """Sets the learning rate of step `number` of the run, whatever the number of updates."""
        self.optimizer.learning_rate.assign(self.rate(number))

    def logits(
        self, images: "tf.Tensor", features: dict, seed: "tf.Tensor", training: bool
    ) -> dict[str, list]:
        """Logit maps `[B, h, w, K]`: "picture" to one, "features" to one for each head."""
        return self._look(images, features, seed, training)[0]

    def _look(
        self, images: "tf.Tensor", features: dict, seed: "tf.Tensor", training: bool
    ) -> tuple[dict[str, list], list]:
        """The logit maps as `logits` gives them, and every layer's feature maps."""
        maps, hidden = {}, []
        if "picture" in self.networks:
            changed = augment(images, self.kinds, seed)
            logits, hidden = self.networks["picture"].with_features(changed, training)
            maps["picture"] = [logits]
        if "features" in self.networks:
            logits, layers = self.networks["features"].with_features(features, training)
            maps["features"], hidden = list(logits.values()), hidden + layers
        return maps, hidden

    def verdicts(
        self,
        images: "tf.Tensor",
        features: dict,
        culture: "tf.Tensor",
        seed: "tf.Tensor",
        models: "tuple[tf.Tensor, dict] | None" = None,
    ) -> dict:
        """The generator's losses on restyled pictures that are to be of `culture [B]`.

        Adversarial ones and, where `models` are given, feature matching with these: real pictures
        of the same cultures and their backbone features.
        """
        names = {"picture": "adversarial", "features": "feature_adversarial"}
        parts = {}
        every, hidden = self._look(images, features, seed, training=False)
        for kind, maps in every.items():
            parts[names[kind]] = tf.add_n(
                [self.losses.generator(networks.of_culture(logits, culture)) for logits in maps]
            ) / len(maps)
        if models is not None:
            _, wanted = self._look(*models, seed, training=False)
            wanted = [tf.stop_gradient(layer) for layer in wanted]
            parts["feature_matching"] = losses.feature_matching(hidden, wanted)
        return parts

    def train(self, shown: Shown, weights: DiscriminatorLossConfig, seed: "tf.Tensor") -> dict:
        """One update on real, restyled and foreign pictures, B of each."""
        count = shown.foreign.shape[0]
        differ = tf.cast(shown.culture[:count] != shown.other, tf.float32)
        # Rows must count alike on all replicas, though each divides by its own sum of weights.
        foreign = weights.foreign * replicas.share(shown.foreign)
        relabelled = weights.relabelled and weights.relabelled * replicas.share(differ)
        with tf.GradientTape() as tape:
            verdicts = []
            maps = self.logits(shown.images, shown.features, seed, training=True)
            for every in (logits for kind in maps.values() for logits in kind):
                logits = networks.of_culture(every, shown.culture)
                verdicts.append(
                    self.losses.real(logits[:count])
                    + weights.restyled * self.losses.fake(logits[count : 2 * count])
                    + foreign * self.losses.fake(logits[2 * count :], shown.foreign)
                )
                if weights.relabelled:
                    renamed = networks.of_culture(every[:count], shown.other)
                    verdicts[-1] += relabelled * self.losses.fake(renamed, differ)
            total = tf.add_n(verdicts)
        replicas.update(self.optimizer, tape, total, self.variables)
        return {"discriminator": total / len(verdicts)}

    def penalise(
        self, images: "tf.Tensor", culture: "tf.Tensor", weight: float, seed: "tf.Tensor"
    ) -> dict:
        """One update by R1, `weight * E|dD/dx|^2 / 2`, of the picture discriminator alone."""
        network = self.networks["picture"]
        images = augment(images, self.kinds, seed)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(images)
                logits = networks.of_culture(network(images, training=False), culture)
                verdict = tf.reduce_sum(tf.reduce_mean(tf.cast(logits, tf.float32), axis=[1, 2]))
            penalty = losses.gradient_penalty(inner.gradient(verdict, images))
            total = weight * penalty
        # The same Adam, so that it compares with the other updates, but only this network's
        # variables: momentum would move the others as well.
        replicas.update(self.optimizer, outer, total, network.trainable_variables)
        return {"r1": penalty}
