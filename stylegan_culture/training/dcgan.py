"""Trains a DCGAN or conditional GAN, which draws pictures from noise:
`python -m stylegan_culture.train --trainer dcgan --preset P --run DIR`.

A batch's contents and style pictures are both pictures of cultures here, so a batch of B gives 2B
real pictures. As many are drawn from noise, two of each style picture's culture: generators like to
answer a culture by one and the same picture, so the difference of the two is rewarded.
"""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses, models
from stylegan_culture.arrays import save_weights
from stylegan_culture.config import InputError, option
from stylegan_culture.files import write_result
from stylegan_culture.networks import noise
from stylegan_culture.networks.dcgan import NoiseGenerator, SamplerConfig
from stylegan_culture.networks.discriminator import TrunkConfig, of_culture
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import from_noise, replicas, runs
from stylegan_culture.training.augment import parse_kinds
from stylegan_culture.training.culture.discriminators import Judges
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.optimisers import LinearDecay, follow

SHOWN = 8  # samples of a culture on a sheet


@dataclasses.dataclass(frozen=True)
class AdversarialConfig:
    """How generator and discriminator follow their gradients."""

    generator_rate: float = option(1e-3, "generator's learning rate (Adam)")
    discriminator_rate: float = option(1e-3, "discriminator's learning rate (Adam)")
    momentum: float = option(0.5, "first-moment decay of Adam, 0 to 1")
    decay_from: float = option(0.6, "share of the run after which both rates fall linearly to 0")
    average: float = option(0.998, "decay of the weight average (EMA) that is shown and saved")
    hinge: bool = option(False, "hinge losses of the discriminator instead of logistic ones")
    augmentation: str = option("translation,cutout", "DiffAugment: translation,cutout,colour")
    naming: float = option(
        1.0,
        "weight of naming the culture, of real pictures for the discriminator and of drawn ones "
        "for the generator",
    )
    diversity: float = option(
        2.0,
        "weight, at the start, of the difference between two pictures of a culture in the "
        "generator's loss; it falls linearly to 0 over the run",
    )
    r1: float = option(0.03, "weight of the gradient penalty on real pictures")
    r1_interval: int = option(16, "steps between gradient penalties")


class DcganTrainer:
    """Generator of pictures from noise, its discriminator, their optimisers and their step.

    `average` is the generator to show and to save.

    Args:
        cultures: keys in order.
        configs: data (its picture size), sampler, discriminator, adversarial.
        steps: length of the whole run, for the decay of the learning rates.
        precision: a Keras dtype policy.
        seed: of everything that is drawn in a step.
    """

    def __init__(self, cultures, configs, steps: int, precision: str, seed: int):
        self.settings: AdversarialConfig = configs.adversarial
        self.seed, self.cultures = seed, tuple(cultures)
        self.conditional = configs.sampler.conditional
        self.classes = len(self.cultures) if self.conditional else 1
        policy = keras.DTypePolicy(precision)
        sizes = (self.classes, configs.data.image_size, configs.sampler)
        self.model, self.average = (
            NoiseGenerator(*sizes, dtype=policy).create_weights() for _ in range(2)
        )
        self.average.set_weights(self.model.get_weights())
        self.judges = Judges(self.classes, (), configs.discriminator, self.settings, steps, policy)
        rate, momentum = self.settings.generator_rate, self.settings.momentum
        self.rate = LinearDecay.over(rate, steps, self.settings.decay_from)
        # As in StarGAN v2 (arXiv 1912.01865): kept up, it would have blotches rather than ornament.
        self.diversity = LinearDecay.over(self.settings.diversity, steps, 0.0)
        self.optimizer = keras.optimizers.Adam(rate, beta_1=momentum, beta_2=0.99)

    def build(self, batch) -> None:
        """Creates the variables of the discriminator and the optimisers from a batch's shapes."""
        self.judges.build(batch["style"], {})
        self.optimizer.build(self.model.trainable_variables)

    def state(self) -> dict:
        """Every variable of the training state by name, in a fixed order."""
        groups = {
            "model": self.model.variables,
            "average": self.average.variables,
            "generator_optimizer": self.optimizer.variables,
            "discriminator_optimizer": self.judges.optimizer.variables,
            "picture_judge": self.judges.networks["picture"].variables,
        }
        return {f"{g}/{i:04d}": v for g, group in groups.items() for i, v in enumerate(group)}

    def step(self, batch, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name."""
        seed = tf.constant([self.seed, number], tf.int32)
        parts = self._step(batch, seed)
        if self.settings.r1 and number % self.settings.r1_interval == 0:
            parts |= self._penalise(batch, seed)
        self.follow(seed[1])
        return parts

    @tf.function
    def follow(self, number):
        """Moves the average towards the model."""
        follow(self.average, self.model, self.settings.average, number)

    @replicas.shared
    def _step(self, batch, seed):
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        self.judges.set_rate(seed[1])
        real, culture = real_pictures(batch, self.conditional)
        points = replicas.normal([real.shape[0], self.model.config.noise_size], seed)
        half = real.shape[0] // 2
        asked = tf.tile(culture[:half], [2])  # of the style pictures, for two points of noise each
        with tf.GradientTape() as tape:
            fakes = self.model(points, tf.one_hot(asked, self.classes))
            (maps,) = self.judges.logits(fakes, {}, seed + 2, training=False)["picture"]
            parts = {"adversarial": self.judges.losses.generator(of_culture(maps, asked))}
            parts |= self._naming(fakes, maps, asked)
            parts["diversity"] = losses.diversity(fakes[:half], fakes[half:])
            weights = {"adversarial": 1.0, "naming": self.settings.naming}
            weights["diversity"] = self.diversity(seed[1])
            total, parts = losses.weighted_sum(parts, weights)
        replicas.update(self.optimizer, tape, total, self.model.trainable_variables)
        seen = real, tf.stop_gradient(fakes)
        parts["discriminator"] = self._train_judge(*seen, culture, asked, seed + 3)
        spread = tf.reduce_mean(tf.math.reduce_std(fakes, axis=0))
        return parts | {"total": total, "spread": spread}

    def _train_judge(self, real, fakes, culture, asked, seed):
        """One update of the discriminator on as many real pictures as drawn ones."""
        verdicts = self.judges.losses
        with tf.GradientTape() as tape:
            (of_real,) = self.judges.logits(real, {}, seed, training=True)["picture"]
            (of_fakes,) = self.judges.logits(fakes, {}, seed + 1, training=True)["picture"]
            total = verdicts.real(of_culture(of_real, culture))
            total += verdicts.fake(of_culture(of_fakes, asked))
            for named in self._naming(real, of_real, culture).values():
                total += self.settings.naming * named
        replicas.update(self.judges.optimizer, tape, total, self.judges.variables)
        return total

    def _naming(self, pictures, maps, culture):
        """The auxiliary classifier's loss (Odena et al., arXiv 1610.09585): the picture's culture
        has to have the highest of the logit maps. Where cultures count and it has a weight.

        Without it each map learns its own culture from an eighth of the pictures, and after
        thousands of steps drawn pictures are still of no tradition.

        Pictures are named as they are, not as `maps` saw them, augmented: shifted ornaments are
        hard to tell apart and were learnt in part after 5,000 steps (63 % named as asked), those in
        their places after 200 (all). Verdicts stay augmented: without the shifts the generator
        answers a culture by one picture.
        """
        if self.classes == 1 or not self.settings.naming:
            return {}
        if self.judges.kinds:
            maps = self.judges.networks["picture"](pictures, training=False)
        return {"naming": losses.naming(maps, culture)}

    @replicas.shared
    def _penalise(self, batch, seed):
        self.judges.set_rate(seed[1])
        real, culture = real_pictures(batch, self.conditional)
        # Weighted up by the interval for being lazy (StyleGAN2, arXiv 1912.04958).
        weight = self.settings.r1 * self.settings.r1_interval
        return self.judges.penalise(real, culture, weight, seed + 6)

    def samples(self) -> dict:
        """A sheet of samples of the average, the same noise throughout the run."""
        return {"samples": sample_sheet(self.average, self.cultures, SHOWN, self.seed)}

    def codes(self) -> dict:
        """The codes of the cultures without noise, for histograms."""
        middle = tf.zeros([self.classes, self.average.config.noise_size])
        return {"default": np.asarray(self.average.code(middle, tf.eye(self.classes)))}


def real_pictures(batch, conditional: bool):
    """All pictures of a batch `[2B, S, S, 3]`, styles before contents, and their cultures `[2B]`,
    all 0 where those do not count."""
    pictures = tf.concat([batch["style"], batch["content"]], 0)
    culture = tf.concat([batch["culture"], batch["content_culture"]], 0)
    return pictures, culture if conditional else tf.zeros_like(culture)


def sample_sheet(generator, cultures, columns: int, seed: int) -> np.ndarray:
    """Samples of a generator, one row a culture; of an unconditional one as many rows, unnamed."""
    count = len(cultures)
    points = noise.draw(count * columns, generator.config.noise_size, seed)
    conditional = generator.config.conditional
    labels = np.repeat(np.eye(count), columns, 0) if conditional else np.ones((len(points), 1))
    drawn = generator(points, labels.astype(np.float32))
    return images.grid(list(np.asarray(drawn)), columns, cultures if conditional else None)


@dataclasses.dataclass(frozen=True)
class DcganConfig:
    """Everything that decides a run; saved in its run.json."""

    # A batch of 8 shows 16 pictures. Lattices stand at fixed places, so crops are not mirrored.
    data: DataConfig = DataConfig(batch_size=8, mirror=False)
    sampler: SamplerConfig = SamplerConfig(width=16)
    # Spectral norm holds the discriminator back for longer than this run lasts.
    discriminator: TrunkConfig = TrunkConfig(
        trunk_width=32, trunk_layers=5, spectral_norm=False, shared_verdict=True
    )
    adversarial: AdversarialConfig = AdversarialConfig()
    loop: LoopConfig = LoopConfig(steps=3000)
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )


PRESETS = {
    "smoke": (
        DcganConfig(
            data=DataConfig(batch_size=4, mirror=False),
            sampler=SamplerConfig(width=8, noise_size=16, code_size=16),
            discriminator=TrunkConfig(trunk_width=8),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
        ),
        "under a minute: shows that everything runs, teaches nothing",
    ),
    "ornaments64": (DcganConfig(), "about 8 minutes on 2 cores: rendered ornaments at 64 px"),
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
    """Parses flags, trains, judges the samples of ornaments, and fills the run folder."""
    flags, config = runs.parse(arguments, __doc__, PRESETS, "ornaments64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check(config)
    config, source, trainer = from_noise.begin(DcganTrainer, flags, config)
    metrics = from_noise.train(trainer, flags, config, source)
    folder = pathlib.Path(flags.run)
    if not flags.team.leads:
        return
    if metrics is not None:
        save_weights(trainer.average, folder / models.SAMPLER_WEIGHTS)
        if config.data.data == "ornaments":
            metrics["samples"] = from_noise.judge_ornaments(trainer.average, config)
        write_result(folder / "metrics.json", metrics)
    runs.announce(folder, "samples")
    from_noise.announce(folder)


def _check(config: DcganConfig) -> None:
    from_noise.check(config)
    runs.check_multiples(
        (
            ("--trunk-width", config.discriminator.trunk_width, 1),
            ("--trunk-layers", config.discriminator.trunk_layers, 1),
            ("--r1-interval", config.adversarial.r1_interval, 1),
        )
    )
    try:
        parse_kinds(config.adversarial.augmentation)
    except ValueError as error:
        raise InputError(f"--augmentation: {error}") from None
