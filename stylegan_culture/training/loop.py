"""The training loop: it knows steps, checkpoints, logs, samples and alarms, and no network."""

import collections
import dataclasses
import math
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tqdm

from stylegan_culture import images
from stylegan_culture.config import Alarm, InputError, option
from stylegan_culture.files import file_names
from stylegan_culture.training import checkpoint, later, replicas

tf = later("tensorflow")
optimisers = later("stylegan_culture.training.optimisers")


@dataclasses.dataclass(frozen=True)
class LoopConfig:
    """How long to train, and how often to log, to draw and to save."""

    steps: int = option(2000, "optimiser steps of the whole run", low=1)
    log_interval: int = option(50, "steps between log entries and alarms", low=1)
    sample_interval: int = option(500, "steps between sample sheets", low=1)
    save_interval: int = option(500, "steps between checkpoints", low=1)


@dataclasses.dataclass(frozen=True)
class CosineConfig:
    """A learning rate that rises in a warm-up and then falls along a cosine."""

    rate: float = option(1e-3, "learning rate (Adam), falling to 0 along a cosine", above=0.0)
    warm_up: int = option(100, "steps during which the rate rises from 0", low=0)


class Trainer:
    """Networks, their optimisers, and the step that trains them: what the loop trains.

    A trainer defines `step`, and overrides `groups`, `phases`, `samples` and `codes` as it needs.

    Attributes:
        seed: of everything that is drawn in a step.
        model, average: a network and its moving average (EMA), which follows it after every step
            with the decay `follows`; where there is none, `average` is None.
    """

    seed: int = 0
    model = None
    average = None
    optimizer = None
    follows: float = 0.0

    def step(self, batch: dict, seed: "tf.Tensor") -> dict:
        """One update; losses by name, "total" among them, means over the rows of the batch.

        `seed` is int32 `[2]`: the run's and the number of the step.
        """
        raise NotImplementedError

    def pair(self, make: Callable, decay: float) -> None:
        """Sets `model`, and `average` to a copy of it that follows it with this decay."""
        self.model, self.average = (make().create_weights() for _ in range(2))
        self.average.set_weights(self.model.get_weights())
        self.follows = decay

    def groups(self) -> dict[str, list]:
        """All variables that the next steps depend on, in named groups of fixed order."""
        return {
            "model": self.model.variables,
            "average": self.average.variables,
            "optimizer": self.optimizer.variables,
        }

    def phases(self, number: int) -> tuple[Callable, ...]:
        """The methods `(batch, seed) -> losses` that make step `number`, one after the other."""
        return (self.step,)

    def samples(self) -> dict[str, np.ndarray]:
        """Sample sheets by name, `[H, W, 3]` in [0, 1]."""
        return {}

    def codes(self) -> dict[str, np.ndarray]:
        """Style codes for histograms."""
        return {}

    def state(self) -> dict:
        """Every variable of the training state by its group and number."""
        return {
            f"{g}/{i:04d}": v for g, group in self.groups().items() for i, v in enumerate(group)
        }

    def train(self, batch: dict, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name.

        Phases are compiled when they first come, unless TensorFlow runs functions eagerly.
        """
        seed, parts = tf.constant([self.seed, number], tf.int32), {}
        for phase in self.phases(number):
            parts |= self._compiled(phase.__name__, lambda phase=phase: replicas.shared(phase))(
                batch, seed
            )
        if self.average is not None:
            self._compiled("follow", lambda: tf.function(self._follow))(seed[1])
        return parts

    def _follow(self, number: "tf.Tensor") -> None:
        optimisers.follow(self.average, self.model, self.follows, number)

    def _compiled(self, name: str, compiled: Callable[[], Callable]) -> Callable:
        functions = self.__dict__.setdefault("_functions", {})
        if name not in functions:
            functions[name] = compiled()
        return functions[name]


@dataclasses.dataclass
class Alarms:
    """Stops a run that has failed: after `patience` bad log entries in a row.

    collapse: restyled pictures of one batch hardly differ (spread below `least_spread`, mean
    deviation of a value over the batch, in units of brightness). saturated: more than
    `most_saturated` of the values lie at the ends of their range.
    """

    least_spread: float = 0.01
    most_saturated: float = 0.95
    patience: int = 3
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def check(self, values: dict, number: int) -> None:
        """Raises `Alarm` with a sentence that names the step, the cause and the remedy."""
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise Alarm(
                f"{', '.join(sorted(bad))} became non-finite by step {number}; train a new run "
                "folder with lower rates (--rate, or --generator-rate and --discriminator-rate); "
                "the last checkpoint is kept"
            )
        for name, is_bad, remedy in (
            (
                "collapse",
                values.get("spread", 1.0) < self.least_spread,
                "its pictures no longer differ; raise --diversity (culture GAN: or --cycle)",
            ),
            (
                "saturated",
                values.get("saturated", 0.0) > self.most_saturated,
                "output is saturated; lower --generator-rate",
            ),
        ):
            self.counts[name] = self.counts[name] + 1 if is_bad else 0
            if self.counts[name] >= self.patience:
                raise Alarm(f"{name} by step {number}: {remedy}; the last checkpoint is kept")

    @property
    def raised(self) -> bool:
        """Whether the last log entry was bad: its state must not replace a good checkpoint."""
        return any(self.counts.values())


def train(
    trainer: Trainer,
    batches: Iterable[dict],
    config: LoopConfig,
    folder: pathlib.Path,
    first_step: int = 0,
    hook: Callable[[int], dict] | None = None,
    writes: bool = True,
) -> dict:
    """Trains from `first_step` to `config.steps` and returns the last log entry and the time.

    Writes `checkpoints/`, `logs/` (TensorBoard) and `samples/` below `folder`. A checkpoint is
    written only while losses and weights are finite and no alarm is counting. `hook(step) -> {name:
    figure}` is called after each checkpoint, and at the start of a resumed run, which may have been
    killed before it. Without `writes`, for processes that do not lead, nothing is written, shown or
    measured; alarms are raised.
    """
    folder = pathlib.Path(folder)
    earlier = set(_events(folder / "logs"))
    writer = _writer(folder / "logs", writes)
    alarms, started = Alarms(), time.monotonic()
    pending, values = [], {}
    bar = _PictureBar(
        total=config.steps,
        initial=first_step,
        unit="step",
        dynamic_ncols=True,
        mininterval=1.0,
        disable=not writes,
    )
    with writer.as_default(), bar:
        if hook is not None and first_step:
            _log(hook(first_step), first_step, "judged")
        for number, batch in zip(range(first_step, config.steps), batches, strict=False):
            pending.append(trainer.train(batch, number))
            done = number + 1
            bar.update(batch["content"].shape[0])
            saving = done % config.save_interval == 0 or done == config.steps
            if done % config.log_interval == 0 or saving:
                values = _average(pending)
                pending = []
                alarms.check(values | _non_finite(trainer.state()) if saving else values, done)
                _log(values, done)
                bar.set_postfix_str(f"step {done} loss {values['total']:.3f}")
            if writes and (done % config.sample_interval == 0 or done == config.steps):
                _draw(trainer, folder / "samples", done)
            if writes and saving:
                writer.flush()
                _check_written(set(_events(folder / "logs")) - earlier)
                if not alarms.raised:
                    checkpoint.save(folder / "checkpoints", trainer.state(), done)
                    if hook is not None:
                        _log(hook(done), done, "judged")
    writer.close()
    _check_written(set(_events(folder / "logs")) - earlier)
    return {"losses": values, "seconds": time.monotonic() - started}


def _writer(folder: pathlib.Path, writes: bool) -> "tf.summary.SummaryWriter":
    """TensorBoard's, or one that writes nothing."""
    return tf.summary.create_file_writer(str(folder)) if writes else tf.summary.create_noop_writer()


def _events(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """TensorBoard's files."""
    return folder.glob("events.out.tfevents.*")


def _check_written(paths: Iterable[pathlib.Path]) -> None:
    """Raises `InputError` where a file of TensorBoard ends within a record, as on a full disk:
    TensorFlow does not always tell. A record is its length (8 bytes), 4 bytes, itself, 4 bytes."""
    for path in paths:
        with open(path, "rb") as file:
            size, place = os.fstat(file.fileno()).st_size, 0
            while place < size:
                file.seek(place)
                head = file.read(8)
                place += 16 + int.from_bytes(head, "little")
        if place != size:
            raise InputError(f"{path} could not be written whole; make room on the disk")


class _PictureBar(tqdm.tqdm):
    """tqdm over steps that also shows pictures a second."""

    pictures = 0

    def update(self, n: int = 1) -> bool | None:
        self.pictures += n
        return super().update(1)

    @property
    def format_dict(self) -> dict:
        values = super().format_dict
        rate = self.pictures / max(values["elapsed"], 1e-9)
        values["unit"] = f"step, {rate:.1f} images/s"
        return values


def _non_finite(state: dict) -> dict:
    """`{"weights": nan}` where a variable is not finite: a step's loss precedes its update."""
    finite = all(
        bool(tf.reduce_all(tf.math.is_finite(tf.cast(v, tf.float32)))) for v in state.values()
    )
    return {} if finite else {"weights": math.nan}


def _average(pending: list) -> dict:
    """Mean of each loss over the steps that reported it; a non-finite one stays non-finite."""
    gathered = collections.defaultdict(list)
    for parts in pending:
        for name, value in parts.items():
            gathered[name].append(float(value))
    return {name: float(np.mean(values)) for name, values in gathered.items()}


def _log(values: dict, step: int, group: str = "losses") -> None:
    for name, value in values.items():
        tf.summary.scalar(f"{group}/{name}", value, step=step)


def _draw(trainer: Trainer, folder: pathlib.Path, step: int) -> None:
    """Sample sheets to files and TensorBoard, and histograms of style codes."""
    sheets = trainer.samples()
    for file, (name, image) in zip(file_names(sheets), sheets.items(), strict=True):
        images.write(folder / f"{file}_{step:08d}.png", image)
        tf.summary.image(name, image[None], step=step)
    for name, values in trainer.codes().items():
        tf.summary.histogram(f"codes/{name}", values, step=step)
