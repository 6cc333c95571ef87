"""Loading, SavedModel, TFLite: signatures, metadata, agreement, what stays in float."""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import models
from stylegan_culture.config import InputError
from stylegan_culture.deploy import culture_files, tflite
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.networks.sizes import GeneratorConfig

CULTURES = ["akan", "greek", "insular"]
FACTS = {"cultures": [{"key": key, "title": key.title() + " é"} for key in CULTURES]}
SIZE = 32


# The form of the shipped model, small.
SHAPE = GeneratorConfig(width=64, blocks=1, fade=True, smooth=True, lowpass=True, grain=True)


def pictures(count):
    rng = np.random.default_rng(3)
    coarse = rng.random((count, 4, 4, 3))
    return np.repeat(np.repeat(coarse, SIZE // 4, 1), SIZE // 4, 2).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(11)
    model = CultureModel(CULTURES, SHAPE).create_weights()
    last = model.generator.to_rgb.layer.kernel
    last.assign(0.2 * last)  # random weights saturate the picture, trained ones do not
    return model


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    culture_files.save_model(model, folder / "saved_model", FACTS)
    contents = culture_files.convert(model, FACTS, SIZE, culture_files.PRECISIONS, pictures(8))
    files = {name: folder / f"{name}.tflite" for name in contents}
    for name, content in contents.items():
        files[name].write_bytes(content)
    return folder / "saved_model", files


def test_every_form_agrees(model, exported):
    measures = culture_files.parity(model, pictures(3), *exported)
    assert set(measures) == {"saved_model", *culture_files.PRECISIONS}
    assert measures["float32"]["largest_difference"] < measures["float16"]["largest_difference"]
    assert measures["int8"]["psnr"] < measures["float16"]["psnr"]


def test_disagreement_is_refused(model, exported):
    saved_model, files = exported
    other = CultureModel(CULTURES, model.config).create_weights()
    with pytest.raises(InputError, match=re.escape("does not agree")):
        culture_files.parity(other, pictures(2), saved_model, files)


@pytest.mark.parametrize(
    "name, measure",
    [
        ("float32", {"largest_difference": float("nan")}),
        ("float16", {"largest_difference": 0.011}),
        ("int8", {"psnr": 29.9}),
    ],
)
def test_tolerances(name, measure):
    with pytest.raises(InputError):
        culture_files._check_parity(name, measure, "x.tflite")


def test_saved_model_takes_any_size_and_knows_its_cultures(model, exported):
    saved_model, _ = exported
    assert json.loads((saved_model / "assets" / "model.json").read_text("utf-8")) == FACTS
    signature = tf.saved_model.load(str(saved_model)).signatures["stylize_with"]
    image = np.random.default_rng(0).random((1, 48, 72, 3)).astype(np.float32)
    inputs = (image, np.ones((1, model.config.code_size), "float32"), np.ones((1, 1), "float32"))
    found = signature(
        **dict(zip(("image", "style", "strength"), map(tf.constant, inputs), strict=True))
    )["stylized"]
    np.testing.assert_allclose(found, model.stylize_with(*inputs), atol=1e-4)


def test_a_saved_model_holds_every_weight_once(model, exported):
    """Keras's archive writes them twice where a model is tracked besides its endpoints."""
    data = exported[0] / "variables" / "variables.data-00000-of-00001"
    assert data.stat().st_size < 1.2 * 4 * model.count_params()


def test_files_have_three_signatures_with_named_inputs_and_outputs(exported):
    for path in exported[1].values():
        signatures = tflite.Runner(path).signatures
        assert {
            key: (set(value["inputs"]), value["outputs"]) for key, value in signatures.items()
        } == {
            "stylize": ({"image", "mixture", "strength"}, ["stylized"]),
            "encode_style": ({"image"}, ["style"]),
            "stylize_with": ({"image", "style", "strength"}, ["stylized"]),
        }


def test_whitening_and_one_encoder_layer_stay_in_float_and_other_convolutions_do_not(exported):
    facts = tflite.analyse(exported[1]["int8"])
    assert facts["builtin_only"] and "BATCH_MATMUL" not in facts["quantised"]
    assert facts["operators"]["stylize"]["BATCH_MATMUL"] > 80
    convolutions = sum(graph["CONV_2D"] for graph in facts["operators"].values())
    encoder = 2  # the second, in the two signatures that restyle
    assert facts["quantised"]["CONV_2D"] == convolutions - encoder
    assert not tflite.analyse(exported[1]["float32"])["quantised"]


def test_signatures_share_their_weights(model, exported):
    parameters = model.count_params()
    sizes = {name: path.stat().st_size for name, path in exported[1].items()}
    assert sizes["float32"] < 4.6 * parameters + 300_000
    assert sizes["float16"] < 0.65 * sizes["float32"]
    assert sizes["int8"] < 0.65 * sizes["float32"]


def test_metadata_names_the_cultures(exported, tmp_path):
    facts = tflite.read_metadata(exported[1]["int8"])
    assert facts == {**FACTS, "size": SIZE, "precision": "int8"}
    again = tmp_path / "again.tflite"
    again.write_bytes(tflite.write_metadata(exported[1]["int8"].read_bytes(), {"a": 1}))
    assert tflite.read_metadata(again) == {"a": 1}
    assert tflite.Runner(again).shapes("stylize")["image"] == (1, SIZE, SIZE, 3)


@pytest.mark.slow
def test_int8_keeps_more_in_float_until_it_is_good_enough(model, monkeypatch):
    """The first level that reaches the PSNR asked for is taken, else the last."""
    squares, asked = pictures(4), []
    float_operations = culture_files.float_operations

    def watch(calibrated, level):
        names = float_operations(calibrated, level)
        asked.append(set(names))
        return names

    monkeypatch.setattr(culture_files, "float_operations", watch)
    reached = []
    for least in (-100.0, 1000.0):
        monkeypatch.setattr(culture_files, "WANTED_INT8_PSNR", least)
        content = culture_files.convert(model, FACTS, SIZE, ("int8",), squares)["int8"]
        reached.append(len(content))
    least, *levels = asked
    assert len(levels) == 3 and levels[0] == least
    assert levels[0] < levels[1] < levels[2]
    assert any("detail_modulation" in name for name in levels[1] - levels[0])
    assert all("fine_block" in name for name in levels[2] - levels[1])
    assert reached[0] < reached[1]  # weights in float are larger


def test_runner_outputs_belong_to_the_caller(exported):
    runner = tflite.Runner(exported[1]["float32"])
    image = pictures(2)
    first = runner("encode_style", image=image[:1])["style"]
    kept = first.copy()
    runner("encode_style", image=image[1:])
    np.testing.assert_array_equal(first, kept)
    with pytest.raises(InputError, match="no signature"):
        runner("paint", image=image)


def write_run(folder, model):
    folder.mkdir(exist_ok=True)
    model.save_weights(str(folder / "model.weights.h5"))
    facts = {
        "config": {"generator": dataclasses.asdict(model.config)},
        **FACTS,
        "image_size": SIZE,
        "data": "ornaments",
    }
    (folder / "run.json").write_text(json.dumps(facts), "utf-8")
    return folder


def test_a_run_folder_loads_to_the_same_model(model, tmp_path):
    loaded, facts = models.load_run(write_run(tmp_path / "run", model))
    assert loaded.cultures == tuple(CULTURES) and facts["image_size"] == SIZE
    for a, b in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "other", "no cultures"])
def test_a_damaged_run_folder_is_one_sentence(model, tmp_path, damage):
    folder = write_run(tmp_path / "run", model)
    weights, facts = folder / "model.weights.h5", folder / "run.json"
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "text":
        weights.write_text("no weights")
    elif damage == "other":
        facts.write_text(facts.read_text("utf-8").replace('"blocks": 1', '"blocks": 2'), "utf-8")
    else:
        facts.write_text('{"config": {}}')
    with pytest.raises(InputError) as caught:
        models.load_run(folder)
    assert "\n" not in str(caught.value)


def test_unknown_names_and_wrong_files(tmp_path):
    with pytest.raises(InputError, match="no shipped model"):
        models.load_model("no_such_model")
    wrong = tmp_path / "wrong.tflite"
    wrong.write_text("text")
    for read in (tflite.Runner, tflite.analyse, tflite.read_metadata):
        with pytest.raises(InputError):
            read(wrong)
        with pytest.raises(InputError):
            read(tmp_path / "missing.tflite")
