"""Full training state in one file: every variable and the step number.

A NumPy archive, written to a temporary name and renamed, so that a kill leaves either the old file
or the new one. Training draws all random numbers from (seed, step), and batch t depends on t alone,
so variables and step are the whole state.
"""

import math
import os
import pathlib
import re

import numpy as np

from stylegan_culture.arrays import read_archive
from stylegan_culture.config import InputError
from stylegan_culture.files import written_whole

NAME = re.compile(r"step_\d{8,}\.npz")
SPARE = 2**16  # bytes of a checkpoint besides its state
MOST_STEPS = 10**9


def save(folder: pathlib.Path, state: dict, step: int, keep: int = 2) -> pathlib.Path:
    """Writes `step_NNNNNNNN.npz` and removes all but the `keep` newest checkpoints."""
    path = path_of(folder, step)
    with written_whole(path) as file:
        np.savez(file, step=step, **{name: np.asarray(value) for name, value in state.items()})
        file.flush()
        os.fsync(file.fileno())
    for old in _all(folder)[:-keep]:
        old.unlink()
    return path


def path_of(folder: pathlib.Path, step: int) -> pathlib.Path:
    """Where the checkpoint of a step is."""
    return pathlib.Path(folder) / f"step_{step:08d}.npz"


def latest(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint of a folder, or None."""
    return max(_all(folder), default=None)


def _all(folder: pathlib.Path) -> list[pathlib.Path]:
    """Every checkpoint of a folder, the oldest first."""
    return sorted(path for path in pathlib.Path(folder).glob("*") if NAME.fullmatch(path.name))


def restore(path: pathlib.Path, state: dict) -> int:
    """Assigns every variable of `state` from a checkpoint and returns its step.

    All entries are read and compared before the first is assigned. Raises `InputError` where the
    file is damaged or belongs to networks of another configuration.
    """
    # A dtype is a text (Keras) or an object with a name (TensorFlow).
    dtypes = {n: np.dtype(getattr(v.dtype, "name", v.dtype)) for n, v in state.items()}
    sizes = (dtypes[name].itemsize * math.prod(one.shape) for name, one in state.items())
    try:
        values = read_archive(path, "a checkpoint", sum(sizes) + SPARE)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; resume from another checkpoint") from None
    except InputError as error:
        raise InputError(f"{error}; delete it to resume from an older one") from None
    step = values.pop("step", None)
    if step is not None and not _is_step(step):
        raise InputError(f"{path} does not say its step; delete it to resume from an older one")
    wrong = set(values) ^ set(state)
    wrong |= {n for n in set(values) - wrong if values[n].shape != tuple(state[n].shape)}
    wrong |= {n for n in set(values) - wrong if values[n].dtype.kind != dtypes[n].kind}
    if step is None or wrong:
        raise InputError(
            f"{path} belongs to a run of another configuration; resume it with the settings in "
            "its run.json, or start a new run folder"
        )
    for name, variable in state.items():
        variable.assign(values[name])
    return int(step)


def _is_step(value: np.ndarray) -> bool:
    return not value.shape and value.dtype.kind in "iu" and 0 <= value <= MOST_STEPS
