"""A folder of pictures as a source: sub-folders named by culture, or a CSV of tags, or no tags.

Every file is decoded once at the start. What cannot be read is named with its reason in
`Source.skipped` and left out. Decoded pictures stay in memory up to a limit; beyond it a picture
is decoded again whenever it is drawn, of most JPEG files the part that is drawn, with the same
result.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import re
import typing
import unicodedata

import numpy as np
from PIL import JpegImagePlugin

from stylegan_culture import images, tables
from stylegan_culture.config import OUTSIDE, InputError
from stylegan_culture.files import read_bytes
from stylegan_culture.later import later
from stylegan_culture.pipelines.sampling import Source, held_out, identifier

tf = later("tensorflow")
IGNORED = {"thumbs.db", "desktop.ini"}
CSV_HEADER = ("path", "culture")
SKIPPED = ("path", "reason")  # header of a report on skipped files
DRAWN_BYTES = 32 * 2**20  # of a file of which TensorFlow decodes parts
DRAWN_PIXELS = 200_000_000  # of all scans of a progressive file: half a second
EDGE = 2  # columns that a window's chroma is interpolated from, beside it
LEADS_OUT = "lies outside the folder of its table; add --outside to read it all the same"
# Paths from a home folder, a drive or another machine, on every system.
_ELSEWHERE = re.compile(r"~$|~[^/\\]*[/\\]|[A-Za-z]:[/\\]|\\\\")


class Entry(typing.NamedTuple):
    """A file that a folder or its table names, before anyone has looked into it.

    cultures: its tags, in the order given. identifier: `<first culture>/<file stem>`. details: the
    table's further columns, by their names.
    """

    file: pathlib.Path
    cultures: tuple[str, ...]
    identifier: str
    details: dict[str, str] = {}


@dataclasses.dataclass(frozen=True)
class JpegFile:
    """A JPEG file whose slices are decoded alone: `[top:bottom, left:right]` is uint8
    [bottom - top, right - left, 3], bit for bit that part of the decoded picture.

    shape: (height, width, 3).
    """

    path: pathlib.Path
    shape: tuple[int, int, int]

    def __getitem__(self, part: tuple[slice, slice]) -> np.ndarray:
        (top, bottom, _), (left, right, _) = map(slice.indices, part, self.shape[:2])
        first, last = max(left - EDGE, 0), min(right + EDGE, self.shape[1])
        try:
            pixels = tf.io.decode_and_crop_jpeg(
                read_bytes(self.path, DRAWN_BYTES),
                [top, first, bottom - top, last - first],
                channels=3,
                dct_method="INTEGER_ACCURATE",  # as Pillow decodes
            )
        except (tf.errors.OpError, InputError, OSError):  # the file is another one by now
            return images.read_uint8(self.path)[part]
        return pixels.numpy()[:, left - first : right - first]


def load(
    path: str | os.PathLike, short_side: int = 512, cache_mib: int = 1024, least: int = 2
) -> Source:
    """Pictures with cultures: a folder of culture folders, a folder with a CSV, or that CSV.

    The CSV has the header `path,culture`; paths are relative to its folder; several cultures of a
    picture are separated by `;` and the first one decides its identifier; further columns are
    ignored; where there is a CSV, sub-folders do not count. Rows that lead out of its folder are
    skipped, unless `path` ends in `?outside`. Pictures are reduced to `short_side` pixels;
    `cache_mib` limits the memory for decoded pictures. Raises `InputError` for a missing or empty
    folder and for fewer than `least` cultures.
    """
    source = _read_files(*listed(path), short_side, cache_mib)
    if len(source.cultures) < least:
        rest = f"only culture {source.cultures[0]!r}" if source.cultures else "no readable picture"
        need = "at least two cultures" if least == 2 else "pictures of a culture"
        raise InputError(
            f"{path} holds {rest}; training needs {need}: sub-folders named by culture, or a CSV "
            f"with the header path,culture{_first_reason(source)}"
        )
    return source


def listed(path: str | os.PathLike) -> tuple[list[Entry], list[tuple[str, str]]]:
    """The entries that `load` reads, in order, not decoded, and (path, reason) of the others."""
    path, outside = located(path)
    table = path if not path.is_dir() else _find_table(path)
    entries, skipped = _from_table(table, outside) if table else _from_folders(path)
    entries = _nameable(entries, skipped)
    return entries, [_plain_text(*pair) for pair in skipped]


def load_content(path: str | os.PathLike, short_side: int = 512, cache_mib: int = 1024) -> Source:
    """Pictures without culture (K = 0), from a folder and all folders within it.

    Identifiers are `content/<path without suffix>`. Raises `InputError` where none can be read.
    """
    path = existing(path)
    entries, skipped = [], []
    for file in files(path):
        below = file.relative_to(path).parent.as_posix()
        group = "content" if below == "." else f"content/{below}"
        entries.append(Entry(file, (), identifier(group, file.stem)))
    source = _read_files(_nameable(entries, skipped), skipped, short_side, cache_mib)
    if not len(source):
        raise InputError(f"{path} holds no readable picture; add some{_first_reason(source)}")
    return source


def tabled(*data: str) -> list[pathlib.Path]:
    """Pictures that tables of `folder:PATH` name, in any place; none of other data."""
    pictures = []
    for text in data:
        kind, _, name = text.partition(":")
        path = pathlib.Path(name).expanduser()
        if kind != "folder" or not path.exists():
            continue
        with contextlib.suppress(InputError):  # which is reported when the data are loaded
            if path.is_file() or _find_table(path):
                pictures += [entry.file for entry in listed(path)[0]]
    return pictures


def write_report(path: str | os.PathLike, source: Source) -> None:
    """Writes the skipped files as CSV `path,reason` (UTF-8), whole or not at all."""
    tables.write(path, SKIPPED, source.skipped)


def located(path: str | os.PathLike) -> tuple[pathlib.Path, bool]:
    """The path after `folder:`, and whether rows of its table may lead out of its folder, which
    `?outside` at its end says."""
    text = str(path)
    return existing(text.removesuffix(OUTSIDE)), text.endswith(OUTSIDE)


def existing(path: str | os.PathLike) -> pathlib.Path:
    """A path, its ~ resolved; `InputError` where there is nothing."""
    path = pathlib.Path(path).expanduser()
    if not path.exists():
        raise InputError(f"{path} does not exist; name a folder of pictures")
    return path


def files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Every file in a folder and below it, sorted by name; hidden ones are passed over."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and file.name.lower() not in IGNORED
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _from_folders(path: pathlib.Path) -> tuple[list, list]:
    """Every file in sub-folders, and what was skipped."""
    entries, skipped = [], []
    for folder in sorted(path.iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        culture = unicodedata.normalize("NFC", folder.name)
        pictures = files(folder)
        entries += [Entry(file, (culture,), identifier(culture, file.stem)) for file in pictures]
        if not pictures:
            skipped.append((str(folder), "the folder is empty"))
    return entries, skipped


def _find_table(path: pathlib.Path) -> pathlib.Path | None:
    """The one CSV of a folder whose header has the columns path and culture, or None."""
    named = sorted(file for file in path.glob("*.csv") if file.is_file())
    tagged = [file for file in named if set(CSV_HEADER) <= set(tables.header(file))]
    if len(tagged) > 1:
        names = " and ".join(table.name for table in tagged[:2])
        raise InputError(f"{path} holds several tables of tags ({names}); keep one or name it")
    return tagged[0] if tagged else None


def _from_table(table: pathlib.Path, outside: bool) -> tuple[list, list]:
    """Every tagged row, and what was skipped."""
    header, rows = tables.read(table)
    if not set(CSV_HEADER) <= set(header):
        raise InputError(f"{table} has no header path,culture; write it as the first line")
    entries, skipped, seen = [], [], set()
    roots = None if outside else (os.path.abspath(table.parent), os.path.realpath(table.parent))
    for row in rows:
        cells = dict(zip(header, row, strict=False))
        name, tags = cells.get("path", ""), unicodedata.normalize("NFC", cells.get("culture", ""))
        cultures = tuple(dict.fromkeys(tag.strip() for tag in tags.split(";") if tag.strip()))
        picture = _find_picture(table.parent, name, roots)
        if not cultures:
            skipped.append((name, "the row names no culture"))
        elif picture is None:
            skipped.append((name, LEADS_OUT))
        elif picture in seen:
            skipped.append((name, "the row stands twice in the table"))
        else:
            seen.add(picture)
            details = {key: cells.get(key, "") for key in header if key and key not in CSV_HEADER}
            entries.append(Entry(picture, cultures, identifier(cultures[0], picture.stem), details))
    return entries, skipped


def _find_picture(
    folder: pathlib.Path, name: str, roots: tuple[str, str] | None
) -> pathlib.Path | None:
    """A row's file, whether it exists or not; None where it lies outside of `roots`.

    Composed and decomposed Unicode names are both tried, and last the cell as it stands: a name in
    somebody else's table may look as if `tables` had spelled it out.
    """
    forms = (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    for text in (*forms, tables.written(name)):
        picture = _placed(folder, text, roots)
        if picture is None or os.path.exists(picture):  # it is not, too, for an impossible name
            return picture
    return folder / name


def _placed(folder: pathlib.Path, name: str, roots: tuple[str, str] | None) -> pathlib.Path | None:
    """The path of a name in a folder; None where it leads out of `roots`, the folder's absolute and
    real paths, or None where it may lead out.

    A name that leads out is not even looked for: that may reach another machine.
    """
    literal = folder / name
    elsewhere = _ELSEWHERE.match(name)
    if roots is None:
        reached = elsewhere and not os.path.exists(literal)
        return folder / os.path.expanduser(name) if reached else literal
    place = os.path.normpath(os.path.join(roots[0], name))
    if not any(_within(place, root) for root in roots):
        return None
    if elsewhere and not os.path.exists(literal):
        return None
    try:
        return literal if _within(os.path.realpath(literal), roots[1]) else None
    except ValueError:  # no file can have such a name
        return literal


def _within(place: str, root: str) -> bool:
    return place == root or place.startswith(os.path.join(root, ""))


def _nameable(entries: list[Entry], skipped: list) -> list[Entry]:
    """The entries whose texts are Unicode; others, of files whose names are no UTF-8, are skipped,
    because no record of a run could hold them."""
    kept = []
    for entry in entries:
        try:
            "".join((entry.identifier, *entry.cultures, *entry.details.values())).encode()
            kept.append(entry)
        except UnicodeEncodeError:
            reason = "has a name that is no UTF-8; rename it"
            skipped.append(_plain_text(str(entry.file), reason))
    return kept


def _plain_text(path: str, reason: str) -> tuple[str, str]:
    """Path and reason of a skipped file as texts that JSON can hold."""
    path, reason = (text.encode("utf-8", "backslashreplace").decode() for text in (path, reason))
    return path, reason


def _read_files(entries: list[Entry], skipped: list, short_side: int, cache_mib: int) -> Source:
    def read(entry: Entry) -> np.ndarray:
        return images.read_uint8(entry.file, short_side=short_side)

    def part(entry: Entry) -> JpegFile | None:
        return jpeg_file(entry.file, short_side)

    return read_all(entries, skipped, read, cache_mib, part)


def read_all(
    entries: list[Entry],
    skipped: list[tuple[str, str]],
    read_entry: typing.Callable[[Entry], np.ndarray],
    cache_mib: int,
    part_entry: typing.Callable[[Entry], JpegFile | None] | None = None,
) -> Source:
    """Decodes every entry once, in parallel, and makes the source of those that can be read.

    `read_entry` turns an entry into uint8 [H, W, 3], or raises `InputError`; `part_entry`, where
    entries are files, turns one into a `JpegFile`, or None where slices cannot be decoded alone.
    """
    kept, cache, room = [], {}, cache_mib * 2**20
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda entry: try_read(entry, read_entry), entries)
        for entry, (pixels, reason) in zip(entries, results, strict=True):
            if reason:
                skipped.append(_plain_text(str(entry.file), reason))
                continue
            if pixels.nbytes <= room:
                room -= pixels.nbytes
                cache[len(kept)] = pixels
            kept.append(entry)
        others = [number for number in range(len(kept)) if part_entry and number not in cache]
        in_parts = dict(
            zip(others, pool.map(lambda number: part_entry(kept[number]), others), strict=True)
        )
    cultures = tuple(sorted({culture for entry in kept for culture in entry.cultures}))
    ids = tuple(entry.identifier for entry in kept)
    columns = {culture: column for column, culture in enumerate(cultures)}
    tags = np.zeros((len(kept), len(cultures)), bool)
    for row, entry in enumerate(kept):
        tags[row, [columns[culture] for culture in entry.cultures]] = True

    def read(number: int) -> np.ndarray:
        pixels = cache.get(number)
        return read_entry(kept[number]) if pixels is None else pixels

    def read_parts(number: int) -> np.ndarray | JpegFile:
        picture = in_parts.get(number)
        return read(number) if picture is None else picture

    return Source(
        cultures=cultures,
        ids=ids,
        tags=tags,
        read=read,
        held=held_out(ids),
        skipped=tuple(skipped),
        files=tuple(str(entry.file) for entry in kept) if part_entry else (),
        read_parts=read_parts if part_entry else None,
    )


def jpeg_file(path: pathlib.Path, short_side: int) -> JpegFile | None:
    """A file as `JpegFile`; None where its slices would not be those of
    `images.read_uint8(path, short_side=short_side)`: for other formats and grey, CMYK, rotated or
    larger pictures, and for what cannot be read."""
    with contextlib.suppress(InputError), images.opened(path) as (picture, inspected):
        width, height = picture.size
        if (
            picture.format == "JPEG"
            and min(width, height) <= short_side
            and os.path.getsize(path) <= DRAWN_BYTES
            and (inspected.scans == 1 or inspected.scans * width * height <= DRAWN_PIXELS)
            and picture.mode == "RGB"
            and JpegImagePlugin.get_sampling(picture) >= 0
            and picture.getexif().get(images.ORIENTATION, 1) == 1
        ):
            return JpegFile(path, (height, width, 3))
    return None


def try_read(
    entry: Entry, read_entry: typing.Callable[[Entry], np.ndarray]
) -> tuple[np.ndarray | None, str]:
    """(pixels, ""), or (None, reason) for an entry that cannot be read."""
    try:
        return read_entry(entry), ""
    except InputError as error:
        return None, str(error).removeprefix(f"{entry.file} ")


def _first_reason(source: Source) -> str:
    if not source.skipped:
        return ""
    return f" ({len(source.skipped)} skipped, the first: {' '.join(source.skipped[0])})"
