"""Numbers of networks in files: NumPy archives and Keras weights, as strangers may have made them.

Such a file is not trusted: sizes are compared with limits before memory is taken, Python objects
and links to other files are refused, and so are numbers that are not finite. HDF5 is first checked
by another process, since damage can crash its library.
"""

import io
import math
import os
import pathlib
import shutil
import struct
import tempfile
import typing
import zipfile

import numpy as np

from stylegan_culture import config, files, isolation
from stylegan_culture.config import InputError

if typing.TYPE_CHECKING:
    import h5py
    import keras

    Network = typing.TypeVar("Network", bound=keras.Model)

LARGEST = 256 * 2**20  # bytes of all arrays of a file
MOST_MEMBERS = 20_000  # of an archive
LONGEST_DIRECTORY = 4 * 2**20  # bytes of an archive's list of members
LONGEST_SIDE = 2**26  # of an array, also of one without numbers
KINDS = "fiubU"  # floats, integers, booleans, text
_END = struct.Struct("<4s4H2LH")  # of a zip file: its last record
_LONGEST_COMMENT = 2**16
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_archive(
    path: files.Place,
    what: str,
    most: int = LARGEST,
    names: typing.Iterable[str] | None = None,
) -> dict[str, np.ndarray]:
    """The arrays of a NumPy archive (.npz) by name: those in `names`, or all.

    Raises `InputError`, which says `what` it should be, such as "culture moments", where the file
    is damaged, lacks an array, holds Python objects or numbers that are not finite, or its arrays
    have more than `most` bytes together; FileNotFoundError where it is missing.
    """
    with files.open_file(path) as file:
        return _read_file(file, path, what, most, names)


def parse_archive(
    content: bytes, path: files.Place, what: str, most: int = LARGEST
) -> dict[str, np.ndarray]:
    """As `read_archive`, of the content of the file at `path`."""
    return _read_file(io.BytesIO(content), path, what, most, None)


def one_text(value: np.ndarray) -> str:
    """The text that an array of an archive holds; ValueError for any other array."""
    if value.shape or value.dtype.kind != "U":
        raise ValueError("it has an array where a text belongs")
    return str(value)


def load_weights(
    path: files.Place, least: int, build: typing.Callable[[], "Network"], remedy: str
) -> "Network":
    """The network that `build` gives, with the weights of a Keras file (.h5).

    least: the fewest numbers that a network of these settings has; a file with fewer is refused
    before the network is built. Raises `InputError`, whose sentence ends
    with `remedy`, where the file is missing, damaged, of another network, or holds numbers that are
    not finite.
    """
    path = pathlib.Path(path)
    with tempfile.TemporaryDirectory() as folder:
        # Keras takes other names for its older format; and what was checked is what is loaded.
        copy = pathlib.Path(folder) / "copy.weights.h5"
        try:
            with files.open_file(path) as source, open(copy, "wb") as target:
                if os.fstat(source.fileno()).st_size > 2 * LARGEST:
                    raise InputError(f"{path} has more than {2 * LARGEST:,} bytes; {remedy}")
                shutil.copyfileobj(source, target)
        except FileNotFoundError:
            raise InputError(f"{path} does not exist; {remedy}") from None
        try:
            count = isolation.call(count_weights, copy, name=str(path))
        except InputError as error:
            raise InputError(f"{error}; {remedy}") from None
        if count < least:
            raise InputError(
                f"{path} holds {count:,} numbers and is of a smaller network than its settings say "
                f"({least:,} or more); {remedy}"
            )
        model = build()
        try:
            model.load_weights(copy)
        except Exception as error:  # Keras and h5py raise anything for what does not fit
            raise InputError(
                f"{path} is of another network ({config.reason(error)}); {remedy}"
            ) from None
    return model


def save_weights(model: "keras.Model", path: files.Place) -> None:
    """Writes a network's weights for `load_weights`, whole or not at all; else `InputError`."""
    path = pathlib.Path(path)
    try:
        with files.temporary_folder(path.parent) as folder:
            model.save_weights(folder / "new.weights.h5")
            os.replace(folder / "new.weights.h5", path)
    except (OSError, RuntimeError) as error:  # h5py raises both where a disk is full
        raise InputError(f"{path} cannot be written ({config.reason(error)})") from None


def count_weights(path: str) -> int:
    """How many numbers a Keras weight file holds; for `isolation.call`. ValueError where it has
    links, other data than numbers, too many, or some that are not finite."""
    import h5py  # here: the process that calls has no need of it

    count, groups, seen = 0, [], set()
    with h5py.File(path, "r") as file:
        groups.append(file)
        while groups:
            group = groups.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError("it has links to other places")
                part = group[name]
                place = h5py.h5o.get_info(part.id).addr
                if place in seen:
                    raise ValueError("it has one part in two places")
                seen.add(place)
                if isinstance(part, h5py.Group):
                    groups.append(part)
                    continue
                count += _count_numbers(part)
                if 4 * count > LARGEST:
                    raise ValueError(f"it has more than {LARGEST // 4:,} numbers")
    return count


def _count_numbers(data: "h5py.Dataset") -> int:
    """How many numbers an HDF5 data set holds, all of them finite."""
    if not hasattr(data, "is_virtual") or data.external or data.is_virtual:
        raise ValueError("it has data in other files")
    if "dtype" in data.attrs:  # Keras would take whole numbers for parts of others
        raise ValueError("it has numbers of a kind that no network here has")
    if data.dtype.kind not in "fiu":
        raise ValueError(f"it has {data.dtype} where numbers belong")
    if data.size is None or 4 * data.size > LARGEST:
        raise ValueError(f"it has more than {LARGEST // 4:,} numbers")
    _check_finite(data[()])
    return int(data.size)


def _check_finite(values: np.ndarray) -> None:
    """Raises ValueError where numbers are not finite once they are float32, as networks are."""
    if np.asarray(values).dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        if not np.isfinite(np.asarray(values, np.float32)).all():
            raise ValueError("it has numbers that are not finite")


def _check_directory(file: typing.BinaryIO) -> None:
    """Raises ValueError where a zip file's list of members is missing or too long to be read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END.size > len(tail):
        raise ValueError("it is no archive, or cut off")
    record = _END.unpack_from(tail, place)
    if record[4] > MOST_MEMBERS or record[5] > LONGEST_DIRECTORY:
        raise ValueError("it has too many members")
    file.seek(0)


def _read_file(
    file: typing.BinaryIO,
    path: files.Place,
    what: str,
    most: int,
    wanted: typing.Iterable[str] | None,
) -> dict[str, np.ndarray]:
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            return _read_members(archive, most, wanted)
    except Exception as error:  # zipfile, zlib and NumPy raise anything for damage
        raise InputError(f"{path} does not hold {what} ({config.reason(error)})") from None


def _read_members(
    archive: zipfile.ZipFile, most: int, wanted: typing.Iterable[str] | None
) -> dict[str, np.ndarray]:
    members = archive.infolist()
    names = [member.filename.removesuffix(".npy") for member in members]
    if len(set(names)) < len(names):
        raise ValueError("it has two arrays of one name")
    if sum(member.file_size for member in members) > most + 4096 * len(members):
        raise ValueError(f"its arrays have more than {most:,} bytes")
    places = dict(zip(names, members, strict=True))
    wanted = names if wanted is None else wanted
    for name in wanted:
        if name not in places:
            raise ValueError(f"it has no array {name}")
    return {name: _read_member(archive, places[name]) for name in wanted}


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("it is compressed by a method that NumPy does not use")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = _HEADERS.get(version)
        if read_header is None:
            raise ValueError(f"it has an array of version {version}")
        shape, by_columns, dtype = read_header(file)
        if dtype.kind not in KINDS:
            raise ValueError(f"it has {dtype} where numbers belong")
        count = math.prod(shape)
        if max(shape, default=0) > LONGEST_SIDE:
            raise ValueError("an array is too long")
        if min(shape, default=0) < 0 or count * dtype.itemsize != member.file_size - file.tell():
            raise ValueError("an array is not as large as it says")
        values = np.empty(count, dtype)
        rest = memoryview(values.view(np.uint8)) if values.nbytes else memoryview(b"")
        while rest:
            read = file.readinto(rest)
            if not read:
                raise EOFError("it is cut off")
            rest = rest[read:]
        file.read(1)  # at the end the checksum is compared
    _check_finite(values)
    return values.reshape(shape, order="F" if by_columns else "C")
