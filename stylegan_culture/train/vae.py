"""Trains a variational autoencoder of pictures:
`python -m stylegan_culture.train --trainer vae --preset P --run DIR`."""

import dataclasses
import json
import pathlib

import numpy as np

from pipelines.input import DataConfig, evaluation_arrays
from stylegan_culture import samplers
from stylegan_culture.arrays import save_weights
from stylegan_culture.config import InputError, option
from stylegan_culture.files import write_result
from stylegan_culture.networks.dcgan import SamplerConfig
from stylegan_culture.train import common, samples
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.vae import VaeConfig, VaeTrainer, divergence


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
    flags, config = common.parse(arguments, __doc__, PRESETS, "ornaments64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check(config)
    config, source, trainer = samples.begin(VaeTrainer, flags, config)
    held_out = samples.held_out(config.data)
    trainer.previews = _previews(trainer, held_out, config.data.image_size)
    metrics = samples.train(trainer, flags, config, source)
    folder = pathlib.Path(flags.run)
    if not flags.team.leads:
        return
    if metrics is not None:
        save_weights(trainer.average.decoder, folder / samplers.WEIGHTS)
        save_weights(trainer.average.encoder, folder / "encoder.weights.h5")
        metrics["held_out"] = _measure(trainer, held_out, config.data.image_size)
        if config.data.data == "ornaments":
            metrics["samples"] = samples.judge_ornaments(trainer.average.decoder, config)
        write_result(folder / "metrics.json", metrics)
    sheets = ("reconstructions", "interpolations")
    last = f"{config.loop.steps:08d}.png"
    common.announce(
        folder, "samples", **{name: folder / "samples" / f"{name}_{last}" for name in sheets}
    )
    samples.announce(folder)


def _check(config: VaeTrainConfig) -> None:
    samples.check(config)
    if not 0.0 <= config.vae.beta < float("inf"):
        raise InputError(f"--beta is {config.vae.beta} and has to be at least 0")
    if config.vae.beta_warm_up < 0 or config.vae.rate_warm_up < 0:
        raise InputError("--beta-warm-up and --rate-warm-up have to be at least 0")


def _previews(trainer, source, size: int):
    """Pictures of all cultures for the sheets, and the classes that the decoder is told."""
    chosen = source.select(common.spread(len(source), common.PREVIEWS))
    pictures, cultures, _ = evaluation_arrays(chosen, size)
    return pictures, cultures if trainer.conditional else np.zeros_like(cultures)


def _measure(trainer, source, size: int) -> dict:
    """Reconstruction (PSNR in dB over all held-out pictures, by the mean code) and KL in nats."""
    pictures, cultures, _ = evaluation_arrays(source, size)
    labels = np.eye(trainer.classes, dtype=np.float32)
    labels = labels[cultures if trainer.conditional else np.zeros_like(cultures)]
    squares, prior = [], []
    for begin in range(0, len(pictures), samples.BATCH):
        own = slice(begin, begin + samples.BATCH)
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
