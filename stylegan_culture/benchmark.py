"""Times TFLite files beside one another: `python -m stylegan_culture.benchmark MODEL.tflite...`.

The files take turns within one process, so that a processor that slows down slows them all; peak
memory is measured for each in a fresh process. Ratios are to the first file. `input --data
folder:PATH` times the loading of pictures instead, and `steps` training steps in float32 and
bfloat16.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import platform
import resource
import sys
import time
import typing

import numpy as np
from PIL import Image

from stylegan_culture import isolation
from stylegan_culture.config import InputError, add_flags, from_flags, option, reason, run_command
from stylegan_culture.deploy import tflite
from stylegan_culture.files import write_result
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.pipelines import folder, preprocess
from stylegan_culture.pipelines.sampling import Source

interpreters = later("ai_edge_litert.interpreter")
tf, data = later("tensorflow"), later("stylegan_culture.pipelines.input")
sizes = later("stylegan_culture.networks.sizes")
cyclegan = later("stylegan_culture.training.cyclegan")
loop = later("stylegan_culture.training.loop")
AHEAD = 4  # batches that a loader prepares in advance
PLAIN = "Pillow, bilinear"
PRECISIONS = ("float32", "mixed_bfloat16")
UNTIMED = 2  # steps of each precision at the start: the first compiles
JSON_HELP = "also write the results to this file"


@dataclasses.dataclass(frozen=True)
class FilesConfig:
    """How TFLite files are timed."""

    threads: int = option(2, "threads of the interpreter", low=1)
    runs: int = option(50, "timed runs of each file", low=1)
    json: str = option("", JSON_HELP)


@dataclasses.dataclass(frozen=True)
class LoadingConfig:
    """What is loaded and how often."""

    data: str = option("", "folder:PATH of pictures in culture folders", table=True)
    image_size: int = option(128, "side of a crop, pixels", low=1)
    pictures: int = option(
        16, "crops in a batch, half of them contents, half styles", low=2, multiple_of=2
    )
    least_scale: float = option(
        0.0, "least scale of a crop, 0 (whole picture) to 1 (own pixels)", low=0.0, high=1.0
    )
    batches: int = option(100, "batches of a round", low=1)
    rounds: int = option(5, "timed rounds, after one that is not", low=1)
    cores: int = option(2, "processors to use", low=1)
    json: str = option("", JSON_HELP)


@dataclasses.dataclass(frozen=True)
class StepsConfig:
    """What is trained and how often; the default is the paper's network and picture."""

    image_size: int = option(256, "side of a picture, pixels", low=32, multiple_of=4)
    filters: int = option(64, "channels of the generators' and discriminators' first layers", low=1)
    blocks: int = option(9, "residual blocks of the generators", low=0)
    rounds: int = option(5, "timed steps of each precision", low=1)
    json: str = option("", JSON_HELP)


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, measures, prints a table and writes JSON if `--json` is given."""
    words = sys.argv[1:] if arguments is None else arguments
    name = words[0] if words and words[0] in CONFIGS else ""
    parser = argparse.ArgumentParser(
        prog=f"python -m stylegan_culture.benchmark {name}".strip(),
        description=__doc__.split("\n\n")[0],
    )
    if not name:
        text = "or `input` or `steps`, each with its settings"
        parser.add_argument("models", nargs="+", metavar="MODEL.tflite", help=text)
    add_flags(parser, CONFIGS[name])
    add_flag(parser)
    flags = parser.parse_args(words[1:] if name else words)
    settings = from_flags(CONFIGS[name](), flags)
    if settings.json:
        inputs = flags.models if not name else []
        if name == "input":
            inputs = [*named(settings.data), *folder.tabled(settings.data)]
        Outputs(inputs, flags.overwrite).claim(settings.json)
    if name == "steps":
        results = measure_steps(settings)
        print(report_steps(results, settings))
    elif name == "input":
        _keep_to(settings.cores)
        results = {"results": measure_input(settings)}
        print(report_input(results["results"], settings))
    else:
        results = {"results": measure(flags.models, settings.threads, settings.runs)}
        print(report(results["results"], settings.threads, settings.runs))
    if settings.json:
        facts = {"processor": processor(), "cores": os.cpu_count(), **dataclasses.asdict(settings)}
        write_result(settings.json, facts | results)


CONFIGS = {"": FilesConfig, "input": LoadingConfig, "steps": StepsConfig}


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def prepare(path: str | pathlib.Path, threads: int) -> typing.Callable[[], typing.Any]:
    """A function without arguments that runs a file once, on random inputs that are set before:
    `stylize`, or else its first signature, or else the whole. `InputError` where the file is
    missing, no TFLite file, damaged, or cannot be run."""
    tflite.look_through(path)
    try:
        return _prepared(path, threads)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} cannot be run ({reason(error)}); give a TFLite file") from None


def _prepared(path: str | pathlib.Path, threads: int) -> typing.Callable[[], typing.Any]:
    interpreter = interpreters.Interpreter(str(path), num_threads=threads)
    signatures = interpreter.get_signature_list()
    if signatures:
        name = "stylize" if "stylize" in signatures else next(iter(signatures))
        runner = interpreter.get_signature_runner(name)
        details = runner.get_input_details()
        inputs = {key: _random(detail) for key, detail in details.items()}
        return lambda: runner(**inputs)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], _random(detail))
    return interpreter.invoke


def measure(paths: list[str], threads: int, runs: int) -> list[dict]:
    """Median and 95th percentile in ms over `runs` interleaved rounds, and ratios to the first.

    Each timed run follows an untimed one of the same file, because the files before it have pushed
    its weights out of the processor's caches.
    """
    peaks = [peak_memory(path, threads) for path in paths]  # first: a file may crash what runs it
    functions = [prepare(path, threads) for path in paths]
    times = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(runs):
        for function, record in zip(functions, times, strict=True):
            function()
            start = time.perf_counter()
            function()
            record.append(1e3 * (time.perf_counter() - start))
    first = float(np.median(times[0]))
    return [
        {
            "file": str(path),
            "megabytes": pathlib.Path(path).stat().st_size / 1e6,
            "median_ms": float(np.median(record)),
            "p95_ms": float(np.percentile(record, 95)),
            "times_as_fast_as_first": first / float(np.median(record)),
            "peak_memory_mb": peak,
        }
        for path, record, peak in zip(paths, times, peaks, strict=True)
    ]


def peak_memory(path: str | pathlib.Path, threads: int) -> float:
    """Megabytes of resident memory that a fresh process takes at most to load and run a file.

    Python and the interpreter are in it: about 60 MB for an empty model. `InputError` as of
    `prepare`, and where one run takes longer than `isolation.SECONDS`.
    """
    tflite.look_through(path)
    return isolation.call(run_alone, str(path), threads, name=str(path))


def run_alone(path: str, threads: int) -> float:
    """Runs a file once; the peak resident memory of this process in MB. For `isolation.call`.

    From /proc where there is one: getrusage also counts what the parent held before `exec`.
    """
    _prepared(path, threads)()
    status = pathlib.Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def report(results: list[dict], threads: int, runs: int) -> str:
    """The results as a table of text."""
    lines = [
        f"{processor()}, {os.cpu_count()} cores, {threads} threads, {runs} runs, interleaved",
        f"{'median ms':>10} {'p95 ms':>8} {'memory MB':>10} {'size MB':>8} {'speed':>7}  file",
    ]
    for row in results:
        lines.append(
            f"{row['median_ms']:10.2f} {row['p95_ms']:8.2f} {row['peak_memory_mb']:10.0f} "
            f"{row['megabytes']:8.2f} {row['times_as_fast_as_first']:6.2f}x  {row['file']}"
        )
    return "\n".join(lines)


def _random(detail: dict) -> np.ndarray:
    """Random values of a tensor's shape and type: floats in [0, 1], integers of their range."""
    generator, kind = np.random.default_rng(0), np.dtype(detail["dtype"])
    shape = tuple(int(size) for size in detail["shape"])
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return generator.integers(limits.min, limits.max, shape, dtype=kind)
    return generator.random(shape).astype(kind)


def measure_input(settings: LoadingConfig) -> list[dict]:
    """For each loader the median of images a second and of processor time, and the ratio to Pillow.

    The ratio is the median of the rounds' ratios to the bilinear Pillow loader, whose filter is the
    quick one of torchvision's and others' random crops.
    """
    source = data.load_source(settings.data, settings.image_size, "all", cache_mib=0)
    if not source.files:
        raise InputError(f"--data {settings.data} holds no picture files; use folder:PATH")
    loaders = {
        PLAIN: lambda: pillow_batches(source.files, settings, Image.Resampling.BILINEAR),
        "Pillow, bicubic": lambda: pillow_batches(source.files, settings, Image.Resampling.BICUBIC),
        "project": lambda: pipeline_batches(source, settings),
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


def report_input(results: list[dict], settings: LoadingConfig) -> str:
    """The results as a table of text."""
    lines = [
        f"{processor()}, {settings.cores} cores, crops of {settings.image_size} px",
        f"{'images/s':>10} {'CPU ms/image':>13} {'speed':>7}  loader",
    ]
    for row in results:
        lines.append(
            f"{row['images_per_second']:10.0f} {row['processor_ms_per_image']:13.2f} "
            f"{row['times_as_fast_as_pillow']:6.2f}x  {row['loader']}"
        )
    return "\n".join(lines)


def pillow_batches(
    files: list[pathlib.Path], settings: LoadingConfig, resampling: Image.Resampling
) -> typing.Iterator[list[np.ndarray]]:
    """Lists of one batch float32 [B, S, S, 3] in [0, 1], by a pool of threads and Pillow.

    The crops have the scales and places of `stylegan_culture.pipelines.preprocess.random_crop`.
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
        waiting, begun = collections.deque(), 0
        while waiting or begun < settings.batches:
            while len(waiting) < AHEAD and begun < settings.batches:
                chosen = generator.integers(0, len(files), settings.pictures)
                draws = generator.random((settings.pictures, 4))
                waiting.append(
                    [pool.submit(load, files[n], d) for n, d in zip(chosen, draws, strict=True)]
                )
                begun += 1
            yield [np.stack([future.result() for future in waiting.popleft()])]


def pipeline_batches(source: Source, settings: LoadingConfig) -> typing.Iterator[list]:
    """Contents and styles of the batches that training gets."""
    config = data.DataConfig(
        image_size=settings.image_size,
        batch_size=settings.pictures // 2,
        least_scale=settings.least_scale,
    )
    batches = iter(data.make_dataset(config, source, None).take(settings.batches))
    return ([batch["content"], batch["style"]] for batch in batches)


def _keep_to(cores: int) -> None:
    """Limits this process to `cores` processors; threads that TensorFlow starts inherit it."""
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


def measure_steps(settings: StepsConfig) -> dict:
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


def report_steps(results: dict, settings: StepsConfig) -> str:
    """The results as a table of text."""
    lines = [
        f"{processor()}, {os.cpu_count()} cores; CycleGAN, {settings.image_size} px, "
        f"batch 1, {settings.filters} filters, {settings.blocks} blocks, {settings.rounds} rounds",
        f"{'median s':>10} {'least s':>8}  a whole step in",
    ]
    for precision, times in results["seconds"].items():
        lines.append(f"{np.median(times):10.2f} {min(times):8.2f}  {precision}")
    return "\n".join([*lines, f"bfloat16 is {results['times_as_fast']:.2f} times as fast"])


def _step(settings: StepsConfig, precision: str) -> typing.Callable[[int], float]:
    """`function(number)` that trains once and waits for the result."""
    config = cyclegan.CycleTrainConfig(
        loop=loop.LoopConfig(steps=1000),
        precision=precision,
        translator=sizes.TranslatorConfig(settings.filters, settings.blocks),
        patch=sizes.PatchConfig(settings.filters),
    )
    generator, size = np.random.default_rng(0), settings.image_size
    pictures = generator.random((2, 1, size, size, 3), np.float32)
    batch = {"content": tf.constant(pictures[0]), "style": tf.constant(pictures[1])}
    trainer = cyclegan.CycleTrainer(("first", "second"), config, batch)
    return lambda number: float(trainer.train(batch, number)["total"])


if __name__ == "__main__":
    sys.exit(run_command(main))
