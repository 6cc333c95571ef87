"""Trains what the project learns: `python -m stylegan_culture.train --trainer T --run DIR`."""

import argparse

from stylegan_culture.train import (
    backbone,
    classifier,
    common,
    culture,
    cyclegan,
    dcgan,
    decoder,
    restoration,
    vae,
)
from stylegan_culture.train.culture import PRESETS, TrainConfig
from stylegan_culture.train.rejoin import rejoining

__all__ = ["PRESETS", "TRAINERS", "TrainConfig", "main"]

TRAINERS = {
    "culture": culture.main,
    "backbone": backbone.main,
    "decoder": decoder.main,
    "classifier": classifier.main,
    "restore": restoration.main,
    "cyclegan": cyclegan.main,
    "dcgan": dcgan.main,
    "vae": vae.main,
}


def main(arguments: list[str] | None = None) -> None:
    """Runs the trainer that `--trainer` names, which reads all the flags itself."""
    chooser = argparse.ArgumentParser(prog=common.PROGRAM, add_help=False)
    common.add_trainer_flag(chooser)
    common.add_strategy_flag(chooser)
    common.add_run_flags(chooser)
    chosen, _ = chooser.parse_known_args(arguments)
    common.check_strategy(chosen)
    train = TRAINERS[chosen.trainer]
    with common.alone(chosen):
        if chosen.strategy == "multiworker":
            rejoining(train, arguments)
        else:
            train(arguments)
