"""Restyling from Python: kinds of pictures in and out, styles of every kind, wrong input."""

import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import Stylizer, images, models
from stylegan_culture.config import InputError
from stylegan_culture.restyling import feedforward


@pytest.fixture(scope="module")
def stylizer(culture_model):
    return Stylizer(culture_model)


@pytest.fixture
def picture(generator):
    return (255 * generator.uniform(size=(5, 6, 3)).repeat(8, 0).repeat(6, 1)).astype(np.uint8)


def test_load_takes_what_serving_finds(monkeypatch, culture_model):
    seen = []
    loaded = types.SimpleNamespace(network=culture_model)
    monkeypatch.setattr(models, "load", lambda name, kind: seen.append(name) or loaded)
    assert Stylizer.load().cultures == tuple(culture_model.cultures)
    assert Stylizer.load("runs/mine").model is culture_model
    assert seen == ["culture256", "runs/mine"]


def test_the_same_kind_comes_out_that_went_in(stylizer, picture, tmp_path):
    path = tmp_path / "picture.png"
    images.write(path, picture)
    bytes_ = stylizer(picture, "beta")
    assert bytes_.dtype == np.uint8 and bytes_.shape == picture.shape
    floats = stylizer(picture.astype(np.float32) / 255, "beta")
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(images.to_uint8(floats), bytes_)
    assert stylizer(picture / 255.0, "beta").dtype == np.float64
    for given in (Image.fromarray(picture), path, str(path)):
        result = stylizer(given, "beta")
        assert isinstance(result, Image.Image)
        np.testing.assert_array_equal(np.asarray(result), bytes_)


def test_styles_are_names_mixtures_examples_and_codes(stylizer, picture):
    model, image = stylizer.model, picture.astype(np.float32) / 255
    whole = stylizer(image, "beta")
    expected = feedforward.CultureNetwork(model, model.fusion(np.float32([[0, 1, 0]])))(image)
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    np.testing.assert_array_equal(stylizer(image, {"beta": 2}), whole)
    mixed = stylizer(image, {"alpha": 1, "beta": 3})
    np.testing.assert_array_equal(mixed, stylizer(image, "alpha=0.25,beta=0.75"))
    assert np.abs(mixed - whole).max() > 1e-4
    by_code = stylizer(image, stylizer.style_code("beta"))
    np.testing.assert_array_equal(by_code, whole)
    example = stylizer(image, picture[:, ::-1])
    np.testing.assert_array_equal(example, stylizer(image, Image.fromarray(picture[:, ::-1])))
    assert np.abs(example - whole).max() > 1e-4


def test_a_culture_goes_before_a_file_of_its_name(stylizer, picture, tmp_path, monkeypatch):
    images.write(tmp_path / "beta.png", picture)
    (tmp_path / "beta.png").rename(tmp_path / "beta")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(stylizer.style_code("beta"), stylizer.style_code({"beta": 1}))


def test_transparency_lies_on_white_as_in_files(stylizer, picture):
    clear = np.concatenate([picture, np.zeros_like(picture[..., :1])], axis=-1)
    result = stylizer(Image.fromarray(clear), "beta")
    white = stylizer(np.full_like(picture, 255), "beta")
    np.testing.assert_array_equal(np.asarray(result), white)


def test_strength_and_colour_are_obeyed(stylizer, picture):
    image = picture.astype(np.float32) / 255
    results = [stylizer(image, "beta", strength=strength) for strength in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(
        results[1],
        feedforward.CultureNetwork(stylizer.model, stylizer.style_code("beta"))(image, 0.5),
        atol=1e-6,
    )
    assert np.abs(results[0] - results[2]).max() > 1e-4
    kept = stylizer(image, "beta", keep_colour=True)
    np.testing.assert_allclose(kept, feedforward.keep_colour(image, results[2]), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"style": "bata"}, "did you mean beta"),
        ({"strength": 1.5}, "strength 1.5"),
        ({"picture": np.zeros((4, 4))}, r"\[H, W, 3\], not \[4, 4\]"),
        ({"picture": np.full((4, 4, 3), 255.0)}, "divide by 255"),
        ({"picture": np.zeros((4, 4, 3), np.int32)}, "int32"),
        ({"picture": "nowhere.png"}, "nowhere.png"),
        ({"style": {"beta": 0}}, "sum to zero"),
    ],
)
def test_wrong_input_is_named(stylizer, picture, given, said):
    with pytest.raises(InputError, match=said):
        stylizer(**{"picture": picture, "style": "beta", "strength": 1.0} | given)


def test_the_name_is_there_without_loading_tensorflow():
    code = (
        "import sys, stylegan_culture; assert 'Stylizer' in stylegan_culture.__all__; "
        "from stylegan_culture import Stylizer; assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    import stylegan_culture

    with pytest.raises(AttributeError, match="Stilizer"):
        _ = stylegan_culture.Stilizer
