"""The one rule for what a command may write, so that no command loses a file of its user.

An output is never one of the command's inputs, nor another output of it. A file that is there
already is replaced only where this program made it, or where the user asked for it by --overwrite.
A picture says who made it in its Software tag, a clip and a GIF in their comment, a page in its
head, JSON by its key "software", a table by its header; every other file belongs to the folder that
it lies in, which is this program's where it holds one of `RECORDS` or a page.
"""

import argparse
import os
import pathlib
import re
import typing
import unicodedata

from stylegan_culture import files, images
from stylegan_culture.config import InputError, shipped_file

# A folder is this program's where one of them says so; so is one with a page.
RECORDS = (
    *("run.json", "model.json", "study.json", "alignment.json", "evaluation.json", "bias.json"),
    *("robustness.json", "explain.json"),
)
EARLIER = {"run.json": "config", "model.json": "cultures"}  # their keys before "software"
PAGE = re.compile(rb'<meta name="generator" content="stylegan_culture [^"]*">')
PROJECTOR = "projector_config.pbtxt"  # its first line says who made it, and so its folder
HEAD = 4096  # bytes of a page in which its mark stands
CLIPS = (".mp4", ".m4v", ".mov", ".mkv")
_MADE = "stylegan_culture "


def add_flag(parser: argparse.ArgumentParser, default: object = False) -> None:
    """Adds `--overwrite` to the flags of a command."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        default=default,
        help="replace files that are there, also where this program did not make them",
    )


def named(*texts: str | os.PathLike | None) -> list[pathlib.Path]:
    """Files and folders that values of a command's options may name: paths, KIND:PATH as --data
    takes it, names of shipped models; empty values are ignored."""
    paths = []
    for text in map(str, filter(None, texts)):
        plain = text.partition(":")[2]
        places = {text, text.partition("?")[0], plain, plain.partition("?")[0]}
        paths += [pathlib.Path(place).expanduser() for place in sorted(filter(None, places))]
        for name in ("model.json", "weights.npz", "classifier.npz"):
            shipped = shipped_file(text, name)
            paths += [] if shipped is None else [shipped.parent]
    return paths


class Outputs:
    """What one command reads and writes.

    inputs: files and folders that the command reads; those that do not exist, such as names of
    shipped models, are ignored. overwrite: whether files of others may be replaced.
    """

    def __init__(self, inputs: typing.Iterable[files.Place] = (), overwrite: bool = False):
        self.overwrite = overwrite
        known = [pathlib.Path(path) for path in inputs if path and os.path.lexists(path)]
        self._inputs = {_place(path): path for path in known}
        self._identities = {_identity(path): path for path in known}
        self._identities.pop(None, None)  # of links that lead nowhere
        self._claimed = set()

    def claim(self, path: files.Place, header: typing.Sequence[str] | None = None) -> pathlib.Path:
        """Takes a file as an output of the command; returns its path.

        header: column names of a table, by which one that is there is known as ours. Raises
        `InputError` where it is an input, is named twice, is a folder or a device, or was made by
        somebody else.
        """
        path = pathlib.Path(path)
        self.check(path, header)
        if _key(path) in self._claimed:
            raise InputError(f"two results would be written to {path}; give them different names")
        self._claimed.add(_key(path))
        return path

    def check(self, path: files.Place, header: typing.Sequence[str] | None = None) -> None:
        """Raises `InputError` as `claim` does, but the file may be named again."""
        path = pathlib.Path(path)
        exists = os.path.lexists(path)
        ours_by_header = header is not None and has_header(path, header)
        known = self._same(path)
        if known is None and exists and not ours_by_header:  # such a table is not read as data
            known = self._around(path)
        if known is not None:
            raise InputError(
                f"{path} would overwrite {known}, which the command reads; choose another place"
            )
        _check_above(path)
        if not exists:
            return
        if not path.is_file():
            raise InputError(f"{path} is no ordinary file; choose another place")
        if not (self.overwrite or ours_by_header or (header is None and made_here(path))):
            raise InputError(
                f"{path} exists and this program did not make it; choose another place, or add "
                "--overwrite to replace it"
            )

    def claim_folder(self, path: files.Place, names: typing.Iterable[str] = ()) -> pathlib.Path:
        """Takes a folder as the place of a command's results: a new or an empty one, or one with
        results of this program; returns its path.

        names: of files that will be written there; none may be an input or somebody else's. Raises
        `InputError` where it is a file, is an input, or holds files of somebody else.
        """
        path = self.check_folder(path)
        self._check_free(path, ours(path))
        for name in names:
            self.check(path / name)
        return path

    def claim_new_folder(self, path: files.Place) -> pathlib.Path:
        """As `claim_folder`, for a folder that has to be new or empty, and that holds no input."""
        path = self.check_folder(path)
        self._check_below(path)
        self._check_free(path, False)
        return path

    def _check_free(self, folder: pathlib.Path, is_ours: bool) -> None:
        if folder.is_dir() and not (self.overwrite or is_ours) and holds_files(folder):
            raise InputError(
                f"{folder} holds other files; name a new folder, or add --overwrite to write there"
            )

    def claim_whole_folder(self, path: files.Place, written: re.Pattern) -> pathlib.Path:
        """As `claim_folder`, for a folder that is replaced as a whole; `written` are names below it
        that an earlier run may have written: no others are lost."""
        path = self.claim_folder(path)
        self._check_below(path)
        for one in sorted(path.rglob("*")):
            name = one.relative_to(path).as_posix()
            if self._around(one) is not None:
                raise InputError(
                    f"{path} lies in {self._around(one)}, which the command reads; choose another "
                    "place"
                )
            if (one.is_symlink() or not one.is_dir()) and not written.fullmatch(name):
                raise InputError(
                    f"{one} would be lost, since {path} is replaced as a whole; move it away, or "
                    "choose another place"
                )
        return path

    def check_folder(self, path: files.Place) -> pathlib.Path:
        """A folder's path; raises `InputError` where it is an input or cannot be a folder."""
        path = pathlib.Path(path)
        if os.path.lexists(path) and not path.is_dir():
            raise InputError(f"{path} is a file; name a folder")
        _check_above(path)
        if self._same(path) is not None:
            raise InputError(
                f"results in {path} would lie among what the command reads; name another folder"
            )
        return path

    def free(self, path: files.Place) -> pathlib.Path:
        """Takes a new file, `path` or the same name with a number; returns its path."""
        path, number = pathlib.Path(path), 2
        place = path
        while os.path.lexists(place) or _key(place) in self._claimed:
            place, number = path.with_name(f"{path.stem}_{number}{path.suffix}"), number + 1
        self._claimed.add(_key(place))
        return place

    def _check_below(self, folder: pathlib.Path) -> None:
        """Raises `InputError` where an input lies in a folder."""
        place = _place(folder)
        for known, name in self._inputs.items():
            if place in known.parents:
                raise InputError(
                    f"{folder} holds {name}, which the command reads; choose another place"
                )

    def _same(self, path: pathlib.Path) -> files.Place | None:
        """The input that a path leads to, by any name; None where it leads to none."""
        return self._inputs.get(_place(path)) or self._identities.get(_identity(path))

    def _around(self, path: pathlib.Path) -> files.Place | None:
        """The input folder in which a path lies, or None."""
        parents = (self._same(parent) for parent in _place(path).parents)
        return next((known for known in parents if known is not None), None)


def made_here(path: files.Place) -> bool:
    """Whether this program made a file that is there."""
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix in images.READABLE_SUFFIXES:
        return images.software(path).startswith(_MADE)
    if suffix in CLIPS:
        return _comment(path).startswith(_MADE)
    if suffix == ".html":
        return _is_page(path)
    if suffix == ".json":
        return _says_software(path)
    if suffix == ".npz" and _says_software(path.with_suffix(".json")):
        return True
    return ours(path.parent)


def ours(folder: files.Place) -> bool:
    """Whether a folder holds results of this program."""
    folder = pathlib.Path(folder)
    if any(_says_software(folder / name) for name in RECORDS):
        return True
    if _head(folder / PROJECTOR).startswith(f"# {_MADE}".encode()):
        return True
    return any(_is_page(page) for page in folder.glob("*.html"))


def holds_files(folder: files.Place) -> bool:
    """Whether a folder holds anything but locks and remains of killed runs."""
    return any(
        not one.name.startswith(".stylegan_culture") for one in pathlib.Path(folder).iterdir()
    )


def _says_software(path: pathlib.Path) -> bool:
    """Whether a JSON file has this program's key "software", or the key that earlier versions
    wrote."""
    try:
        record = files.parse_json(files.read_bytes(path, files.LARGEST_JSON))
    except (OSError, ValueError, InputError):
        return False
    text = record.get("software")
    return EARLIER.get(path.name) in record or (isinstance(text, str) and text.startswith(_MADE))


def has_header(path: pathlib.Path, header: typing.Sequence[str]) -> bool:
    """Whether a table's first line names these columns and no others."""
    line = _head(path).split(b"\n")[0].strip()
    return line == ",".join(header).encode()


def _is_page(path: pathlib.Path) -> bool:
    return PAGE.search(_head(path)) is not None


def _head(path: pathlib.Path) -> bytes:
    """The first bytes of a file; b"" where it cannot be read."""
    try:
        with files.open_file(path) as file:
            return file.read(HEAD)
    except (OSError, InputError):
        return b""


def _comment(path: pathlib.Path) -> str:
    """The comment in a clip's metadata; "" without one, and where PyAV is missing."""
    try:
        import av

        # Playlists, which would lead to other files, are none of these formats.
        limits = {"format_whitelist": "mov,mp4,m4v,matroska,webm", "protocol_whitelist": "file"}
        with files.open_file(path) as file, av.open(file, container_options=limits) as container:
            return container.metadata.get("comment") or container.metadata.get("COMMENT", "")
    except Exception:  # PyAV raises anything for a file that is no clip
        return ""


def _check_above(path: pathlib.Path) -> None:
    for place in path.parents:
        if os.path.lexists(place) and not place.is_dir():
            raise InputError(f"{path} lies below {place}, which is a file; name another folder")


def _place(path: files.Place) -> pathlib.Path:
    try:
        return pathlib.Path(path).resolve()
    except RuntimeError:  # a link to itself
        return pathlib.Path(path).absolute()


def _key(path: files.Place) -> str:
    """One text for all names that some system takes for the same."""
    return unicodedata.normalize("NFC", str(_place(path))).casefold()


def _identity(path: files.Place) -> tuple[int, int] | None:
    """Device and number of the file that a path leads to; None where there is nothing."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
