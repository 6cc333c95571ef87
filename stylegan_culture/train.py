"""Trains what the project learns: `python -m stylegan_culture.train --trainer T --run DIR`."""

import argparse
import sys

from stylegan_culture.config import run_command
from stylegan_culture.reports import tagger_report
from stylegan_culture.training import (
    backbone,
    classifier,
    cyclegan,
    dcgan,
    decoder,
    restore,
    runs,
    vae,
)
from stylegan_culture.training.culture import run
from stylegan_culture.training.culture.settings import PRESETS, TrainConfig
from stylegan_culture.training.replicas import rejoining

__all__ = ["PRESETS", "TRAINERS", "TrainConfig", "main"]


def _classifier(arguments: list[str] | None) -> None:
    """Trains the tagger, and shows how good it is."""
    judged = classifier.main(arguments)
    if judged is not None:
        tagger_report.draw(judged.measures, judged.cultures, judged.folder)
        print(tagger_report.table(judged.measures))
        print(f"tagger, measures and plots: {judged.folder}")


TRAINERS = {
    "culture": run.main,
    "backbone": backbone.main,
    "decoder": decoder.main,
    "classifier": _classifier,
    "restore": restore.main,
    "cyclegan": cyclegan.main,
    "dcgan": dcgan.main,
    "vae": vae.main,
}


def main(arguments: list[str] | None = None) -> None:
    """Runs the trainer that `--trainer` names, which reads all the flags itself."""
    chooser = argparse.ArgumentParser(prog=runs.PROGRAM, add_help=False)
    runs.add_trainer_flag(chooser)
    runs.add_strategy_flag(chooser)
    runs.add_run_flags(chooser)
    chosen, _ = chooser.parse_known_args(arguments)
    runs.check_strategy(chosen)
    train = TRAINERS[chosen.trainer]
    with runs.alone(chosen):
        if chosen.strategy == "multiworker":
            rejoining(train, arguments)
        else:
            train(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
