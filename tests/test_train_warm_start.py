"""Training that begins from a trained model: what is kept, added, replaced and dropped."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from calls import refused, run

from stylegan_culture import models, train
from stylegan_culture.config import InputError
from stylegan_culture.files import read_run
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.pipelines.input import load_source
from stylegan_culture.training.culture.settings import WarmStartConfig
from stylegan_culture.training.culture.warm_start import Distillation, WarmStart

ONES = tf.ones((2, 1))


@pytest.fixture(scope="module")
def dots(culture_folder, tmp_path_factory):
    """A folder of one culture that the model has not, and of one that it has: eight pictures."""
    folder = tmp_path_factory.mktemp("own")
    for culture in ("dots", "waves"):
        (folder / culture).mkdir()
        for number, path in enumerate(sorted((culture_folder / "art" / "waves").glob("*"))[:8]):
            shutil.copy(path, folder / culture / f"{number:04d}{path.suffix}")
    shutil.copytree(folder / "dots", folder / "alone" / "dots")
    return folder


@pytest.fixture(scope="module")
def start(model_folder, dots):
    """The model's two cultures kept, and `dots` added."""
    source = load_source(f"folder:{dots / 'alone'}", 32, least=1)
    return WarmStart.of(WarmStartConfig(str(model_folder)), source)[0]


@pytest.fixture
def batch(generator):
    pictures = generator.uniform(size=(2, 4, 32, 32, 3)).astype(np.float32)
    return {"content": pictures[0], "style": pictures[1], "culture": np.zeros(4, np.int32)}


def _begun(start, batch):
    model = CultureModel(start.cultures, start.teacher.config, start.looks).create_weights()
    start.begin(model, batch)
    return model


def _restyled(model, key, pictures):
    mixture = tf.one_hot([model.cultures.index(key)] * 2, len(model.cultures))
    return np.asarray(model(pictures, mixture, ONES))


def test_kept_cultures_begin_as_the_old_model_has_them(start, batch):
    model, pictures = _begun(start, batch), batch["content"][:2]
    assert model.cultures == ("lattice", "waves", "dots")
    for key in ("lattice", "waves"):
        expected = _restyled(start.teacher, key, pictures)
        np.testing.assert_allclose(_restyled(model, key, pictures), expected, atol=1e-6)


def test_a_new_culture_begins_as_the_one_with_the_nearest_code(start, batch):
    """Brute force over the old cultures; both get their turn by pictures' codes made for them."""
    defaults = np.asarray(start.teacher.fusion.codes())
    for nearest in (0, 1):
        target = tf.repeat(defaults[nearest][None] + 0.01, 4, axis=0)
        start.teacher.encode_style = lambda picture, target=target: target
        try:
            model = _begun(start, batch)
        finally:
            del start.teacher.encode_style
        code = model.named_codes()["dots"]
        distances = [np.linalg.norm(code - default) for default in defaults]
        assert int(np.argmin(distances)) == nearest and min(distances) < 1e-5


def test_cultures_are_dropped_replaced_and_put_in_order(model_folder, dots, batch):
    source = load_source(f"folder:{dots}", 32)
    config = WarmStartConfig(str(model_folder), "waves, lattice")
    start, taught = WarmStart.of(config, source)
    assert start.cultures == ("waves", "lattice") and taught.cultures == ("waves",)
    assert start.distilled == ["lattice"] and start.places.tolist() == [0]
    assert set(taught.tags.sum(axis=1)) == {1} and len(taught) < len(source)
    model, pictures = _begun(start, batch), batch["content"][:2]
    expected = _restyled(start.teacher, "lattice", pictures)
    np.testing.assert_allclose(_restyled(model, "lattice", pictures), expected, atol=1e-6)


def test_looks_stay_with_the_cultures_that_no_picture_changes(start, generator):
    looks = {key: generator.normal(size=(2, 64)).astype("f") for key in ("lattice", "waves")}
    config = start.teacher.config
    teacher = CultureModel(start.teacher.cultures, config, looks).create_weights()
    changed = dataclasses.replace(start, teacher=teacher, taught=("waves", "dots"))
    assert list(changed.looks) == ["lattice"]
    np.testing.assert_array_equal(changed.looks["lattice"], looks["lattice"])


def test_distillation_is_the_difference_of_both_models(start, batch):
    """0 for the old model's own weights; a last bias that is higher by 0.2 makes results of
    `0.5 + 0.5 x` brighter by 0.1, and changes no code."""
    distillation = Distillation(start, keras.DTypePolicy("float32"), lambda pictures: {})
    model, seed = _begun(start, batch), tf.constant([1, 2])

    def losses():
        parts = distillation(model, batch["content"], lambda contents, seed: {}, seed)
        return {name: float(value) for name, value in parts.items()}

    assert losses() == pytest.approx({"distillation": 0.0, "distilled_codes": 0.0}, abs=1e-6)
    bias = model.generator.to_rgb.layer.bias
    bias.assign(bias + 0.2)
    assert losses() == pytest.approx({"distillation": 0.1, "distilled_codes": 0.0}, abs=1e-5)
    bias.assign(bias - 0.2)
    kernel = model.mapping.embedding.kernel
    rows = np.asarray(kernel)
    kernel.assign(rows + np.array([[0.0], [0.0], [1.0]]))  # of the new culture, which none keeps
    assert losses()["distilled_codes"] == pytest.approx(0.0, abs=1e-6)
    kernel.assign(rows + 1.0)
    assert losses()["distilled_codes"] > 0.01


def test_distilled_style_heeds_what_smoothing_takes_away(start, batch):
    """Taps are the pictures themselves: the same Gram matrices for equal results, and fewer squares
    once a model's contrast is halved; by hand."""
    distillation = Distillation(start, keras.DTypePolicy("float32"), lambda shown: {"all": shown})
    model, seed = _begun(start, batch), tf.constant([1, 2])
    results = []
    distillation.features = lambda shown: results.append(np.asarray(shown)) or {"all": shown}

    def style():
        parts = distillation(model, batch["content"], lambda contents, seed: {}, seed)
        return float(parts["distilled_style"])

    assert style() == pytest.approx(0.0, abs=1e-5)
    layer = model.generator.to_rgb.layer
    layer.kernel.assign(layer.kernel * 0.5)
    found = style()
    grams = [np.einsum("bhwc,bhwd->bcd", one, one) for one in results[-2:]]
    apart, size = np.abs(grams[0] - grams[1]), np.abs(grams[0]) + np.abs(grams[1])
    expected = (apart.mean(axis=(1, 2)) / size.mean(axis=(1, 2))).mean()
    assert found == pytest.approx(expected, rel=1e-3) and found > 1e-4


def _flags(model, pictures, folder, *more):
    small = ("--image-size", "32", "--steps", "2", "--log-interval", "1", "--save-interval", "2")
    data = ("--data", f"folder:{pictures}", "--run", folder)
    return ("--preset", "smoke", "--from", model, *data, *small, *more)


@pytest.fixture(scope="module")
def finished(model_folder, dots, tmp_path_factory, uncompiled):
    folder = tmp_path_factory.mktemp("runs") / "warm"
    (model_folder / "pictures.csv").write_text("path,culture\nwaves/0007.jpg,waves\n")
    with uncompiled():
        assert run(train, *_flags(model_folder, dots / "alone", folder)) == 0
    (model_folder / "pictures.csv").unlink()
    return folder


def test_what_the_old_model_was_trained_on_is_known(finished):
    assert models.training_pictures(finished) == {"waves/0007"}


def test_a_run_gives_a_model_of_old_and_new_cultures(finished, measures, model_folder):
    record = read_run(finished)
    assert [entry["key"] for entry in record["cultures"]] == ["lattice", "waves", "dots"]
    assert record["cultures"][2]["pictures"] == 6  # two of eight are held out
    assert record["config"]["generator"] == read_run(model_folder)["config"]["generator"]
    assert {"distillation", "distilled_codes"} <= set(measures["losses"])
    loaded = models.load(finished, "culture")
    assert loaded.network.cultures == ("lattice", "waves", "dots")
    begun = models.load(model_folder, "culture").network
    moved = [
        float(np.abs(np.asarray(one) - np.asarray(other)).max())
        for one, other in zip(loaded.network.variables, begun.variables, strict=True)
        if one.shape == other.shape
    ]
    assert 0.0 < max(moved) < 0.05  # trained, and from the old weights


@pytest.fixture(scope="module")
def measures(finished):
    from stylegan_culture.files import read_measures

    return read_measures(finished)


def test_all_cultures_shown_need_no_distillation(model_folder, culture_folder, tmp_path, eagerly):
    flags = _flags(model_folder, culture_folder / "art", tmp_path / "run", "--steps", "1")
    assert run(train, *flags) == 0
    record = read_run(tmp_path / "run")
    assert [entry["pictures"] for entry in record["cultures"]] == [8, 8]
    assert "distillation" not in (tmp_path / "run" / "metrics.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--from", "", "--cultures", "dots,waves"), "name it with --from"),
        (("--cultures", "dots,stars"), "names 'stars', which neither --from nor --data has"),
        (("--cultures", "dots,waves,dots"), "names 'dots' twice"),
        (("--cultures", "dots"), "two cultures or more"),
        (("--cultures", "lattice,waves"), "at least one of --data"),
        (("--keep-best", "named"), "leave it out with --from"),
        (("--distilled", "6"), "at most the --batch-size 4"),
        (("--distilled", "3"), "a multiple of 2"),
        (("--width", "192"), "leave flags of the generator out"),
        (("--from", "no_such"), "no_such is no run folder"),
    ],
)
def test_what_cannot_be_is_refused(capsys, model_folder, dots, tmp_path, flags, words):
    given = _flags(model_folder, dots / "alone", tmp_path / "run")
    if flags[0] == "--from" and not flags[1]:
        given = [flag for flag in given if flag not in ("--from", model_folder)]
        flags = flags[2:]
    refused(capsys, train, *given, *flags, words=words)
    assert not (tmp_path / "run").exists()


def test_one_culture_needs_a_model(capsys, dots, tmp_path):
    flags = ("--preset", "smoke", "--data", f"folder:{dots / 'alone'}", "--run", tmp_path / "run")
    refused(capsys, train, *flags, words="needs at least two cultures")


def test_a_culture_without_readable_pictures_is_named(model_folder, tmp_path):
    (tmp_path / "dots").mkdir()
    (tmp_path / "dots" / "0001.jpg").write_text("no picture")
    with pytest.raises(InputError, match="no readable picture"):
        load_source(f"folder:{tmp_path}", 32, least=1)
