"""Trains a DCGAN or conditional GAN, which draws pictures from noise:
`python -m stylegan_culture.train --trainer dcgan --preset P --run DIR`."""

import dataclasses
import json
import pathlib

from pipelines.input import DataConfig
from stylegan_culture import samplers
from stylegan_culture.arrays import save_weights
from stylegan_culture.config import InputError, option
from stylegan_culture.files import write_result
from stylegan_culture.networks.dcgan import SamplerConfig
from stylegan_culture.networks.discriminator import TrunkConfig
from stylegan_culture.train import common, samples
from stylegan_culture.training.augment import parse_kinds
from stylegan_culture.training.dcgan import AdversarialConfig, DcganTrainer
from stylegan_culture.training.loop import LoopConfig


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
    flags, config = common.parse(arguments, __doc__, PRESETS, "ornaments64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check(config)
    config, source, trainer = samples.begin(DcganTrainer, flags, config)
    metrics = samples.train(trainer, flags, config, source)
    folder = pathlib.Path(flags.run)
    if not flags.team.leads:
        return
    if metrics is not None:
        save_weights(trainer.average, folder / samplers.WEIGHTS)
        if config.data.data == "ornaments":
            metrics["samples"] = samples.judge_ornaments(trainer.average, config)
        write_result(folder / "metrics.json", metrics)
    common.announce(folder, "samples")
    samples.announce(folder)


def _check(config: DcganConfig) -> None:
    samples.check(config)
    common.check_multiples(
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
