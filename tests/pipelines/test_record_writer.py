"""A folder as TFRecord shards: what is in them, byte for byte, here and on Apache Beam."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import InputError, run_command
from stylegan_culture.pipelines import folder, prepare, record_writer
from stylegan_culture.pipelines.records import RecordsConfig
from stylegan_culture.pipelines.sampling import held_out

HEADER = "path,culture,title,licence"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twelve pictures with tags and titles, one of them damaged, one of two cultures."""
    place, generator = tmp_path_factory.mktemp("museum"), np.random.default_rng(2)
    rows = [HEADER]
    for number in range(12):
        culture = ("ink", "ukiyo_e")[number % 2]
        tags = "ukiyo_e;ink" if number == 5 else culture
        name = f"{culture}/{number:04d}.jpg"
        images.write(place / name, generator.integers(0, 255, (50 + number, 40, 3), np.uint8))
        rows.append(f"{name},{tags},Wave é {number},CC0")
    (place / "ink" / "0004.jpg").write_bytes((place / "ink" / "0004.jpg").read_bytes()[:200])
    (place / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def written(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("records") / "out"
    report = record_writer.write(table, RecordsConfig(out=str(out), short_side=32))
    return out, report


def _raw(out) -> dict:
    """Serialised examples of every split, read by TensorFlow and nothing of the project."""
    import tensorflow as tf

    found = {}
    for split in ("train", "held_out"):
        files = sorted(map(str, out.glob(f"culture_pictures/1.0.0/*-{split}.tfrecord*")))
        assert files
        found[split] = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
    return found


def _parsed(example: bytes) -> dict:
    import tensorflow as tf

    features = tf.train.Example.FromString(example).features.feature
    return {key: list(getattr(one, one.WhichOneof("kind")).value) for key, one in features.items()}


def test_examples_hold_the_folders_pictures(table, written):
    entries, _ = folder.listed(table)
    ids = [entry.identifier for entry in entries if entry.file.stem != "0004"]
    held = {name for name, is_held in zip(ids, held_out(ids), strict=True) if is_held}
    seen = []
    for split, examples in _raw(written[0]).items():
        for example in map(_parsed, examples):
            entry = entries[example["number"][0]]
            assert example["id"] == [entry.identifier.encode()]
            assert (entry.identifier in held) == (split == "held_out")
            assert [("ink", "ukiyo_e")[n] for n in example["cultures"]] == list(entry.cultures)
            assert example["details/title"] == [f"Wave é {int(entry.file.stem)}".encode()]
            assert example["details/licence"] == [b"CC0"]
            with Image.open(io.BytesIO(example["image"][0])) as picture:
                assert picture.format == "PNG" and min(picture.size) == 32
                expected = images.read_uint8(entry.file, short_side=32)
                np.testing.assert_array_equal(np.asarray(picture), expected)
            seen.append(entry.identifier)
    assert sorted(seen) == sorted(ids) and len(held) == 2


def test_report_and_metadata(table, written):
    out, report = written
    source = folder.load(table)
    totals, held = source.tags.sum(axis=0).tolist(), source.tags[source.held].sum(axis=0).tolist()
    counts = dict(zip(source.cultures, zip(totals, held, strict=True), strict=True))
    assert report.counts == counts and totals == [6, 6]
    ((path, reason),) = report.skipped
    assert path == "ink/0004.jpg" and reason.startswith("is damaged")
    place = out / "culture_pictures" / "1.0.0"
    facts = json.loads((place / "metadata.json").read_text())
    assert facts["pictures"] == 11 and facts["held_out"] == 2 and facts["short_side"] == 32
    assert facts["cultures"]["ink"] == {"pictures": 6, "held_out": counts["ink"][1]}
    assert facts["skipped"] == [list(pair) for pair in report.skipped]
    assert facts["source"] == table.name
    for file in place.iterdir():
        assert str(table.parent).encode() not in file.read_bytes()
    assert [file.name for file in out.iterdir()] == ["culture_pictures"]


def _flags(table, out) -> list[str]:
    flags = ["records", str(table), "--out", str(out), "--short-side", "32"]
    return [*flags, "--report", str(out.with_suffix(".csv"))]


def test_another_process_writes_the_same_bytes(table, written, tmp_path):
    """Whose maps have an order of their own."""
    command = [sys.executable, "-m", "stylegan_culture.pipelines.prepare"]
    command += _flags(table, tmp_path / "again")
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "ukiyo_e" in text and "skipped: 1" in text and "--data records:" in text
    assert _raw(tmp_path / "again") == _raw(written[0])
    assert "ink/0004.jpg" in (tmp_path / "again.csv").read_text()


def test_beam_writes_the_same_bytes(table, written, tmp_path, capsys):
    pytest.importorskip("apache_beam")
    flags = [*_flags(table, tmp_path / "beam"), "--beam", "--runner", "DirectRunner"]
    assert run_command(prepare.main, flags) == 0
    assert "skipped: 1" in capsys.readouterr().out
    for split, examples in _raw(written[0]).items():
        assert sorted(_raw(tmp_path / "beam")[split]) == sorted(examples) and examples
    facts = [
        json.loads((out / "culture_pictures/1.0.0/metadata.json").read_text())
        for out in (written[0], tmp_path / "beam")
    ]
    assert facts[0] == facts[1]


def test_tfds_itself_reads_the_set(written):
    import tensorflow_datasets as tfds

    dataset, info = tfds.load("culture_pictures", data_dir=str(written[0]), with_info=True)
    assert info.splits["train"].num_examples == 9 and set(dataset) == {"train", "held_out"}
    example = next(iter(tfds.as_numpy(dataset["train"])))
    assert example["image"].dtype == np.uint8 and example["details"]["licence"] == b"CC0"


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("name a folder", "TABLE"),
        ("at least 1", "TABLE --out OUT --short-side 0"),
        ("add --beam", "TABLE --out OUT --runner FlinkRunner"),
        ("does not exist", "ABSENT --out OUT"),
        ("fewer than two cultures", "INK --out OUT"),
        ("held out", "FEW --out OUT"),
        ("already", "TABLE --out WRITTEN"),
    ],
)
def test_wrong_settings_are_one_sentence(words, arguments, table, written, tmp_path, capsys):
    places = {"TABLE": table, "INK": table / "ink", "WRITTEN": written[0]}
    places |= {name.upper(): tmp_path / name for name in ("out", "absent", "few")}
    for culture in "ab":
        images.write(tmp_path / "few" / culture / "0.png", np.zeros((9, 9, 3), np.uint8))
    words_given = [str(places.get(word, word)) for word in arguments.split()]
    assert run_command(prepare.main, ["records", *words_given]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_beam_the_remedy_is_named(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.setitem(sys.modules, "apache_beam.options", None)
    with pytest.raises(InputError, match="pip install apache-beam"):
        record_writer.write(table, RecordsConfig(out=str(tmp_path / "out"), beam=True))


def test_a_failure_leaves_nothing(table, tmp_path, monkeypatch):
    monkeypatch.setattr(record_writer, "_ordered", lambda example: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        record_writer.write(table, RecordsConfig(out=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
