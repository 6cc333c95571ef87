"""Reads what `python -m pipelines.prepare records` wrote, as a source of pictures.

The shards stay on the disk: where each record lies is noted at the start, and a picture that is not
among the decoded ones in memory is read from there whenever it is drawn.
"""

import dataclasses
import os
import pathlib
import struct

import numpy as np

from pipelines import folder
from pipelines.sampling import Source
from stylegan_culture import images
from stylegan_culture.config import InputError

FEATURES = {"image", "cultures", "id", "number"}
HEADER = struct.Struct("<QI")  # of a TFRecord: length and the length's checksum
FOOTER = 4  # the data's checksum


@dataclasses.dataclass(frozen=True)
class _Record:
    """Where an example lies."""

    shard: pathlib.Path
    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.shard.name}, byte {self.offset}"

    def image(self) -> bytes:
        """The picture's file."""
        with open(self.shard, "rb") as file:
            file.seek(self.offset)
            return _values(file.read(self.length), "image")[0]


def load(path, short_side: int = 512, cache_mib: int = 1024, least: int = 1) -> Source:
    """The source of the data set in a folder: both splits, in the order of the folder they are of.

    Equals `folder.load` of that folder where both have the same `short_side`; pictures have no more
    pixels than they were written with. `cache_mib` limits memory for decoded pictures. Raises
    `InputError` for a folder without such a data set, for shards that are cut short, and for
    pictures that were all reduced below `least` pixels.
    """
    builder = _builder(folder.existing(path))
    written = builder.info.metadata["short_side"]
    if written < least:
        raise InputError(
            f"{path} holds pictures of {written} pixels, which are too few for {least}; write them "
            f"anew with --short-side {short_side}"
        )
    names = builder.info.features["cultures"].feature.names
    found = sorted(
        (record for split in builder.info.splits.values() for record in _records(split, names)),
        key=lambda record: record[0],
    )
    skipped = [tuple(pair) for pair in builder.info.metadata["skipped"]]

    def read(entry: folder.Entry) -> np.ndarray:
        return images.read_uint8(entry.file.image(), short_side=short_side)

    source = folder.read_all([entry for _, entry in found], skipped, read, cache_mib)
    return dataclasses.replace(source, files=())


def _builder(path: pathlib.Path):
    """The one data set in a folder, or in the folders of its name and version."""
    import tensorflow_datasets as tfds  # here: it loads TensorFlow, which folders do not need

    places = [file.parent for file in (*path.glob("dataset_info.json"),)]
    places += [file.parent for file in path.glob("*/*/dataset_info.json")]
    if len(places) != 1:
        raise InputError(
            f"{path} holds {len(places)} data sets where one is wanted; write one with "
            "`python -m pipelines.prepare records PATH --out DIR`"
        )
    builder = tfds.builder_from_directory(places[0])
    if not set(builder.info.features) >= FEATURES or "short_side" not in builder.info.metadata:
        raise InputError(
            f"{places[0]} was not written by `python -m pipelines.prepare records`; data sets of "
            "TensorFlow Datasets are read with tfds:NAME"
        )
    return builder


def _records(split, names: list[str]):
    """(number, entry) of every example of a split."""
    for shard in map(pathlib.Path, split.filepaths):
        for offset, example in _examples(shard):
            (number,) = _values(example, "number")
            (identifier,) = _values(example, "id")
            tags = tuple(names[label] for label in _values(example, "cultures"))
            record = _Record(shard, offset, len(example))
            yield number, folder.Entry(record, tags, identifier.decode("utf-8"))


def _examples(shard: pathlib.Path):
    """(offset, serialised example) of every record of a TFRecord file."""
    with open(shard, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while (position := file.tell()) < size:
            header = file.read(HEADER.size)
            length = HEADER.unpack(header)[0] if len(header) == HEADER.size else size
            if position + HEADER.size + length + FOOTER > size:
                raise InputError(f"{shard} is cut short; write the data set anew")
            yield position + HEADER.size, file.read(length)
            file.seek(FOOTER, os.SEEK_CUR)


def _values(example: bytes, name: str):
    """The values of a feature of a serialised example."""
    import tensorflow as tf

    feature = tf.train.Example.FromString(example).features.feature[name]
    return getattr(feature, feature.WhichOneof("kind")).value
