"""Trains a variational autoencoder of pictures (Kingma and Welling, arXiv 1312.6114):
`python -m stylegan_culture.train --trainer vae --preset P --run DIR`."""

import dataclasses

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import fraction, option, weight
from stylegan_culture.networks.sizes import SamplerConfig
from stylegan_culture.pipelines.input import DataConfig, evaluation_arrays
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import from_noise, later, replicas, runs
from stylegan_culture.training.loop import LoopConfig, Trainer

keras, tf = later("keras"), later("tensorflow")
arrays = later("stylegan_culture.arrays")
losses, models = later("stylegan_culture.losses"), later("stylegan_culture.models")
networks = later("stylegan_culture.networks.vae")
noise = later("stylegan_culture.networks.noise")
optimisers = later("stylegan_culture.training.optimisers")

DEVIATION = 0.1  # of a pixel's value under the decoder: about the error of held-out pictures


@dataclasses.dataclass(frozen=True)
class VaeConfig:
    """Weight of the prior, and how the network follows its gradients."""

    beta: float = weight(1.0, "the KL term (beta-VAE); 1: the bound of the likelihood")
    beta_warm_up: int = option(400, "steps during which that weight rises from 0", low=0)
    rate: float = option(1e-3, "learning rate (Adam), falling to 0 along a cosine", low=0.0)
    rate_warm_up: int = option(100, "steps during which the rate rises from 0", low=0)
    average: float = fraction(0.995, "decay of the weight average (EMA) that is shown and saved")


@dataclasses.dataclass(frozen=True)
class VaeTrainConfig(from_noise.NoiseConfig):
    """Everything that decides a run; saved in its run.json."""

    vae: VaeConfig = VaeConfig()
    loop: LoopConfig = LoopConfig(steps=4000)


@dataclasses.dataclass(frozen=True)
class Previews:
    """What sheets show: pictures `[N, S, S, 3]`, N even, and their cultures `[N]`."""

    pictures: np.ndarray
    cultures: np.ndarray


class VaeTrainer(Trainer):
    """Encoder and decoder, their optimiser and the step that trains both.

        total = reconstruction + beta KL(q(z | x) || N(0, I))
        reconstruction = |x - decoded|^2 / (2 deviation^2), summed over a picture's values

    both in nats per picture, means over the batch. `average` is the model to show and to save.
    Differs from the paper: the decoder gets the culture, where `conditional` says so, so that noise
    need not carry it.

    Args:
        cultures: keys in order.
        config: with the precision decided.
        previews: for the sheets.
    """

    def __init__(self, cultures: tuple[str, ...], config: VaeTrainConfig, previews: Previews):
        self.settings, self.previews = config.vae, previews
        self.seed, self.cultures = config.data.seed, tuple(cultures)
        self.conditional = config.sampler.conditional
        self.classes = len(self.cultures) if self.conditional else 1
        policy = keras.DTypePolicy(config.precision)
        sizes = (self.classes, config.data.image_size, config.sampler)
        self.pair(lambda: networks.Vae(*sizes, dtype=policy), self.settings.average)
        self.rate = optimisers.warm_cosine(
            self.settings.rate, config.loop.steps, self.settings.rate_warm_up
        )
        self.optimizer = keras.optimizers.Adam(self.settings.rate, beta_2=0.99)
        self.optimizer.build(self.model.trainable_variables)

    def labels(self, cultures: np.ndarray) -> np.ndarray:
        """What the decoder gets with pictures of these cultures, `[N, classes]`."""
        chosen = cultures if self.conditional else np.zeros_like(cultures)
        return np.eye(self.classes, dtype=np.float32)[chosen]

    def step(self, batch: dict, seed: "tf.Tensor") -> dict:
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        pictures, culture = from_noise.real_pictures(batch, self.conditional)
        beta = self.settings.beta * tf.minimum(
            1.0, tf.cast(seed[1] + 1, tf.float32) / max(self.settings.beta_warm_up, 1)
        )
        points = replicas.normal([pictures.shape[0], self.model.decoder.config.noise_size], seed)
        with tf.GradientTape() as tape:
            mean, log_variance = self.model.encoder(pictures)
            drawn = mean + tf.exp(0.5 * log_variance) * points
            decoded = self.model.decoder(drawn, tf.one_hot(culture, self.classes))
            squares = tf.reduce_sum((decoded - pictures) ** 2, axis=[1, 2, 3])
            reconstruction = tf.reduce_mean(squares) / (2.0 * DEVIATION**2)
            prior = divergence(mean, log_variance)
            total = reconstruction + beta * prior
        replicas.update(self.optimizer, tape, total, self.model.trainable_variables)
        return {"total": total, "reconstruction": reconstruction, "kl": prior}

    def samples(self) -> dict:
        """Sheets of the average: samples, previews above their reconstructions, and
        interpolations from each preview to the next."""
        decoder = self.average.decoder
        sheets = {"samples": from_noise.sample_sheet(decoder, self.cultures, self.seed)}
        pictures, labels = self.previews.pictures, self.labels(self.previews.cultures)
        decoded = np.asarray(self.average(pictures, labels))
        sheets["reconstructions"] = images.grid(
            [*pictures, *decoded], len(pictures), ["picture", "decoded"]
        )
        sheets["interpolations"] = self._interpolations(pictures, labels)
        return sheets

    def _interpolations(self, pictures: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """A row for every two pictures: the first, pictures between their codes, the second."""
        codes, cells = np.asarray(self.average.encoder(pictures)[0]), []
        for one in range(0, len(pictures), 2):
            shares = np.linspace(0.0, 1.0, from_noise.SHOWN)
            points = np.stack([noise.between(codes[one], codes[one + 1], t) for t in shares])
            mixed = np.stack([(1 - t) * labels[one] + t * labels[one + 1] for t in shares])
            decoded = self.average.decoder(points, mixed.astype(np.float32))
            cells += [pictures[one], *np.asarray(decoded), pictures[one + 1]]
        return images.grid(cells, from_noise.SHOWN + 2)

    def codes(self) -> dict:
        """The previews' codes, for histograms."""
        return {"previews": np.asarray(self.average.encoder(self.previews.pictures)[0])}


def divergence(mean: "tf.Tensor", log_variance: "tf.Tensor") -> "tf.Tensor":
    """`KL(N(mean, exp(log_variance)) || N(0, I))` in nats, the mean over a batch `[B, Z]`."""
    return mean.shape[-1] * losses.style_prior(mean, log_variance, 0.0)


PRESETS = {
    "ornaments64": (VaeTrainConfig(), "about 8 minutes on 2 cores: rendered ornaments at 64 px"),
    "smoke": (
        VaeTrainConfig(
            data=DataConfig(batch_size=4, mirror=False),
            sampler=SamplerConfig(width=8, noise_size=16, code_size=16),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
        ),
        "under a minute: shows that everything runs, teaches nothing",
    ),
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
    run = runs.begin(arguments, __doc__, PRESETS)
    if run is None:
        return
    config = run.config
    source, _ = run.sources()
    held_out = from_noise.held_out(config.data)
    chosen = held_out.select(runs.spread(len(held_out), runs.PREVIEWS))
    previews = Previews(*evaluation_arrays(chosen, config.data.image_size)[:2])
    with run.team.scope():
        trainer = VaeTrainer(source.cultures, config, previews)
    metrics = run.train(trainer, source, None, {"parameters": trainer.average.count_params()})
    if not run.team.leads:
        return
    if metrics is not None:
        arrays.save_weights(trainer.average.decoder, run.folder / models.WEIGHTS)
        arrays.save_weights(trainer.average.encoder, run.folder / "encoder.weights.h5")
        metrics["held_out"] = _measure(trainer, held_out, config.data.image_size)
        if config.data.data == "ornaments":
            metrics["samples"] = from_noise.against_ornaments(trainer.average.decoder, config)
        run.finish(metrics)
    sheets = ("reconstructions", "interpolations")
    last = f"{config.loop.steps:08d}.png"
    run.announce("samples", **{name: run.folder / "samples" / f"{name}_{last}" for name in sheets})
    from_noise.announce(run)


def _measure(trainer: VaeTrainer, source: Source, size: int) -> dict:
    """Reconstruction (PSNR in dB over all held-out pictures, by the mean code) and KL in nats."""
    pictures, cultures, _ = evaluation_arrays(source, size)
    labels, squares, prior = trainer.labels(cultures), [], []
    for first in range(0, len(pictures), from_noise.BATCH):
        rows = slice(first, first + from_noise.BATCH)
        mean, log_variance = trainer.average.encoder(pictures[rows])
        decoded = np.asarray(trainer.average.decoder(mean, labels[rows]))
        squares.append(np.mean((decoded - pictures[rows]) ** 2, axis=(1, 2, 3)))
        prior.append(len(mean) * float(divergence(mean, log_variance)))
    mean_square = np.concatenate(squares).mean()
    return {
        "pictures": len(pictures),
        "psnr": float(-10.0 * np.log10(max(mean_square, 1e-12))),
        "kl": sum(prior) / len(pictures),
    }
