"""Trains CycleGAN, which turns pictures of one tradition into another's and back:
`python -m stylegan_culture.train --trainer cyclegan --domains A,B --data folder:PATH --run DIR`."""

import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

from pipelines.input import DataConfig, evaluation_arrays, load_source
from pipelines.sampling import Source
from stylegan_culture.analysis.truth import mean_square
from stylegan_culture.arrays import save_weights
from stylegan_culture.config import InputError, option, visible
from stylegan_culture.files import write_result
from stylegan_culture.networks.cyclegan import (
    LEAST_SIZE,
    STRIDE,
    CyclePair,
    PatchConfig,
    TranslatorConfig,
)
from stylegan_culture.train import common
from stylegan_culture.training.augment import parse_kinds
from stylegan_culture.training.classifier import named_culture, train_classifier
from stylegan_culture.training.cyclegan import CycleConfig, CycleTrainer
from stylegan_culture.training.loop import LoopConfig

JUDGED = 8  # held-out pictures that pass a generator at once
PREVIEWS = 4  # pictures of each tradition on a sheet


@dataclasses.dataclass(frozen=True)
class CycleTrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=256, batch_size=1, content_share=1.0)
    translator: TranslatorConfig = TranslatorConfig()
    patch: PatchConfig = PatchConfig()
    cycle: CycleConfig = CycleConfig()
    loop: LoopConfig = LoopConfig(
        steps=100_000, log_interval=100, sample_interval=1000, save_interval=1000
    )
    domains: str = option("", "the two cultures of the data, such as seigaiha,girih")
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )
    deterministic: bool = option(False, "the same weights bit for bit on every run; slower")


ORNAMENTS64 = CycleTrainConfig(
    # Lattices stand at fixed places and frets turn one way, so crops are not mirrored.
    data=DataConfig(image_size=64, batch_size=4, content_share=1.0, mirror=False),
    # What is drawn anew is still blurred after ten minutes.
    translator=TranslatorConfig(filters=32, blocks=4, residual=True),
    patch=PatchConfig(patch_filters=32, patch_layers=2),
    cycle=CycleConfig(identity=0.0, generator_rate=4e-4, discriminator_rate=4e-4, average=0.99),
    loop=LoopConfig(steps=1000, sample_interval=250, save_interval=250),
    domains="seigaiha,girih",
)
SMOKE = CycleTrainConfig(
    data=DataConfig(image_size=64, batch_size=2, content_share=1.0, mirror=False),
    translator=TranslatorConfig(filters=4, blocks=1),
    patch=PatchConfig(patch_filters=4, patch_layers=1),
    cycle=CycleConfig(pool=3),
    loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
    domains="seigaiha,girih",
)
PRESETS = {
    "smoke": (SMOKE, "under a minute: shows that everything runs, teaches nothing"),
    "ornaments64": (ORNAMENTS64, "about 5 minutes on 2 cores: two rendered ornaments at 64 px"),
    "cyclegan256": (
        CycleTrainConfig(),
        "4 days on 2 cores, made for a graphics card: the paper's size, own pictures at 256 px",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, judges where there is a truth, and fills the run folder."""
    flags, config = common.parse(arguments, __doc__, PRESETS, "ornaments64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    keys = _check_values(config)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    config = common.begin(flags, config)
    source = load_source(config.data.data, config.data.image_size, "train", config.data.cache_mib)
    first, second = domains(source, keys)
    with flags.team.scope():
        trainer = _make_trainer(config, keys, common.first_batch(config.data, second, first))
    start = common.first_step(trainer, flags, config.loop.steps)
    both = source.select(np.flatnonzero(_tags(source, keys).any(axis=1)))
    both = dataclasses.replace(both, cultures=keys, tags=_tags(both, keys))
    common.record(flags, config, both, None, parameters=trainer.average.count_params())
    folder = pathlib.Path(flags.run)
    if flags.team.leads:
        shown = held_out(config)
        trainer.previews = [pictures[:: -(-len(pictures) // PREVIEWS)] for pictures in shown]
    metrics = common.train(flags.team.of(trainer), config, second, first, folder, start)
    if not flags.team.leads:
        return
    if metrics is not None:
        save_weights(trainer.average, folder / "model.weights.h5")
        metrics["held_out"] = judge(trainer.average, config)
        write_result(folder / "metrics.json", metrics)
    _announce(folder, keys)


def _make_trainer(config: CycleTrainConfig, keys, batch) -> CycleTrainer:
    trainer = CycleTrainer(
        keys,
        config,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    trainer.build(batch)
    return trainer


def domains(source: Source, keys) -> tuple[Source, Source]:
    """The pictures of the first tradition as contents, and those of the second as styles.

    So a batch of `pipelines.input` holds pictures of both, drawn independently of each other.
    """
    tags = _tags(source, keys)
    first, second = (source.select(np.flatnonzero(column)) for column in tags.T)
    return (
        dataclasses.replace(first, cultures=(), tags=np.zeros((len(first), 0), bool)),
        dataclasses.replace(second, cultures=keys[1:], tags=np.ones((len(second), 1), bool)),
    )


def held_out(config: CycleTrainConfig) -> list[np.ndarray]:
    """Held-out pictures of both traditions, each `[N, S, S, 3]`; of all where none is held out."""
    data, pictures = config.data, []
    for number in range(2):
        for part in ("held_out", "all"):
            source = load_source(data.data, data.image_size, part, data.cache_mib)
            own = domains(source, _keys(config))[number]
            if len(own):
                break
        pictures.append(evaluation_arrays(own, data.image_size)[0])
    return pictures


def judge(pair: CyclePair, config: CycleTrainConfig) -> dict:
    """Cycle PSNR (mean in dB over held-out pictures) of both ways; of ornaments also the share that
    is named as the other tradition by a classifier of all eight, learnt from rendered pictures."""
    keys, pictures = _keys(config), held_out(config)
    directions, found = (pair.forth, pair.back), {}
    made = [_through(directions[number], pictures[number]) for number in range(2)]
    name = _classifier(config) if _has_truth(config) else None
    for number, (source, target) in enumerate((keys, keys[::-1])):
        returned = _through(directions[1 - number], made[number])
        error = np.maximum(mean_square(returned, pictures[number]), 1e-12)
        figures = {"cycle_psnr": float(np.mean(-10.0 * np.log10(error)))}
        if name is not None:
            figures["named_as_target"] = float(np.mean(name(made[number]) == target))
            figures["source_named_rightly"] = float(np.mean(name(pictures[number]) == source))
            truth = pictures[1 - number]  # the same scenes in the same order
            figures["error"] = float(mean_square(made[number], truth).mean())
            figures["source_error"] = float(mean_square(pictures[number], truth).mean())
        found[f"{source}_to_{target}"] = figures | {"pictures": len(pictures[number])}
    return found


def _has_truth(config: CycleTrainConfig) -> bool:
    """Whether each held-out scene exists in both traditions, so that there is a true answer."""
    return config.data.data == "ornaments"


def _classifier(config: CycleTrainConfig):
    """`name(pictures [N, S, S, 3]) -> [N]` keys of ornament traditions."""
    size = config.data.image_size
    source = load_source("ornaments", size, "train")
    pictures, labels, _ = evaluation_arrays(source, size)
    count = len(source.cultures)
    classifier = train_classifier(pictures, labels, count, precision=config.precision)
    keys = np.array(source.cultures)
    return lambda shown: keys[named_culture(classifier, shown)]


def _through(generator, pictures) -> np.ndarray:
    batches = np.array_split(pictures, -(-len(pictures) // JUDGED))
    return np.concatenate([np.asarray(generator(batch)) for batch in batches])


def _tags(source: Source, keys) -> np.ndarray:
    """The columns of two cultures, bool [N, 2]; `InputError` where the data lack one."""
    for key in keys:
        if key not in source.cultures:
            raise InputError(
                f"--domains: the data have no culture {key!r}; there are "
                f"{', '.join(source.cultures) or 'none'}"
            )
    return source.tags[:, [source.cultures.index(key) for key in keys]]


def _keys(config: CycleTrainConfig) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in config.domains.split(",") if part.strip())
    if len(keys) != 2 or keys[0] == keys[1]:
        raise InputError(
            f"--domains {config.domains!r}: name two different cultures of the data, such as "
            "seigaiha,girih"
        )
    return keys


def _check_values(config: CycleTrainConfig) -> tuple[str, ...]:
    """The two keys; `InputError` for settings that cannot be trained with."""
    common.check_multiples(
        (
            ("--image-size", config.data.image_size, STRIDE),
            ("--batch-size", config.data.batch_size, 1),
            ("--filters", config.translator.filters, 1),
            ("--patch-filters", config.patch.patch_filters, 1),
            *common.loop_multiples(config.loop),
        )
    )
    layers, smallest = config.patch.patch_layers, max(LEAST_SIZE, 2**config.patch.patch_layers * 4)
    if not 1 <= layers <= 5:
        raise InputError(f"--patch-layers is {layers} and has to lie between 1 and 5")
    if config.data.image_size < smallest:
        raise InputError(f"--image-size has to be at least {smallest} for these discriminators")
    if min(config.translator.blocks, config.cycle.pool) < 0:
        raise InputError("--blocks and --pool have to be at least 0")
    if config.data.content or config.data.content_share != 1.0:
        raise InputError("CycleGAN reads no --content; its two sides are the --domains of --data")
    try:
        parse_kinds(config.cycle.augmentation)
    except ValueError as error:
        raise InputError(f"--augmentation: {error}") from None
    return _keys(config)


def _announce(folder: pathlib.Path, keys) -> None:
    """Says where everything is, and how good it is."""
    common.announce(folder, "_to_".join(keys), model=folder / "model.weights.h5")
    with common.measures_of(folder) as metrics:
        for direction, figures in metrics["held_out"].items():
            text = f"  {visible(direction)}: there and back {figures['cycle_psnr']:.1f} dB"
            if "named_as_target" in figures:
                text += f", named as the other {figures['named_as_target']:.1%}"
            print(text)
