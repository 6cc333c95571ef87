"""How traditions differ: `python -m stylegan_culture.study`, which makes a page, or a study of it.

`study --data ... --out DIR` makes the page, `study STUDY ...` one of `STUDIES`.
"""

import argparse
import dataclasses
import pathlib
import sys

from stylegan_culture import config as settings
from stylegan_culture.config import InputError, option, run_command, visible
from stylegan_culture.files import locked
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.pipelines import folder
from stylegan_culture.pipelines.sampling import PARTS
from stylegan_culture.reports import alignment, backbone_study
from stylegan_culture.reports import study as page
from stylegan_culture.reports.study_pictures import StudyConfig, backbone_of, load, pictures

feature_moments = later("stylegan_culture.features.moments")


@dataclasses.dataclass(frozen=True)
class MomentsConfig(StudyConfig):
    """What `study moments` makes."""

    out: str = option("", "the .npz file to write, with a .json beside it")
    short_side: int = option(256, "pixels that larger pictures are reduced to", low=1)
    taps: str = option("all", "taps separated by commas")
    part: str = option("train", "pictures taken: a fifth of each culture is held out", PARTS)
    precision: str = option("float32", "of the saved covariances", ("float32", "float16"))
    sources: str = option("", "text on where the pictures come from; the data's name if left out")


def save_moments(config: MomentsConfig, outputs: Outputs) -> str:
    """Writes the feature moments of every culture; returns what the command prints."""
    path = pathlib.Path(config.out)
    if path.suffix != ".npz":
        raise InputError(f"--out {path} does not end in .npz; name such a file")
    outputs.claim(path)
    outputs.claim(path.with_suffix(".json"))
    with locked(path, beside=True):
        return _save_moments(config, path)


def _save_moments(config: MomentsConfig, path: pathlib.Path) -> str:
    source = load(config, config.part)
    backbone = backbone_of(config)
    moments = feature_moments.culture_moments(
        backbone,
        pictures(source, config.short_side),
        config.short_side,
        taps=None if config.taps == "all" else [tap.strip() for tap in config.taps.split(",")],
        sources=config.sources or f"{config.data}, part {config.part}",
        seed=config.seed,
    )
    moments.save(path, config.precision)
    return "\n".join(
        [
            f"{'culture':28} pictures",
            *(f"{visible(name):28} {moments.pictures[name]:8}" for name in moments.cultures),
            f"recommended shrinkage: {moments.shrinkage:.4f}",
            f"moments: {path} ({path.stat().st_size / 1e6:.2f} MB), {path.with_suffix('.json')}",
        ]
    )


STUDIES = {
    "moments": (MomentsConfig, save_moments, "save the feature moments of every culture"),
    "alignment": (
        alignment.AlignmentConfig,
        alignment.run,
        "measure how far apart cultures are before and after each alignment map",
    ),
    "backbones": (
        backbone_study.BackbonesConfig,
        backbone_study.run,
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
    settings.add_flags(parser.add_argument_group("the page"), page.PageConfig)
    add_flag(parser)
    studies = parser.add_subparsers(dest="study", metavar="STUDY")
    for name, (options, _, text) in STUDIES.items():
        program = f"{parser.prog} {name}"
        study = studies.add_parser(name, prog=program, help=text, description=text)
        settings.add_flags(study, options)
        add_flag(study, argparse.SUPPRESS)
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        parser.error("name --data and --out for the page, or a STUDY")
    flags = parser.parse_args(arguments)
    options, run, _ = STUDIES.get(flags.study, (page.PageConfig, page.run, ""))
    config = settings.from_flags(options(), flags)
    for field in dataclasses.fields(options):
        if field.name in ("data", "out") and not getattr(config, field.name):
            raise InputError(f"--{field.name} is missing; {field.name} is {field.metadata['help']}")
    print(run(config, Outputs(_inputs(config), flags.overwrite)))


def _inputs(
    config: StudyConfig | alignment.AlignmentConfig | backbone_study.BackbonesConfig,
) -> list[pathlib.Path]:
    """Files and folders that a study reads."""
    if isinstance(config, StudyConfig):
        weights = [config.weights]
    else:
        weights = [x.partition("=")[2] for x in (*config.backbones.split(","), config.teacher)]
    return [*named(config.data, *weights), *folder.tabled(config.data)]


if __name__ == "__main__":
    sys.exit(run_command(main))
