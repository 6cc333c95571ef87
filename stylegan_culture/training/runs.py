"""What every trainer's command does alike: flags, run folders, sources, resuming, measures."""

import argparse
import contextlib
import dataclasses
import glob
import pathlib
import shlex
import sys

import keras
import numpy as np

from stylegan_culture import config as settings
from stylegan_culture.config import InputError, reason
from stylegan_culture.files import file_name, locked, read_measures, read_run, write_run
from stylegan_culture.model_record import read_settings, read_text
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.pipelines.cultures import ORNAMENTS, PICTURES
from stylegan_culture.pipelines.folder import tabled, write_report
from stylegan_culture.pipelines.input import (
    DataConfig,
    Share,
    evaluation_arrays,
    load_content,
    load_source,
    make_dataset,
)
from stylegan_culture.training import checkpoint, loop, replicas
from stylegan_culture.training.optimisers import resolve_precision

PROGRAM = "python -m stylegan_culture.train"
TRAINERS = {
    "culture": "the culture GAN, which restyles pictures",
    "backbone": "the culture backbone, which follows a distilled VGG-19",
    "decoder": "decoders of a backbone's taps, for the methods without training",
    "classifier": "the tagger that `stylegan_culture.annotate` proposes cultures by",
    "restore": "restoration: super-resolution, colour, noise, holes, contrast",
    "cyclegan": "CycleGAN, which turns pictures of one culture into another's and back",
    "dcgan": "a GAN that draws pictures of a culture from noise",
    "vae": "a variational autoencoder, which reconstructs pictures and draws them from noise",
}
SHARED = ("culture", "vae")  # trainers whose batches devices can share
PREVIEWS = 6  # pictures on a sample sheet


def add_trainer_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--trainer`; each has its own presets and settings, shown by its own --help."""
    texts = "; ".join(f"{name}: {text}" for name, text in TRAINERS.items())
    parser.add_argument(
        "--trainer",
        default="culture",
        choices=TRAINERS,
        help=f"what to train (default: culture). {texts}; --trainer T --help shows its settings",
    )


def add_strategy_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--strategy`: the devices that share every batch."""
    texts = "; ".join(f"{name}: {text}" for name, text in replicas.STRATEGIES.items())
    parser.add_argument(
        "--strategy",
        default="one",
        choices=replicas.STRATEGIES,
        help=f"devices that share every batch (default: one). {texts}",
    )


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--run`, `--dry-run` and `--overwrite`: where a run leaves its files, if anywhere."""
    parser.add_argument("--run", default="", help="run folder for checkpoints, samples and metrics")
    parser.add_argument("--dry-run", action="store_true", help="print the settings and stop")
    add_flag(parser)


def alone(flags):
    """A context in which no other run is at work on the folder of `--run`; of several processes
    that train together the leading one sees to it."""
    if flags.dry_run or not flags.run or not replicas.leads(flags.strategy):
        return contextlib.nullcontext()
    return locked(flags.run)


def claim(flags, config) -> None:
    """Takes the folder of a new run; raises `InputError` where it holds anything, or what the run
    reads.

    Args:
        flags: with `run` and `overwrite`.
        config: a dataclass, of whose texts some may name files, and data as `load_source` does.
    """
    texts = list(_texts(dataclasses.asdict(config)))
    Outputs([*named(*texts), *tabled(*texts)], flags.overwrite).claim_new_folder(flags.run)


def _texts(values):
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, (dict, tuple)):
            yield from _texts(value)
        elif isinstance(value, str):
            yield value


def parse(arguments, description: str, presets: dict, preset: str):
    """The flags of a trainer and the settings that they make of a preset.

    Args:
        arguments: of the command line; None takes those of the process.
        description: for --help.
        presets: `{name: (settings, what it is and how long it takes)}`.
        preset: the default's name.

    Returns:
        flags (trainer, preset, run, resume, strategy, dry_run, overwrite, command) and a dataclass
        as in `presets`.
    """
    parser = argparse.ArgumentParser(prog=PROGRAM, description=description)
    add_trainer_flag(parser)
    texts = "; ".join(f"{name}: {text}" for name, (_, text) in presets.items())
    parser.add_argument(
        "--preset", default=preset, choices=presets, help=f"settings to start from. {texts}"
    )
    add_run_flags(parser)
    parser.add_argument("--resume", action="store_true", help="continue the run in --run")
    add_strategy_flag(parser)
    settings.add_flags(parser, type(presets[preset][0]))
    flags = parser.parse_args(arguments)
    flags.command = shlex.join(sys.argv[1:] if arguments is None else arguments)
    if not flags.run and not flags.dry_run:
        raise InputError("name a run folder with --run DIR")
    return flags, settings.from_flags(presets[flags.preset][0], flags)


def check_multiples(multiples) -> None:
    """Raises `InputError` for a number of `(flag, value, unit)` that is no multiple of its unit."""
    for flag, value, unit in multiples:
        if value < 1 or value % unit:
            what = "at least 1" if unit == 1 else f"a multiple of {unit}"
            raise InputError(f"{flag} is {value} and has to be {what}")


def loop_multiples(config: loop.LoopConfig) -> tuple:
    """What `check_multiples` is to be asked of a loop's settings."""
    return (
        ("--steps", config.steps, 1),
        ("--log-interval", config.log_interval, 1),
        ("--sample-interval", config.sample_interval, 1),
        ("--save-interval", config.save_interval, 1),
    )


def check_strategy(flags) -> None:
    """Raises `InputError` where devices are asked to share what a trainer cannot divide."""
    if flags.strategy != "one" and flags.trainer not in SHARED:
        raise InputError(
            f"--trainer {flags.trainer} trains on one device; leave out --strategy, which is for "
            f"--trainer {' or '.join(SHARED)}"
        )


def begin(flags, config):
    """The settings with their precision decided, after the run folder was found fit for them.

    A new run wants a new folder; a resumed one wants the folder's own settings. Only the loop's
    may differ: a run may be made longer or shorter, or log more often. The devices that train are
    `flags.team` afterwards; of several processes each waits here until all are there.
    """
    folder = pathlib.Path(flags.run)
    config = dataclasses.replace(config, precision=resolve_precision(config.precision))
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--run {folder} is a file; name a folder")
    replicas.check_batch(config.data.batch_size, replicas.count_devices(flags.strategy))
    if flags.resume and not _may_begin(flags, folder):
        _check_saved(folder, flags.trainer, config)
    elif (folder / "run.json").exists():
        raise InputError(f"{folder} holds a run already; add --resume or name another folder")
    else:
        claim(flags, config)
    keras.utils.set_random_seed(config.data.seed)
    flags.team = replicas.join(flags.strategy)
    return config


def _may_begin(flags, folder: pathlib.Path) -> bool:
    """Whether `--resume` begins a run where there is none: workers that were lost and started again
    cannot know whether the run that they were lost from had got as far as its record."""
    return flags.strategy == "multiworker" and not (folder / "run.json").exists()


def _check_saved(folder: pathlib.Path, trainer: str, config) -> None:
    record, path = read_run(folder), pathlib.Path(folder) / "run.json"
    made_by = read_text(record, "trainer", path, "culture")
    if made_by != trainer:
        raise InputError(f"{folder} is a run of --trainer {made_by}; name it, or another folder")
    saved = read_settings(type(config), record.get("config"), path)
    wanted = dataclasses.replace(config, loop=saved.loop)
    if saved != wanted:
        names = sorted(_different(dataclasses.asdict(saved), dataclasses.asdict(wanted)))
        raise InputError(
            f"{folder} was run with another configuration ({', '.join(names)} differ); repeat the "
            "flags of its run.json, or name another folder"
        )


def _different(first: dict, second: dict):
    for name, value in first.items():
        if isinstance(value, dict):
            yield from _different(value, second[name])
        elif value != second[name]:
            yield name


def load_sources(data: DataConfig, part: str = "train"):
    """A part ("train", "held_out", "all") of the data and of the content-only pictures."""
    source = load_source(data.data, data.image_size, part, data.cache_mib)
    return source, load_content(data.content, data.image_size, part, data.cache_mib)


def first_batch(data: DataConfig, source, content, least: int = 1) -> dict:
    """A batch from which to build a trainer, of at least so many contents and styles."""
    larger = dataclasses.replace(data, batch_size=max(data.batch_size, least))
    return next(iter(make_dataset(larger, source, content)))


def held_out_pictures(data: DataConfig) -> np.ndarray:
    """Pictures for a sheet, `[N, S, S, 3]`, of all cultures and content-only ones, held out where
    there are enough."""
    source, content = load_sources(data, "held_out")
    if len(source) < PREVIEWS:
        source, _ = load_sources(data, "all")
    plain = PREVIEWS // 3 if content is not None and len(content) else 0
    parts = [(source, PREVIEWS - plain), (content, plain)]
    return np.concatenate(
        [
            evaluation_arrays(part.select(spread(len(part), count)), data.image_size)[0]
            for part, count in parts
            if count
        ]
    )


def spread(size: int, count: int) -> np.ndarray:
    """`count` whole numbers from 0 to `size - 1`, evenly."""
    return np.linspace(0, size - 1, count).astype(int)


def first_step(trainer, flags, steps: int) -> int:
    """Where the run begins: 0, or the step of the checkpoint that `--resume` restores."""
    if not flags.resume:
        return 0
    folder = pathlib.Path(flags.run)
    newest = checkpoint.latest(folder / "checkpoints")
    if flags.team.processes > 1:
        newest = _agreed(flags.team, folder, newest)
        if newest is None:
            return 0
    if newest is None:
        raise InputError(f"{folder} has no checkpoint to resume from; start it without --resume")
    with flags.team.scope():  # outside of it a variable would change on one device only
        start = checkpoint.restore(newest, trainer.state())
    if start > steps:
        raise InputError(f"{folder} has {start} steps already; ask for more with --steps")
    return start


def _agreed(team, folder: pathlib.Path, newest: pathlib.Path | None) -> pathlib.Path | None:
    """The checkpoint that the leading process found; None where it found none."""
    step = team.agreed(int(newest.stem.rpartition("_")[2]) if newest else 0)
    path = checkpoint.path_of(folder / "checkpoints", step)
    if step and not path.exists():
        raise InputError(f"{path} is missing here; --run has to name one folder for all workers")
    return path if step else None


def record(flags, config, source, content, **facts) -> None:
    """Writes run.json, and a report of the files that were skipped."""
    if not flags.team.leads:
        return
    folder = pathlib.Path(flags.run)
    write_run(
        folder,
        config,
        trainer=flags.trainer,
        cultures=described(source),
        command=f"{PROGRAM} {flags.command}",
        data=config.data.data,
        content=config.data.content,
        image_size=config.data.image_size,
        precision=config.precision,
        **facts,
    )
    report_skipped(folder, source, content)


def report_skipped(folder, source, content=None) -> None:
    """Writes which files were skipped and why, and says so, where there are any."""
    folder = pathlib.Path(folder)
    for name, part in (("skipped.csv", source), ("skipped_content.csv", content)):
        if part is not None and part.skipped:
            write_report(folder / name, part)
            print(f"{len(part.skipped)} files skipped, named in {folder / name}")


def described(source) -> list[dict]:
    """The cultures in order, with what a model card says of them."""
    known = {culture.key: culture for culture in ORNAMENTS + PICTURES}
    cultures = []
    for number, key in enumerate(source.cultures):
        culture = known.get(key)
        cultures.append(
            {
                "key": key,
                "title": culture.title if culture else key.replace("_", " "),
                "region": culture.region if culture else "",
                "period": culture.period if culture else "",
                "pictures": int(source.tags[:, number].sum()),
            }
        )
    return cultures


def train(trainer, config, source, content, folder, start: int, judge=None) -> dict | None:
    """Trains on from step `start`; the run's measures, or None where it was finished before.

    `trainer` is what the `of` of a team gives; `judge` as of `loop.run`.
    """
    if start == config.loop.steps and (pathlib.Path(folder) / "metrics.json").exists():
        return None
    shared = isinstance(trainer, replicas.SharedTrainer)
    team = trainer.team if shared else replicas.Team()
    share = Share(team.process, team.processes)
    batches = make_dataset(config.data, source, content, start, share)
    result = loop.run(trainer, batches, config.loop, folder, start, judge, team.leads)
    pictures = (config.loop.steps - start) * config.data.batch_size
    return {
        "steps": config.loop.steps,
        "seconds": round(result["seconds"], 1),
        "images_per_second": round(pictures / max(result["seconds"], 1e-9), 2),
        "losses": result["losses"],
    }


@contextlib.contextmanager
def measures_of(folder):
    """The measures in a run folder's metrics.json; `InputError` where they cannot be told."""
    measures = read_measures(folder)
    try:
        yield measures
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{pathlib.Path(folder) / 'metrics.json'} is damaged ({reason(error)}); delete it and "
            "resume the run"
        ) from None


def announce(folder, sheet: str, **files) -> None:
    """Says where the newest sample sheet, the measures and further files are."""
    folder = pathlib.Path(folder)
    sheets = sorted((folder / "samples").glob(f"{glob.escape(file_name(sheet))}_*.png"))
    places = {"sample sheet": sheets[-1]} if sheets else {}
    places |= {"measures": folder / "metrics.json"}
    for title, path in (places | files).items():
        print(f"{title}: {path}")
