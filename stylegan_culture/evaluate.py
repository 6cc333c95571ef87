"""Judges restyled pictures: `python -m stylegan_culture.evaluate --model NAME --out DIR`.

`evaluate bias` asks whom a model serves worse, `evaluate robustness` how little misleads it.
"""

import argparse
import sys

from stylegan_culture import config as settings
from stylegan_culture.config import InputError, run_command
from stylegan_culture.files import locked
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.reports.trial_settings import PEER, EvaluateConfig, TrialConfig, names_of

REPORTS = ("bias", "robustness")
FILES = ("evaluation.html", "evaluation.json", "evaluation.md")  # and a sheet for each method


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, restyles, measures, draws, and prints a table."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] and arguments[0] in REPORTS:
        _report(arguments[0]).main(arguments[1:])
        return
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.evaluate",
        description="Judges models and methods that restyle pictures, side by side. Reports of "
        "their own, with options of their own: evaluate bias, evaluate robustness.",
    )
    settings.add_flags(parser, EvaluateConfig)
    add_flag(parser)
    flags = parser.parse_args(arguments)
    config = settings.from_flags(EvaluateConfig(), flags)
    check_trial(config.trial, required=() if config.method or config.peer else ("model",))
    _check(config)
    methods = [*names_of(config.trial.model), *config.method, *([PEER] if config.peer else [])]
    more = (config.features_weights, config.style, config.peer)
    claim(config.trial, FILES + tuple(f"{name}.png" for name in methods), flags.overwrite, more)
    from stylegan_culture.reports import evaluation as comparison

    with locked(config.trial.out):
        comparison.run(config)


def claim(config: TrialConfig, names, overwrite: bool, more=()) -> None:
    """Takes the folder of a trial's report and its files; raises `InputError` where one may not be
    written. `more` are further paths that the command reads."""
    from stylegan_culture.pipelines.folder import tabled

    inputs = named(*config.model, config.data, config.content, config.judge, *more)
    inputs += tabled(config.data, config.content)
    Outputs(inputs, overwrite).claim_folder(config.out, names)


def check_trial(config: TrialConfig, required=("model",)) -> None:
    """Raises `InputError` for options of a trial that cannot be met."""
    for name in (*required, "data", "judge", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; --help says what it is")
    if config.size < 32 or config.size % 16:
        raise InputError(f"--size is {config.size} and has to be a multiple of 16 from 32 on")
    if config.content and config.photographs < 2:
        raise InputError("--photographs has to be at least 2")
    if config.artworks < 0:
        raise InputError("--artworks is the number of pictures of each culture, at least 0")


def _check(config: EvaluateConfig) -> None:
    if config.peer and not config.style:
        raise InputError("--peer needs --style too: its deepest encoder is that network")
    if config.gatys < 0:
        raise InputError("--gatys has to be at least 0")
    if config.gatys and not (config.style and config.trial.model):
        raise InputError("--gatys compares models by the network of --style; name both")
    if config.trial.content and config.gallery < config.trial.photographs:
        raise InputError("--gallery has to be at least --photographs")
    if not config.trial.content and config.trial.artworks < 1:
        raise InputError("there is nothing to restyle; name --content or raise --artworks")


def _report(name: str):
    if name == "bias":
        from stylegan_culture.reports import bias as report
    else:
        from stylegan_culture.reports import robustness as report
    return report


if __name__ == "__main__":
    sys.exit(run_command(main))
