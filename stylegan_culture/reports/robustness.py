"""How much small changes of pictures matter: `python -m stylegan_culture.evaluate robustness`.

Attacks and corrupts held-out artworks, to see whether a culture tagger still names them, and, with
--model, photographs, to see how much more than they their restyled pictures change. White-box
attacks: they know every weight. Leaves robustness.html, robustness.json and plots.
"""

import argparse
import dataclasses
import pathlib

from stylegan_culture import config as settings
from stylegan_culture.config import InputError, option
from stylegan_culture.files import locked, write_result, write_text
from stylegan_culture.outputs import Outputs, add_flag, named

FILES = ("robustness.html", "robustness.json")
PLOTS = ("robustness_attacks.png", "robustness_corruptions.png", "robustness_stylizer.png")


@dataclasses.dataclass(frozen=True)
class RobustnessConfig:
    """What is attacked, on which pictures, and how hard."""

    tagger: str = option(
        "culture_tagger", "a run of --trainer classifier, its .npz file, or a shipped name"
    )
    weights: str = option("", "its backbone's weights, where they are not what the tagger names")
    model: str = option(
        "", "stylizer to measure too: model folder, run folder, or name of a shipped model"
    )
    data: str = option(
        "",
        "artworks, of which the held-out part is attacked: folder:PATH, records:DIR, tfds:NAME",
        table=True,
    )
    content: str = option("", "folder:PATH of photographs for --model; the held-out part is taken")
    out: str = option("", "folder for the page, JSON and plots")
    pictures: int = option(6, "artworks of each culture: the first by hash of their names")
    photographs: int = option(4, "photographs, chosen likewise")
    size: int = option(256, "pixels a side of photographs, a multiple of 16")
    steps: int = option(10, "of the iterated attacks (PGD)")
    seed: int = option(0, "seed of random starts, noise and intervals")


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, attacks, corrupts, and leaves page, plots and every number."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.evaluate robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    settings.add_flags(parser, RobustnessConfig)
    add_flag(parser)
    flags = parser.parse_args(arguments)
    config = settings.from_flags(RobustnessConfig(), flags)
    _check(config)
    from stylegan_culture.pipelines.folder import tabled

    inputs = named(config.tagger, config.weights, config.model, config.data, config.content)
    inputs += tabled(config.data, config.content)
    Outputs(inputs, flags.overwrite).claim_folder(config.out, FILES + PLOTS)
    with locked(config.out):
        run(config)


def run(config: RobustnessConfig) -> None:
    """Measures all, and puts the files into place when they are complete."""
    from stylegan_culture.reports import (
        robustness_page,
        robustness_plots,
        robustness_trial,
        robustness_words,
    )
    from stylegan_culture.reports.parts import document

    record, pictures = robustness_trial.measured(config)
    record |= {
        "config": dataclasses.asdict(config),
        "versions": settings.package_versions(),
        "commit": settings.git_commit(),
    }
    folder = pathlib.Path(config.out)
    with document.complete(folder, PLOTS) as unfinished:
        robustness_plots.draw(record, unfinished)
        write_result(unfinished / "robustness.json", record)
        page = robustness_page.html_of(record, pictures)
        write_text(unfinished / "robustness.html", page)
    for sentence in robustness_words.findings(record):
        print(settings.visible(sentence))
    print(f"page, plots and every number: {folder / 'robustness.html'}")


def _check(config: RobustnessConfig) -> None:
    for name in ("data", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; --help says what it is")
    if bool(config.model) != bool(config.content):
        raise InputError("--model and --content go together: photographs, and what restyles them")
    # One photograph would give its figure an interval without width.
    for name, least in (("pictures", 1), ("photographs", 2), ("steps", 1)):
        if getattr(config, name) < least:
            raise InputError(f"--{name} has to be at least {least}")
    if config.size < 32 or config.size % 16:
        raise InputError(f"--size is {config.size} and has to be a multiple of 16 from 32 on")
