"""Times training steps of CycleGAN in float32 beside bfloat16.

`python -m stylegan_culture.benchmark steps`. The same step (both generators, both discriminators,
cycle and identity losses, image pool, both updates, moving average) over the same picture, in
turns, after steps that are not timed; the median counts, and that of the rounds' ratios.
"""

import argparse
import dataclasses
import os
import time

import numpy as np

from stylegan_culture import benchmark
from stylegan_culture.config import InputError, add_flags, from_flags, option
from stylegan_culture.files import write_result
from stylegan_culture.outputs import Outputs, add_flag

PRECISIONS = ("float32", "mixed_bfloat16")
UNTIMED = 2  # steps of each precision at the start: the first compiles


@dataclasses.dataclass(frozen=True)
class StepsConfig:
    """What is trained and how often; the default is the paper's network and picture."""

    image_size: int = option(256, "side of a picture, pixels, a multiple of 4 from 32 on")
    filters: int = option(64, "channels of the generators' and discriminators' first layers")
    blocks: int = option(9, "residual blocks of the generators")
    rounds: int = option(5, "timed steps of each precision")
    json: str = option("", "also write the results to this file")


def main(arguments: list[str]) -> None:
    """Parses the command line, measures, prints a table and writes JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.benchmark steps", description=__doc__.split("\n\n")[0]
    )
    add_flags(parser, StepsConfig)
    add_flag(parser)
    flags = parser.parse_args(arguments)
    settings = from_flags(StepsConfig(), flags)
    _check(settings)
    if settings.json:
        Outputs((), flags.overwrite).claim(settings.json)
    results = measure(settings)
    print(report(results, settings))
    if settings.json:
        facts = {"processor": benchmark.processor(), "cores": os.cpu_count()}
        write_result(settings.json, facts | dataclasses.asdict(settings) | results)


def measure(settings: StepsConfig) -> dict:
    """`{"seconds": {precision: [each step]}, "times_as_fast": ratio}`, the ratio of float32 to
    bfloat16 as the median over rounds."""
    steps = {precision: _step(settings, precision) for precision in PRECISIONS}
    seconds = {precision: [] for precision in PRECISIONS}
    for number in range(UNTIMED + settings.rounds):
        for precision, step in steps.items():
            start = time.perf_counter()
            step(number)
            if number >= UNTIMED:
                seconds[precision].append(time.perf_counter() - start)
    ratios = np.divide(*(seconds[precision] for precision in PRECISIONS))
    return {"seconds": seconds, "times_as_fast": float(np.median(ratios))}


def report(results: dict, settings: StepsConfig) -> str:
    """The results as a table of text."""
    lines = [
        f"{benchmark.processor()}, {os.cpu_count()} cores; CycleGAN, {settings.image_size} px, "
        f"batch 1, {settings.filters} filters, {settings.blocks} blocks, {settings.rounds} rounds",
        f"{'median s':>10} {'least s':>8}  a whole step in",
    ]
    for precision, times in results["seconds"].items():
        lines.append(f"{np.median(times):10.2f} {min(times):8.2f}  {precision}")
    return "\n".join([*lines, f"bfloat16 is {results['times_as_fast']:.2f} times as fast"])


def _step(settings: StepsConfig, precision: str):
    """`function(number)` that trains once and waits for the result."""
    import types

    import tensorflow as tf

    from stylegan_culture.networks.cyclegan import PatchConfig, TranslatorConfig
    from stylegan_culture.training.cyclegan import CycleConfig, CycleTrainer

    configs = types.SimpleNamespace(
        translator=TranslatorConfig(settings.filters, settings.blocks),
        patch=PatchConfig(settings.filters),
        cycle=CycleConfig(),
    )
    trainer = CycleTrainer(("first", "second"), configs, steps=1000, precision=precision, seed=0)
    generator, size = np.random.default_rng(0), settings.image_size
    pictures = generator.random((2, 1, size, size, 3), np.float32)
    batch = {"content": tf.constant(pictures[0]), "style": tf.constant(pictures[1])}
    trainer.build(batch)
    return lambda number: float(trainer.step(batch, number)["total"])


def _check(settings: StepsConfig) -> None:
    if settings.image_size < 32 or settings.image_size % 4:
        raise InputError("--image-size has to be a multiple of 4 from 32 on")
    for name in ("filters", "rounds"):
        if getattr(settings, name) < 1:
            raise InputError(f"--{name} has to be at least 1")
    if settings.blocks < 0:
        raise InputError("--blocks has to be at least 0")
