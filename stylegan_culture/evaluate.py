"""Judges restyled pictures: `python -m stylegan_culture.evaluate --model NAME --out DIR`.

`evaluate bias` asks whom a model serves worse, `evaluate robustness` how little misleads it.
"""

import argparse
import sys

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.files import locked
from stylegan_culture.outputs import add_flag
from stylegan_culture.reports.trial_settings import (
    PEER,
    EvaluateConfig,
    check_trial,
    claim,
    names_of,
)

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
    main()
