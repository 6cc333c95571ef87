"""Trains a DCGAN or conditional GAN, which draws pictures from noise:
`python -m stylegan_culture.train --trainer dcgan --preset P --run DIR`.

A batch of B contents and B style pictures gives 2B real pictures. As many are drawn from noise, two
of each style picture's culture: their difference is rewarded, since generators tend to draw a
single picture for each culture.
"""

import dataclasses

import numpy as np

from stylegan_culture.config import bounded, flag_of, option, weight
from stylegan_culture.networks.sizes import SamplerConfig, TrunkConfig
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import from_noise, later, replicas, runs
from stylegan_culture.training.augment import parse_kinds
from stylegan_culture.training.discriminators import (
    AdversarialConfig,
    Discriminators,
    PenaltyConfig,
)
from stylegan_culture.training.from_noise import real_pictures
from stylegan_culture.training.loop import LoopConfig, Trainer

keras, tf = later("keras"), later("tensorflow")
arrays = later("stylegan_culture.arrays")
losses, models = later("stylegan_culture.losses"), later("stylegan_culture.models")
networks = later("stylegan_culture.networks.dcgan")
verdict_maps = later("stylegan_culture.networks.discriminator")
optimisers = later("stylegan_culture.training.optimisers")


@dataclasses.dataclass(frozen=True)
class RivalConfig(PenaltyConfig, AdversarialConfig):
    """How generator and discriminator follow their gradients."""

    generator_rate: float = option(1e-3, "generator's learning rate (Adam)", low=0.0)
    discriminator_rate: float = option(1e-3, "discriminator's learning rate (Adam)", low=0.0)
    augmentation: str = option(
        "translation,cutout", "DiffAugment: any of translation,cutout,colour", metavar="KINDS"
    )
    naming: float = weight(
        1.0, "naming the culture: of real pictures (discriminator), of drawn ones (generator)"
    )
    diversity: float = weight(
        2.0,
        "the difference between two pictures of a culture in the generator's loss, at the start; "
        "it falls linearly to 0 over the run",
    )
    r1: float = weight(0.03, "the gradient penalty on real pictures")


@dataclasses.dataclass(frozen=True)
class DcganConfig(from_noise.NoiseConfig):
    """Everything that decides a run; saved in its run.json."""

    # Spectral norm holds the discriminator back for longer than this run lasts.
    discriminator: TrunkConfig = TrunkConfig(
        trunk_width=32, trunk_layers=5, spectral_norm=False, shared_verdict=True
    )
    adversarial: RivalConfig = RivalConfig()
    loop: LoopConfig = LoopConfig(steps=3000)

    def checked(self, devices: int) -> "DcganConfig":
        for name in ("trunk_width", "trunk_layers"):
            bounded(flag_of(name), getattr(self.discriminator, name), low=1)
        parse_kinds(self.adversarial.augmentation)
        return super().checked(devices)


class DcganTrainer(Trainer):
    """Generator of pictures from noise, its discriminator, their optimisers and their step.

    `average` is the generator to show and to save.

    Args:
        cultures: keys in order.
        config: with the precision decided.
        batch: of the run, whose shapes decide those of the discriminator.
    """

    def __init__(self, cultures: tuple[str, ...], config: DcganConfig, batch: dict):
        self.settings, steps = config.adversarial, config.loop.steps
        self.seed, self.cultures = config.data.seed, tuple(cultures)
        self.conditional = config.sampler.conditional
        self.classes = len(self.cultures) if self.conditional else 1
        policy = keras.DTypePolicy(config.precision)
        sizes = (self.classes, config.data.image_size, config.sampler)
        self.pair(lambda: networks.NoiseGenerator(*sizes, dtype=policy), self.settings.average)
        self.discriminators = Discriminators(
            self.classes, (), config.discriminator, self.settings, steps, policy
        )
        decay, momentum = optimisers.LinearDecay.over, self.settings.momentum
        self.rate = decay(self.settings.generator_rate, steps, self.settings.decay_from)
        # As in StarGAN v2 (arXiv 1912.01865): with a constant weight, blotches replace ornament.
        self.diversity = decay(self.settings.diversity, steps, 0.0)
        self.optimizer = keras.optimizers.Adam(self.rate.rate, beta_1=momentum, beta_2=0.99)
        self.discriminators.build(batch["style"], {})
        self.optimizer.build(self.model.trainable_variables)

    def groups(self) -> dict:
        return self.discriminators.groups(self)

    def phases(self, number: int) -> tuple:
        """The step, and at its interval the gradient penalty."""
        return (self.step, self.penalise) if self.settings.is_due(number) else (self.step,)

    def step(self, batch: dict, seed: "tf.Tensor") -> dict:
        """One update of the generator and one of the discriminator."""
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        self.discriminators.set_rate(seed[1])
        real, culture = real_pictures(batch, self.conditional)
        points = replicas.normal([real.shape[0], self.model.config.noise_size], seed)
        half = real.shape[0] // 2
        # The cultures of the style pictures, for two points of noise each.
        drawn_as = tf.tile(culture[:half], [2])
        with tf.GradientTape() as tape:
            fakes = self.model(points, tf.one_hot(drawn_as, self.classes))
            (maps,) = self.discriminators.logits(fakes, {}, seed + 2, training=False)["picture"]
            verdicts = verdict_maps.of_culture(maps, drawn_as)
            parts = {"adversarial": self.discriminators.losses.generator(verdicts)}
            parts |= self._naming(fakes, maps, drawn_as)
            parts["diversity"] = losses.diversity(fakes[:half], fakes[half:])
            weights = {"adversarial": 1.0, "naming": self.settings.naming}
            weights["diversity"] = self.diversity(seed[1])
            total, parts = losses.weighted_sum(parts, weights)
        replicas.update(self.optimizer, tape, total, self.model.trainable_variables)
        seen = real, tf.stop_gradient(fakes)
        parts["discriminator"] = self._train_discriminator(*seen, culture, drawn_as, seed + 3)
        spread = tf.reduce_mean(tf.math.reduce_std(fakes, axis=0))
        return parts | {"total": total, "spread": spread}

    def _train_discriminator(
        self,
        real: "tf.Tensor",
        fakes: "tf.Tensor",
        culture: "tf.Tensor",
        drawn_as: "tf.Tensor",
        seed: "tf.Tensor",
    ) -> "tf.Tensor":
        """One update of the discriminator on as many real pictures as drawn ones."""
        verdicts = self.discriminators.losses
        with tf.GradientTape() as tape:
            (of_real,) = self.discriminators.logits(real, {}, seed, training=True)["picture"]
            (of_fakes,) = self.discriminators.logits(fakes, {}, seed + 1, training=True)["picture"]
            total = verdicts.real(verdict_maps.of_culture(of_real, culture))
            total += verdicts.fake(verdict_maps.of_culture(of_fakes, drawn_as))
            for named in self._naming(real, of_real, culture).values():
                total += self.settings.naming * named
        replicas.update(self.discriminators.optimizer, tape, total, self.discriminators.variables)
        return total

    def _naming(self, pictures: "tf.Tensor", maps: "tf.Tensor", culture: "tf.Tensor") -> dict:
        """The auxiliary classifier's loss (Odena et al., arXiv 1610.09585), where cultures count
        and it has a weight: the picture's culture must have the highest of the logit maps.

        Without it each map learns its culture from an eighth of the pictures, and after thousands
        of steps drawn pictures are still of no tradition. Pictures are named without the
        augmentation of `maps`: of shifted ornaments 63 % were named rightly after 5,000 steps, of
        those in their places all after 200. Verdicts keep the augmentation: without it the
        generator draws a single picture for each culture.
        """
        if self.classes == 1 or not self.settings.naming:
            return {}
        if self.discriminators.kinds:
            maps = self.discriminators.networks["picture"](pictures, training=False)
        return {"naming": losses.naming(maps, culture)}

    def penalise(self, batch: dict, seed: "tf.Tensor") -> dict:
        self.discriminators.set_rate(seed[1])
        real, culture = real_pictures(batch, self.conditional)
        return self.discriminators.penalise(real, culture, self.settings.lazy_weight, seed + 6)

    def samples(self) -> dict:
        """A sheet of samples of the average, the same noise throughout the run."""
        return {"samples": from_noise.sample_sheet(self.average, self.cultures, self.seed)}

    def codes(self) -> dict:
        """The codes of the cultures without noise, for histograms."""
        middle = tf.zeros([self.classes, self.average.config.noise_size])
        return {"default": np.asarray(self.average.code(middle, tf.eye(self.classes)))}


PRESETS = {
    "ornaments64": (DcganConfig(), "about 8 minutes on 2 cores: rendered ornaments at 64 px"),
    "smoke": (
        DcganConfig(
            data=DataConfig(batch_size=4, mirror=False),
            sampler=SamplerConfig(width=8, noise_size=16, code_size=16),
            discriminator=TrunkConfig(trunk_width=8),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
        ),
        "under a minute: shows that everything runs, teaches nothing",
    ),
    "pictures64": (
        DcganConfig(
            data=DataConfig(data="folder:pictures", least_scale=0.1),
            sampler=SamplerConfig(width=24),
            loop=LoopConfig(steps=12000),
        ),
        "about an hour on 2 cores: own pictures (--data folder:PATH) at 64 px",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, measures the samples of ornaments, and fills the run folder."""
    run = runs.begin(arguments, __doc__, PRESETS)
    if run is None:
        return
    source, _ = run.sources()
    trainer = DcganTrainer(source.cultures, run.config, run.first_batch(source, None))
    metrics = run.train(trainer, source, None, {"parameters": trainer.average.count_params()})
    if metrics is not None:
        arrays.save_weights(trainer.average, run.folder / models.WEIGHTS)
        if run.config.data.data == "ornaments":
            metrics["samples"] = from_noise.against_ornaments(trainer.average, run.config)
        run.finish(metrics)
    run.announce("samples")
    from_noise.announce(run)
