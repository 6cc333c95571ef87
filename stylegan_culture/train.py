"""Trains what the project learns: `python -m stylegan_culture.train --trainer T --run DIR`."""

import argparse
import importlib
import sys
import typing

from stylegan_culture.config import run_command
from stylegan_culture.later import later
from stylegan_culture.training import TRAINERS, replicas, runs

tagger_report = later("stylegan_culture.reports.tagger_report")


def main(arguments: list[str] | None = None) -> None:
    """Runs the trainer that `--trainer` names, which reads all the flags itself."""
    chooser = argparse.ArgumentParser(prog=runs.PROGRAM, add_help=False)
    runs.add_trainer_flag(chooser)
    runs.add_strategy_flag(chooser)
    runs.add_run_flags(chooser)
    chosen, _ = chooser.parse_known_args(arguments)
    runs.check_strategy(chosen)
    trainer = importlib.import_module(TRAINERS[chosen.trainer].module)
    with runs.alone(chosen):
        if chosen.strategy == "multiworker":
            replicas.rejoining(trainer.main, arguments)
        else:
            show(trainer.main(arguments))


def show(record: typing.Any) -> None:
    """Draws and prints the result of a trainer: the measures of a tagger, or None."""
    if record is None:
        return
    tagger_report.draw(record.measures, record.cultures, record.folder)
    print(tagger_report.table(record.measures))
    print(f"tagger, measures and plots: {record.folder}")


if __name__ == "__main__":
    sys.exit(run_command(main))
