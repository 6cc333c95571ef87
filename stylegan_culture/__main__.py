"""`stylegan-culture COMMAND ...`, or `python -m stylegan_culture COMMAND ...`: every command."""

import importlib
import sys

from stylegan_culture.config import run_command

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
    if name not in COMMANDS:
        told = "".join(f"  {key:10} {text}\n" for key, (_, text) in COMMANDS.items())
        helped = name in ("", "-h", "--help")
        print(
            f"usage: stylegan-culture COMMAND ...\n\n{told}\nstylegan-culture COMMAND --help "
            "says more of each."
            if helped
            else f"error: unknown command {name!r}; there are {', '.join(COMMANDS)}",
            file=sys.stdout if helped else sys.stderr,
        )
        return 0 if helped else 2
    return run_command(importlib.import_module(COMMANDS[name][0]).main, arguments)


if __name__ == "__main__":
    sys.exit(main())
