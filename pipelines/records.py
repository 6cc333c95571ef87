"""TFRecord shards that `prepare records` wrote: their format, and the source of their pictures.

The place of each record is noted at the start; a picture that is not decoded in memory is read from
there whenever it is drawn. TensorFlow Datasets is not used: it imports the modules that
`features.json` names, which a stranger may have written. Here the metadata must be those that
`prepare records` writes, file names are built and not read, and every record is checked before its
picture is used.
"""

import dataclasses
import os
import pathlib
import struct
import typing

import numpy as np

from stylegan_culture import config, files, images
from stylegan_culture.config import InputError, option, shortened
from stylegan_culture.later import later
from stylegan_culture.pipelines import folder
from stylegan_culture.pipelines.sampling import Source

tf = later("tensorflow")
NAME, VERSION = "culture_pictures", "1.0.0"
SPLITS = ("train", "held_out")
LARGEST_RECORD = 32 * 2**20  # bytes; a reader may need twenty times as many to parse one
FEATURES = {"image": "image", "cultures": "sequence", "id": "text", "number": "tensor"}
DETAILS = "details"  # a feature of texts, of a table's further columns
TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"  # of the shards' names
HEADER = struct.Struct("<QI")  # of a TFRecord: length and the length's checksum
FOOTER = 4  # the data's checksum
PNG = struct.Struct(">8sI4sIIBB")  # a PNG file's start: width, height, bits, kind of colour
MOST_SHARDS = 100_000  # of a split
MOST_RECORDS = 2_000_000
MOST_CULTURES = 10_000
MOST_TAGS = 2**28  # records times cultures
LONGEST_NAME = 1000  # characters of a culture or an identifier
REMEDY = "write the data set again with `stylegan-culture prepare records`"


def _refusal(text: str) -> InputError:
    return InputError(f"{text}; {REMEDY}")


@dataclasses.dataclass(frozen=True)
class RecordsConfig:
    """The data set to write, and who writes it."""

    out: str = option("", "folder for the data set")
    short_side: int = option(512, "short side to which larger pictures are reduced, pixels", low=1)
    beam: bool = option(False, "prepare on Apache Beam")
    runner: str = option("DirectRunner", "Beam's runner, with --beam")
    beam_options: str = option("", "further options of the runner, as one quoted text")
    report: str = option("skipped.csv", "CSV of skipped files")


@dataclasses.dataclass(frozen=True)
class _Record:
    """Where an example lies."""

    shard: pathlib.Path
    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.shard.name}, byte {self.offset}"

    def image(self, short_side: int) -> bytes:
        """The picture's file: PNG as `prepare records` writes it, which costs no more memory than
        its pixels do. Raises `InputError` for anything else."""
        with files.open_file(self.shard) as file:
            file.seek(self.offset)
            content = _value(_parsed(file.read(self.length), self), "image", "bytes_list", self)
        if len(content) >= PNG.size:
            mark, _, name, width, height, bits, colour = PNG.unpack_from(content)
            if mark == b"\x89PNG\r\n\x1a\n" and name == b"IHDR" and (bits, colour) == (8, 2):
                if min(width, height) <= short_side:
                    return content
                raise InputError(f"{self} is larger than the {short_side} pixels of its data set")
        raise InputError(f"{self} is no PNG of 8 bits and three colours")


@dataclasses.dataclass(frozen=True)
class _DataSet:
    """The metadata: files of records with their counts, cultures, and `metadata.json`."""

    shards: tuple[tuple[pathlib.Path, int], ...]
    cultures: tuple[str, ...]
    short_side: int
    skipped: tuple[tuple[str, str], ...]


def load(
    path: str | os.PathLike, short_side: int = 512, cache_mib: int = 1024, least: int = 1
) -> Source:
    """The source of the data set in a folder: both splits, in the order of the folder they are of.

    Equals `folder.load` of that folder where both have the same `short_side`; pictures have no more
    pixels than they were written with. `cache_mib` limits memory for decoded pictures. Raises
    `InputError` for a folder without such a data set, for metadata and records that `prepare
    records` does not write, for shards that are cut short, and for pictures that were all reduced
    below `least` pixels.
    """
    described = _described(_place(folder.existing(path)))
    if described.short_side < least:
        raise InputError(
            f"{path} holds pictures of {described.short_side} pixels, which are too few for "
            f"{least}; write them again with --short-side {short_side}"
        )
    entries = {}
    for shard, count in described.shards:
        for number, entry in _entries(shard, count, described.cultures):
            if number in entries:
                raise _refusal(f"{entry.file} has the number of another record")
            entries[number] = entry

    def read(entry: folder.Entry) -> np.ndarray:
        return images.read_uint8(entry.file.image(described.short_side), short_side=short_side)

    ordered = [entries[number] for number in sorted(entries)]
    source = folder.read_all(ordered, list(described.skipped), read, cache_mib)
    if len(source.cultures) < 2:
        raise _refusal(f"{path} holds fewer than two cultures with readable pictures")
    return source


def _place(path: pathlib.Path) -> pathlib.Path:
    """The one data set in a folder, or in the folders of its name and version."""
    places = [one for one in (path, path / NAME / VERSION) if (one / "dataset_info.json").exists()]
    if len(places) != 1:
        raise InputError(
            f"{path} holds {len(places)} data sets where one is wanted; write one with "
            "`stylegan-culture prepare records PATH --out DIR`"
        )
    if not _is_within(places[0], path):
        raise InputError(f"{places[0]} leads out of {path}; name the folder that it leads to")
    return places[0]


def _described(place: pathlib.Path) -> _DataSet:
    """The metadata of a data set, every value checked."""
    shards = _shards(place)
    metadata = _json(place, "metadata.json")
    cultures = _cultures(place, metadata)
    _check_features(place, len(cultures))
    if sum(count for _, count in shards) * len(cultures) > MOST_TAGS:
        raise _refusal(f"{place} has too many records of too many cultures")
    side, skipped = metadata.get("short_side"), metadata.get("skipped")
    if type(side) is not int or side < 1:
        raise _refusal(f"{place / 'metadata.json'} has the short side {shortened(side)}")
    pairs = isinstance(skipped, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
        for pair in skipped
    )
    if not pairs:
        raise _refusal(f"{place / 'metadata.json'} has no list of skipped files")
    return _DataSet(shards, cultures, side, tuple((name, reason) for name, reason in skipped))


def _shards(place: pathlib.Path) -> tuple[tuple[pathlib.Path, int], ...]:
    """(file, records) of every shard, by the names that `dataset_info.json` stands for."""
    info = _json(place, "dataset_info.json")
    facts = [info.get(name) for name in ("name", "version", "fileFormat")]
    splits = info.get("splits")
    if facts != [NAME, VERSION, "tfrecord"] or not isinstance(splits, list):
        raise _foreign(place)
    counts = {}
    for split in splits:
        if not isinstance(split, dict) or split.get("filepathTemplate", TEMPLATE) != TEMPLATE:
            raise _foreign(place)
        name, lengths = split.get("name"), split.get("shardLengths")
        if name not in SPLITS or name in counts or not isinstance(lengths, list):
            raise _foreign(place)
        if len(lengths) > MOST_SHARDS or not all(map(_is_count, lengths)):
            raise _foreign(place)
        counts[name] = [int(length) for length in lengths]
    if len(counts) != len(SPLITS) or sum(map(sum, counts.values())) > MOST_RECORDS:
        raise _foreign(place)
    return tuple(
        (_inside(place, f"{NAME}-{name}.tfrecord-{number:05d}-of-{len(lengths):05d}"), count)
        for name, lengths in counts.items()
        for number, count in enumerate(lengths)
    )


def _is_count(text: object) -> bool:
    """Whether a value is a whole number as protobuf writes it in JSON: as text."""
    return isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 10


def _cultures(place: pathlib.Path, metadata: dict) -> tuple[str, ...]:
    """The cultures in the order of their numbers."""
    cultures = metadata.get("cultures")
    if not isinstance(cultures, dict):
        raise _foreign(place)
    if len(cultures) > MOST_CULTURES or any(len(name) > LONGEST_NAME for name in cultures):
        raise InputError(f"{place / 'metadata.json'} names too many cultures, or too long ones")
    path = _inside(place, "cultures.labels.txt")
    try:
        labels = files.read_bytes(path, files.LARGEST_JSON).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(f"{path} cannot be read ({config.reason(error)})") from None
    if _lines(labels) != _lines("\n".join(cultures)):
        raise _refusal(f"{path} has other cultures than metadata.json")
    return tuple(cultures)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _check_features(place: pathlib.Path, count: int) -> None:
    """Raises `InputError` where features are not of the kinds that `prepare records` writes."""
    described = _json(place, "features.json")
    try:
        features = described["featuresDict"]["features"]
        kinds = {name: set(one) - {"pythonClassName"} for name, one in features.items()}
        classes = features["cultures"]["sequence"]["feature"]["classLabel"]["numClasses"]
    except (KeyError, TypeError, AttributeError):
        raise _foreign(place) from None
    if kinds.pop(DETAILS, {"featuresDict"}) != {"featuresDict"}:
        raise _foreign(place)
    if kinds != {name: {kind} for name, kind in FEATURES.items()} or classes != str(count):
        raise _foreign(place)
    for name in _class_names(described):
        if not isinstance(name, str) or not name.startswith("tensorflow_datasets."):
            raise InputError(
                f"{place / 'features.json'} names the class {shortened(name)}, which is none of "
                f"TensorFlow Datasets; {REMEDY}"
            )


def _class_names(value: object) -> typing.Iterator[object]:
    """Every class that a description of features names."""
    if isinstance(value, dict):
        if "pythonClassName" in value:
            yield value["pythonClassName"]
        for part in value.values():
            yield from _class_names(part)


def _entries(
    shard: pathlib.Path, count: int, cultures: tuple[str, ...]
) -> typing.Iterator[tuple[int, folder.Entry]]:
    """(number, entry) of every example of a shard, whose checksums are compared."""
    places = _places(shard, count)
    if len(places) != count:
        amount = "more" if len(places) > count else "fewer"
        raise _refusal(f"{shard} is cut short or damaged: it holds {amount} than {count}")
    examples = iter(tf.data.TFRecordDataset(os.fsencode(shard.absolute())))
    for offset, length in places:
        record = _Record(shard, offset, length)
        try:
            content = next(examples).numpy()
        except (tf.errors.OpError, StopIteration):
            raise _refusal(f"{record} is damaged: its checksum is wrong") from None
        yield _entry(_parsed(content, record), record, cultures)


def _places(shard: pathlib.Path, count: int) -> list[tuple[int, int]]:
    """(offset, length) of every record of a TFRecord file, up to one more than `count`."""
    places = []
    try:
        with files.open_file(shard) as file:
            size, position = os.fstat(file.fileno()).st_size, 0
            while position < size and len(places) <= count:
                header = file.read(HEADER.size)
                length = HEADER.unpack(header)[0] if len(header) == HEADER.size else size
                if position + HEADER.size + length + FOOTER > size:
                    raise _refusal(f"{shard} is cut short")
                if length > LARGEST_RECORD:
                    raise InputError(
                        f"{shard} has a record of more than {LARGEST_RECORD:,} bytes; {REMEDY}, "
                        "with a smaller --short-side"
                    )
                places.append((position + HEADER.size, length))
                position = file.seek(length + FOOTER, os.SEEK_CUR)
    except OSError as error:
        raise _refusal(f"{shard} cannot be read ({config.reason(error)})") from None
    return places


def _entry(
    features: typing.Mapping, record: _Record, cultures: tuple[str, ...]
) -> tuple[int, folder.Entry]:
    """The number and the entry of a record, every value of which is checked."""
    if any(name not in FEATURES and not name.startswith(f"{DETAILS}/") for name in features):
        raise _refusal(f"{record} has another feature than `prepare records` writes")
    for name in features:
        if name not in ("cultures", "number"):
            _value(features, name, "bytes_list", record)
    _value(features, "image", "bytes_list", record)
    number = _value(features, "number", "int64_list", record)
    if number < 0:
        raise _refusal(f"{record} has the number {number}")
    try:
        identifier = _value(features, "id", "bytes_list", record).decode("utf-8")
    except UnicodeDecodeError:
        raise _refusal(f"{record} has an identifier that is no UTF-8") from None
    if not 0 < len(identifier) <= LONGEST_NAME:
        raise _refusal(f"{record} has an identifier of {len(identifier)} characters")
    labels = _values(features, "cultures", "int64_list", record)
    right = 0 < len(labels) <= len(cultures) and len(set(labels)) == len(labels)
    if not right or min(labels) < 0 or max(labels) >= len(cultures):
        raise _refusal(f"{record} has other cultures than its data set")
    return number, folder.Entry(record, tuple(cultures[label] for label in labels), identifier)


def _parsed(content: bytes, record: _Record) -> typing.Mapping:
    """The features of a serialised example by name; one with repeated parts is refused."""
    from google.protobuf.message import DecodeError

    try:
        example = tf.train.Example.FromString(content)
    except DecodeError:
        raise _refusal(f"{record} is damaged: it is no example") from None
    # What is written once has the size that it is read with; hidden repetition would cost memory.
    example.DiscardUnknownFields()
    if len(content) != record.length or example.ByteSize() != record.length:
        raise _refusal(f"{record} is damaged: it has hidden parts")
    return example.features.feature


def _values(
    features: typing.Mapping, name: str, kind: str, record: _Record
) -> typing.Sequence[typing.Any]:
    """The values of a feature, which has to be of a kind."""
    if name not in features or features[name].WhichOneof("kind") != kind:
        raise _refusal(f"{record} has no {name} as `prepare records` writes it")
    return getattr(features[name], kind).value


def _value(features: typing.Mapping, name: str, kind: str, record: _Record) -> typing.Any:
    """The one value of a feature."""
    values = _values(features, name, kind, record)
    if len(values) != 1:
        raise _refusal(f"{record} has {len(values)} values of {name} instead of one")
    return values[0]


def _json(place: pathlib.Path, name: str) -> dict:
    path = _inside(place, name)
    try:
        return files.read_json(path, REMEDY)
    except FileNotFoundError:
        raise _refusal(f"{path} is missing") from None


def _inside(place: pathlib.Path, name: str) -> pathlib.Path:
    """A file of the data set; `InputError` where it is a link out of the folder."""
    path = place / name
    if not _is_within(path, place):
        raise InputError(f"{path} leads out of its folder; copy the file that it leads to")
    return path


def _is_within(path: pathlib.Path, place: pathlib.Path) -> bool:
    """Whether a path leads to a place or below it, links followed."""
    return pathlib.Path(os.path.realpath(path)).is_relative_to(os.path.realpath(place))


def _foreign(place: pathlib.Path) -> InputError:
    return InputError(
        f"{place} was not written by `stylegan-culture prepare records`; data sets of "
        "TensorFlow Datasets are read with tfds:NAME"
    )
