"""Trains the culture GAN: `python -m stylegan_culture.train --preset P --run DIR`."""

import argparse
import dataclasses
import functools
import json
import pathlib
import shlex
import sys

import keras
import numpy as np
import tensorflow as tf

from pipelines.cultures import ORNAMENTS
from pipelines.folder import write_report
from pipelines.input import (
    DataConfig,
    evaluation_arrays,
    load_content,
    load_source,
    make_dataset,
)
from stylegan_culture import config as settings
from stylegan_culture.analysis.truth import MEASURES, judge_transfer
from stylegan_culture.config import InputError, option
from stylegan_culture.networks.discriminator import DiscriminatorConfig
from stylegan_culture.networks.generator import GeneratorConfig
from stylegan_culture.training import checkpoint, loop
from stylegan_culture.training.classifier import named_culture, train_classifier
from stylegan_culture.training.culture import CultureTrainer
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.options import (
    BackboneConfig,
    LossConfig,
    OptimizerConfig,
    check_values,
    resolve_precision,
)

PREVIEWS = 6  # contents on a sample sheet


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
PRESETS = {
    "smoke": (SMOKE, "under a minute: shows that everything runs, teaches nothing"),
    "ornaments64": (ORNAMENTS64, "about 10 minutes on 2 cores: rendered ornaments at 64 px"),
    "culture128": (CULTURE128, "about 1 hour on 2 cores: own pictures, crops of 128 px"),
    "culture256": (
        dataclasses.replace(
            CULTURE128,
            data=dataclasses.replace(CULTURE128.data, image_size=256),
            loop=LoopConfig(steps=8000),
        ),
        "many hours on 2 cores: own pictures, crops of 256 px",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, judges where there is a truth, and fills the run folder."""
    flags, config = _parse(arguments)
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    folder = pathlib.Path(flags.run)
    check_values(config)
    _check_folder(folder, config, flags.resume)
    config = dataclasses.replace(config, precision=resolve_precision(config.precision))
    keras.utils.set_random_seed(config.data.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    source, content = _sources(config)
    trainer = _make_trainer(config, source, content)
    start = 0
    if flags.resume:
        start = _restore(trainer, folder)
    if start > config.loop.steps:
        raise InputError(f"{folder} has {start} steps already; ask for more with --steps")
    settings.write_run(folder, config, **_facts(flags, config, trainer, source))
    _report_skipped(folder, source, content)
    if start < config.loop.steps or not (folder / "metrics.json").exists():
        batches = make_dataset(config.data, source, content, start)
        result = loop.run(trainer, batches, config.loop, folder, start)
        _save(trainer, config, folder, result, start)
    _announce(folder)


def _parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m stylegan_culture.train", description=__doc__)
    presets = "; ".join(f"{name}: {text}" for name, (_, text) in PRESETS.items())
    parser.add_argument(
        "--preset",
        default="ornaments64",
        choices=PRESETS,
        help=f"settings to start from. {presets}",
    )
    parser.add_argument("--run", default="", help="run folder for checkpoints, samples and metrics")
    parser.add_argument("--resume", action="store_true", help="continue the run in --run")
    parser.add_argument("--dry-run", action="store_true", help="print the settings and stop")
    settings.add_flags(parser, TrainConfig)
    flags = parser.parse_args(arguments)
    flags.command = shlex.join(sys.argv[1:] if arguments is None else arguments)
    if not flags.run and not flags.dry_run:
        raise InputError("name a run folder with --run DIR")
    return flags, settings.from_flags(PRESETS[flags.preset][0], flags)


def _check_folder(folder: pathlib.Path, config: TrainConfig, resume: bool) -> None:
    """A new run wants a new folder; a resumed one wants the folder's own configuration.

    Only the loop's may differ: a run may be made longer or shorter, or log more often.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--run {folder} is a file; name a folder")
    if not resume:
        if (folder / "run.json").exists():
            raise InputError(f"{folder} holds a run already; add --resume or name another folder")
        return
    saved = settings.from_dict(TrainConfig, settings.read_run(folder)["config"])
    wanted = dataclasses.replace(
        config, precision=resolve_precision(config.precision), loop=saved.loop
    )
    if saved != wanted:
        names = sorted(_different(dataclasses.asdict(saved), dataclasses.asdict(wanted)))
        raise InputError(
            f"{folder} was run with another configuration ({', '.join(names)} differ); repeat the "
            "flags of its run.json, or name another folder"
        )


def _different(first: dict, second: dict):
    for name, value in first.items():
        if isinstance(value, dict):
            yield from _different(value, second[name])
        elif value != second[name]:
            yield name


def _sources(config: TrainConfig):
    """Training parts of the data and of the content-only pictures."""
    data = config.data
    source = load_source(data.data, data.image_size, "train", data.cache_mib)
    content = load_content(data.content, data.image_size, "train", data.cache_mib)
    return source, content


def _make_trainer(config: TrainConfig, source, content) -> CultureTrainer:
    trainer = CultureTrainer(
        source.cultures,
        config,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    first = next(iter(make_dataset(config.data, source, content)))
    trainer.build(first)
    trainer.previews = _previews(config)
    return trainer


def _previews(config: TrainConfig) -> dict:
    """Held-out contents for the sample sheets, and a held-out example picture per culture."""
    data = config.data
    held_out = load_source(data.data, data.image_size, "held_out", data.cache_mib)
    if not held_out.tags.any(axis=0).all():  # a culture of one or two pictures holds out none
        held_out = load_source(data.data, data.image_size, "all", data.cache_mib)
    contents = load_content(data.content, data.image_size, "held_out", data.cache_mib) or held_out
    size = data.image_size if data.data == "ornaments" else 256
    chosen = np.linspace(0, len(contents) - 1, PREVIEWS).astype(int)
    examples = [held_out.of_culture(k)[0] for k in range(len(held_out.cultures))]
    return {
        "contents": evaluation_arrays(contents.select(chosen), size)[0],
        "examples": evaluation_arrays(held_out.select(np.array(examples)), size)[0],
    }


def _restore(trainer: CultureTrainer, folder: pathlib.Path) -> int:
    newest = checkpoint.latest(folder / "checkpoints")
    if newest is None:
        raise InputError(f"{folder} has no checkpoint to resume from; start it without --resume")
    return checkpoint.restore(newest, trainer.state())


def _facts(flags, config: TrainConfig, trainer: CultureTrainer, source) -> dict:
    """What export and the model card need beside the configuration."""
    described = {culture.key: culture for culture in ORNAMENTS}
    cultures = []
    for number, key in enumerate(source.cultures):
        known = described.get(key)
        cultures.append(
            {
                "key": key,
                "title": known.title if known else key.replace("_", " "),
                "region": known.region if known else "",
                "period": known.period if known else "",
                "pictures": int(source.tags[:, number].sum()),
            }
        )
    return {
        "cultures": cultures,
        "command": "python -m stylegan_culture.train " + flags.command,
        "data": config.data.data,
        "content": config.data.content,
        "image_size": config.data.image_size,
        "precision": config.precision,
        "parameters": trainer.average.count_params(),
    }


def _report_skipped(folder: pathlib.Path, source, content) -> None:
    for name, part in (("skipped.csv", source), ("skipped_content.csv", content)):
        if part is not None and part.skipped:
            write_report(folder / name, part)
            print(f"{len(part.skipped)} files skipped, named in {folder / name}")


def _save(trainer, config: TrainConfig, folder: pathlib.Path, result: dict, start: int) -> None:
    """Saves the averaged model and its measures."""
    trainer.average.save_weights(folder / "model.weights.h5")
    pictures = (config.loop.steps - start) * config.data.batch_size
    metrics = {
        "steps": config.loop.steps,
        "seconds": round(result["seconds"], 1),
        "images_per_second": round(pictures / max(result["seconds"], 1e-9), 2),
        "losses": result["losses"],
    }
    if config.data.data == "ornaments":
        metrics["against_truth"] = _judge_ornaments(trainer.average, config)
    settings.write_json(folder / "metrics.json", metrics)


def _announce(folder: pathlib.Path) -> None:
    """Says where everything is, and the measures against the truth where there is one."""
    sheet = max((folder / "samples").glob("cultures_*.png"))
    for title, path in (("sample sheet", sheet), ("measures", folder / "metrics.json")):
        print(f"{title}: {path}")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for name in MEASURES if "against_truth" in metrics else ():
        print(f"  {name.replace('_', ' ')}: {metrics['against_truth'][name]:.1%}")


def _judge_ornaments(model, config: TrainConfig) -> dict:
    """The three measures against true renderings, by a classifier of rendered pictures only."""
    size, precision = config.data.image_size, config.precision
    images, labels, _ = evaluation_arrays(load_source("ornaments", size, "train"), size)
    count = len(model.cultures)
    classifier = train_classifier(images, labels, count, precision=precision)
    images, labels, _ = evaluation_arrays(load_source("ornaments", size, "held_out"), size)
    truth = np.stack([images[labels == k] for k in range(count)])
    restyle = functools.partial(_restyle_all, model)
    return judge_transfer(restyle, functools.partial(named_culture, classifier), truth)


def _restyle_all(model, images, target: int):
    mixture = np.eye(len(model.cultures), dtype="float32")[[target]]
    batches = np.array_split(images, -(-len(images) // 32))
    return np.concatenate(
        [
            model(batch, np.repeat(mixture, len(batch), 0), np.ones((len(batch), 1), "float32"))
            for batch in batches
        ]
    )


if __name__ == "__main__":
    sys.exit(settings.run_command(main))
