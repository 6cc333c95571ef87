"""`stylegan-culture COMMAND ...`, or `python -m stylegan_culture COMMAND ...`: every command."""

import importlib
import sys

from stylegan_culture import __version__
from stylegan_culture.config import EXIT_INPUT, run_command

COMMANDS = {
    "stylize": ("stylegan_culture.stylize", "restyle pictures or a clip, repair, draw from noise"),
    "train": ("stylegan_culture.train", "train what the project learns"),
    "prepare": ("stylegan_culture.pipelines.prepare", "collect and check pictures"),
    "annotate": ("stylegan_culture.annotate", "propose cultures for pictures"),
    "study": ("stylegan_culture.study", "how traditions differ"),
    "evaluate": ("stylegan_culture.evaluate", "judge restyled pictures"),
    "explain": ("stylegan_culture.explain", "why a network sees a culture"),
    "export": ("stylegan_culture.export", "SavedModel and TFLite files of a run"),
    "benchmark": ("stylegan_culture.benchmark", "time files, input and steps"),
    "demo": ("stylegan_culture.demo", "show a model in a browser"),
}


def main() -> int:
    """Runs the command that the first word names, with the words that follow; its exit code."""
    name, arguments = "".join(sys.argv[1:2]), sys.argv[2:]
    if name in COMMANDS:
        return run_command(importlib.import_module(COMMANDS[name][0]).main, arguments)
    if name == "--version":
        print(f"stylegan_culture {__version__}")
    elif name in ("", "-h", "--help"):
        commands = "".join(f"  {key:10} {text}\n" for key, (_, text) in COMMANDS.items())
        print(f"usage: stylegan-culture [--version] COMMAND ...\n\n{commands}")
        print("stylegan-culture COMMAND --help says more of each.")
    else:
        print(f"error: unknown command {name!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return EXIT_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
