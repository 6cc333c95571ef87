"""Networks from pictures to pictures as files: signature, agreement, refusals, what is said."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import config as settings
from stylegan_culture import export, images, models, stylize
from stylegan_culture.config import InputError
from stylegan_culture.deploy import conversion, signatures, tflite
from stylegan_culture.networks.cyclegan import CyclePair, TranslatorConfig

SIZE = 16


@pytest.fixture(scope="module")
def run(tmp_path_factory):
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
    assert _export(run, folder, "--half") == 0
    return folder


def networks_of(folder):
    loaded = models.load(folder)
    return signatures.EXPORTED[loaded.facts.kind].networks(loaded)


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
    for weight in pair.get_weights():  # as --half says
        np.testing.assert_array_equal(weight, weight.astype("float16"))
    directions = {"day_to_night": pair.forth, "night_to_day": pair.back}
    parts = networks_of(folder)
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
    pair = models.load(run).network
    network = pair.towards("night")
    part = signatures.translation("", network, {})
    conversion.save(part, tmp_path / "saved", {})
    assert conversion.parity(part, _pictures(SIZE), tmp_path / "saved", {})
    weights = network.get_weights()
    for change in (0.1, np.nan):
        network.set_weights([weight + np.float32(change) for weight in weights])
        with pytest.raises(InputError, match="saved does not agree.*nothing was exported"):
            conversion.parity(part, _pictures(SIZE), tmp_path / "saved", {})


def test_a_plain_function_can_be_shipped_too(tmp_path):
    """As `restoration` may: no Keras model, and a size that changes."""
    part = signatures.translation("", lambda image: tf.repeat(image, 2, 1)[:, :, ::-1], {})
    contents = conversion.convert(part, {"name": "mirror"}, SIZE, ["float32"], None)
    (tmp_path / "mirror.tflite").write_bytes(contents["float32"])
    picture = _pictures(SIZE)[:1]
    found = tflite.Runner(tmp_path / "mirror.tflite")("translate", image=picture)["translated"]
    np.testing.assert_array_equal(found, picture.repeat(2, axis=1)[:, :, ::-1])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--precisions", "int8"), "no int8 file; use --precisions float32,float16"),
        (("--sizes", "18"), "--sizes 18: use multiples of"),
        (("--sizes", "12"), "--sizes 12: use multiples of 4 from 16 on"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(run, tmp_path, capsys, more, words):
    assert _export(run, tmp_path / "m" / "x", *more) == settings.EXIT_INPUT
    assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("m/*"))


def test_stylize_takes_an_exported_folder_and_the_direction_towards_the_culture(written, tmp_path):
    """At a size that is no multiple: mirrored at the right and the bottom, and cut again."""
    images.write(tmp_path / "in.png", np.random.default_rng(2).random((21, 35, 3), np.float32))
    picture = images.read(tmp_path / "in.png")
    padded = np.pad(picture, [(0, 3), (0, 5), (0, 0)], "reflect")
    for part in networks_of(written):
        out = tmp_path / f"{part.name}.png"
        flags = (tmp_path / "in.png", "--model", written, "--out", out)
        flags = [str(flag) for flag in (*flags, "--culture", part.facts["target"])]
        assert settings.run_command(stylize.main, flags) == 0
        expected = part.run("translate", image=padded[None])[0, :21, :35]
        np.testing.assert_allclose(images.read(out), expected, atol=0.5 / 255 + 1e-3)


def test_folders_of_other_things_are_refused(tmp_path, run):
    with pytest.raises(InputError, match="is no run folder, no model folder and no shipped model"):
        models.load(tmp_path, "cyclegan")
    facts = json.loads((run / "run.json").read_text("utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(facts | {"trainer": "vae"}), "utf-8")
    with pytest.raises(InputError, match="holds no network from pictures of one culture"):
        models.load(tmp_path, "cyclegan")
    del facts["config"]["translator"]
    (tmp_path / "run.json").write_text(json.dumps(facts), "utf-8")
    with pytest.raises(InputError, match="is damaged.*translator"):
        models.load(tmp_path)
    (tmp_path / "run.json").unlink()
    (tmp_path / "model.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match="model.json is damaged"):
        models.load(tmp_path)


@pytest.mark.parametrize("trainer", ["dcgan", "decoder"])
def test_a_run_that_cannot_be_exported_is_one_sentence(run, tmp_path, capsys, trainer):
    facts = json.loads((run / "run.json").read_text("utf-8")) | {"trainer": trainer}
    (tmp_path / "run.json").write_text(json.dumps(facts), "utf-8")
    flags = ["--run", str(tmp_path), "--out", str(tmp_path / "out")]
    assert settings.run_command(export.main, flags) == settings.EXIT_INPUT
    assert "which is not exported; " in capsys.readouterr().err
