"""Files of users and strangers: read within limits, written whole or not at all, one run a folder.

A file is opened only where it is an ordinary one, read up to a limit that its reader states, and
JSON is checked before it is used. What is written appears under its name when it is complete. Until
then it has a name that nobody else uses; the next run that writes into the folder removes what a
killed one left.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import stat
import sys
import typing
import unicodedata

from stylegan_culture import __version__
from stylegan_culture.config import InputError, git_commit, package_versions, reason, visible

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

SOFTWARE = f"stylegan_culture {__version__}"  # how results say who made them
LARGEST_JSON = 16 * 2**20  # bytes
DEEPEST_JSON = 40  # lists and objects within each other
LOCK = ".stylegan_culture.lock"
Place = str | os.PathLike  # a path as parameters take it
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
LONGEST_NAME = 100  # bytes of a file's name that a text gives, to which more is added
# Characters and names that Windows and other systems reserve.
_UNFIT = re.compile(r'[/\\<>:"|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE | re.DOTALL)
_UNFINISHED = re.compile(r"\.stylegan_culture-[0-9a-f]{16}\.part")
_cleaned = set()  # folders from which this process has removed what killed runs left


def open_file(path: Place) -> typing.BinaryIO:
    """An ordinary file, opened for reading in binary; `OSError` where it is missing or may not be
    read. `InputError` for a folder, a pipe or a device: the latter two may never answer."""
    return _ordinary(os.open(path, _READ), path)


def open_inside(folder: Place, name: str) -> typing.BinaryIO:
    """An ordinary file within a folder, opened as `open_file` does.

    No symbolic link below the folder is followed, so no name leads out of it, even where somebody
    replaces a file by a link meanwhile; links may lead to the folder itself. `InputError` also for
    a link and for a name that leads upwards.
    """
    path, parts = pathlib.Path(folder, name), pathlib.PurePath(name).parts
    if not parts or ".." in parts or pathlib.PurePath(name).is_absolute():
        raise InputError(f"{path} is not in {folder}; name a file in it")
    linked = InputError(f"a symbolic link leads to {path}; put the file itself there")
    if os.open not in os.supports_dir_fd:  # Windows
        if path.resolve() != pathlib.Path(folder).resolve() / name:
            raise linked
        return open_file(path)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = inner
        handle = os.open(parts[-1], _READ | os.O_NOFOLLOW, dir_fd=place)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):  # of a link to a file, to a folder
            raise linked from None
        error.filename = str(path)
        raise
    finally:
        os.close(place)
    return _ordinary(handle, path)


def _ordinary(handle: int, path: Place) -> typing.BinaryIO:
    """The file of a descriptor; `InputError` where it is no ordinary file."""
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        what = "a folder" if stat.S_ISDIR(kind) else "a pipe or a device"
        raise InputError(f"{path} is {what}; name a file")
    return os.fdopen(handle, "rb")


def read_bytes(path: Place, most: int) -> bytes:
    """The content of an ordinary file of at most `most` bytes; else as `open_file`, or
    `InputError`."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(most + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise InputError(f"{path} has more than {most:,} bytes; it cannot be what is wanted here")
    return content


def parse_json(content: bytes, any_text: bool = False) -> dict:
    """The object that JSON bytes hold.

    any_text: whether a text may hold half a surrogate pair, which no file can hold. Raises
    ValueError for bytes that are no UTF-8, no JSON or no object, for more than `DEEPEST_JSON`
    nested values, for numbers that are not finite, and for text that is no Unicode.
    """

    def refuse(name):
        raise ValueError(f"{name} is no number")

    def finite(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            refuse(text)
        return number

    try:
        value = json.loads(content.decode("utf-8"), parse_constant=refuse, parse_float=finite)
    except RecursionError:
        raise ValueError("its values lie too deep within each other") from None
    if not isinstance(value, dict):
        raise ValueError("it holds no object")
    level = [value]
    for _ in range(DEEPEST_JSON):
        level = [
            one
            for part in level
            for one in (part.values() if isinstance(part, dict) else part)
            if isinstance(one, (dict, list))
        ]
        if not level:
            if not any_text:  # half a surrogate pair raises
                json.dumps(value, ensure_ascii=False).encode("utf-8")
            return value
    raise ValueError("its values lie too deep within each other")


def read_json(path: Place, remedy: str, most: int = LARGEST_JSON) -> dict:
    """The object of a JSON file of at most `most` bytes, checked as `parse_json` does.

    Raises `InputError`, whose sentence ends with `remedy`, where it is damaged, too large or no
    ordinary file, and FileNotFoundError where it is missing.
    """
    try:
        return parse_json(read_bytes(path, most))
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); {remedy}") from None


def file_name(text: str) -> str:
    """A file's or folder's name, without its suffix, that a text such as a culture's name gives.

    It stays in its folder on every system and is neither hidden, nor reserved, nor taken for an
    option. An ordinary text of at most `LONGEST_NAME` bytes stays as it is; of a longer one the end
    becomes a digest.
    """
    name = "".join("_" if visible(letter) != letter else letter for letter in text)
    name = _UNFIT.sub("_", name)
    name = re.sub(r"^[.\-~\s]|[.\s]$", "_", name) or "_"
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    encoded = name.encode("utf-8")
    if len(encoded) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{encoded[: LONGEST_NAME - 17].decode('utf-8', 'ignore')}_{digest}"


def file_names(texts: typing.Iterable[str]) -> list[str]:
    """`file_name` of each text; those that would be one file on some system are numbered."""
    names, taken = [], set()
    for text in texts:
        first = name = file_name(text)
        number = 2
        while _alike(name) in taken:
            name, number = f"{first}_{number}", number + 1
        taken.add(_alike(name))
        names.append(name)
    return names


def _alike(name: str) -> str:
    """Equal for names that a system which ignores upper and lower case takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@contextlib.contextmanager
def written_whole(path: Place) -> typing.Iterator[typing.BinaryIO]:
    """A binary file that becomes `path` once all is written; where that fails, the earlier file
    stays and nothing else is left. Parent folders are made. Raises `InputError` where it cannot be
    written (a full disk, no permission), or `path` is a device."""
    path = pathlib.Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no ordinary file; choose another place")
    temporary = None
    try:
        with _made(path.parent):
            try:
                remove_remains(path.parent)
                temporary, file = _new_file(path.parent)
                with file:
                    yield file
                os.replace(temporary, path)
            finally:
                if temporary is not None:
                    with contextlib.suppress(OSError):
                        temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is not None and str(error.filename) not in (str(temporary), str(path)):
            raise
        raise InputError(f"{shown(path)} cannot be written ({reason(error)})") from None


def shown(path: Place) -> pathlib.Path:
    """A path for messages: a file of `temporary_folder` by the place that it was meant for."""
    parts = pathlib.Path(path).parts
    for number, part in enumerate(parts):
        if _UNFINISHED.fullmatch(part):
            return pathlib.Path(*parts[:number], *parts[number + 2 :])
    return pathlib.Path(path)


def write_json(path: Place, value: object) -> None:
    """Writes JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Place, text: str) -> None:
    """Writes UTF-8, whole or not at all."""
    with written_whole(path) as file:
        file.write(text.encode("utf-8"))


def write_result(path: Place, record: dict) -> None:
    """Writes a command's record as JSON that says which program made it."""
    write_json(path, {"software": SOFTWARE, **record})


def write_run(folder: Place, config: object, **facts: object) -> None:
    """Writes `run.json`: the config, the package versions, the git commit and further facts."""
    record = {
        "config": dataclasses.asdict(config),
        "versions": package_versions(),
        "commit": git_commit(),
        **facts,
    }
    write_result(pathlib.Path(folder) / "run.json", record)


def read_run(folder: Place) -> dict:
    """Reads `run.json` of a run folder; raises `InputError` where there is none."""
    path = pathlib.Path(folder) / "run.json"
    try:
        return read_json(path, "start a new run folder")
    except FileNotFoundError:
        raise InputError(
            f"{folder} is no run folder: {path} is missing; make one with "
            "`python -m stylegan_culture.train --run DIR`"
        ) from None


def read_measures(folder: Place) -> dict:
    """Reads `metrics.json` of a run folder; a note in its place where the run wrote none."""
    try:
        return read_json(pathlib.Path(folder) / "metrics.json", "train or evaluate again")
    except FileNotFoundError:
        return {"note": "the run wrote no metrics.json"}


@contextlib.contextmanager
def temporary_folder(parent: Place) -> typing.Iterator[pathlib.Path]:
    """A new folder in `parent` for unfinished files; at the end it is removed with all that was not
    moved out of it. `InputError` where it cannot be made, or the disk is full."""
    parent = pathlib.Path(parent)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_made(parent))
            remove_remains(parent)
            whole = parent / _unfinished_name()
            whole.mkdir()
            stack.callback(shutil.rmtree, whole, ignore_errors=True)
            _lock(stack.enter_context(open(whole / LOCK, "xb")))
            (whole / "content").mkdir()
        except OSError as error:
            raise InputError(f"nothing can be written in {parent} ({reason(error)})") from None
        yield whole / "content"


@contextlib.contextmanager
def locked(folder: Place, beside: bool = False) -> typing.Iterator[None]:
    """Keeps other runs out of a folder until this run ends, however it ends; makes the folder where
    it is missing.

    beside: whether the lock lies beside the folder, which then may be missing or replaced. Raises
    `InputError` where another run is at work in it, or it cannot be written.
    """
    folder = pathlib.Path(folder)
    lock = folder / LOCK
    if beside:
        lock = folder.parent / f"{LOCK}.{folder.name}"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_made(lock.parent))
            file = _take_lock(lock)
        except OSError as error:
            raise InputError(f"nothing can be written in {folder} ({reason(error)})") from None
        if file is None:
            raise InputError(
                f"another run is at work on {folder}; wait for it or choose another place"
            )
        stack.enter_context(file)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # this run still holds it, so it is not another's
                lock.unlink()


@contextlib.contextmanager
def _made(folder: pathlib.Path) -> typing.Iterator[None]:
    """Makes a folder and its parents where they are missing; at the end empty ones are removed."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # stops at the first that holds something
            for place in missing:
                place.rmdir()


def remove_remains(folder: pathlib.Path) -> None:
    """Removes what killed runs left unfinished in a folder; each process looks there once."""
    if folder in _cleaned:
        return
    _cleaned.add(folder)
    for path in [one for one in folder.iterdir() if _UNFINISHED.fullmatch(one.name)]:
        with contextlib.suppress(OSError):
            _remove_abandoned(path)


def _remove_abandoned(path: pathlib.Path) -> None:
    """Removes an unfinished file or folder that no process holds."""
    inside = path.is_dir() and not path.is_symlink()
    lock = path / LOCK if inside else path
    with open(lock, "rb+") as file:
        if not _lock(file):
            return
        if not inside:
            path.unlink()
    if inside:
        shutil.rmtree(path)


def _unfinished_name() -> str:
    return f".stylegan_culture-{secrets.token_hex(8)}.part"


def _new_file(folder: pathlib.Path) -> tuple[pathlib.Path, typing.BinaryIO]:
    """A new file in a folder and its path, locked: no other run takes it for remains."""
    while True:
        path = folder / _unfinished_name()
        file = open(path, "xb")  # noqa: SIM115, the caller closes it
        _lock(file)
        if os.fstat(file.fileno()).st_nlink:  # not removed before it was locked
            return path, file
        file.close()


def _take_lock(path: pathlib.Path) -> typing.BinaryIO | None:
    """The locked file at `path`, or None where another process has it."""
    while True:
        file = open(path, "ab")  # noqa: SIM115, closing it gives the lock up
        if not _lock(file):
            file.close()
            return None
        try:  # the run that had the lock may have removed the name meanwhile
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        file.close()


def _lock(file: typing.BinaryIO) -> bool:
    """Locks a file for this process; false where another process has it."""
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
