"""Times TFLite files beside one another: `python -m stylegan_culture.benchmark MODEL.tflite...`.

The files take turns within one process, so that a processor that slows down slows them all; peak
memory is measured for each in a fresh process. Ratios are to the first file. `input --data
folder:PATH` instead times the loading of pictures, see `loading`, and `steps` training steps in
float32 and bfloat16, see `steps`.
"""

import argparse
import os
import pathlib
import platform
import resource
import sys
import time

import numpy as np

from stylegan_culture import isolation, tflite
from stylegan_culture.config import InputError
from stylegan_culture.files import reason, write_result
from stylegan_culture.outputs import Outputs, add_flag


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def prepare(path, threads: int):
    """A function without arguments that runs a file once, on random inputs that are set before.

    A file with signatures runs `stylize`, or its first signature; one without runs as a whole.

    Raises:
        InputError: the file is missing, no TFLite file, damaged, or cannot be run.
    """
    tflite.look_through(path)
    try:
        return _prepared(path, threads)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} cannot be run ({reason(error)}); give a TFLite file") from None


def _prepared(path, threads: int):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
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


def measure(paths, threads: int, runs: int) -> list[dict]:
    """Median and 95th percentile in ms over `runs` interleaved rounds, and ratios to the first.

    Each timed run follows an untimed one of the same file: with the files taking turns, a first
    run would pay for the weights that another file has driven out of the caches.
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


def peak_memory(path, threads: int) -> float:
    """Megabytes of resident memory that a fresh process takes at most to load and run a file.

    The interpreter and Python are in it: about 60 MB for an empty model.

    Raises:
        InputError: as `prepare`, and where one run takes longer than `isolation.SECONDS`.
    """
    tflite.look_through(path)
    return isolation.call(run_alone, str(path), threads, name=str(path))


def run_alone(path: str, threads: int) -> float:
    """Runs a file once; the megabytes that this process took. For `isolation.call`."""
    _prepared(path, threads)()
    return _own_peak()


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


def main(arguments=None) -> None:
    """Parses the command line, measures, prints a table and writes JSON where asked."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["input"]:
        from stylegan_culture.benchmark import loading

        loading.main(arguments[1:])
        return
    if arguments[:1] == ["steps"]:
        from stylegan_culture.benchmark import steps

        steps.main(arguments[1:])
        return
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.benchmark", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL.tflite",
        help="or `input` or `steps`, with settings of their own",
    )
    parser.add_argument("--threads", type=int, default=2, help="threads (default: 2)")
    parser.add_argument("--runs", type=int, default=50, help="timed runs a file (default: 50)")
    parser.add_argument("--json", help="also write the results to this file")
    add_flag(parser)
    options = parser.parse_args(arguments)
    if options.runs < 1 or options.threads < 1:
        raise InputError("--runs and --threads have to be at least 1")
    if options.json:
        Outputs(options.models, options.overwrite).claim(options.json)
    results = measure(options.models, options.threads, options.runs)
    print(report(results, options.threads, options.runs))
    if options.json:
        facts = {
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": options.threads,
            "runs": options.runs,
            "results": results,
        }
        write_result(options.json, facts)


def _own_peak() -> float:
    """Peak resident memory of this process in megabytes.

    From /proc where there is one: getrusage also counts what the parent held before `exec`.
    """
    status = pathlib.Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _random(detail) -> np.ndarray:
    """An input of a tensor's shape and type: floats in [0, 1], integers over their range."""
    generator, kind = np.random.default_rng(0), np.dtype(detail["dtype"])
    shape = tuple(int(size) for size in detail["shape"])
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return generator.integers(limits.min, limits.max, shape, dtype=kind)
    return generator.random(shape).astype(kind)
