"""Networks from pictures to pictures as files: signature, agreement, refusals, what is said."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import config as settings
from stylegan_culture import export, images, models, stylize
from stylegan_culture.config import InputError
from stylegan_culture.deploy import tflite, translations
from stylegan_culture.networks.cyclegan import CyclePair
from stylegan_culture.networks.sizes import TranslatorConfig

SIZE = 16


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder of an untrained CycleGAN."""
    folder = tmp_path_factory.mktemp("cycle")
    keras.utils.set_random_seed(3)
    pair = CyclePair(("day", "night"), TranslatorConfig(filters=2, blocks=0)).create_weights()
    pair.save_weights(folder / "model.weights.h5")
    facts = {
        "trainer": "cyclegan",
        "config": {"translator": {"filters": 2, "blocks": 0}},
        "cultures": [{"key": "day", "title": "Day"}, {"key": "night", "title": "Night"}],
        "image_size": SIZE,
        "data": "folder:x",
    }
    (folder / "run.json").write_text(json.dumps(facts), "utf-8")
    (folder / "metrics.json").write_text('{"cycle_psnr": 21.5}', "utf-8")
    for number, picture in enumerate(_pictures(20)):
        images.write(folder / "pictures" / f"{number}.png", picture)
    return folder


def _pictures(size):
    return np.random.default_rng(1).random((3, size, size, 3), np.float32)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    """The model folder that `export` makes of the run, at the run's size."""
    folder = tmp_path_factory.mktemp("models") / "pair"
    assert _export(run, folder) == 0
    return folder


def _export(run, out, *more):
    places = ("--run", run, "--out", out, "--pictures", run / "pictures")
    return settings.run_command(export.main, [str(flag) for flag in (*places, *more)])


def test_both_directions_are_written_with_all_that_is_said_of_them(written):
    folder = written
    directions = ("day_to_night", "night_to_day")
    files = {f"pair_{d}_{SIZE}_{p}.tflite" for d in directions for p in ("float32", "float16")}
    others = {"model.json", "model.weights.h5", "model_card.md", "samples.jpg"}
    saved = {f"saved_model_{direction}" for direction in directions}
    assert {path.name for path in folder.iterdir()} == files | others | saved
    assert [path.name for path in folder.parent.iterdir()] == ["pair"]
    facts = json.loads((folder / "model.json").read_text("utf-8"))
    assert [part["target_title"] for part in facts["translations"]] == ["Night", "Day"]
    assert "Apache" in facts["licence"]
    inside = tflite.read_metadata(folder / f"pair_day_to_night_{SIZE}_float16.tflite")
    asked = ("source", "target", "size", "precision")
    assert [inside[name] for name in asked] == ["day", "night", SIZE, "float16"]
    card = (folder / "model_card.md").read_text("utf-8")
    assert "21.5" in card and all(name in card for name in files)


def test_every_file_gives_what_the_weights_in_the_folder_give(written):
    """From outside: the weights are loaded anew, files are run through their one signature."""
    folder, picture = written, _pictures(SIZE)[:1] ** 2
    pair = CyclePair(("day", "night"), TranslatorConfig(filters=2, blocks=0)).create_weights()
    pair.load_weights(folder / "model.weights.h5")
    directions = {"day_to_night": pair.forth, "night_to_day": pair.back}
    parts, _ = models.load_translations(folder)
    assert [part.name for part in parts] == list(directions)
    for part in parts:
        expected = np.asarray(directions[part.name](picture))
        saved = tf.saved_model.load(str(folder / f"saved_model_{part.name}"))
        found = saved.signatures["translate"](tf.constant(picture))["translated"]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        for precision, tolerance in (("float32", 1e-4), ("float16", 1e-2)):
            path = folder / f"pair_{part.name}_{SIZE}_{precision}.tflite"
            runner = tflite.Runner(path)
            assert set(runner.signatures) == {"translate"}
            assert runner.shapes("translate") == {"image": (1, SIZE, SIZE, 3)}
            found = runner("translate", image=picture)["translated"]
            np.testing.assert_allclose(found, expected, atol=tolerance)
            assert tflite.analyse(path)["builtin_only"]


def test_a_saved_model_takes_any_size(written):
    saved = tf.saved_model.load(str(written / "saved_model_day_to_night"))
    result = saved.signatures["translate"](tf.constant(_pictures(24)[:1]))["translated"]
    assert result.shape == (1, 24, 24, 3)


def test_a_file_that_differs_is_refused(run, tmp_path):
    """A network that has moved on since its files were written; then one that is NaN."""
    (part, _), facts = models.load_translations(run)
    translations.save(part, tmp_path / "saved", facts)
    assert translations.parity(part, _pictures(SIZE), tmp_path / "saved", {})
    weights = part.network.get_weights()
    for change in (0.1, np.nan):
        part.network.set_weights([weight + np.float32(change) for weight in weights])
        with pytest.raises(InputError, match="saved does not agree.*nothing was exported"):
            translations.parity(part, _pictures(SIZE), tmp_path / "saved", {})


def test_a_plain_function_can_be_shipped_too(tmp_path):
    """As `restoration` may: no Keras model, and a size that changes."""
    part = models.Translation("", lambda image: tf.repeat(image, 2, 1)[:, :, ::-1], 4, {})
    contents = translations.convert(part, {"name": "mirror"}, SIZE, ["float32"])
    (tmp_path / "mirror.tflite").write_bytes(contents["float32"])
    picture = _pictures(SIZE)[:1]
    found = tflite.Runner(tmp_path / "mirror.tflite")("translate", image=picture)["translated"]
    np.testing.assert_array_equal(found, picture.repeat(2, axis=1)[:, :, ::-1])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--precisions", "int8"), "no int8 file; use --precisions float32,float16"),
        (("--sizes", "18"), "--sizes 18: use multiples of"),
        (("--half",), "--half, --samples and --notes are for models of several cultures"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(run, tmp_path, capsys, more, words):
    assert _export(run, tmp_path / "m" / "x", *more) == settings.EXIT_INPUT
    assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("m/*"))


def test_a_size_that_a_network_cannot_take_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="--sizes 12: use multiples of 4 from 16 on"):
        translations.write(tmp_path, "pair", run, [12], ["float32"], _pictures)
    assert list(tmp_path.iterdir()) == []


def test_stylize_takes_an_exported_folder_and_the_direction_towards_the_culture(written, tmp_path):
    """At a size that is no multiple: mirrored at the right and the bottom, and cut again."""
    images.write(tmp_path / "in.png", np.random.default_rng(2).random((21, 35, 3), np.float32))
    picture = images.read(tmp_path / "in.png")
    padded = np.pad(picture, [(0, 3), (0, 5), (0, 0)], "reflect")
    for part in models.load_translations(written)[0]:
        out = tmp_path / f"{part.name}.png"
        flags = (tmp_path / "in.png", "--model", written, "--out", out)
        flags = [str(flag) for flag in (*flags, "--culture", part.facts["target"])]
        assert settings.run_command(stylize.main, flags) == 0
        expected = np.asarray(part.network(padded[None]))[0, :21, :35]
        np.testing.assert_allclose(images.read(out), expected, atol=0.5 / 255 + 1e-3)


def test_folders_of_other_things_are_refused(tmp_path, run):
    with pytest.raises(InputError, match="holds no network from pictures to pictures"):
        models.load_translations(tmp_path)
    facts = json.loads((run / "run.json").read_text("utf-8"))
    del facts["config"]["translator"]
    (tmp_path / "run.json").write_text(json.dumps(facts), "utf-8")
    with pytest.raises(InputError, match="is damaged.*translator"):
        models.load_translations(tmp_path)
    (tmp_path / "run.json").unlink()
    (tmp_path / "model.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match="model.json is damaged"):
        models.load_translations(tmp_path)
