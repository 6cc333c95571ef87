"""How traditions differ: `python -m stylegan_culture.study`, which makes a page, or a study of it.

`study --data ... --out DIR` makes the page, `study STUDY ...` one of `STUDIES`.
"""

import argparse
import dataclasses
import sys

from stylegan_culture import config as settings
from stylegan_culture.config import InputError, run_command
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.reports import alignment
from stylegan_culture.reports import backbone_study as backbones
from stylegan_culture.reports import moments_study as moments
from stylegan_culture.reports import study_page as page
from stylegan_culture.reports.study_settings import (
    AlignmentConfig,
    BackbonesConfig,
    MomentsConfig,
    PageConfig,
)

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
    """Parses the command line; makes the page, or runs one study."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.study",
        usage="%(prog)s --data DATA --out DIR [options], or %(prog)s STUDY --help",
        description="How traditions differ: without STUDY a page of palettes, composition and "
        "distances, with plots and every number; with STUDY one study in the feature space of a "
        "backbone.",
    )
    settings.add_flags(parser.add_argument_group("the page"), PageConfig)
    add_flag(parser)
    studies = parser.add_subparsers(dest="study", metavar="STUDY")
    for name, (options, _, text) in STUDIES.items():
        own = studies.add_parser(name, prog=f"{parser.prog} {name}", help=text, description=text)
        settings.add_flags(own, options)
        add_flag(own, argparse.SUPPRESS)
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        parser.error("name --data and --out for the page, or a STUDY")
    flags = parser.parse_args(arguments)
    options, run, _ = STUDIES.get(flags.study, (PageConfig, page.run, ""))
    config = settings.from_flags(options(), flags)
    for name in ("data", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; {name} is {_help_of(options, name)}")
    if config.short_side < 1 or getattr(config, "positions", 2) < 2:
        raise InputError("--short-side has to be at least 1 and --positions at least 2")
    run(config, Outputs(_inputs(config), flags.overwrite))


def _inputs(config) -> list:
    """Files and folders that a study reads."""
    from stylegan_culture.pipelines.folder import tabled

    if isinstance(config, BackbonesConfig):
        pairs = [*config.backbones.split(","), config.teacher]
        return [*named(config.data, *(p.partition("=")[2] for p in pairs)), *tabled(config.data)]
    return [*named(config.data, config.weights), *tabled(config.data)]


def _help_of(options: type, name: str) -> str:
    return next(x.metadata["help"] for x in dataclasses.fields(options) if x.name == name)


if __name__ == "__main__":
    sys.exit(run_command(main))
