"""Times how fast batches of crops come from picture files, beside a plain Pillow loader.

`python -m stylegan_culture.benchmark input --data folder:PATH`. Every loader decodes each file
anew, cuts a random square at a random scale, reduces and mirrors it, and gives float32 batches, on
the same number of processors. The loaders take turns; of several rounds the median counts.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import time

import numpy as np
from PIL import Image

from pipelines import folder, preprocess
from stylegan_culture import benchmark
from stylegan_culture.config import InputError, add_flags, from_flags, option
from stylegan_culture.files import write_result
from stylegan_culture.outputs import Outputs, add_flag, named

AHEAD = 4  # batches that a loader prepares before they are asked for
PLAIN = "Pillow, bilinear"


@dataclasses.dataclass(frozen=True)
class LoadingConfig:
    """What is loaded and how often."""

    data: str = option("", "folder:PATH of pictures in culture folders", table=True)
    image_size: int = option(128, "side of a crop, pixels")
    pictures: int = option(16, "crops in a batch, an even number")
    least_scale: float = option(0.0, "least scale of a crop, 0 (whole picture) to 1 (own pixels)")
    batches: int = option(100, "batches of a round")
    rounds: int = option(5, "timed rounds, after one that is not")
    cores: int = option(2, "processors to use")
    json: str = option("", "also write the results to this file")


def main(arguments: list[str]) -> None:
    """Parses the command line, measures, prints a table and writes JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.benchmark input", description=__doc__.split("\n\n")[0]
    )
    add_flags(parser, LoadingConfig)
    add_flag(parser)
    flags = parser.parse_args(arguments)
    settings = from_flags(LoadingConfig(), flags)
    _check(settings)
    if settings.json:
        inputs = [*named(settings.data), *folder.tabled(settings.data)]
        Outputs(inputs, flags.overwrite).claim(settings.json)
    _keep_to(settings.cores)
    results = measure(settings)
    print(report(results, settings))
    if settings.json:
        facts = {"processor": benchmark.processor(), **dataclasses.asdict(settings)}
        write_result(settings.json, facts | {"results": results})


def measure(settings: LoadingConfig) -> list[dict]:
    """For each loader the median of images a second and of processor time, and the ratio to Pillow.

    The ratio is the median of the rounds' ratios to the bilinear Pillow loader, whose filter is the
    quick one of torchvision's and others' random crops.
    """
    from pipelines.input import load_source  # here: it loads TensorFlow, after `_keep_to`

    source = load_source(settings.data, settings.image_size, "all", cache_mib=0)
    if not source.files:
        raise InputError(f"--data {settings.data} holds no picture files; use folder:PATH")
    loaders = {
        PLAIN: lambda: pillow_batches(source.files, settings, Image.Resampling.BILINEAR),
        "Pillow, bicubic": lambda: pillow_batches(source.files, settings, Image.Resampling.BICUBIC),
        "project": lambda: pipeline_batches(source, settings, stream=False),
        "project, --stream": lambda: pipeline_batches(source, settings, stream=True),
    }
    rates, work = collections.defaultdict(list), collections.defaultdict(list)
    for number in range(settings.rounds + 1):
        for name, loader in loaders.items():
            batches = loader()
            start, busy = time.perf_counter(), time.process_time()
            count = sum(len(pictures) for batch in batches for pictures in batch)
            if count != settings.batches * settings.pictures:
                raise AssertionError(f"{name} gave {count} pictures")
            if number:
                rates[name].append(count / (time.perf_counter() - start))
                work[name].append(1e3 * (time.process_time() - busy) / count)
    return [
        {
            "loader": name,
            "images_per_second": float(np.median(rates[name])),
            "processor_ms_per_image": float(np.median(work[name])),
            "times_as_fast_as_pillow": float(np.median(np.divide(rates[name], rates[PLAIN]))),
        }
        for name in loaders
    ]


def report(results: list[dict], settings: LoadingConfig) -> str:
    """The results as a table of text."""
    lines = [
        f"{benchmark.processor()}, {settings.cores} cores, crops of {settings.image_size} px",
        f"{'images/s':>10} {'CPU ms/image':>13} {'speed':>7}  loader",
    ]
    for row in results:
        lines.append(
            f"{row['images_per_second']:10.0f} {row['processor_ms_per_image']:13.2f} "
            f"{row['times_as_fast_as_pillow']:6.2f}x  {row['loader']}"
        )
    return "\n".join(lines)


def pillow_batches(files, settings: LoadingConfig, resampling):
    """Lists of one batch float32 [B, S, S, 3] in [0, 1], by a pool of threads and Pillow.

    The crops have the scales and places of `pipelines.preprocess.random_crop`.
    """
    size, least, generator = settings.image_size, settings.least_scale, np.random.default_rng(0)

    def load(file, draw):
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        short = min(picture.size)
        seen = min(short, preprocess.DETAIL * size)
        lowest = min(1.0, max(size / seen, least))
        side = min(size / lowest ** (1 - draw[0]), seen) * short / seen
        left, top = draw[1] * (picture.width - side), draw[2] * (picture.height - side)
        picture = picture.resize((size, size), resampling, (left, top, left + side, top + side))
        pixels = np.asarray(picture, np.float32) / 255
        return pixels[:, ::-1] if draw[3] < 0.5 else pixels

    with concurrent.futures.ThreadPoolExecutor(settings.cores) as pool:
        waiting, asked = collections.deque(), 0
        while waiting or asked < settings.batches:
            while len(waiting) < AHEAD and asked < settings.batches:
                chosen = generator.integers(0, len(files), settings.pictures)
                draws = generator.random((settings.pictures, 4))
                waiting.append(
                    [pool.submit(load, files[n], d) for n, d in zip(chosen, draws, strict=True)]
                )
                asked += 1
            yield [np.stack([future.result() for future in waiting.popleft()])]


def pipeline_batches(source, settings: LoadingConfig, stream: bool):
    """Contents and styles of the project's own batches, as training gets them."""
    from pipelines.input import DataConfig, make_dataset

    data = DataConfig(
        image_size=settings.image_size,
        batch_size=settings.pictures // 2,
        least_scale=settings.least_scale,
        stream=stream,
    )
    batches = iter(make_dataset(data, source, None).take(settings.batches))
    return ([batch["content"], batch["style"]] for batch in batches)


def _check(settings: LoadingConfig) -> None:
    for name in ("image_size", "pictures", "batches", "rounds", "cores"):
        if getattr(settings, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} has to be at least 1")
    if settings.pictures % 2:
        raise InputError("--pictures has to be even: half are contents, half are styles")


def _keep_to(cores: int) -> None:
    """Keeps this process to so many processors; threads that TensorFlow starts later inherit it."""
    if not hasattr(os, "sched_setaffinity"):
        if os.cpu_count() != cores:
            raise InputError(
                f"this system cannot limit a program to {cores} processors; "
                f"use --cores {os.cpu_count()}"
            )
        return
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < cores:
        raise InputError(f"--cores {cores}: this process has {len(allowed)}; ask for fewer")
    os.sched_setaffinity(0, allowed[:cores])
