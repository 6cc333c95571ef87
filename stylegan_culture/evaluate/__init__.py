"""Judges restyled pictures: `python -m stylegan_culture.evaluate --model NAME --out DIR`."""

import argparse
import dataclasses
import pathlib

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.evaluate.options import EvaluateConfig

REQUIRED = ("model", "data", "content", "judge", "out")


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, restyles, measures, draws, and prints a table."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.evaluate",
        description="Judges restyled pictures by a network that no training saw.",
    )
    settings.add_flags(parser, EvaluateConfig)
    config = settings.from_flags(EvaluateConfig(), parser.parse_args(arguments))
    _check(config)
    from stylegan_culture.evaluate import measures, report

    record = measures.measure(config)
    folder = pathlib.Path(config.out)
    report.draw(record.pop("pictures"), folder)
    record |= {
        "config": dataclasses.asdict(config),
        "versions": settings.package_versions(),
        "commit": settings.git_commit(),
    }
    settings.write_json(folder / "evaluation.json", record)
    table = report.table(record)
    (folder / "evaluation.md").write_text(f"## Evaluation\n\n{table}\n", encoding="utf-8")
    print(table)
    print(f"all measures and sheets: {folder}")


def _check(config: EvaluateConfig) -> None:
    for name in REQUIRED:
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; --help says what it is")
    if config.peer and not config.style:
        raise InputError("--peer needs --style too: its deepest encoder is that network")
    if config.size < 32 or config.size % 16:
        raise InputError(f"--size is {config.size} and has to be a multiple of 16 from 32 on")
    if config.photographs < 2 or config.gallery < config.photographs:
        raise InputError("--photographs has to be at least 2, and --gallery no less than that")
    for place in (pathlib.Path(config.out), *pathlib.Path(config.out).parents):
        if place.is_file():
            raise InputError(f"--out {config.out}: {place} is a file; name a folder")
