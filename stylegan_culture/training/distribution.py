"""Several devices, or several processes, that train one model on equal parts of each batch.

A trainer needs to know nothing of it but what `replicas` says: `Team.of` wraps it, and the loop
runs what comes out as it runs the trainer itself.
"""

import contextlib
import dataclasses
import json
import os

import tensorflow as tf

from stylegan_culture.config import InputError

STRATEGIES = {
    "one": "a single device",
    "mirrored": "all GPUs of this machine, or its logical processors where it has none",
    "multiworker": "one process for each worker of TF_CONFIG, each with its own devices",
}
# What TensorFlow raises in a process whose peers are gone, or have been started anew.
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
WHERE = (
    "set TF_CONFIG in each process to one line like "
    '{"cluster": {"worker": ["first:12345", "second:12345"]}, "task": {"type": "worker", '
    '"index": 0}}, with its own index'
)


@dataclasses.dataclass(frozen=True, eq=False)
class Team:
    """The devices that train together; by itself, one device in one process.

    strategy: of `tf.distribute`; None for one device. devices: all of them, over all processes.
    process: this one's number of `processes`; the first leads: it writes the run folder.
    """

    strategy: tf.distribute.Strategy | None = None
    devices: int = 1
    process: int = 0
    processes: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes checkpoints, logs, sheets and measures."""
        return self.process == 0

    def scope(self):
        """The context in which a trainer and all its variables have to be created."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def of(self, trainer):
        """What `loop.run` is to train: the trainer, or the same trainer on all devices."""
        return SharedTrainer(trainer, self) if self.strategy else trainer

    def agreed(self, number: int) -> int:
        """The leading process's number, in every process."""
        if self.processes == 1:
            return number

        def own():
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group, 0)
            said = tf.where(first, number, 0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, said)

        with self.scope():
            said = tf.function(self.strategy.run)(own)
        return int(self.strategy.experimental_local_results(said)[0])


class SharedTrainer:
    """A trainer whose steps are made by all devices of a team, each on its rows of the batch.

    Args:
        trainer: created in `team.scope()`; its compiled steps are `replicas.shared` and draw with
            `replicas`, and its losses are means over rows.
        team: more than one device, or processes.
    """

    def __init__(self, trainer, team: Team):
        self.trainer, self.team = trainer, team
        self.state, self.samples, self.codes = trainer.state, trainer.samples, trainer.codes

    def step(self, batch, number: int) -> dict:
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
            return self.trainer.step(shared, number)


def count_devices(name: str) -> int:
    """How many devices a strategy would have; `InputError` where TF_CONFIG is no use.

    Every worker is taken to have as many devices as this one.
    """
    if name == "mirrored":
        return len(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))
    if name == "multiworker":
        # Physical ones: to ask for logical ones would start TensorFlow before its cluster is known.
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
