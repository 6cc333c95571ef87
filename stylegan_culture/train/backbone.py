"""Trains the culture backbone: `python -m stylegan_culture.train --trainer backbone --teacher FILE
--data folder:PATH --run DIR`."""

import dataclasses
import json
import pathlib

from pipelines.input import DataConfig
from stylegan_culture.config import InputError, option
from stylegan_culture.features.backbones import build_backbone, save_weights
from stylegan_culture.files import write_result
from stylegan_culture.train import common
from stylegan_culture.training.distillation import DistillationConfig, DistillationTrainer
from stylegan_culture.training.loop import LoopConfig

LEAST_SIZE = 64  # pixels that the teacher needs
GRID = 16  # pixels of the teacher's coarsest position
CALIBRATION = 16  # contents and styles each by which student and teacher are standardised


@dataclasses.dataclass(frozen=True)
class BackboneTrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=128, batch_size=8, content_share=0.4, least_scale=0.25)
    distillation: DistillationConfig = DistillationConfig(
        relations=3.0, culture=0.7, rate=2e-3, dropout=0.3
    )
    loop: LoopConfig = LoopConfig(
        steps=6000, log_interval=100, sample_interval=1000, save_interval=500
    )
    teacher: str = option("", "path of the teacher: the .npz file of a distilled VGG-19")
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )


PRESETS = {
    "culture_backbone": (
        BackboneTrainConfig(),
        "about 80 minutes on 2 cores: own pictures, crops of 128 px",
    ),
    "smoke": (
        BackboneTrainConfig(
            data=DataConfig(batch_size=2, mirror=False),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
        ),
        "about a minute: shows that everything runs, teaches nothing",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, distils the teacher, and writes `weights.npz` into the run folder."""
    flags, config = common.parse(arguments, __doc__, PRESETS, "culture_backbone")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check_values(config)
    config = common.begin(flags, config)
    teacher = build_backbone("vgg19_16x", config.teacher, dtype=config.precision)
    source, content = common.load_sources(config.data)
    trainer = DistillationTrainer(
        source.cultures,
        config.distillation,
        teacher,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    trainer.build(common.first_batch(config.data, source, content, CALIBRATION))
    trainer.previews = common.held_out_pictures(config.data)
    start = common.first_step(trainer, flags, config.loop.steps)
    parameters = trainer.student.count_params()
    facts = {"teacher": teacher.fingerprint, "parameters": parameters}
    common.record(flags, config, source, content, **facts)
    folder = pathlib.Path(flags.run)
    metrics = common.train(trainer, config, source, content, folder, start)
    weights = folder / "weights.npz"
    if metrics is not None:
        save_weights(weights, trainer.student)
        metrics["weights"] = build_backbone("inception_resnet_v2", str(weights)).fingerprint
        write_result(folder / "metrics.json", metrics)
    common.announce(folder, "taps", weights=weights)


def _check_values(config: BackboneTrainConfig) -> None:
    if not config.teacher:
        raise InputError(
            "name the teacher with --teacher FILE, the .npz file of a distilled VGG-19 "
            "(vgg19_16x, arXiv 2003.08436)"
        )
    common.check_multiples(
        (
            ("--image-size", config.data.image_size, GRID),
            ("--batch-size", config.data.batch_size, 1),
            *common.loop_multiples(config.loop),
        )
    )
    if config.data.image_size < LEAST_SIZE:
        raise InputError(f"--image-size has to be at least {LEAST_SIZE} for the teacher")
    if not 0.0 <= config.distillation.dropout < 1.0:
        raise InputError("--dropout has to lie between 0 and 1 and be less than 1")
