"""`export` of a culture model: the whole folder or nothing; signatures, agreement, metadata."""

import dataclasses
import json
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import export, images, model_record, models
from stylegan_culture.config import InputError, run_command
from stylegan_culture.deploy import conversion, exporter, signatures, tflite
from stylegan_culture.networks.generator import CultureModel, GeneratorConfig

CULTURES = ["akan", "greek", "insular"]
LOOKS = np.random.default_rng(8).normal(size=(2, 64)).round(6)  # of the second culture
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
    model = CultureModel(CULTURES, SHAPE, {"greek": LOOKS}).create_weights()
    last = model.generator.to_rgb.layer.kernel
    last.assign(0.2 * last)  # random weights saturate the picture, trained ones do not
    return model


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    """A run folder with pictures beside it."""
    folder = tmp_path_factory.mktemp("run")
    model.save_weights(str(folder / "model.weights.h5"))
    cultures = [
        {"key": key, "title": key.title() + " é", "region": "r", "period": "p"} for key in CULTURES
    ]
    sources = ("greek/0001", "0.70 greek/0002 + 0.30 greek/0003")
    cultures[1]["looks"] = [
        {"code": code.tolist(), "source": source}
        for code, source in zip(LOOKS, sources, strict=True)
    ]
    images.write(folder / "samples" / "looks.png", np.full((8, 24, 3), 0.5))
    facts = {
        "config": {"generator": dataclasses.asdict(model.config)},
        "cultures": cultures,
        "image_size": SIZE,
        "data": "ornaments",
        "versions": {},
        "commit": "abc",
    }
    (folder / "run.json").write_text(json.dumps(facts), "utf-8")
    (folder / "metrics.json").write_text('{"transfer_accuracy": 0.875}', "utf-8")
    for number, picture in enumerate(pictures(4)):
        images.write(folder / "pictures" / f"{number}.png", picture)
    (folder / "pictures" / "note.txt").write_text("no picture")
    return folder


def command(run, out, *more):
    flags = ("--run", run, "--out", out, "--sizes", "32", "--pictures", run / "pictures", *more)
    return [str(flag) for flag in flags]


@pytest.fixture(scope="module")
def out(run, tmp_path_factory):
    """The model folder of the run, which replaced an older one."""
    out = tmp_path_factory.mktemp("models") / "tiny"
    out.mkdir()
    (out / "model.json").write_text('{"cultures": [], "name": "old"}')
    (out / "old_64_int8.tflite").write_text("old")
    beside = tmp_path_factory.mktemp("beside")
    for name, text in (("a.md", "## Judged: 71 %"), ("b.md", "## Credits to the Museum")):
        (beside / name).write_text(text, "utf-8")
    images.write(beside / "shown" / "one.png", np.zeros((40, 40, 3)))
    more = ("--notes", f"{beside / 'a.md'}, {beside / 'b.md'}", "--samples", beside / "shown")
    assert run_command(export.main, command(run, out, *more)) == 0
    return out


@pytest.fixture(scope="module")
def exported(out):
    files = {name: out / f"tiny_32_{name}.tflite" for name in conversion.PRECISIONS}
    return out / "saved_model", files


def test_the_whole_folder_is_written_and_nothing_of_the_older_one_is_left(run, out):
    names = {path.name for path in out.iterdir()}
    others = {"saved_model", "model.json", "model.weights.h5", "model_card.md"}
    others |= {"samples.jpg", "looks.jpg"}
    assert names == others | {f"tiny_32_{name}.tflite" for name in conversion.PRECISIONS}
    assert [path.name for path in out.parent.iterdir()] == ["tiny"]
    facts = json.loads((out / "model.json").read_text("utf-8"))
    assert [culture["key"] for culture in facts["cultures"]] == CULTURES
    inside = tflite.read_metadata(out / "tiny_32_int8.tflite")
    assert (inside["cultures"], inside["precision"]) == (facts["cultures"], "int8")
    card = (out / "model_card.md").read_text("utf-8")
    assert "0.875" in card and "tiny_32_int8.tflite" in card and "## Limits" in card
    assert "- akan: Akan é, r, p\n" in card and "$" not in card
    assert images.read(out / "samples.jpg").shape[1] > 4 * 32


@pytest.mark.parametrize("kind", ["culture", "cyclegan"])
def test_the_card_speaks_of_sacred_and_living_traditions_where_the_model_knows_one(kind):
    def card(*keys):
        known = tuple(model_record.Culture(key, key) for key in keys)
        facts = model_record.Facts(kind, kind, known, pathlib.Path("run.json"), {})
        origin = model_record.Origin("ornaments", SIZE, "", "", "", {})
        exported = signatures.EXPORTED[kind]
        plan = exporter.Plan(exporter.ExportConfig(), facts, origin, exported, [], [], [])
        return exporter.card_of(plan, [], {}, [])

    sacred = card("ukiyo_e", "byzantine_icon")
    assert "## Sacred and living traditions" in sacred and "$" not in sacred
    assert "- Byzantine icon: Icons are made for prayer." in sacred
    assert "codices" not in sacred and "codices" in card("mesoamerican_codex", "ukiyo_e")
    other = card("ukiyo_e", "akan")
    assert "Sacred" not in other and "$" not in other and other.endswith("picture size.\n\n")


@pytest.mark.parametrize("name", ["model.weights.h5", "weights.h5"])
def test_a_model_folder_loads_to_the_same_model_by_either_name_of_its_weights(
    model, out, tmp_path, name
):
    for source, target in (("model.json", "model.json"), ("model.weights.h5", name)):
        (tmp_path / target).write_bytes((out / source).read_bytes())
    loaded = models.load(tmp_path, "culture")
    assert (loaded.facts.keys, loaded.folder) == (tuple(CULTURES), tmp_path)
    for a, b in zip(loaded.network.weights, model.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_card_ends_with_the_notes_and_the_sheet_shows_the_samples(out):
    card = (out / "model_card.md").read_text("utf-8")
    order = [card.index(text) for text in ("## Limits", "## Judged: 71 %", "## Credits to the M")]
    assert order == sorted(order)
    sheet = images.read(out / "samples.jpg")
    assert sheet.shape[0] < 2 * 32 and sheet[-20:-12, 8:24].max() < 0.02  # one row; black content


@pytest.mark.slow
def test_half_weights_are_those_of_the_small_files(model, run, tmp_path):
    out = tmp_path / "models" / "tiny"
    assert run_command(export.main, command(run, out, "--half", "--precisions", "float16")) == 0
    halved = models.load(out).network.get_weights()
    for ours, theirs in zip(halved, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs.astype("float16"))


@pytest.mark.slow
def test_large_pictures_calibrate_in_smaller_numbers_from_first_to_last(run, tmp_path, monkeypatch):
    seen, convert = [], exporter.convert

    def watch(model, described, size, precisions, pictures, checked):
        seen.append(pictures)
        return convert(model, described, size, precisions, pictures, checked)

    monkeypatch.setattr(exporter, "convert", watch)
    float_only = ["--precisions", "float32"]
    assert run_command(export.main, command(run, tmp_path / "m" / "all", *float_only)) == 0
    monkeypatch.setattr(exporter, "CALIBRATION_PIXELS", 2 * 32**2)
    assert run_command(export.main, command(run, tmp_path / "m" / "two", *float_only)) == 0
    everything, two = seen
    assert len(everything) > 2 == len(two)
    np.testing.assert_array_equal(two, everything[[0, -1]])


def test_failed_parity_leaves_nothing(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(conversion, "LARGEST_DIFFERENCE", 0.0)
    out = tmp_path / "models" / "tiny"
    assert run_command(export.main, command(run, out, "--precisions", "float32")) == 2
    errors = capsys.readouterr().err
    assert "does not agree" in errors and "note.txt" in errors  # which is no picture
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


@pytest.mark.parametrize("name", ["saved_model", *conversion.PRECISIONS])
def test_a_culture_is_its_first_look_in_every_file(model, out, exported, name):
    """An app that gives the code in model.json gets what the culture's name gives."""
    saved_model, files = exported
    facts = json.loads((out / "model.json").read_text("utf-8"))
    codes = [look["code"] for look in facts["cultures"][1]["looks"]]
    image, strength = pictures(1), np.ones((1, 1), np.float32)
    if name == "saved_model":
        known = tf.saved_model.load(str(saved_model)).signatures

        def call(signature, **inputs):
            given = {key: tf.constant(value) for key, value in inputs.items()}
            return known[signature](**given)["stylized"].numpy()

    else:
        runner = tflite.Runner(files[name])

        def call(signature, **inputs):
            return runner(signature, **inputs)["stylized"]

    mixture = np.array([[0, 1, 0]], np.float32)
    by_name = call("stylize", image=image, mixture=mixture, strength=strength)
    apart = []
    for code in codes:
        style = np.array([code], np.float32)
        wanted = np.asarray(model.stylize_with(image, style, strength))
        by_code = call("stylize_with", image=image, style=style, strength=strength)
        near = {"float16": 1e-2, "int8": 0.4}.get(name, 1e-4)
        np.testing.assert_allclose(by_code, wanted, atol=near)
        apart.append(np.abs(by_name - wanted).mean())
    assert apart[0] < 0.2 * apart[1]


def test_the_card_names_the_looks(out):
    card = (out / "model_card.md").read_text("utf-8")
    assert card.index("- akan: ") < card.index("## Looks") < card.index("## How it was made")
    assert "\n- `greek:1`: greek/0001\n- `greek:2`: 0\\.70 greek/0002" in card
    assert "](looks.jpg)" in card and "akan:1" not in card and "like `greek:2`" in card


def test_the_sheet_of_looks_is_the_runs_or_shows_the_samples(run, out, tmp_path):
    rows, columns = images.read(out / "looks.jpg").shape[:2]
    assert rows < 2 * 32 and columns > 3 * 32  # a culture's row; the content and two looks
    settings = exporter.ExportConfig(run=str(run), out=str(tmp_path / "x"), sizes="32")
    sheet = exporter._looks_sheet(exporter.make_plan(settings), None, [])
    assert sheet.shape == (8, 24, 3) and abs(float(sheet.mean()) - 0.5) < 0.01


def test_never_replaces_a_folder_that_is_no_model(run, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    assert run_command(export.main, command(run, tmp_path)) == 2
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_square_takes_the_middle():
    picture = np.zeros((10, 30, 3), np.float32)
    picture[:, 10:20] = 1
    np.testing.assert_array_equal(exporter.square(picture, 10), np.ones((10, 10, 3)))


def test_every_form_agrees(model, exported):
    network = signatures.culture_network(model)
    agreements = conversion.parity(network, pictures(3), *exported)
    single, half, whole = (agreements[path.name] for path in exported[1].values())
    assert set(agreements) == {"saved_model", *(path.name for path in exported[1].values())}
    assert single.largest_difference < half.largest_difference
    assert whole.psnr < half.psnr


def test_disagreement_is_refused(model, exported):
    saved_model, files = exported
    other = CultureModel(CULTURES, model.config).create_weights()
    with pytest.raises(InputError, match=re.escape("does not agree")):
        conversion.parity(signatures.culture_network(other), pictures(2), saved_model, files)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("float32", (float("nan"), 99.0)),
        ("float16", (0.011, 99.0)),
        ("int8", (0.0, 29.9)),
        ("int8", (0.0, float("nan"))),
    ],
)
def test_tolerances(model, name, measure, tmp_path):
    limits = signatures.culture_network(model).limits
    conversion._check(conversion.Agreement(0.0009, 31.0, 9.0), name, limits, tmp_path / "a.tflite")
    with pytest.raises(InputError, match="a.tflite does not agree"):
        conversion._check(conversion.Agreement(*measure, 99.0), name, limits, tmp_path / "a.tflite")


def test_saved_model_takes_any_size_and_knows_its_cultures(model, exported):
    saved_model, _ = exported
    inside = json.loads((saved_model / "assets" / "model.json").read_text("utf-8"))
    assert [culture["key"] for culture in inside["cultures"]] == CULTURES
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


def test_metadata_can_be_replaced(exported, tmp_path):
    again = tmp_path / "again.tflite"
    again.write_bytes(tflite.write_metadata(exported[1]["int8"].read_bytes(), {"a": 1}))
    assert tflite.read_metadata(again) == {"a": 1}
    assert tflite.Runner(again).shapes("stylize")["image"] == (1, SIZE, SIZE, 3)


@pytest.mark.slow
def test_int8_keeps_more_in_float_until_it_is_good_enough(model, monkeypatch):
    """The first level that reaches the PSNR is taken, else the last."""
    network, levels = signatures.culture_network(model), []

    def watch(calibrated, level):
        names = signatures.float_operations(calibrated, level)
        levels.append(set(names))
        return names

    network = dataclasses.replace(network, float_layers=watch)
    reached = []
    for least in (-100.0, 1000.0):
        monkeypatch.setattr(conversion, "WANTED_INT8_PSNR", least)
        reached.append(len(conversion.convert(network, {}, SIZE, ("int8",), pictures(4))["int8"]))
    least, *levels = levels
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


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "other", "no cultures"])
def test_a_damaged_run_folder_is_one_sentence(run, tmp_path, damage):
    weights, facts = tmp_path / "model.weights.h5", tmp_path / "run.json"
    for path in (weights, facts):
        path.write_bytes((run / path.name).read_bytes())
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
        models.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="no shipped model"):
        models.load("no_such_model")


@pytest.mark.parametrize("name", ["wrong.tflite", "missing.tflite"])
@pytest.mark.parametrize("read", [tflite.Runner, tflite.analyse, tflite.read_metadata])
def test_wrong_files_are_refused(read, name, tmp_path):
    (tmp_path / "wrong.tflite").write_text("text")
    with pytest.raises(InputError, match=name):
        read(tmp_path / name)
