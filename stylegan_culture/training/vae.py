"""Trains a variational autoencoder of pictures (Kingma and Welling, arXiv 1312.6114):
`python -m stylegan_culture.train --trainer vae --preset P --run DIR`."""

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
from stylegan_culture.networks.dcgan import SamplerConfig
from stylegan_culture.networks.noise import between
from stylegan_culture.networks.vae import Vae
from stylegan_culture.pipelines.input import DataConfig, evaluation_arrays
from stylegan_culture.training import from_noise, replicas, runs
from stylegan_culture.training.dcgan import SHOWN, real_pictures, sample_sheet
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.optimisers import follow, warm_cosine

DEVIATION = 0.1  # of a pixel's value under the decoder: about what held-out pictures are missed by


@dataclasses.dataclass(frozen=True)
class VaeConfig:
    """Weight of the prior, and how the network follows its gradients."""

    beta: float = option(1.0, "weight of the KL term (beta-VAE); 1: the bound of the likelihood")
    beta_warm_up: int = option(400, "steps during which that weight rises from 0")
    rate: float = option(1e-3, "learning rate (Adam), falling to 0 along a cosine")
    rate_warm_up: int = option(100, "steps during which the rate rises from 0")
    average: float = option(0.995, "decay of the weight average (EMA) that is shown and saved")


class VaeTrainer:
    """Encoder and decoder, their optimiser and the step that trains both.

        total = reconstruction + beta KL(q(z | x) || N(0, I))
        reconstruction = |x - decoded|^2 / (2 deviation^2), summed over a picture's values

    both in nats per picture, means over the batch. `average` is the model to show and to save.
    Differs from the paper: a decoder that is told the culture, where `conditional` says so, so that
    noise need not carry it.

    Args:
        cultures: keys in order.
        configs: data (its picture size), sampler, vae.
        steps: length of the whole run, for the decay of the learning rate.
        precision: a Keras dtype policy.
        seed: of everything that is drawn in a step.
    """

    def __init__(self, cultures, configs, steps: int, precision: str, seed: int):
        self.settings: VaeConfig = configs.vae
        self.seed, self.cultures = seed, tuple(cultures)
        self.conditional = configs.sampler.conditional
        self.classes = len(self.cultures) if self.conditional else 1
        policy = keras.DTypePolicy(precision)
        sizes = (self.classes, configs.data.image_size, configs.sampler)
        self.model, self.average = (Vae(*sizes, dtype=policy).create_weights() for _ in range(2))
        self.average.set_weights(self.model.get_weights())
        self.rate = warm_cosine(self.settings.rate, steps, self.settings.rate_warm_up)
        self.optimizer = keras.optimizers.Adam(self.settings.rate, beta_2=0.99)
        self.previews = None  # pictures [N, S, S, 3] and their cultures [N], N even

    def build(self, batch) -> None:
        """Creates the optimiser's variables."""
        del batch
        self.optimizer.build(self.model.trainable_variables)

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
        seed = tf.constant([self.seed, number], tf.int32)
        parts = self._step(batch, seed)
        self.follow(seed[1])
        return parts

    @tf.function
    def follow(self, number):
        """Moves the average towards the model."""
        follow(self.average, self.model, self.settings.average, number)

    @replicas.shared
    def _step(self, batch, seed):
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        pictures, culture = real_pictures(batch, self.conditional)
        beta = self.settings.beta * tf.minimum(
            1.0, tf.cast(seed[1] + 1, tf.float32) / max(self.settings.beta_warm_up, 1)
        )
        noise = replicas.normal([pictures.shape[0], self.model.decoder.config.noise_size], seed)
        with tf.GradientTape() as tape:
            mean, log_variance = self.model.encoder(pictures)
            drawn = mean + tf.exp(0.5 * log_variance) * noise
            decoded = self.model.decoder(drawn, tf.one_hot(culture, self.classes))
            squares = tf.reduce_sum((decoded - pictures) ** 2, axis=[1, 2, 3])
            reconstruction = tf.reduce_mean(squares) / (2.0 * DEVIATION**2)
            prior = divergence(mean, log_variance)
            total = reconstruction + beta * prior
        replicas.update(self.optimizer, tape, total, self.model.trainable_variables)
        return {"total": total, "reconstruction": reconstruction, "kl": prior}

    def samples(self) -> dict:
        """Sheets of the average: samples, previews above what they are decoded to, and the way
        from each preview to the next."""
        sheets = {"samples": sample_sheet(self.average.decoder, self.cultures, SHOWN, self.seed)}
        if self.previews is None:
            return sheets
        pictures, cultures = self.previews
        labels = np.eye(self.classes, dtype=np.float32)[cultures]
        decoded = np.asarray(self.average(pictures, labels))
        sheets["reconstructions"] = images.grid(
            [*pictures, *decoded], len(pictures), ["picture", "decoded"]
        )
        sheets["interpolations"] = self._interpolations(pictures, labels)
        return sheets

    def _interpolations(self, pictures, labels):
        """One row for every two pictures: the first, what lies between their codes, the second."""
        codes, cells = np.asarray(self.average.encoder(pictures)[0]), []
        for one in range(0, len(pictures), 2):
            shares = np.linspace(0.0, 1.0, SHOWN)
            noise = np.stack([between(codes[one], codes[one + 1], share) for share in shares])
            mixed = np.stack([(1 - t) * labels[one] + t * labels[one + 1] for t in shares])
            decoded = self.average.decoder(noise, mixed.astype(np.float32))
            cells += [pictures[one], *np.asarray(decoded), pictures[one + 1]]
        return images.grid(cells, SHOWN + 2)

    def codes(self) -> dict:
        """The previews' codes, for histograms."""
        if self.previews is None:
            return {}
        return {"previews": np.asarray(self.average.encoder(self.previews[0])[0])}


def divergence(mean, log_variance):
    """`KL(N(mean, exp(log_variance)) || N(0, I))` in nats, the mean over a batch `[B, Z]`."""
    return mean.shape[-1] * losses.style_prior(mean, log_variance, 0.0)


@dataclasses.dataclass(frozen=True)
class VaeTrainConfig:
    """Everything that decides a run; saved in its run.json."""

    # A batch of 8 shows 16 pictures. Lattices stand at fixed places, so crops are not mirrored.
    data: DataConfig = DataConfig(batch_size=8, mirror=False)
    sampler: SamplerConfig = SamplerConfig(width=16)
    vae: VaeConfig = VaeConfig()
    loop: LoopConfig = LoopConfig(steps=4000)
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )


PRESETS = {
    "smoke": (
        VaeTrainConfig(
            data=DataConfig(batch_size=4, mirror=False),
            sampler=SamplerConfig(width=8, noise_size=16, code_size=16),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
        ),
        "under a minute: shows that everything runs, teaches nothing",
    ),
    "ornaments64": (VaeTrainConfig(), "about 8 minutes on 2 cores: rendered ornaments at 64 px"),
    "pictures64": (
        VaeTrainConfig(
            data=DataConfig(data="folder:pictures", least_scale=0.1),
            sampler=SamplerConfig(width=32, noise_size=128),
            loop=LoopConfig(steps=8000),
        ),
        "about 45 minutes on 2 cores: own pictures (--data folder:PATH) at 64 px",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, measures on held-out pictures, and fills the run folder."""
    flags, config = runs.parse(arguments, __doc__, PRESETS, "ornaments64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check(config)
    config, source, trainer = from_noise.begin(VaeTrainer, flags, config)
    held_out = from_noise.held_out(config.data)
    trainer.previews = _previews(trainer, held_out, config.data.image_size)
    metrics = from_noise.train(trainer, flags, config, source)
    folder = pathlib.Path(flags.run)
    if not flags.team.leads:
        return
    if metrics is not None:
        save_weights(trainer.average.decoder, folder / models.SAMPLER_WEIGHTS)
        save_weights(trainer.average.encoder, folder / "encoder.weights.h5")
        metrics["held_out"] = _measure(trainer, held_out, config.data.image_size)
        if config.data.data == "ornaments":
            metrics["samples"] = from_noise.judge_ornaments(trainer.average.decoder, config)
        write_result(folder / "metrics.json", metrics)
    sheets = ("reconstructions", "interpolations")
    last = f"{config.loop.steps:08d}.png"
    runs.announce(
        folder, "samples", **{name: folder / "samples" / f"{name}_{last}" for name in sheets}
    )
    from_noise.announce(folder)


def _check(config: VaeTrainConfig) -> None:
    from_noise.check(config)
    if not 0.0 <= config.vae.beta < float("inf"):
        raise InputError(f"--beta is {config.vae.beta} and has to be at least 0")
    if config.vae.beta_warm_up < 0 or config.vae.rate_warm_up < 0:
        raise InputError("--beta-warm-up and --rate-warm-up have to be at least 0")


def _previews(trainer, source, size: int):
    """Pictures of all cultures for the sheets, and the classes that the decoder is told."""
    chosen = source.select(runs.spread(len(source), runs.PREVIEWS))
    pictures, cultures, _ = evaluation_arrays(chosen, size)
    return pictures, cultures if trainer.conditional else np.zeros_like(cultures)


def _measure(trainer, source, size: int) -> dict:
    """Reconstruction (PSNR in dB over all held-out pictures, by the mean code) and KL in nats."""
    pictures, cultures, _ = evaluation_arrays(source, size)
    labels = np.eye(trainer.classes, dtype=np.float32)
    labels = labels[cultures if trainer.conditional else np.zeros_like(cultures)]
    squares, prior = [], []
    for begin in range(0, len(pictures), from_noise.BATCH):
        own = slice(begin, begin + from_noise.BATCH)
        mean, log_variance = trainer.average.encoder(pictures[own])
        decoded = np.asarray(trainer.average.decoder(mean, labels[own]))
        squares.append(np.mean((decoded - pictures[own]) ** 2, axis=(1, 2, 3)))
        prior.append(len(mean) * float(divergence(mean, log_variance)))
    mean_square = np.concatenate(squares).mean()
    return {
        "pictures": len(pictures),
        "psnr": float(-10.0 * np.log10(max(mean_square, 1e-12))),
        "kl": sum(prior) / len(pictures),
    }
