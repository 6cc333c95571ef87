"""Trains the culture GAN: `python -m stylegan_culture.train --preset P --run DIR`."""

import dataclasses
import functools
import json
import pathlib

import numpy as np
import tensorflow as tf

from stylegan_culture import images
from stylegan_culture.arrays import save_weights
from stylegan_culture.config import InputError
from stylegan_culture.files import write_result
from stylegan_culture.measures.truth import MEASURES, judge_transfer
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source
from stylegan_culture.training import replicas, runs
from stylegan_culture.training.culture import keep_best
from stylegan_culture.training.culture.keep_best import Keeper
from stylegan_culture.training.culture.settings import PRESETS, TrainConfig, check_values
from stylegan_culture.training.culture.trainer import CultureTrainer
from stylegan_culture.training.rendered import named_culture, train_classifier


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, judges where there is a truth, and fills the run folder."""
    flags, config = runs.parse(arguments, __doc__, PRESETS, "ornaments64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    config = _for_devices(config, replicas.count_devices(flags.strategy))
    check_values(config)
    keep_best.check(config.best, config.data)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    config = runs.begin(flags, config)
    source, content = runs.load_sources(config.data)
    with flags.team.scope():
        trainer = _make_trainer(config, source, content)
    start = runs.first_step(trainer, flags, config.loop.steps)
    keeper = None
    if flags.team.leads:
        trainer.previews = _previews(config)
        keeper = _make_keeper(config, trainer, source, content, flags)
    parameters = trainer.average.count_params()
    runs.record(flags, config, source, content, parameters=parameters)
    folder = pathlib.Path(flags.run)
    team = flags.team
    metrics = runs.train(team.of(trainer), config, source, content, folder, start, keeper)
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
    trainer.build(runs.first_batch(config.data, source, content))
    return trainer


def _make_keeper(config: TrainConfig, trainer, source, content, flags) -> Keeper | None:
    """What judges and keeps the averaged model, where `--keep-best` asks for it."""
    metric = config.best.keep_best
    if metric == "none":
        return None
    exam = keep_best.Exam(config, source, content)
    more = keep_best.METRICS[metric]
    return Keeper(flags.run, trainer.average, exam, metric, more, flags.resume)


def _previews(config: TrainConfig) -> dict:
    """Held-out contents for the sample sheets, and a held-out example picture per culture."""
    data = config.data
    held_out = load_source(data.data, data.image_size, "held_out", data.cache_mib)
    if not held_out.tags.any(axis=0).all():  # a culture of one or two pictures holds out none
        held_out = load_source(data.data, data.image_size, "all", data.cache_mib)
    contents = load_content(data.content, data.image_size, "held_out", data.cache_mib) or held_out
    size = data.image_size if data.data == "ornaments" else 256
    chosen = runs.spread(len(contents), runs.PREVIEWS)
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
    runs.announce(folder, "cultures")
    with runs.measures_of(folder) as metrics:
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
