"""Finished pieces of a clip that is being restyled, so that a run that was killed can continue.

They lie in a hidden folder beside the output, named by a hash of all that decides the result. When
the output is complete, the folder is removed, with those of earlier runs that had other options. A
file in it says that this program made it: no other folder is removed.
"""

import contextlib
import pathlib
import re
import shutil
import typing

import numpy as np

from stylegan_culture import files
from stylegan_culture.arrays import read_archive
from stylegan_culture.config import InputError
from stylegan_culture.files import written_whole
from stylegan_culture.outputs import holds_files, made_here

FRAMES = 48  # in a piece: what a killed run may lose
LARGEST = 2**30  # bytes of a state: that of 8,000 x 4,000 pixels
MOST_PIECES = 10**6
MARK = "pieces.json"


class Segments:
    """The folder of one output and one key.

    Attributes:
        folder: where the pieces are.
        times: of the frames in finished pieces, int64 `[N, 2]`: when shown and how long, in units
            of the clip's time base.
        count: finished pieces.
        state: the restyler's arrays after them, None at the start.
    """

    @classmethod
    @contextlib.contextmanager
    def opened(cls, place: pathlib.Path, key: str) -> typing.Iterator["Segments"]:
        """A context whose value is the pieces of an output and a key (hexadecimal), locked for this
        run; a folder without a finished piece is removed at the end. `InputError` where another run
        is at work on the output, or the folder is somebody else's."""
        folder = place.with_name(f".{place.name}.{key[:16]}.parts")
        with files.locked(place, beside=True):
            if folder.is_dir() and holds_files(folder) and not _is_ours(folder):
                raise InputError(f"{folder} was not made by this program; move it away")
            files.write_result(folder / MARK, {"output": place.name})
            segments = cls(place, folder)
            try:
                yield segments
            finally:
                if not segments.count:
                    shutil.rmtree(folder, ignore_errors=True)

    def __init__(self, place: pathlib.Path, folder: pathlib.Path):
        self._place, self.folder = place, folder
        self.times, self.count, self.state = np.zeros((0, 2), np.int64), 0, None
        file = self.folder / "state.npz"
        if not file.is_file():
            return
        remedy = f"remove {self.folder}"
        try:
            self.state = read_archive(file, "the state of a clip", LARGEST)
        except InputError as error:
            raise InputError(f"{error}; {remedy}") from None
        times, count = (self.state.pop(f"segments/{name}", None) for name in ("times", "count"))
        if not _fit(times, count):
            raise InputError(f"{file} does not hold the state of a clip (no frames); {remedy}")
        self.times, self.count = times, int(count)

    def path(self, number: int) -> pathlib.Path:
        """The file of piece `number`."""
        return self.folder / f"{number:06d}.nut"

    def paths(self) -> list[pathlib.Path]:
        """The finished pieces in order."""
        return [self.path(number) for number in range(self.count)]

    @property
    def done(self) -> int:
        """How many frames are in finished pieces."""
        return len(self.times)

    def finished(self, times: list[tuple[int, int]], state: dict[str, np.ndarray]) -> None:
        """Notes that the next piece is complete: its frames' times, and the state after it."""
        times = np.concatenate([self.times, np.asarray(times, np.int64).reshape(-1, 2)])
        notes = {"segments/times": times, "segments/count": np.array(self.count + 1)}
        with written_whole(self.folder / "state.npz") as file:
            np.savez(file, **state, **notes)
        self.times, self.count = times, self.count + 1

    def remove(self) -> None:
        """Removes the pieces of this output, of every key."""
        name = re.compile(rf"\.{re.escape(self._place.name)}\.[0-9a-f]{{16}}\.parts")
        for folder in self._place.parent.iterdir():
            if name.fullmatch(folder.name) and _is_ours(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: pathlib.Path) -> bool:
    return not folder.is_symlink() and made_here(folder / MARK)


def _fit(times: np.ndarray | None, count: np.ndarray | None) -> bool:
    """Whether arrays are the times of frames in order, and the number of pieces that hold them."""
    if times is None or count is None or count.shape or times.ndim != 2 or times.shape[1] != 2:
        return False
    if times.dtype != np.int64 or count.dtype.kind not in "iu" or not 1 <= count <= MOST_PIECES:
        return False
    if not count <= len(times) <= count * FRAMES:
        return False
    return bool((np.diff(times[:, 0]) > 0).all() and times[:, 1].min() > 0)
