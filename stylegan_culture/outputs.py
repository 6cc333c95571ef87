"""The one rule for what a command may write, so that no command loses a file of its user.

An output is never one of the command's inputs, nor another output of it. A file that is there
already is replaced only where this program made it, or where the user asked for it by --overwrite.
A picture says who made it in its Software tag, a clip in its comment, a page in its head, JSON by
its key "software"; every other file belongs to the folder that it lies in, which is this program's
where it holds one of `RECORDS`.
"""

import json
import os
import pathlib
import re

from stylegan_culture import files, images
from stylegan_culture.config import InputError

RECORDS = ("run.json", "model.json")  # a folder with one of them, or with a page, is ours
PAGE = re.compile(rb'<meta name="generator" content="stylegan_culture [^"]*">')
HEAD = 4096  # bytes of a page in which its mark stands
CLIPS = (".mp4", ".m4v", ".mov", ".mkv")
OVERWRITE_HELP = "replace files that are there, also where this program did not make them"
_MADE = "stylegan_culture "


class Outputs:
    """What one command reads and writes.

    Args:
        inputs: paths of files and folders that the command reads; those that do not exist, such as
            names of shipped models, are passed over.
        overwrite: whether files of others may be replaced.
    """

    def __init__(self, inputs=(), overwrite: bool = False):
        self.overwrite = overwrite
        self._inputs = [pathlib.Path(path) for path in inputs if path and _exists(path)]
        self._claimed = set()

    def claim(self, path) -> pathlib.Path:
        """Takes a file as an output of the command; returns its path.

        Raises:
            InputError: it is an input, is named twice, is a folder or a device, or was made by
                somebody else.
        """
        path = pathlib.Path(path)
        place = _place(path)
        if place in self._claimed:
            raise InputError(f"two results would be written to {path}; give them different names")
        self.check(path)
        self._claimed.add(place)
        return path

    def check(self, path) -> None:
        """Raises `InputError` where a file must not be written: as `claim`, but it may be named
        again."""
        path = pathlib.Path(path)
        for known in self._inputs:
            if _same(path, known) or (known.is_dir() and _exists(path) and _within(path, known)):
                raise InputError(
                    f"{path} would overwrite {known}, which the command reads; choose another place"
                )
        for folder in path.parents:
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{path} cannot be written: {folder} is a file; name a folder")
        if not _exists(path):
            return
        if not path.is_file():
            raise InputError(f"{path} is no ordinary file; choose another place")
        if not self.overwrite and not made_here(path):
            raise InputError(
                f"{path} exists and this program did not make it; choose another place, or add "
                "--overwrite to replace it"
            )

    def claim_folder(self, path) -> pathlib.Path:
        """Takes a folder as the place of a command's results: a new or an empty one, or one with
        results of this program. Each file that is written there is claimed as well.

        Raises:
            InputError: it is a file, is an input, or holds files of somebody else.
        """
        path = pathlib.Path(path)
        for place in (path, *path.parents):
            if _exists(place) and not place.is_dir():
                raise InputError(f"{path} cannot be a folder: {place} is a file; name another one")
        for known in self._inputs:
            if _same(path, known):
                raise InputError(
                    f"results in {path} would lie among what the command reads; name another folder"
                )
        if path.is_dir() and not self.overwrite and not ours(path) and _entries(path):
            raise InputError(
                f"{path} holds other files; name a new folder, or add --overwrite to write there"
            )
        return path


def made_here(path) -> bool:
    """Whether this program made a file that is there."""
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix in images.READABLE_SUFFIXES:
        return images.software(path).startswith(_MADE)
    if suffix in CLIPS:
        return _comment(path).startswith(_MADE)
    if suffix == ".html":
        return _is_page(path)
    return ours(path.parent) or (suffix == ".json" and _says_software(path))


def ours(folder) -> bool:
    """Whether a folder holds results of this program."""
    folder = pathlib.Path(folder)
    if any(_says_software(folder / name, ("config", "cultures")) for name in RECORDS):
        return True
    return any(_is_page(page) for page in folder.glob("*.html"))


def _says_software(path: pathlib.Path, instead=()) -> bool:
    """Whether a JSON file has the key "software" of this program, or one of the keys `instead`,
    which its records had before."""
    try:
        found = files.parse_json(files.read_bytes(path, files.LARGEST_JSON))
    except (OSError, ValueError, InputError, json.JSONDecodeError):
        return False
    text = found.get("software")
    return any(name in found for name in instead) or (
        isinstance(text, str) and text.startswith(_MADE)
    )


def _is_page(path: pathlib.Path) -> bool:
    try:
        with files.open_file(path) as file:
            return PAGE.search(file.read(HEAD)) is not None
    except (OSError, InputError):
        return False


def _comment(path: pathlib.Path) -> str:
    """The comment in a clip's metadata; "" without one, and where PyAV is missing."""
    try:
        import av

        files.open_file(path).close()
        with av.open(str(path)) as container:
            return container.metadata.get("comment") or container.metadata.get("COMMENT", "")
    except Exception:  # PyAV raises whatever FFmpeg says of a file that is no clip
        return ""


def _entries(folder: pathlib.Path) -> bool:
    """Whether a folder holds anything but locks and remains of killed runs."""
    return any(not one.name.startswith(".stylegan_culture") for one in folder.iterdir())


def _exists(path) -> bool:
    return os.path.lexists(path)


def _same(path: pathlib.Path, other: pathlib.Path) -> bool:
    """Whether two paths are of one file: by name, or, where both exist, by what they lead to."""
    if _place(path) == _place(other):
        return True
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _within(path: pathlib.Path, folder: pathlib.Path) -> bool:
    """Whether a file lies in a folder or below it."""
    return _place(folder) in _place(path).parents


def _place(path) -> pathlib.Path:
    return pathlib.Path(path).resolve()
