"""Lets several devices share the batch of a step.

A batch is split into equal parts, one for each device ("replica"), in order. Random numbers are
drawn for the whole batch, of which each replica takes its rows, and gradients are averaged: where
losses are means over rows, replicas together do what one device does with the whole batch. On one
device, and outside of `tf.distribute`, nothing of this changes anything.
"""

import contextlib
import dataclasses
import json
import os
import sys
import threading
import typing
from collections.abc import Callable, Sequence

from stylegan_culture.config import InputError
from stylegan_culture.training import later

keras, tf = later("keras"), later("tensorflow")

_REPLICA = threading.local()  # each replica of a step is traced in a thread of its own


def shared(phase: Callable) -> Callable:
    """Compiles `(batch, seed) -> {name: scalar}`: a step, or a part of one.

    In the scope of a strategy every replica runs it on its rows of the batch, whose values hold one
    tensor for each replica; the results are means over replicas.
    """

    def run(batch, seed):
        if not tf.distribute.has_strategy():
            return phase(batch, seed)
        names, strategy = [], tf.distribute.get_strategy()

        def on_replica(batch, seed):
            _REPLICA.rows = next(iter(batch.values())).shape[0]
            parts = phase(batch, seed)
            names[:] = parts
            values = tf.stack([tf.cast(value, tf.float32) for value in parts.values()])
            return tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.MEAN, values
            )

        values = strategy.experimental_local_results(strategy.run(on_replica, (batch, seed)))[0]
        return dict(zip(names, tf.unstack(values), strict=True))

    return tf.function(run)


def count() -> int:
    """How many replicas share a batch; 1 outside of a strategy."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def rows_of_replica(values: "tf.Tensor") -> "tf.Tensor":
    """This replica's rows `[n, ...]` of the whole batch's values `[R n, ...]`.

    Where n = k B, B being a replica's rows of the batch and k > 1, the values are k parts one after
    another, such as real and made pictures, and the replica's B rows of each part are taken.
    """
    if count() == 1:
        return values
    rows = values.shape[0] // count()
    batch = _REPLICA.rows
    parts = rows // batch if rows > batch else 1
    if rows > batch and rows % batch:
        raise ValueError(f"{rows} rows are no multiple of the {batch} rows of a replica's batch")
    number = tf.distribute.get_replica_context().replica_id_in_sync_group
    rest = values.shape[1:]
    every = tf.reshape(values, [parts, count(), rows // parts, *rest])
    return tf.reshape(tf.gather(every, number, axis=1), [rows, *rest])


def normal(shape: Sequence[int], seed: "tf.Tensor") -> "tf.Tensor":
    """Standard normal numbers `[n, ...]`, each row drawn by itself; `seed` is int32 `[2]`."""
    return rows_of_replica(tf.random.stateless_normal(_whole(shape), seed))


def uniform(
    shape: Sequence[int],
    seed: "tf.Tensor",
    low: float = 0,
    high: float = 1,
    dtype: str = "float32",
) -> "tf.Tensor":
    """Uniform numbers `[n, ...]` in [low, high), each row drawn by itself; `seed` int32 `[2]`."""
    return rows_of_replica(tf.random.stateless_uniform(_whole(shape), seed, low, high, dtype))


def share(weights: "tf.Tensor") -> "tf.Tensor | float":
    """The factor that makes a mean weighted by w `[n]` this replica's share of the batch's mean.

    `R max(sum_replica w, 1) / max(sum_all w, 1)`: the mean over replicas is then the mean over the
    whole batch; 1 on one device.
    """
    if count() == 1:
        return 1.0
    here = tf.reduce_sum(weights)
    every = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)
    return count() * tf.maximum(here, 1.0) / tf.maximum(every, 1.0)


def update(
    optimizer: "keras.Optimizer", tape: "tf.GradientTape", total: "tf.Tensor", variables: list
) -> None:
    """Applies the gradients of `total`; a variable that took no part gets a gradient of zero.

    `total` is the mean over this replica's part of the batch. Keras adds up the gradients of all
    replicas, so each gives its share. A `global_clipnorm` holds for the whole batch's gradient.
    """
    gradients = tape.gradient(total, [variable.value for variable in variables])
    pairs = zip(gradients, variables, strict=True)
    gradients = [tf.zeros_like(v) if g is None else g for g, v in pairs]
    if count() > 1:
        if optimizer.clipnorm or optimizer.clipvalue:
            raise ValueError("of the ways to clip gradients, replicas share global_clipnorm only")
        if optimizer.global_clipnorm:
            mean = tf.distribute.ReduceOp.MEAN
            gradients = tf.distribute.get_replica_context().all_reduce(mean, gradients)
            gradients, _ = tf.clip_by_global_norm(gradients, optimizer.global_clipnorm)
        gradients = [gradient / count() for gradient in gradients]
    optimizer.apply(gradients, variables)


def _whole(shape: Sequence[int]) -> list:
    return [shape[0] * count(), *shape[1:]]


STRATEGIES = {
    "one": "a single device",
    "mirrored": "all GPUs of this machine, or its logical processors where it has none",
    "multiworker": "one process for each worker of TF_CONFIG, each with its own devices",
}
WHERE = (
    "set TF_CONFIG in each process to one line like "
    '{"cluster": {"worker": ["first:12345", "second:12345"]}, "task": {"type": "worker", '
    '"index": 0}}, with its own index'
)


@dataclasses.dataclass(frozen=True, eq=False)
class Team:
    """The devices that train together; by default one device in one process.

    strategy: of `tf.distribute`; None for one device. devices: all of them, over all processes.
    process: this one's number of `processes`; the first leads: it writes the run folder.
    """

    strategy: "tf.distribute.Strategy | None" = None
    devices: int = 1
    process: int = 0
    processes: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes checkpoints, logs, sheets and measures."""
        return self.process == 0

    def scope(self) -> contextlib.AbstractContextManager:
        """The context in which a trainer and all its variables have to be created."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def of(self, trainer: typing.Any) -> typing.Any:
        """The trainer for `loop.train`: the same, on all devices where there are several."""
        return SharedTrainer(trainer, self) if self.strategy else trainer

    def agreed(self, number: int) -> int:
        """The leading process's number, in every process."""
        if self.processes == 1:
            return number

        def on_replica():
            context = tf.distribute.get_replica_context()
            leads = tf.equal(context.replica_id_in_sync_group, 0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(leads, number, 0))

        with self.scope():
            numbers = tf.function(self.strategy.run)(on_replica)
        return int(self.strategy.experimental_local_results(numbers)[0])


class SharedTrainer:
    """A trainer whose steps are made by all devices of a team, each on its rows of the batch.

    Args:
        trainer: created in `team.scope()`; its steps draw with `replicas`, and its losses are means
            over rows.
        team: more than one device, or processes.
    """

    def __init__(self, trainer: typing.Any, team: Team):
        self.trainer, self.team = trainer, team
        self.state, self.samples, self.codes = trainer.state, trainer.samples, trainer.codes

    def train(self, batch: dict, number: int) -> dict:
        """Trains once; `batch` holds this process's rows, of which its devices take equal parts."""
        strategy, local = self.team.strategy, self.team.devices // self.team.processes
        split = {name: tf.split(values, local) for name, values in batch.items()}
        with strategy.scope():
            shared = {
                name: strategy.experimental_distribute_values_from_function(
                    lambda context, parts=parts: parts[context.replica_id_in_sync_group % local]
                )
                for name, parts in split.items()
            }
            return self.trainer.train(shared, number)


def count_devices(name: str) -> int:
    """How many devices a strategy would have; `InputError` where TF_CONFIG is no use.

    Every worker is taken to have as many devices as this one.
    """
    if name == "mirrored":
        return len(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))
    if name == "multiworker":
        # Not logical devices: listing them would start TensorFlow before it knows its cluster.
        local = max(len(tf.config.list_physical_devices("GPU")), 1)
        return _task()[1] * local
    return 1


def leads(name: str) -> bool:
    """Whether this process will be the leading one; `InputError` where TF_CONFIG is no use."""
    return name != "multiworker" or _task()[0] == 0


def join(name: str) -> Team:
    """Starts a strategy; of several processes each waits until all are there.

    Has to come before any other work of TensorFlow. Raises `InputError` where some are missing
    after TensorFlow's limit of an hour.
    """
    if name == "one":
        return Team()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        return Team(tf.distribute.MirroredStrategy(devices), len(devices))
    process, processes = _task()
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.DeadlineExceededError:
        raise InputError(
            f"not all of the {processes} workers of TF_CONFIG were started in time; start each "
            "with the same command and its own index"
        ) from None
    return Team(strategy, strategy.num_replicas_in_sync, process, processes)


def check_batch(rows: int, devices: int) -> None:
    """Raises `InputError` for a batch that devices cannot share equally."""
    if rows % devices:
        raise InputError(
            f"--batch-size is {rows} and cannot be shared equally by {devices} devices; take a "
            f"multiple of {devices}"
        )


def _task() -> tuple[int, int]:
    """This process's number and how many there are, by TF_CONFIG."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        raise InputError(f"--strategy multiworker needs to know its workers; {WHERE}")
    try:
        record = json.loads(text)
        kind, number = record["task"]["type"], int(record["task"]["index"])
        workers, others = record["cluster"]["worker"], set(record["cluster"]) - {"worker"}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"TF_CONFIG cannot be read; {WHERE}") from None
    if kind != "worker" or others or not 0 <= number < len(workers):
        raise InputError(f"TF_CONFIG names another job than worker, or no such index; {WHERE}")
    return number, len(workers)


MODULE = "stylegan_culture.train"


def rejoining(train: Callable, arguments: list[str] | None) -> None:
    """Runs `train(arguments)`; where a worker is lost meanwhile, this process becomes a new one.

    TensorFlow cannot repair a cluster that has lost a member, so the same command with `--resume`
    replaces the process: it waits for all workers and continues from the newest checkpoint.
    """
    try:
        train(arguments)
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        # TensorFlow raises these in a process whose peers are gone or were started anew.
        print(
            f"a worker was lost ({type(error).__name__}); this one starts anew with --resume and "
            "waits for it; start it again by its command with --resume",
            file=sys.stderr,
            flush=True,
        )
        os.execv(sys.executable, command(sys.argv[1:] if arguments is None else arguments))


def command(arguments: list[str]) -> list[str]:
    """The command line that resumes a training command."""
    more = [] if "--resume" in arguments else ["--resume"]
    return [sys.executable, "-m", MODULE, *arguments, *more]
