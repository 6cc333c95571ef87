"""Trains decoders of a backbone's taps: `python -m stylegan_culture.train --trainer decoder
--backbone NAME --weights W --tap TAP,TAP --data folder:PATH --run DIR`."""

import dataclasses
import json
import pathlib

from pipelines.input import DataConfig
from stylegan_culture.config import InputError, option
from stylegan_culture.features.backbones import WEIGHTS_HELP, build_backbone
from stylegan_culture.files import write_result
from stylegan_culture.networks.decoder import save_decoders
from stylegan_culture.train import common
from stylegan_culture.training.decoder import DecoderConfig, DecoderTrainer
from stylegan_culture.training.loop import LoopConfig

LEAST_SIZE = 64  # pixels: less leaves the deepest taps hardly a position
LEAST_POSITIONS = 3  # a side of the deepest tap's map, which a decoder's convolutions need


@dataclasses.dataclass(frozen=True)
class DecoderTrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=128, batch_size=4, content_share=0.75, least_scale=0.5)
    decoder: DecoderConfig = DecoderConfig()
    loop: LoopConfig = LoopConfig(steps=3000)
    backbone: str = option("inception_resnet_v2", "the fixed network whose features are decoded")
    weights: str = option("culture", f"its weights: {WEIGHTS_HELP}")
    tap: str = option("stem_3,stem_5,mixed_5b,block35_10", "its taps, separated by commas")
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )


PRESETS = {
    "decoders": (
        DecoderTrainConfig(),
        "about an hour on 2 cores: own pictures, crops of 128 px",
    ),
    "smoke": (
        DecoderTrainConfig(
            data=DataConfig(batch_size=2, mirror=False),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
            weights="random",
            tap="mixed_5b",
        ),
        "about a minute: shows that everything runs, teaches nothing",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains the decoders, and writes `decoders.npz` into the run folder."""
    flags, config = common.parse(arguments, __doc__, PRESETS, "decoders")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check_values(config)
    config = common.begin(flags, config)
    trainer = _make_trainer(config)
    source, content = common.load_sources(config.data)
    trainer.build(common.first_batch(config.data, source, content))
    trainer.previews = common.held_out_pictures(config.data)
    start = common.first_step(trainer, flags, config.loop.steps)
    fingerprint = trainer.backbone.fingerprint
    parameters = {tap: decoder.count_params() for tap, decoder in trainer.decoders.items()}
    facts = {"fingerprint": fingerprint, "parameters": parameters}
    common.record(flags, config, source, content, **facts)
    folder = pathlib.Path(flags.run)
    metrics = common.train(trainer, config, source, content, folder, start)
    decoders = folder / "decoders.npz"
    if metrics is not None:
        save_decoders(decoders, trainer.decoders, fingerprint)
        write_result(folder / "metrics.json", metrics)
    common.announce(folder, "decoded", decoders=decoders)


def _make_trainer(config: DecoderTrainConfig) -> DecoderTrainer:
    backbone = build_backbone(config.backbone, config.weights, dtype=config.precision)
    if config.data.image_size % backbone.multiple:
        raise InputError(
            f"--image-size is {config.data.image_size} and has to be a multiple of "
            f"{backbone.multiple} for {backbone.name}"
        )
    taps = tuple(tap.strip() for tap in config.tap.split(",") if tap.strip())
    trainer = DecoderTrainer(
        backbone,
        taps,
        config.decoder,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    least = LEAST_POSITIONS * max(backbone.strides[tap] for tap in trainer.decoders)
    if config.data.image_size < least:
        raise InputError(f"--image-size has to be at least {least} for the deepest of these taps")
    return trainer


def _check_values(config: DecoderTrainConfig) -> None:
    common.check_multiples(
        (("--batch-size", config.data.batch_size, 1), *common.loop_multiples(config.loop))
    )
    if config.data.image_size < LEAST_SIZE:
        raise InputError(f"--image-size has to be at least {LEAST_SIZE} to train decoders")
    if not 0.0 <= config.decoder.restyled <= 1.0:
        raise InputError("--restyled has to lie between 0 and 1")
