"""Why a network sees a culture: `python -m stylegan_culture.explain PICTURE... --culture KEY`.

A page that shows where in pictures the culture tagger sees a culture before and after restyling,
which channels of its network carry it, and what the directions of the generator's style code do.
"""

import argparse
import pathlib
import sys

from stylegan_culture import config as settings
from stylegan_culture.config import run_command
from stylegan_culture.files import locked
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.pipelines import folder
from stylegan_culture.reports.explanation_settings import (
    PROJECTOR,
    ExplainConfig,
    check,
    names,
    projector_of,
)

explanation = later("stylegan_culture.reports.explanation")


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, does every experiment, and writes page, numbers and sheets."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.explain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="picture files")
    settings.add_flags(parser, ExplainConfig)
    add_flag(parser)
    flags = parser.parse_args(arguments)
    config = settings.from_flags(ExplainConfig(), flags)
    check(config)
    inputs = [*flags.pictures, *named(config.model, config.tagger, config.weights, config.data)]
    outputs = Outputs(inputs + folder.tabled(config.data), flags.overwrite)
    embeddings = projector_of(config)
    outputs.claim_folder(config.out, names(config))
    outputs.claim_folder(embeddings, PROJECTOR)
    with locked(config.out), locked(embeddings):
        projector = explanation.write(config, explanation.measure(config, flags.pictures))
    page = pathlib.Path(config.out) / "explain.html"
    print(f"every number: {page.with_name('explain.json')}")
    print(f"projector: tensorboard --logdir {projector}")
    print(f"page: {page} ({page.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    sys.exit(run_command(main))
