"""`evaluate bias`: whether a model serves all cultures alike, and whom it serves worst."""

import argparse
import dataclasses
import pathlib
import time

from stylegan_culture import config as settings
from stylegan_culture.config import InputError, option
from stylegan_culture.files import locked, write_result, write_text
from stylegan_culture.outputs import add_flag
from stylegan_culture.reports.trial_settings import TrialConfig

FILES = ("bias.html", "bias.json")
SHOWN = 4  # contents whose results the page shows in every culture


@dataclasses.dataclass(frozen=True)
class BiasConfig:
    """What is measured and how much of it."""

    trial: TrialConfig = TrialConfig()
    trial_contents: int = option(
        12, "contents, evenly of all, that are restyled again and again and there and back"
    )


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, measures every model, writes bias.json and bias.html, tells who is
    served worst."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.evaluate bias",
        description="Whether a model serves all cultures alike: quality of each, who is served "
        "worst and how sure that is, one content in every culture, drift, ways there and back, and "
        "what comes where no culture is asked for.",
    )
    settings.add_flags(parser, BiasConfig)
    add_flag(parser)
    flags = parser.parse_args(arguments)
    config = settings.from_flags(BiasConfig(), flags)
    from stylegan_culture.reports.trial_settings import check_trial, claim

    check_trial(config.trial)
    if config.trial_contents < 2:
        raise InputError("--trial-contents has to be at least 2")
    claim(config.trial, FILES, flags.overwrite)
    with locked(config.trial.out):
        run(config)


def run(config: BiasConfig) -> None:
    """Measures all, and puts the files into place when they are complete."""
    started = time.monotonic()
    from stylegan_culture.reports import bias_page, bias_words
    from stylegan_culture.reports import judged_methods as methods
    from stylegan_culture.reports import trial as trials
    from stylegan_culture.reports.parts.document import complete

    trial = trials.build(config.trial)
    _require_enough(trial)
    models = methods.prepare_models(config.trial, trial)
    record, pictures = measure(config, trial, models)
    record["seconds"] = round(time.monotonic() - started, 1)
    folder = pathlib.Path(config.trial.out)
    with complete(folder) as unfinished:
        write_result(unfinished / "bias.json", record)
        write_text(unfinished / "bias.html", bias_page.html_of(record, pictures))
    for name in record["models"]:
        print("\n  ".join(map(settings.visible, (name, *bias_words.brief(record, name)))))
    print(f"every number: {folder / 'bias.json'}")
    print(f"page: {folder / 'bias.html'} ({(folder / 'bias.html').stat().st_size / 1e6:.1f} MB)")


def measure(config: BiasConfig, trial, models) -> tuple[dict, dict]:
    """The record, fit for JSON, and for each model the pictures `[., ., S, S, 3]` that the page
    shows, by section."""
    import numpy as np

    from stylegan_culture.measures.probes import PHOTOGRAPH, descriptors
    from stylegan_culture.pipelines.cultures import title
    from stylegan_culture.reports import bias_record, bias_trials

    seed = config.trial.seed
    chosen, shown = (evenly(len(trial.contents), n) for n in (config.trial_contents, SHOWN))
    sources = bias_trials.seen(trial.judge, trial.contents)
    artworks = {
        name: descriptors(trial.judge.backbone, own) for name, own in trial.artworks.items()
    }
    judged, recall = bias_record.judge_of(trial, artworks, seed)
    record = {
        "cultures": {name: title(name) for name in trial.cultures},
        "classes": list(trial.classes),
        "contents": {
            "count": len(trial.contents),
            "photographs": int(np.count_nonzero(trial.sources == len(trial.cultures))),
            "ids": list(trial.ids),
            "trial": [trial.ids[number] for number in chosen],
            "shown": [trial.ids[number] for number in shown],
        },
        "has_photographs": PHOTOGRAPH in trial.classes,
        "judge": judged,
        "artworks": {name: len(own) for name, own in artworks.items()},
        "models": {},
        "replicates": bias_record.REPLICATES,
        "config": dataclasses.asdict(config),
        "versions": settings.package_versions(),
        "commit": settings.git_commit(),
    }
    pictures = {"contents": trial.contents[shown], "first": trial.contents[chosen[0]]}
    for method in models:
        bench = bias_trials.Bench.of(method.model, trial, sources)
        served = bias_trials.into_every_culture(bench, shown)
        quality = bias_record.quality_of(trial, served, sources.features, artworks, recall, seed)
        again = bias_trials.drift(bench, chosen)
        back = bias_trials.round_trips(bench, chosen)
        record["models"][method.name] = quality | {
            "judge_in_training": method.trained_against(trial.judge.backbone),
            "representation": bias_record.representation_of(trial, quality, method.facts, seed),
            "drift": bias_record.drift_of(trial, chosen, again, seed),
            "round_trips": bias_record.round_trips_of(trial, chosen, back, seed),
            "leaning": bias_record.leaning_of(trial, bias_trials.unconditioned(bench), seed),
        }
        pictures[method.name] = {
            "every": served["pictures"],
            "drift": again["pictures"],
            "back": back["pictures"],
        }
    return record, pictures


def evenly(count: int, wanted: int):
    """Up to `wanted` numbers, evenly among `count`; contents stand in order of class."""
    import numpy as np

    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int))


def _require_enough(trial) -> None:
    few = trial.asked.sum(axis=1)
    if len(trial.cultures) < 2:
        raise InputError("the data have one culture; bias is between cultures, so give two or more")
    if few.min() < 3:
        raise InputError(
            f"{int(few.min())} contents could be restyled into {trial.cultures[few.argmin()]!r}; "
            "give at least 3: name --content or raise --artworks"
        )
