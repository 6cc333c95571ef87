"""Judges restyled pictures: `python -m stylegan_culture.evaluate --model NAME --out DIR`.

`evaluate bias` asks whom a model serves worse, `evaluate robustness` how little misleads it.
"""

import argparse
import pathlib
import sys

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.evaluate.options import EvaluateConfig, TrialConfig

REPORTS = ("bias", "robustness")


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
    config = settings.from_flags(EvaluateConfig(), parser.parse_args(arguments))
    check_trial(config.trial, required=() if config.method or config.peer else ("model",))
    _check(config)
    from stylegan_culture.evaluate import comparison

    comparison.run(config)


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
    for place in (pathlib.Path(config.out), *pathlib.Path(config.out).parents):
        if place.is_file():
            raise InputError(f"--out {config.out}: {place} is a file; name a folder")


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
        from stylegan_culture.evaluate import bias as report
    else:
        from stylegan_culture.evaluate import robustness as report
    return report
