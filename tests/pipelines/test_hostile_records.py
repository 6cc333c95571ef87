"""Shards that a stranger made: no code of theirs runs, and each ends in one sentence."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import zlib

import memory
import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.pipelines import record_writer, records

INFO, FEATURES, METADATA = "dataset_info.json", "features.json", "metadata.json"
LABELS = "cultures.labels.txt"
TRAIN = "culture_pictures-train.tfrecord-00000-of-00001"
HELD_OUT = "culture_pictures-held_out.tfrecord-00000-of-00001"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set that is right: twelve pictures of two cultures, with a column of titles."""
    place, generator = tmp_path_factory.mktemp("whole"), np.random.default_rng(5)
    rows = ["path,culture,title"]
    for number in range(12):
        images.write(place / f"{number}.png", generator.integers(0, 255, (9, 9, 3), np.uint8))
        rows.append(f"{number}.png,{('ink', 'gold')[number % 2]},Wave {number}")
    (place / "tags.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    record_writer.write(place, records.RecordsConfig(out=str(place / "set"), short_side=8))
    return place / "set" / records.NAME / records.VERSION


@pytest.fixture
def place(whole, tmp_path):
    return pathlib.Path(shutil.copytree(whole, tmp_path / "set"))


def refused(place, words=""):
    """The one sentence that a data set is refused with."""
    with pytest.raises(InputError, match=words or None) as caught:
        records.load(place)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 600
    return text


def changed(path, *changes):
    """Sets values in a JSON file; each change is a path of keys and, last, the value."""
    value = json.loads(path.read_text())
    for *keys, last, new in changes:
        part = value
        for key in keys:
            part = part[key]
        if new is None:
            del part[last]
        else:
            part[last] = new
    path.write_text(json.dumps(value))


def test_the_whole_set_is_read(place):
    source = records.load(place)
    assert len(source) == 12 and source.cultures == ("gold", "ink")


def test_a_module_beside_the_shards_is_not_imported(place):
    """The working directory is on the path, as it is with `python -m`."""
    (place / "evil.py").write_text("open('ran.txt', 'w').write('code of a stranger')\n")
    program = (
        "import sys; from stylegan_culture.pipelines import records\n"
        "from stylegan_culture.config import InputError\n"
        "try: records.load('.')\n"
        "except InputError as error: print('refused', error)\n"
        "print('tensorflow_datasets' in sys.modules, 'evil' in sys.modules, '' in sys.path)"
    )
    for name in ("image", "cultures", "id", "number", "details", "more"):
        shutil.copy(place / FEATURES, place / "kept")
        feature = ("featuresDict", "features", name)
        if name == "more":
            changed(place / FEATURES, (*feature, {"pythonClassName": "evil.F", "text": {}}))
        else:
            changed(place / FEATURES, (*feature, "pythonClassName", "evil.Feature"))
        if name == "image":
            answer = subprocess.run(
                [sys.executable, "-c", program],
                **{"cwd": place, "capture_output": True, "text": True},
            )
            assert answer.stdout.startswith("refused"), answer.stderr[-500:]
            assert answer.stdout.splitlines()[-1] == "False False True"
        else:
            refused(place)
        shutil.move(place / "kept", place / FEATURES)
    assert not list(place.rglob("ran.txt"))


SPLIT = ("splits", 0)
IN_INFO = {
    "another name": ("name", "mnist"),
    "a path as name": ("name", "../culture_pictures"),
    "no name": ("name", None),
    "a list as name": ("name", ["culture_pictures"]),
    "another version": ("version", "2.0.0"),
    "a path as version": ("version", "../../1.0.0"),
    "another format": ("fileFormat", "array_record"),
    "no format": ("fileFormat", None),
    "no splits": ("splits", None),
    "splits as an object": ("splits", {"train": {}}),
    "splits as numbers": ("splits", [1, 2]),
    "no split at all": ("splits", []),
    "a split alone": ("splits", 1, None),
    "a split twice": (*SPLIT, "name", "held_out"),
    "a path as split": (*SPLIT, "name", "../../../etc/passwd"),
    "an object as split's name": (*SPLIT, "name", {}),
    "a template that leaves": (*SPLIT, "filepathTemplate", "../{SPLIT}.{FILEFORMAT}"),
    "an absolute template": (*SPLIT, "filepathTemplate", "/etc/passwd"),
    "a template with attributes": (*SPLIT, "filepathTemplate", "{DATASET.__class__}"),
    "a number as template": (*SPLIT, "filepathTemplate", 7),
    "no counts": (*SPLIT, "shardLengths", None),
    "counts as text": (*SPLIT, "shardLengths", "10"),
    "counts as numbers": (*SPLIT, "shardLengths", [10]),
    "a negative count": (*SPLIT, "shardLengths", ["-10"]),
    "an Arabic count": (*SPLIT, "shardLengths", ["١٠"]),
    "a broken count": (*SPLIT, "shardLengths", ["1e1"]),
    "a giant count": (*SPLIT, "shardLengths", ["9" * 4000]),
    "many records": (*SPLIT, "shardLengths", ["999999999"]),
    "a record too many": (*SPLIT, "shardLengths", ["11"]),
    "a record too few": (*SPLIT, "shardLengths", ["9"]),
    "many shards": (*SPLIT, "shardLengths", ["0"] * 200_000),
    "shards that are not there": (*SPLIT, "shardLengths", ["5", "5"]),
}
FEATURE = ("featuresDict", "features")
IN_FEATURES = {
    "no dictionary": ("featuresDict", None),
    "a text as dictionary": ("featuresDict", "image"),
    "a list of features": (*FEATURE, ["image", "cultures", "id", "number"]),
    "texts as features": (*FEATURE, dict.fromkeys(records.FEATURES, "text")),
    "nothing as features": (*FEATURE, {}),
    "no picture": (*FEATURE, "image", None),
    "no number": (*FEATURE, "number", None),
    "an audio feature": (*FEATURE, "id", {"audio": {}, "pythonClassName": "x"}),
    "a picture of two kinds": (*FEATURE, "image", "video", {}),
    "details of another kind": (*FEATURE, "details", {"text": {}}),
    "one culture's label": (*FEATURE, "cultures", {"classLabel": {"numClasses": "2"}}),
    "more classes": (*FEATURE, "cultures", "sequence", "feature", "classLabel", {"numClasses": 9}),
    "a number as class": (*FEATURE, "id", "pythonClassName", 4),
    "a list as class": ("pythonClassName", ["os.system"]),
    "a class of the system": ("pythonClassName", "os.system"),
    "a class far within": (*FEATURE, "details", "x", {"y": {"pythonClassName": "antigravity.X"}}),
}
IN_METADATA = {
    "no short side": ("short_side", None),
    "a true short side": ("short_side", True),
    "a negative short side": ("short_side", -8),
    "a fraction as short side": ("short_side", 8.5),
    "a text as short side": ("short_side", "8"),
    "cultures as a list": ("cultures", ["gold", "ink"]),
    "no cultures": ("cultures", None),
    "another culture": ("cultures", "paper", {}),
    "a long culture": ("cultures", "x" * 2000, {}),
    "many cultures": ("cultures", {str(number): {} for number in range(20_000)}),
    "skipped as a text": ("skipped", "all"),
    "skipped files as texts": ("skipped", ["a"]),
    "skipped triples": ("skipped", [["a", "b", "c"]]),
    "skipped numbers": ("skipped", [[1, 2]]),
}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *((INFO, change) for change in IN_INFO.values()),
        *((FEATURES, change) for change in IN_FEATURES.values()),
        *((METADATA, change) for change in IN_METADATA.values()),
    ],
    ids=[*IN_INFO, *IN_FEATURES, *IN_METADATA],
)
def test_metadata_that_this_program_does_not_write(place, name, change):
    changed(place / name, change)
    refused(place)


DAMAGE = {
    "empty": b"",
    "no JSON": b"\x80\x04\x95 pickle",
    "a list": b"[]",
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "no number": b'{"short_side": NaN}',
    "a giant number": b'{"short_side": 1' + b"0" * 5000 + b"}",
    "half a surrogate pair": b'{"cultures": {"\\ud800": {}}}',
    "17 MiB": b'{"a": "' + b" " * (17 * 2**20) + b'"}',
}


@pytest.mark.parametrize("name", [INFO, FEATURES, METADATA])
@pytest.mark.parametrize("content", DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_json(place, name, content):
    (place / name).write_bytes(content)
    refused(place)


@pytest.mark.parametrize("name", [INFO, FEATURES, METADATA, LABELS, TRAIN, HELD_OUT])
@pytest.mark.parametrize("kind", ["missing", "pipe", "folder", "out", "loop", "device"])
def test_what_is_no_file_of_the_folder(place, tmp_path, name, kind):
    path = place / name
    shutil.move(path, tmp_path / "moved")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.symlink_to({"out": "../moved", "loop": name, "device": "/dev/zero"}[kind])
    words = "leads out" if kind in ("out", "device") else ""
    refused(place, "data set" if name == INFO and kind in ("missing", "loop") else words)


def test_a_link_to_a_data_set_elsewhere_is_not_followed(place, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / records.NAME).symlink_to(place.parent)
    place.rename(place.with_name(records.VERSION))
    refused(tmp_path / "out", "leads out")
    (tmp_path / "mine").symlink_to(place.with_name(records.VERSION))  # its user's link is followed
    assert len(records.load(tmp_path / "mine")) == 12


@pytest.mark.parametrize(
    "labels",
    [b"", b"gold\n", b"ink\ngold\n", b"gold\nink\nx\n", b"gold\n\xff\n", b"x" * 17 * 2**20],
)
def test_other_labels(place, labels):
    (place / LABELS).write_bytes(labels)
    refused(place, LABELS)


def _serialised(place):
    import tensorflow as tf

    return list(tf.data.TFRecordDataset(str(place / TRAIN)).as_numpy_iterator())


def _write(place, contents, name=TRAIN):
    """Writes a shard whose checksums are right."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(place / name)) as writer:
        for content in contents:
            writer.write(content)


FRAMES = {
    "a flipped bit of a picture": lambda data: _flipped(data, 60),
    "a flipped bit of a checksum": lambda data: _flipped(data, 8),
    "a flipped bit of the last checksum": lambda data: _flipped(data, len(data) - 1),
    "a byte too many": lambda data: data + b"\0",
    "text": lambda data: b"text",
    "zeros": lambda data: bytes(len(data)),
    "a record of 16 EiB": lambda data: struct.pack("<Q", 2**64 - 1) + data[8:],
    "a record of 8 EiB": lambda data: struct.pack("<Q", 2**63 - 16) + data[8:],
    "a record as long as the file": lambda data: struct.pack("<Q", len(data)) + data[8:],
    "nothing": lambda data: b"",
    "cut between records": lambda data: data[: 16 + struct.unpack("<Q", data[:8])[0]],
    "twice": lambda data: data + data,
}


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("change", FRAMES.values(), ids=list(FRAMES))
def test_records_that_are_damaged(place, change):
    (place / TRAIN).write_bytes(change((place / TRAIN).read_bytes()))
    refused(place, "damaged|cut short")


def test_a_record_that_is_too_long_is_not_read(place):
    with open(place / TRAIN, "wb") as file:
        file.write(struct.pack("<QI", records.LARGEST_RECORD + 1, 0))
        file.truncate(2**30)  # no bytes on the disk
    refused(place, "more than")


def test_a_gibibyte_of_empty_records_is_not_counted(place):
    with open(place / TRAIN, "wb") as file:
        file.truncate(2**30)
    refused(place, "more than 10")


def _varint(number: int) -> bytes:
    low, number = number & 127, number >> 7
    return bytes([low | 128]) + _varint(number) if number else bytes([low])


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _feature(name: bytes, kind: int, values: bytes) -> bytes:
    """A feature as an entry of an example's map: kind 1 bytes, 2 floats, 3 integers."""
    return _field(1, _field(1, name) + _field(2, _field(kind, values)))


def _example(**changes) -> bytes:
    """A serialised example whose features are given as bytes of the format."""
    parts = {
        "image": _feature(b"image", 1, _field(1, _png())),
        "cultures": _feature(b"cultures", 3, _field(1, b"\0")),
        "id": _feature(b"id", 1, _field(1, b"gold/x")),
        "number": _feature(b"number", 3, _field(1, _varint(900))),
    }
    return _field(1, b"".join({**parts, **changes}.values()))


def _png(width=9, height=8, bits=8, colour=2) -> bytes:
    """A PNG of zeros, which takes a thousandth of its pixels' memory."""
    line = 1 + (width * bits * {0: 1, 2: 3, 3: 1, 6: 4}[colour] + 7) // 8

    def chunk(name, content):
        length, check = struct.pack(">I", len(content)), zlib.crc32(name + content)
        return length + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    packed = zlib.compress(bytes(line * height), 9)
    palette = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette
    return start + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


MANY = 100_000
EXAMPLES = {
    "nothing": b"",
    "noise": b"\xff\xfe\xfd" * 30,
    "a text": b"GIF89a",
    "no picture": _example(image=b""),
    "two pictures": _example(image=_feature(b"image", 1, 2 * _field(1, b"x"))),
    "a hundred thousand pictures": _example(image=_feature(b"image", 1, MANY * _field(1, b""))),
    "no value of a picture": _example(image=_feature(b"image", 1, b"")),
    "numbers as picture": _example(image=_feature(b"image", 3, _field(1, b"\1"))),
    "fractions as picture": _example(image=_feature(b"image", 2, _field(1, bytes(4)))),
    "no kind of picture": _example(image=_field(1, _field(1, b"image") + _field(2, b""))),
    "no culture": _example(cultures=_feature(b"cultures", 3, b"")),
    "a culture that is not there": _example(cultures=_feature(b"cultures", 3, _field(1, b"\2"))),
    "a negative culture": _example(
        cultures=_feature(b"cultures", 3, _field(1, _varint(2**64 - 1)))
    ),
    "a giant culture": _example(cultures=_feature(b"cultures", 3, _field(1, _varint(2**62)))),
    "a culture twice": _example(cultures=_feature(b"cultures", 3, _field(1, b"\1\1"))),
    "many cultures": _example(cultures=_feature(b"cultures", 3, _field(1, bytes(MANY)))),
    "texts as cultures": _example(cultures=_feature(b"cultures", 1, _field(1, b"ink"))),
    "no identifier": _example(id=b""),
    "an empty identifier": _example(id=_feature(b"id", 1, _field(1, b""))),
    "an identifier that is no UTF-8": _example(id=_feature(b"id", 1, _field(1, b"\xc3\x28"))),
    "half a surrogate pair": _example(id=_feature(b"id", 1, _field(1, b"\xed\xa0\x80"))),
    "a long identifier": _example(id=_feature(b"id", 1, _field(1, b"1_" * 30_000))),
    "two identifiers": _example(id=_feature(b"id", 1, 2 * _field(1, b"gold/x"))),
    "no number": _example(number=b""),
    "two numbers": _example(number=_feature(b"number", 3, _field(1, b"\1\2"))),
    "a negative number": _example(number=_feature(b"number", 3, _field(1, _varint(2**64 - 5)))),
    "a fraction": _example(number=_feature(b"number", 2, _field(1, bytes(4)))),
    "another feature": _example(more=_feature(b"code", 1, _field(1, b"import os"))),
    "a feature without name": _example(more=_feature(b"", 1, _field(1, b"x"))),
    "many features": _example(
        more=b"".join(_feature(b"f%d" % n, 1, _field(1, b"")) for n in range(20_000))
    ),
    "details of numbers": _example(more=_feature(b"details/x", 3, _field(1, b"\1"))),
    "two details": _example(more=_feature(b"details/x", 1, 2 * _field(1, b"x"))),
    "a feature many times": _example(more=MANY * _feature(b"id", 1, _field(1, b"gold/x"))),
    "unknown parts": _example() + MANY * b"\x50\x00",
    "an example in pieces": _example() + MANY * b"\x0a\x00",
    "the picture is cut off": _example()[:-9],
}


@pytest.mark.parametrize("content", EXAMPLES.values(), ids=list(EXAMPLES))
def test_values_that_are_no_examples(place, content):
    _write(place, [content, *_serialised(place)[1:]])
    assert "byte 12 " in refused(place)


def test_an_example_that_is_right(place):
    _write(place, [_example(), *_serialised(place)[1:]])
    assert records.load(place).ids[-1] == "gold/x"


def test_a_number_twice(place):
    first, second, *rest = _serialised(place)
    _write(place, [first, first, *rest])
    refused(place, "number of another")


def _encoded(file_format: str, mode: str = "RGB") -> bytes:
    content = io.BytesIO()
    Image.new(mode, (8, 8)).save(content, file_format)
    return content.getvalue()


PICTURES = {
    "nothing": b"",
    "a text": b"no picture at all, but long enough to have a header",
    "a GIF": _encoded("GIF"),
    "a JPEG": _encoded("JPEG"),
    "a TIFF": _encoded("TIFF"),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print quit\n",
    "a header alone": _png()[:33],
    "a cut PNG": _png()[:-30],
    "16 bits": _png(bits=16),
    "a palette": _png(colour=3),
    "transparency": _png(colour=6),
    "a bomb": _png(6000, 6000),
    "no size": _png()[:16] + bytes(8) + _png()[24:],
    "a giant size": _png()[:16] + b"\x7f\xff\xff\xff" * 2 + _png()[24:],
    "a long row": _png()[:16] + struct.pack(">II", 2**31 - 1, 8) + _png()[24:],
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=list(PICTURES))
def test_pictures_that_this_program_does_not_write_are_skipped(place, picture):
    spoiled = _example(image=_feature(b"image", 1, _field(1, picture)))
    _write(place, [spoiled, *_serialised(place)[1:]])
    source = records.load(place)
    ((name, reason),) = source.skipped
    assert len(source) == 11 and name == f"{TRAIN}, byte 12" and "\n" not in reason


def test_a_set_without_readable_pictures_is_refused(place):
    spoiled = [
        _example(
            image=_feature(b"image", 1, _field(1, b"text")),
            number=_feature(b"number", 3, _field(1, _varint(100 + number))),
        )
        for number in range(12)
    ]
    _write(place, spoiled[:10])
    _write(place, spoiled[10:], HELD_OUT)
    refused(place, "fewer than two cultures")


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory by a module of Unix")
def test_a_record_of_many_values_stays_below_two_gigabytes(whole, place):
    """The costliest known: values of two bytes each, in a record of the largest size. The right set
    is read before it, without TensorFlow Datasets."""
    count = (records.LARGEST_RECORD - 1000) // 2
    costly = _example(image=_feature(b"image", 1, count * b"\x0a\x00"))
    _write(place, [costly, *_serialised(place)[1:]])
    program = (
        "import sys, time; from stylegan_culture.pipelines import records\n"
        "from stylegan_culture.config import InputError\n"
        "print(len(records.load(sys.argv[1])), 'tensorflow_datasets' in sys.modules)\n"
        "start = time.process_time()\n"
        "try: records.load(sys.argv[2])\n"
        "except InputError as error: print(error, file=sys.stderr)\n"
        "print(time.process_time() - start, peak_mib())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", memory.PEAK + program, str(whole), str(place)],
        **{"capture_output": True, "text": True},
    )
    right, costs = answer.stdout.splitlines()
    seconds, mebibytes = map(float, costs.split())
    assert right == "12 False"
    assert "values of image" in answer.stderr and seconds < 10 and mebibytes < 2048


def test_a_picture_that_changes_afterwards_is_one_sentence(place):
    source = records.load(place, cache_mib=0)
    (place / TRAIN).write_bytes(b"")
    with pytest.raises(InputError, match="hidden parts"), contextlib.suppress(IndexError):
        for number in range(len(source)):
            source.read(number)


def test_too_large_a_record_is_not_written(tmp_path, monkeypatch):
    for culture in "ab":
        for number in range(4):
            pixels = np.full((9, 9, 3), 9 * number, np.uint8)
            images.write(tmp_path / "art" / culture / f"{number}.png", pixels)
    monkeypatch.setattr(record_writer, "LARGEST_RECORD", 50)
    with pytest.raises(InputError, match="choose a smaller --short-side"):
        record_writer.write(tmp_path / "art", records.RecordsConfig(out=str(tmp_path / "set")))
    assert not (tmp_path / "set").exists()
