"""Trains restoration on synthetic damage: `python -m stylegan_culture.train --trainer restore
--damage KIND,KIND --content folder:PHOTOGRAPHS --run DIR`. It learns from --data and --content
alike. What it restores is likely, not certain: results are no evidence of what was there."""

import dataclasses
import json
import pathlib

from pipelines.input import DataConfig
from stylegan_culture.arrays import save_weights
from stylegan_culture.config import InputError, option
from stylegan_culture.files import write_result
from stylegan_culture.networks.generator import STRIDE
from stylegan_culture.networks.restoration import RestorationConfig
from stylegan_culture.train import common, restored
from stylegan_culture.training.degradations import DamageConfig, parse_kinds
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.restoration import LearningConfig, RestorationTrainer

LEAST_SIZE = 32


@dataclasses.dataclass(frozen=True)
class RestorationTrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(batch_size=12, content_share=1.0, least_scale=1.0)
    damage: DamageConfig = DamageConfig()
    sizes: RestorationConfig = RestorationConfig()
    learning: LearningConfig = LearningConfig()
    loop: LoopConfig = LoopConfig(steps=3000)
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )


PRESETS = {
    "restore64": (
        RestorationTrainConfig(),
        "about 12 minutes on 2 cores: crops of 64 px of --data and --content, all kinds of damage "
        "by one network",
    ),
    "smoke": (
        RestorationTrainConfig(
            data=DataConfig(batch_size=2, content_share=1.0, least_scale=1.0),
            sizes=RestorationConfig(blocks=1, code_size=8, refining_width=16, refining_blocks=1),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
        ),
        "under a minute: shows that everything runs, teaches nothing",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, judges on held-out pictures, and fills the run folder."""
    flags, config = common.parse(arguments, __doc__, PRESETS, "restore64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check_values(config)
    config = common.begin(flags, config)
    source, content = common.load_sources(config.data)
    trainer = RestorationTrainer(
        config.damage,
        config.sizes,
        config.learning,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    trainer.previews = common.held_out_pictures(config.data)
    start = common.first_step(trainer, flags, config.loop.steps)
    parameters = trainer.average.count_params()
    facts = {"kinds": list(trainer.kinds), "parameters": parameters}
    common.record(flags, config, source, content, **facts)
    folder = pathlib.Path(flags.run)
    metrics = common.train(trainer, config, source, content, folder, start)
    weights = folder / "model.weights.h5"
    if metrics is not None:
        save_weights(trainer.average, weights)
        held_out = common.load_sources(config.data, "held_out")
        size = config.data.image_size
        tint = restored.usual_tint(source, content, size)
        metrics["held_out"] = restored.judge(trainer.average, size, *held_out, tint)
        write_result(folder / "metrics.json", metrics)
    with common.measures_of(folder) as metrics:
        print(restored.table(metrics["held_out"]))
    common.announce(folder, trainer.kinds[0], weights=weights)


def _check_values(config: RestorationTrainConfig) -> None:
    common.check_multiples(
        (
            ("--batch-size", config.data.batch_size, 1),
            ("--image-size", config.data.image_size, STRIDE),
            ("--refining-width", config.sizes.refining_width, 1),
            ("--refining-blocks", config.sizes.refining_blocks, 1),
            ("--width", config.sizes.width, 64),
            ("--blocks", config.sizes.blocks, 1),
            ("--code-size", config.sizes.code_size, 1),
            ("--warm-up", config.learning.warm_up + 1, 1),
            *common.loop_multiples(config.loop),
        )
    )
    parse_kinds(config.damage.damage)
    config.learning.check()
    if config.data.image_size < LEAST_SIZE:
        raise InputError(f"--image-size has to be at least {LEAST_SIZE} to learn restoration")
    if not 0.0 <= config.damage.least_noise <= config.damage.most_noise <= 255.0:
        raise InputError("--least-noise and --most-noise have to lie in order between 0 and 255")
