"""Trains the culture GAN: `python -m stylegan_culture.train --preset P --run DIR`."""

import functools

import numpy as np

from stylegan_culture import images
from stylegan_culture.pipelines.input import evaluation_arrays
from stylegan_culture.pipelines.sampling import Source, of_cultures
from stylegan_culture.training import later, runs
from stylegan_culture.training.culture.settings import PRESETS, TrainConfig
from stylegan_culture.training.rendered import ornament_classifier, ornaments

arrays = later("stylegan_culture.arrays")
keep_best = later("stylegan_culture.training.culture.keep_best")
trainers = later("stylegan_culture.training.culture.trainer")
truth = later("stylegan_culture.measures.truth")
warm_start = later("stylegan_culture.training.culture.warm_start")

BEGUN = 4  # pictures of each culture by which a new one begins


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, measures where there is a truth, and fills the run folder."""
    run = runs.begin(arguments, __doc__, PRESETS)
    if run is None:
        return
    leads = run.team.leads
    source, content = run.sources()
    start, least, cultures, facts = None, 1, source.cultures, {}
    if run.config.warm_start.from_:
        start, source = warm_start.WarmStart.of(run.config.warm_start, source)
        least, cultures = BEGUN * len(source.cultures), start.cultures
        facts = {"cultures": start.described(source)}
    previews = _previews(run, source) if leads else None
    batch = run.first_batch(source, content, least)
    with run.team.scope():
        trainer = trainers.CultureTrainer(cultures, run.config, batch, previews, start)
    keeper = _make_keeper(run, trainer, source, content) if leads else None
    facts |= {"parameters": trainer.average.count_params()}
    if leads and start:
        runs.keep_table(run.config.warm_start.from_, run.folder)
    metrics = run.train(trainer, source, content, facts, keeper)
    if not leads:
        return
    if metrics is not None:
        _save(run, trainer, metrics, keeper)
    _announce(run)


def _make_keeper(
    run: runs.Run, trainer: "trainers.CultureTrainer", source: Source, content: Source | None
) -> "keep_best.Keeper | None":
    """The keeper of the best averaged model, where `--keep-best` is given."""
    metric = run.config.best.keep_best
    if metric == "none":
        return None
    exam = keep_best.Exam(run.config, source, content)
    return keep_best.Keeper(run.folder, trainer.average, exam, metric, run.resume)


def _previews(run: runs.Run, source: Source) -> "trainers.Previews":
    """Held-out contents for the sample sheets, and an example of each culture trained on."""
    held_out, contents = run.sources("held_out")
    if not held_out.tags.any(axis=0).all():  # a culture of one or two pictures holds out none
        held_out, _ = run.sources("all")
    held_out = of_cultures(held_out, source.cultures)
    contents, data = contents or held_out, run.config.data
    size = data.image_size if data.data == "ornaments" else 256
    chosen = runs.spread(len(contents), runs.PREVIEWS)
    examples = [held_out.of_culture(k)[0] for k in range(len(held_out.cultures))]
    return trainers.Previews(
        evaluation_arrays(contents.select(chosen), size)[0],
        evaluation_arrays(held_out.select(np.array(examples)), size)[0],
    )


def _save(
    run: runs.Run,
    trainer: "trainers.CultureTrainer",
    metrics: dict,
    keeper: "keep_best.Keeper | None",
) -> None:
    """Saves the averaged model, of the last step or the best, and its measures."""
    kept = keeper.finish() if keeper else None
    if kept:
        metrics["kept"] = kept
        for name, image in trainer.samples().items():
            images.write(run.folder / "samples" / f"{name}_best.png", image)
    else:
        arrays.save_weights(trainer.average, run.folder / "model.weights.h5")
    if run.config.data.data == "ornaments":
        metrics["against_truth"] = _against_truth(trainer.average, run.config)
    run.finish(metrics)


def _announce(run: runs.Run) -> None:
    """Says where everything is, and the measures against the truth where there is one."""
    run.announce("cultures")
    with run.measures() as metrics:
        if "kept" in metrics:
            kept = metrics["kept"]
            step, figure = kept["step"], kept["figures"][kept["metric"]]
            print(f"kept: the weights of step {step}, best by {kept['metric']} ({figure:.3f})")
        for name in truth.MEASURES if "against_truth" in metrics else ():
            print(f"  {name.replace('_', ' ')}: {metrics['against_truth'][name]:.1%}")


def _against_truth(model: "trainers.CultureModel", config: TrainConfig) -> dict:
    """The three measures against true renderings, by a classifier of rendered pictures only."""
    size = config.data.image_size
    name = ornament_classifier(size, config.precision)
    rendered = np.stack(ornaments(size, "held_out"))
    return truth.judge_transfer(functools.partial(_restyle_all, model), name, rendered)


def _restyle_all(model: "trainers.CultureModel", pictures: np.ndarray, target: int) -> np.ndarray:
    mixture = np.eye(len(model.cultures), dtype="float32")[[target]]
    return runs.in_parts(
        lambda part: model(part, mixture.repeat(len(part), 0), np.ones((len(part), 1), "float32")),
        pictures,
        32,
    )
