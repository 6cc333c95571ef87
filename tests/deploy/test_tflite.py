"""Hostile TFLite files are looked through by another process before anything reads them."""

import pathlib
import time

import numpy as np
import pytest

from stylegan_culture import benchmark, isolation
from stylegan_culture.config import InputError, run_command
from stylegan_culture.deploy import tflite

SHIPPED = pathlib.Path(__file__).parents[2] / "saved_models" / "culture256"
SOUND = SHIPPED / "culture256_256_int8.tflite"
READERS = {
    "runner": tflite.Runner,
    "metadata": tflite.read_metadata,
    "analyse": tflite.analyse,
    "gpu": tflite.gpu_verdict,
    "benchmark": lambda path: benchmark.prepare(path, 1),
}


def mutated(generator, number: int) -> bytes:
    """The shipped file with bytes changed where tables lie, at its ends, or cut off."""
    content = bytearray(SOUND.read_bytes())
    if number % 4 == 3:
        return bytes(content[: generator.integers(8, len(content))])
    region = (slice(8, 4096), slice(len(content) - 200_000, len(content)))[number % 2]
    size = region.stop - region.start
    for place in generator.integers(0, size, generator.integers(1, 30)):
        content[region.start + place] = generator.integers(256)
    return bytes(content)


def outcome(path, read):
    """What comes of a file: "read" or the sentence that refuses it."""
    try:
        read(path)
    except InputError as error:
        assert str(error).isprintable() and len(str(error)) < 600
        return str(error)
    return "read"


@pytest.mark.parametrize("name", READERS)
def test_damage_ends_in_one_sentence(name, tmp_path):
    path = tmp_path / "a.tflite"
    for content in (b"", b"text", b"\x1c\0\0\0TFL3", SOUND.read_bytes()[:5000], bytes(10**6)):
        path.write_bytes(content)
        assert outcome(path, READERS[name]).startswith(str(path))
    path.unlink()
    assert "does not exist" in outcome(path, READERS[name])


def test_mutated_files_are_read_or_refused(tmp_path):
    path, generator = tmp_path / "a.tflite", np.random.default_rng(6)
    found = []
    for number in range(8):
        path.write_bytes(mutated(generator, number))
        started = time.monotonic()
        found.append(outcome(path, tflite.look_through))
        assert time.monotonic() - started < isolation.SECONDS + 5
    assert sum(text != "read" for text in found) >= 4


@pytest.mark.slow
def test_many_mutated_files_are_read_or_refused(tmp_path):
    path, generator = tmp_path / "a.tflite", np.random.default_rng(7)
    for number in range(200):
        path.write_bytes(mutated(generator, number))
        if outcome(path, tflite.look_through) == "read":
            outcome(path, tflite.read_metadata)
            outcome(path, tflite.analyse)
            outcome(path, tflite.Runner)


def test_each_content_is_looked_through_once_and_what_was_made_here_never(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(tflite, "_sound", set())
    monkeypatch.setattr(isolation, "call", lambda *arguments, **_: asked.append(arguments[1]))
    content = SOUND.read_bytes()
    for name in ("a.tflite", "b.tflite"):
        (tmp_path / name).write_bytes(content)
        tflite.look_through(tmp_path / name)
    assert asked == [tmp_path / "a.tflite"]
    (tmp_path / "c.tflite").write_bytes(tflite.made_here(content + b"more"))
    tflite.look_through(tmp_path / "c.tflite")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "text", [b"[1]", b'{"a":' * 50 + b"1" + b"}" * 50, b"{\xff}", b'{"a":NaN}']
)
def test_metadata_that_are_no_record_are_refused(text, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite.json, "dumps", lambda *_, **__: text.decode("latin-1"))
    content = tflite.write_metadata(SOUND.read_bytes(), {})
    monkeypatch.undo()
    (tmp_path / "a.tflite").write_bytes(content)
    monkeypatch.setattr(tflite, "_sound", set())
    with pytest.raises(InputError, match=r"a\.tflite is damaged .*; export it again$"):
        tflite.read_metadata(tmp_path / "a.tflite")


def test_a_file_that_crashes_what_runs_it_ends_the_benchmark_in_one_line(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(benchmark, "run_alone", crash)
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    monkeypatch.setattr(crash, "__module__", "test_tflite")
    assert run_command(benchmark.main, [str(SOUND)]) == 2
    assert "its reader ended with status" in capsys.readouterr().err


def crash(path: str, threads: int) -> None:
    """As a kernel that reads beyond its tensors."""
    import ctypes

    ctypes.string_at(0)
