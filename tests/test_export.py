"""The export command: the whole model folder or nothing."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from stylegan_culture import export, images, models
from stylegan_culture.config import run_command
from stylegan_culture.deploy import culture_files, tflite
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.networks.sizes import GeneratorConfig


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with pictures beside it."""
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(2)
    model = CultureModel(["akan", "greek"], GeneratorConfig(width=64, blocks=1)).create_weights()
    last = model.generator.to_rgb.layer.kernel
    last.assign(0.2 * last)
    model.save_weights(str(folder / "model.weights.h5"))
    cultures = [
        {"key": key, "title": key.title(), "region": "r", "period": "p"} for key in model.cultures
    ]
    facts = {
        "config": {"generator": dataclasses.asdict(model.config)},
        "cultures": cultures,
        "image_size": 32,
        "data": "ornaments",
        "versions": {},
        "commit": "abc",
    }
    (folder / "run.json").write_text(json.dumps(facts), "utf-8")
    (folder / "metrics.json").write_text('{"transfer_accuracy": 0.875}', "utf-8")
    rng = np.random.default_rng(0)
    for index in range(10):
        blocks = rng.random((5, 6, 3)).repeat(8, 0).repeat(8, 1)
        images.write(folder / "pictures" / f"{index}.png", blocks)
    (folder / "pictures" / "note.txt").write_text("no picture")
    return folder


def command(run, out, *more):
    return [
        "--run",
        str(run),
        "--out",
        str(out),
        "--sizes",
        "32",
        "--pictures",
        str(run / "pictures"),
        *more,
    ]


def test_writes_the_whole_folder_and_replaces_an_older_one(run, tmp_path, capsys):
    out = tmp_path / "models" / "tiny"
    out.mkdir(parents=True)
    (out / "model.json").write_text('{"cultures": [], "name": "old"}')
    (out / "old_64_int8.tflite").write_text("old")
    assert run_command(export.main, command(run, out)) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {
        "saved_model",
        "model.json",
        "weights.h5",
        "model_card.md",
        "samples.jpg",
        "tiny_32_float32.tflite",
        "tiny_32_float16.tflite",
        "tiny_32_int8.tflite",
    }
    assert [path.name for path in out.parent.iterdir()] == ["tiny"]
    facts = json.loads((out / "model.json").read_text("utf-8"))
    assert [culture["key"] for culture in facts["cultures"]] == ["akan", "greek"]
    assert tflite.read_metadata(out / "tiny_32_int8.tflite")["cultures"] == facts["cultures"]
    card = (out / "model_card.md").read_text("utf-8")
    assert "0.875" in card and "tiny_32_int8.tflite" in card and "## Limits" in card
    assert images.read(out / "samples.jpg").shape[1] > 3 * 32
    loaded, _ = models.load_model(out)
    original, _ = models.load_run(run)
    for a, b in zip(loaded.weights, original.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert "note.txt" in capsys.readouterr().err


def test_the_card_ends_with_the_notes_and_the_sheet_shows_the_samples(run, tmp_path):
    for name, text in (("a.md", "## Judged: 71 %"), ("b.md", "## Credits to the Museum")):
        (tmp_path / name).write_text(text, "utf-8")
    images.write(tmp_path / "shown" / "one.png", np.zeros((40, 40, 3)))
    notes = f"{tmp_path / 'a.md'}, {tmp_path / 'b.md'}"
    more = ["--notes", notes, "--samples", str(tmp_path / "shown"), "--precisions", "float32"]
    out = tmp_path / "models" / "tiny"
    assert run_command(export.main, command(run, out, *more)) == 0
    card = (out / "model_card.md").read_text("utf-8")
    order = [card.index(text) for text in ("## Limits", "## Judged: 71 %", "## Credits to the M")]
    assert order == sorted(order)
    sheet = images.read(out / "samples.jpg")
    assert sheet.shape[0] < 2 * 32 and sheet[-20:-12, 8:24].max() < 0.02  # one row; black content


@pytest.mark.slow
def test_half_weights_are_those_of_the_small_files(run, tmp_path):
    out = tmp_path / "models" / "tiny"
    assert run_command(export.main, command(run, out, "--half", "--precisions", "float16")) == 0
    loaded, _ = models.load_model(out)
    original, _ = models.load_run(run)
    for ours, theirs in zip(loaded.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs.astype("float16"))
    pairs = zip(loaded.get_weights(), original.get_weights(), strict=True)
    assert any((ours != theirs).any() for ours, theirs in pairs)


@pytest.mark.slow
def test_large_pictures_calibrate_in_smaller_numbers_from_first_to_last(run, tmp_path, monkeypatch):
    seen, convert = [], culture_files.convert

    def watch(model, described, size, precisions, pictures, checked):
        seen.append(pictures)
        return convert(model, described, size, precisions, pictures, checked)

    monkeypatch.setattr(culture_files, "convert", watch)
    float_only = ["--precisions", "float32"]
    assert run_command(export.main, command(run, tmp_path / "m" / "all", *float_only)) == 0
    monkeypatch.setattr(export, "CALIBRATION_PIXELS", 2 * 32**2)
    assert run_command(export.main, command(run, tmp_path / "m" / "two", *float_only)) == 0
    everything, two = seen
    assert len(everything) > 2 == len(two)
    np.testing.assert_array_equal(two, everything[[0, -1]])


def test_failed_parity_leaves_nothing(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(culture_files.TOLERANCES, "float32", 0.0)
    out = tmp_path / "models" / "tiny"
    assert run_command(export.main, command(run, out, "--precisions", "float32")) == 2
    assert "does not agree" in capsys.readouterr().err
    assert not out.parent.exists()


@pytest.mark.parametrize(
    "more, words",
    [
        (["--sizes", "30"], "multiples of 8"),
        (["--sizes", "a"], "multiples of 8"),
        (["--precisions", "int4"], "unknown precision"),
        (["--pictures", "/nowhere"], "no picture"),
        (["--samples", "/nowhere"], "no picture"),
        (["--notes", "/nowhere.md"], "/nowhere.md does not exist"),
        (["--run", "/nowhere"], "no run folder"),
    ],
)
def test_wrong_input_is_one_sentence(run, tmp_path, capsys, more, words):
    assert run_command(export.main, command(run, tmp_path / "m" / "x", *more)) == 2
    assert words in capsys.readouterr().err


def test_never_replaces_a_folder_that_is_no_model(run, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    assert run_command(export.main, command(run, tmp_path)) == 2
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_square_takes_the_middle():
    picture = np.zeros((10, 30, 3), np.float32)
    picture[:, 10:20] = 1
    np.testing.assert_array_equal(export.square(picture, 10), np.ones((10, 10, 3)))
