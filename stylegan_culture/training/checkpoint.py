"""Full training state in one file: every variable and the step number.

A NumPy archive, written to a temporary name and renamed, so that a kill leaves either the old file
or the new one. Everything random in training is drawn from (seed, step), and batch t is a function
of t, so variables and step are the whole state.
"""

import os
import pathlib
import re
import zipfile
import zlib

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.files import written_whole

NAME = re.compile(r"step_[0-9]{8,}\.npz")  # a copy under another name is the user's
# What NumPy and the zip format raise for a file that was cut, overwritten or has a flipped bit.
DAMAGE = (
    *(OSError, ValueError, EOFError, TypeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


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


def _all(folder) -> list[pathlib.Path]:
    """The checkpoints of a folder, the oldest first."""
    found = (one for one in pathlib.Path(folder).glob("step_*.npz") if NAME.fullmatch(one.name))
    return sorted(found)


def restore(path: pathlib.Path, state: dict) -> int:
    """Assigns every variable of `state` from a checkpoint and returns its step.

    All entries are read and compared before the first is assigned. Raises `InputError` where the
    file is damaged or belongs to networks of another configuration.
    """
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            values = {name: archive[name] for name in archive.files}
    except DAMAGE as error:
        raise InputError(
            f"{path} is a damaged checkpoint ({error}); delete it to resume from an older one"
        ) from None
    step = int(values.pop("step", -1))
    wrong = {name for name, value in state.items() if values.get(name) is None} | (
        set(values) - set(state)
    )
    wrong |= {n for n in set(values) & set(state) if values[n].shape != tuple(state[n].shape)}
    if step < 0 or wrong:
        raise InputError(
            f"{path} belongs to a run of another configuration; resume it with the settings in "
            "its run.json, or start a new run folder"
        )
    for name, variable in state.items():
        variable.assign(values[name])
    return step
