"""Full training state in one file: every variable and the step number.

A NumPy archive, written to a temporary name and renamed, so that a kill leaves either the old file
or the new one. Everything random in training is drawn from (seed, step), and batch t is a function
of t, so variables and step are the whole state.
"""

import os
import pathlib
import zipfile
import zlib

import numpy as np

from stylegan_culture.config import InputError

PATTERN = "step_*.npz"
# What NumPy and the zip format raise for a file that was cut, overwritten or has a flipped bit.
DAMAGE = (
    *(OSError, ValueError, EOFError, TypeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def save(folder: pathlib.Path, state: dict, step: int, keep: int = 2) -> pathlib.Path:
    """Writes `step_NNNNNNNN.npz` and removes all but the `keep` newest checkpoints."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, step)
    temporary = path.with_suffix(".part")
    with open(temporary, "wb") as file:
        np.savez(file, step=step, **{name: np.asarray(value) for name, value in state.items()})
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    for old in sorted(folder.glob(PATTERN))[:-keep]:
        old.unlink()
    return path


def path_of(folder: pathlib.Path, step: int) -> pathlib.Path:
    """Where the checkpoint of a step is."""
    return pathlib.Path(folder) / f"step_{step:08d}.npz"


def latest(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint of a folder, or None."""
    return max(pathlib.Path(folder).glob(PATTERN), default=None)


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
