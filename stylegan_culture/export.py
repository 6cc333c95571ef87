"""Ships a run: `python -m stylegan_culture.export --run DIR --out saved_models/NAME`.

Writes a model folder: SavedModel, TFLite files, Keras weights, model.json, model_card.md and a
sample sheet; of a CycleGAN, both directions.
"""

import argparse
import sys

from stylegan_culture.config import add_flags, from_flags, run_command
from stylegan_culture.deploy.exporter import ExportConfig, export
from stylegan_culture.outputs import add_flag


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, exports, and prints what was written."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.export", description=__doc__.split("\n\n")[0]
    )
    add_flags(parser, ExportConfig)
    add_flag(parser)
    flags = parser.parse_args(arguments)
    for path in export(from_flags(ExportConfig(), flags), flags.overwrite):
        print(path)


if __name__ == "__main__":
    sys.exit(run_command(main))
