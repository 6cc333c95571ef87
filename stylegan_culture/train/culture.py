"""Trains the culture GAN: `python -m stylegan_culture.train --preset P --run DIR`."""

import dataclasses
import functools
import json
import pathlib

import numpy as np
import tensorflow as tf

from pipelines.input import DataConfig, evaluation_arrays, load_content, load_source
from stylegan_culture import images
from stylegan_culture.analysis.truth import MEASURES, judge_transfer
from stylegan_culture.arrays import save_weights
from stylegan_culture.config import InputError, option
from stylegan_culture.files import write_result
from stylegan_culture.networks.discriminator import DiscriminatorConfig
from stylegan_culture.networks.generator import GeneratorConfig
from stylegan_culture.train import best, common
from stylegan_culture.train.best import BestConfig
from stylegan_culture.train.kept import Keeper
from stylegan_culture.training import distribution
from stylegan_culture.training.classifier import named_culture, train_classifier
from stylegan_culture.training.culture import CultureTrainer
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.options import (
    BackboneConfig,
    LossConfig,
    OptimizerConfig,
    check_values,
)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    losses: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    backbone: BackboneConfig = BackboneConfig()
    loop: LoopConfig = LoopConfig()
    best: BestConfig = BestConfig()
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )
    deterministic: bool = option(False, "the same weights bit for bit on every run; slower")


SMOKE = TrainConfig(
    data=DataConfig(batch_size=4, mirror=False),
    generator=GeneratorConfig(width=64, blocks=1),
    discriminator=DiscriminatorConfig(trunk_width=16, trunk_layers=3),
    loop=LoopConfig(steps=12, log_interval=4, sample_interval=12, save_interval=4),
)
ORNAMENTS64 = TrainConfig(
    # Lattices stand at fixed places and frets turn one way, so crops are not mirrored.
    data=DataConfig(mirror=False),
    generator=GeneratorConfig(width=64, blocks=4),
    # A scene's colours are its content here, which `layout` holds; the backbone is left out:
    # its random features teach little at 64 px and would take half of the time.
    losses=LossConfig(cycle=8.0, diversity=0.1, layout=8.0),
    optimizer=OptimizerConfig(generator_rate=7e-4, discriminator_rate=1.5e-3, warm_up=200),
    loop=LoopConfig(steps=2600),
)
CULTURE128 = TrainConfig(
    data=DataConfig(image_size=128, batch_size=8, least_scale=0.3, content_share=0.75),
    losses=LossConfig(
        cycle=0.0,
        identity=2.0,
        content_return=6.0,
        diversity=0.5,
        content_features=2.0,
        style_features=0.1,
    ),
    optimizer=OptimizerConfig(
        generator_rate=6e-4,
        discriminator_rate=1e-3,
        warm_up=300,
        augmentation="translation,cutout",
    ),
    backbone=BackboneConfig(backbone="inception_resnet_v2"),
    loop=LoopConfig(steps=3000, sample_interval=250, save_interval=250),
)
# Only the backbone's features are judged, and at full strength the finest lines are the style's
# own: with the content's in the way, traditions stay tinted photographs. The model is for pictures
# of 256 px and more; many artworks have no more than 168, and are not enlarged.
CULTURE256 = TrainConfig(
    data=DataConfig(image_size=160, batch_size=8, least_scale=0.3, crop_draws=4, content_share=1.0),
    generator=GeneratorConfig(fade=True, smooth=True, lowpass=True, grain=True),
    discriminator=DiscriminatorConfig(trunk_width=0),
    losses=LossConfig(
        adversarial=0.0,
        cycle=0.0,
        identity=0.0,
        style_code=0.0,
        diversity=0.0,
        content_features=1.5,
        style_features=0.5,
        plain=20.0,
        restyled=0.5,
        foreign=0.25,
        relabelled=0.25,
    ),
    optimizer=OptimizerConfig(
        generator_rate=6e-4, discriminator_rate=1e-3, warm_up=80, hinge=True, examples=0.25
    ),
    backbone=BackboneConfig(backbone="inception_resnet_v2"),
    loop=LoopConfig(steps=10000, sample_interval=500, save_interval=500),
)
# The second network of the two-network form: content, style (Gram) and adversarial losses over
# VGG19 and nothing else that holds the picture together.
ENCODER_DECODER = TrainConfig(
    data=DataConfig(image_size=128, batch_size=8, least_scale=0.3, content_share=1.0),
    generator=GeneratorConfig(smooth=True, lowpass=True),
    losses=LossConfig(
        feature_adversarial=0.5,
        feature_matching=1.0,
        cycle=0.0,
        identity=0.0,
        content_return=0.0,
        style_code=0.0,
        diversity=0.0,
        content_features=1.5,
        style_features=1.0,
    ),
    optimizer=OptimizerConfig(
        generator_rate=6e-4, discriminator_rate=1e-3, examples=0.25, augmentation="translation"
    ),
    backbone=BackboneConfig(backbone="vgg19", backbone_weights="imagenet"),
    loop=LoopConfig(steps=3000, sample_interval=250, save_interval=250),
)
PRESETS = {
    "smoke": (SMOKE, "under a minute: shows that everything runs, teaches nothing"),
    "ornaments64": (ORNAMENTS64, "about 10 minutes on 2 cores: rendered ornaments at 64 px"),
    "culture128": (CULTURE128, "about 1 hour on 2 cores: own pictures, crops of 128 px"),
    "encoder_decoder": (
        ENCODER_DECODER,
        "own pictures, crops of 128 px: content, style and adversarial losses over VGG19",
    ),
    "culture256": (CULTURE256, "about 2.5 hours on 2 cores: own pictures, crops of 160 px"),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, judges where there is a truth, and fills the run folder."""
    flags, config = common.parse(arguments, __doc__, PRESETS, "ornaments64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    config = _for_devices(config, distribution.count_devices(flags.strategy))
    check_values(config)
    best.check(config.best, config.data)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    config = common.begin(flags, config)
    source, content = common.load_sources(config.data)
    with flags.team.scope():
        trainer = _make_trainer(config, source, content)
    start = common.first_step(trainer, flags, config.loop.steps)
    keeper = None
    if flags.team.leads:
        trainer.previews = _previews(config)
        keeper = _make_keeper(config, trainer, source, content, flags)
    parameters = trainer.average.count_params()
    common.record(flags, config, source, content, parameters=parameters)
    folder = pathlib.Path(flags.run)
    team = flags.team
    metrics = common.train(team.of(trainer), config, source, content, folder, start, keeper)
    if not team.leads:
        return
    if metrics is not None:
        _save(trainer, config, folder, metrics, keeper)
    _announce(folder)


def _for_devices(config: TrainConfig, devices: int) -> TrainConfig:
    """Settings with at least one group of a batch for each device, and whole ones."""
    groups = config.optimizer.groups
    if 1 <= groups < devices:
        groups = devices
    if groups % devices:
        raise InputError(f"--groups is {groups} and has to be a multiple of the {devices} devices")
    optimizer = dataclasses.replace(config.optimizer, groups=groups)
    return dataclasses.replace(config, optimizer=optimizer)


def _make_trainer(config: TrainConfig, source, content) -> CultureTrainer:
    trainer = CultureTrainer(
        source.cultures,
        config,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    trainer.build(common.first_batch(config.data, source, content))
    return trainer


def _make_keeper(config: TrainConfig, trainer, source, content, flags) -> Keeper | None:
    """What judges and keeps the averaged model, where `--keep-best` asks for it."""
    metric = config.best.keep_best
    if metric == "none":
        return None
    exam = best.Exam(config, source, content)
    more = best.METRICS[metric]
    return Keeper(flags.run, trainer.average, exam, metric, more, flags.resume)


def _previews(config: TrainConfig) -> dict:
    """Held-out contents for the sample sheets, and a held-out example picture per culture."""
    data = config.data
    held_out = load_source(data.data, data.image_size, "held_out", data.cache_mib)
    if not held_out.tags.any(axis=0).all():  # a culture of one or two pictures holds out none
        held_out = load_source(data.data, data.image_size, "all", data.cache_mib)
    contents = load_content(data.content, data.image_size, "held_out", data.cache_mib) or held_out
    size = data.image_size if data.data == "ornaments" else 256
    chosen = common.spread(len(contents), common.PREVIEWS)
    examples = [held_out.of_culture(k)[0] for k in range(len(held_out.cultures))]
    return {
        "contents": evaluation_arrays(contents.select(chosen), size)[0],
        "examples": evaluation_arrays(held_out.select(np.array(examples)), size)[0],
    }


def _save(trainer, config: TrainConfig, folder: pathlib.Path, metrics: dict, keeper) -> None:
    """Saves the averaged model, of the last step or the best, and its measures."""
    kept = keeper.finish() if keeper else None
    if kept:
        metrics["kept"] = kept
        for name, image in trainer.samples().items():
            images.write(folder / "samples" / f"{name}_best.png", image)
    else:
        save_weights(trainer.average, folder / "model.weights.h5")
    if config.data.data == "ornaments":
        metrics["against_truth"] = _judge_ornaments(trainer.average, config)
    write_result(folder / "metrics.json", metrics)


def _announce(folder: pathlib.Path) -> None:
    """Says where everything is, and the measures against the truth where there is one."""
    common.announce(folder, "cultures")
    with common.measures_of(folder) as metrics:
        if "kept" in metrics:
            kept = metrics["kept"]
            step, figure = kept["step"], kept["figures"][kept["metric"]]
            print(f"kept: the weights of step {step}, best by {kept['metric']} ({figure:.3f})")
        for name in MEASURES if "against_truth" in metrics else ():
            print(f"  {name.replace('_', ' ')}: {metrics['against_truth'][name]:.1%}")


def _judge_ornaments(model, config: TrainConfig) -> dict:
    """The three measures against true renderings, by a classifier of rendered pictures only."""
    size, precision = config.data.image_size, config.precision
    pictures, labels, _ = evaluation_arrays(load_source("ornaments", size, "train"), size)
    count = len(model.cultures)
    classifier = train_classifier(pictures, labels, count, precision=precision)
    pictures, labels, _ = evaluation_arrays(load_source("ornaments", size, "held_out"), size)
    truth = np.stack([pictures[labels == k] for k in range(count)])
    restyle = functools.partial(_restyle_all, model)
    return judge_transfer(restyle, functools.partial(named_culture, classifier), truth)


def _restyle_all(model, pictures, target: int):
    mixture = np.eye(len(model.cultures), dtype="float32")[[target]]
    batches = np.array_split(pictures, -(-len(pictures) // 32))
    return np.concatenate(
        [
            model(batch, np.repeat(mixture, len(batch), 0), np.ones((len(batch), 1), "float32"))
            for batch in batches
        ]
    )
