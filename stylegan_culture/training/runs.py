"""Shared by the commands of all trainers: flags, run folders, sources, resuming, measures."""

import argparse
import contextlib
import dataclasses
import glob
import json
import pathlib
import shlex
import sys
from collections.abc import Callable, Iterator

import numpy as np

from stylegan_culture import config as settings
from stylegan_culture import tables
from stylegan_culture.config import InputError, option, reason
from stylegan_culture.files import (
    file_name,
    locked,
    read_bytes,
    read_measures,
    read_run,
    write_result,
    write_run,
    written_whole,
)
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
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import TRAINERS, checkpoint, later, replicas
from stylegan_culture.training.loop import LoopConfig, Trainer, train

keras, tf = later("keras"), later("tensorflow")
models = later("stylegan_culture.models")
optimisers = later("stylegan_culture.training.optimisers")

PROGRAM = "python -m stylegan_culture.train"
PREVIEWS = 6  # pictures on a sample sheet


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Settings of every trainer; with the trainer's groups they decide a run and are kept in its
    run.json."""

    data: DataConfig = DataConfig()
    loop: LoopConfig = LoopConfig()
    precision: str = option(
        "auto",
        "of the networks' arithmetic; auto: mixed_bfloat16 where the processor has it",
        ("auto", "float32", "mixed_bfloat16"),
    )
    deterministic: bool = option(False, "the same weights bit for bit on every run; slower")

    @property
    def least_cultures(self) -> int:
        """How many cultures the data have to show."""
        return 2

    def checked(self, devices: int) -> "RunConfig":
        """The settings to train with on so many devices; `InputError` for settings that cannot be
        trained with together."""
        return self


def add_trainer_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--trainer`; each has its own presets and settings, shown by its own --help."""
    texts = "; ".join(f"{name}: {entry.text}" for name, entry in TRAINERS.items())
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
    parser.add_argument(
        "--run",
        default="",
        metavar="FOLDER",
        help="run folder for checkpoints, samples and metrics",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the settings and stop")
    add_flag(parser)


def check_strategy(flags: argparse.Namespace) -> None:
    """Raises `InputError` for several devices with a trainer whose batches they cannot share."""
    if flags.strategy != "one" and not TRAINERS[flags.trainer].shares:
        sharing = " or ".join(name for name, entry in TRAINERS.items() if entry.shares)
        raise InputError(
            f"--trainer {flags.trainer} trains on one device; leave out --strategy, which is for "
            f"--trainer {sharing}"
        )


def alone(flags: argparse.Namespace) -> contextlib.AbstractContextManager:
    """A context in which no other run uses the folder of `--run`; of several processes that train
    together the leading one locks it."""
    if flags.dry_run or not flags.run or not replicas.leads(flags.strategy):
        return contextlib.nullcontext()
    return locked(flags.run)


def claim(flags: argparse.Namespace, config: object) -> None:
    """Takes the folder of a new run, by the flags `run` and `overwrite`; raises `InputError` where
    it holds anything, or a file that a text of the settings `config`, a dataclass, names."""
    texts = list(_texts(dataclasses.asdict(config)))
    Outputs([*named(*texts), *tabled(*texts)], flags.overwrite).claim_new_folder(flags.run)


def _texts(values: dict | tuple) -> Iterator[str]:
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, (dict, tuple)):
            yield from _texts(value)
        elif isinstance(value, str):
            yield value


def parse(arguments: list[str] | None, description: str, presets: dict) -> tuple:
    """The flags of a trainer and the settings that they make of a preset.

    Args:
        arguments: of the command line; None takes the process's.
        description: for --help.
        presets: `{name: (settings, what it is and how long it takes)}`, the default first. Where
            there is one of the name "", there is no --preset, nor anything to resume.

    Returns:
        flags (trainer, run, dry_run, overwrite, command, and mostly preset, resume, strategy) and a
        dataclass as in `presets`. None in the place of both after `--dry-run`, which prints the
        settings.
    """
    parser = argparse.ArgumentParser(prog=PROGRAM, description=description)
    add_trainer_flag(parser)
    first = next(iter(presets))
    if first:
        texts = "; ".join(f"{name}: {text}" for name, (_, text) in presets.items())
        parser.add_argument(
            "--preset",
            default=first,
            choices=presets,
            help=f"settings to start from (default: {first}). {texts}",
        )
    add_run_flags(parser)
    if first:
        parser.add_argument("--resume", action="store_true", help="continue the run in --run")
        add_strategy_flag(parser)
    settings.add_flags(parser, type(presets[first][0]), presets[first][0])
    flags = parser.parse_args(arguments)
    flags.command = shlex.join(sys.argv[1:] if arguments is None else arguments)
    config = settings.from_flags(presets[flags.preset if first else first][0], flags)
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return None, None
    if not flags.run:
        raise InputError("name a run folder with --run DIR")
    return flags, config


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A run that has begun.

    config: its settings, with the precision decided. folder: where its files are. trainer: the name
    in `TRAINERS`. command: the command line. resume: whether it goes on from a checkpoint. team:
    the devices that train.
    """

    config: RunConfig
    folder: pathlib.Path
    trainer: str
    command: str
    resume: bool
    team: replicas.Team

    def sources(self, part: str = "train") -> tuple[Source, Source | None]:
        """A part ("train", "held_out", "all") of the data and of the content-only pictures."""
        data = self.config.data
        least = self.config.least_cultures
        source = load_source(data.data, data.image_size, part, data.cache_mib, least)
        return source, load_content(data.content, data.image_size, part, data.cache_mib)

    def first_batch(self, source: Source, content: Source | None, least: int = 1) -> dict:
        """A batch from which to build a trainer, of at least so many contents and styles."""
        data = self.config.data
        larger = dataclasses.replace(data, batch_size=max(data.batch_size, least))
        return next(iter(make_dataset(larger, source, content)))

    def previews(self) -> np.ndarray:
        """Pictures for a sheet, `[N, S, S, 3]`, of all cultures and content-only ones, held out
        where there are enough."""
        source, content = self.sources("held_out")
        if len(source) < PREVIEWS:
            source, _ = self.sources("all")
        plain, size = PREVIEWS // 3 if content else 0, self.config.data.image_size
        chosen = [source.select(spread(len(source), PREVIEWS - plain))]
        if plain:
            chosen.append(content.select(spread(len(content), plain)))
        return np.concatenate([evaluation_arrays(part, size)[0] for part in chosen])

    def train(
        self,
        trainer: Trainer,
        source: Source,
        content: Source | None,
        facts: dict,
        hook: Callable[[int], dict] | None = None,
        recorded: tuple[Source, Source | None] | None = None,
    ) -> dict | None:
        """Restores where it resumes, records the run, trains to its end and returns its measures;
        None where it was finished before.

        Args:
            trainer: built in the scope of `team`.
            source, content: of the batches.
            facts: further entries of run.json, or others in place of its own.
            hook: of `loop.train`.
            recorded: data for run.json, where they are not `source` and `content`.
        """
        config, start = self.config, first_step(self, trainer)
        if self.team.leads:
            self._record(*(recorded or (source, content)), facts)
        if start == config.loop.steps and (self.folder / "metrics.json").exists():
            return None
        share = Share(self.team.process, self.team.processes)
        batches = make_dataset(config.data, source, content, start, share)
        result = train(
            self.team.of(trainer), batches, config.loop, self.folder, start, hook, self.team.leads
        )
        pictures = (config.loop.steps - start) * config.data.batch_size
        return {
            "steps": config.loop.steps,
            "seconds": round(result["seconds"], 1),
            "images_per_second": round(pictures / max(result["seconds"], 1e-9), 2),
            "losses": result["losses"],
        }

    def _record(self, source: Source, content: Source | None, facts: dict) -> None:
        """Writes run.json, and a report of the files that were skipped."""
        data = self.config.data
        known = {
            "trainer": self.trainer,
            "cultures": described(source),
            "command": f"{PROGRAM} {self.command}",
            "data": data.data,
            "content": data.content,
            "image_size": data.image_size,
            "precision": self.config.precision,
        }
        write_run(self.folder, self.config, **known | facts)
        report_skipped(self.folder, source, content)

    def finish(self, metrics: dict) -> None:
        """Writes metrics.json, which says that the run is at its end."""
        write_result(self.folder / "metrics.json", metrics)

    def announce(self, sheet: str, **files: pathlib.Path) -> None:
        """Says where the newest sample sheet, the measures and further files are."""
        sheets = sorted((self.folder / "samples").glob(f"{glob.escape(file_name(sheet))}_*.png"))
        places = {"sample sheet": sheets[-1]} if sheets else {}
        places |= {"measures": self.folder / "metrics.json"}
        for title, path in (places | files).items():
            print(f"{title}: {path}")

    @contextlib.contextmanager
    def measures(self) -> Iterator[dict]:
        """The measures in metrics.json; `InputError` where they cannot be read."""
        measures = read_measures(self.folder)
        try:
            yield measures
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{self.folder / 'metrics.json'} is damaged ({reason(error)}); delete it and "
                "resume the run"
            ) from None


def begin(arguments: list[str] | None, description: str, presets: dict) -> Run | None:
    """Parses the flags and begins a run, after its folder was found fit for it.

    A new run needs a new folder; a resumed one the settings of its folder, except the loop's: a run
    may become longer or shorter, or log more often. Of several processes each waits here until all
    have started.

    Arguments are those of `parse`. Returns None after `--dry-run`.
    """
    flags, config = parse(arguments, description, presets)
    if flags is None:
        return None
    folder, devices = pathlib.Path(flags.run), replicas.count_devices(flags.strategy)
    config = config.checked(devices)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    precision = optimisers.resolve_precision(config.precision)
    config = dataclasses.replace(config, precision=precision)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--run {folder} is a file; name a folder")
    replicas.check_batch(config.data.batch_size, devices)
    if flags.resume and not _may_begin(flags, folder):
        _check_saved(folder, flags.trainer, config)
    elif (folder / "run.json").exists():
        raise InputError(f"{folder} holds a run already; add --resume or name another folder")
    else:
        claim(flags, config)
    keras.utils.set_random_seed(config.data.seed)
    team = replicas.join(flags.strategy)
    return Run(config, folder, flags.trainer, flags.command, flags.resume, team)


def _may_begin(flags: argparse.Namespace, folder: pathlib.Path) -> bool:
    """Whether `--resume` may begin a new run: workers that were lost and started again cannot know
    whether the run had already written its run.json."""
    return flags.strategy == "multiworker" and not (folder / "run.json").exists()


def _check_saved(folder: pathlib.Path, trainer: str, config: RunConfig) -> None:
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


def _different(first: dict, second: dict) -> Iterator[str]:
    for name, value in first.items():
        if isinstance(value, dict):
            yield from _different(value, second[name])
        elif value != second[name]:
            yield name


def spread(size: int, count: int) -> np.ndarray:
    """`count` whole numbers from 0 to `size - 1`, evenly."""
    return np.linspace(0, size - 1, count).astype(int)


def in_parts(network: Callable, values: np.ndarray, most: int) -> np.ndarray:
    """`network(values)`, at most `most` rows at once."""
    parts = np.array_split(values, -(-len(values) // most))
    return np.concatenate([np.asarray(network(part)) for part in parts])


def first_step(run: Run, trainer: Trainer) -> int:
    """Where a run begins: 0, or the step of the checkpoint that `--resume` restores."""
    if not run.resume:
        return 0
    newest = checkpoint.latest(run.folder / "checkpoints")
    if run.team.processes > 1:
        newest = _agreed(run.team, run.folder, newest)
        if newest is None:
            return 0
    if newest is None:
        raise InputError(
            f"{run.folder} has no checkpoint to resume from; start it without --resume"
        )
    with run.team.scope():  # outside of it a variable would change on one device only
        start = checkpoint.restore(newest, trainer.state())
    if start > run.config.loop.steps:
        raise InputError(f"{run.folder} has {start} steps already; ask for more with --steps")
    return start


def _agreed(
    team: replicas.Team, folder: pathlib.Path, newest: pathlib.Path | None
) -> pathlib.Path | None:
    """The checkpoint that the leading process found; None where it found none."""
    step = team.agreed(int(newest.stem.rpartition("_")[2]) if newest else 0)
    path = checkpoint.path_of(folder / "checkpoints", step)
    if step and not path.exists():
        raise InputError(f"{path} is missing here; --run has to name one folder for all workers")
    return path if step else None


def report_skipped(folder: pathlib.Path, source: Source, content: Source | None = None) -> None:
    """Writes which files were skipped and why, and says so, where there are any."""
    folder = pathlib.Path(folder)
    for name, part in (("skipped.csv", source), ("skipped_content.csv", content)):
        if part is not None and part.skipped:
            write_report(folder / name, part)
            print(f"{len(part.skipped)} files skipped, named in {folder / name}")


def keep_table(model: str, folder: pathlib.Path) -> None:
    """Copies the table of the pictures that a model was trained on into the run folder of a model
    made from it, so that none of them is judged as held out."""
    table = models.pictures_table(model)
    if table is not None:
        with written_whole(folder / models.PICTURES) as file:
            file.write(read_bytes(table, tables.MOST_BYTES))


def described(source: Source) -> list[dict]:
    """The cultures in order, with what a model card says of them."""
    known = {culture.key: culture for culture in ORNAMENTS + PICTURES}
    return [
        {
            "key": key,
            "title": known[key].title if key in known else key.replace("_", " "),
            "region": known[key].region if key in known else "",
            "period": known[key].period if key in known else "",
            "pictures": int(pictures),
        }
        for key, pictures in zip(source.cultures, source.tags.sum(axis=0), strict=True)
    ]
