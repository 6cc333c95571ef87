"""How traditions differ in feature space: `python -m stylegan_culture.study STUDY`."""

import argparse
import dataclasses
import pathlib

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.study import alignment, backbones, moments
from stylegan_culture.study.options import AlignmentConfig, BackbonesConfig, MomentsConfig

STUDIES = {
    "moments": (MomentsConfig, moments.run, "save the feature moments of every culture"),
    "alignment": (
        AlignmentConfig,
        alignment.run,
        "measure how far apart cultures are before and after each alignment map",
    ),
    "backbones": (
        BackbonesConfig,
        backbones.run,
        "compare backbones: a linear probe of cultures, and style distances with a teacher's",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line and runs one study."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.study",
        description="How traditions differ in the feature space of a backbone.",
    )
    studies = parser.add_subparsers(dest="study", required=True, metavar="STUDY")
    for name, (options, _, text) in STUDIES.items():
        settings.add_flags(studies.add_parser(name, help=text, description=text), options)
    flags = parser.parse_args(arguments)
    options, run, _ = STUDIES[flags.study]
    config = settings.from_flags(options(), flags)
    for name in ("data", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; {name} is {_help_of(options, name)}")
    for parent in pathlib.Path(config.out).parents:
        if parent.is_file():
            raise InputError(f"--out {config.out} lies below {parent}, which is a file")
    if config.short_side < 1 or getattr(config, "positions", 2) < 2:
        raise InputError("--short-side has to be at least 1 and --positions at least 2")
    run(config)


def _help_of(options: type, name: str) -> str:
    return next(x.metadata["help"] for x in dataclasses.fields(options) if x.name == name)
