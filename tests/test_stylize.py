"""The stylize command with a trained generator: results, mixtures, examples, wrong input."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from stylegan_culture import images, models, stylize
from stylegan_culture.config import InputError, run_command
from stylegan_culture.networks.generator import CultureModel, GeneratorConfig
from stylegan_culture.restyling import pictures
from stylegan_culture.restyling.request import mixture_of

CULTURES = ("akan_kente", "greek_meander", "insular")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(4)
    model = CultureModel(CULTURES, GeneratorConfig(width=64, blocks=1)).create_weights()
    model.save_weights(str(folder / "model.weights.h5"))
    facts = {
        "config": {"generator": dataclasses.asdict(model.config)},
        "cultures": [{"key": key} for key in CULTURES],
        "image_size": 64,
        "data": "x",
    }
    (folder / "run.json").write_text(json.dumps(facts), "utf-8")
    return folder


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in" / "Übung.png"
    image = np.random.default_rng(0).random((6, 5, 3)).repeat(7, 0).repeat(9, 1)
    images.write(path, image)
    return path


def call(run, *arguments):
    return run_command(stylize.main, ["--model", str(run), *map(str, arguments)])


def test_cultures_examples_and_strength_differ(run, picture, tmp_path):
    results = {}
    for name, more in {
        "akan": ["--culture", "akan_kente"],
        "same": ["--culture", "akan_kente=2"],
        "greek": ["--culture", "greek_meander"],
        "mixed": ["--culture", "akan_kente=0.5, greek_meander=0.5"],
        "content": ["--culture", "akan_kente", "--strength", "0"],
        "example": ["--style", picture],
        "colour": ["--culture", "akan_kente", "--keep-colour"],
    }.items():
        out = tmp_path / f"{name}.png"
        assert call(run, picture, *more, "--out", out) == 0
        results[name] = images.read(out)
        assert results[name].shape == (42, 45, 3)
    np.testing.assert_array_equal(results["akan"], results["same"])
    for name in ("greek", "mixed", "content", "example", "colour"):
        assert np.abs(results[name] - results["akan"]).max() > 2 / 255, name


def test_several_pictures_one_of_them_bad(run, picture, tmp_path, capsys):
    bad = tmp_path / "bad.jpg"
    bad.write_text("text")
    twin = tmp_path / "other" / picture.name
    images.write(twin, images.read(picture))
    out = tmp_path / "out"
    assert call(run, picture, bad, twin, "--culture", "insular", "--out", out) == 2
    assert {path.name for path in out.iterdir()} == {"Übung.png", "Übung_2.png"}
    assert "bad.jpg" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more, words",
    [
        (["--culture", "greek_meandre"], "greek_meander"),
        (["--culture", "akan_kente=x"], "no weight"),
        (["--culture", "akan_kente=-1"], "no weight"),
        (["--culture", "akan_kente=nan"], "no weight"),
        (["--culture", "akan_kente=0"], "sum to zero"),
        (["--culture", "insular", "--strength", "1.5"], "strength is 1.5"),
        (["--style", "/nowhere.png"], "nowhere.png"),
        (["--culture", "insular", "--model", "/nowhere"], "no shipped model"),
        (["--culture", "insular", "--out", "result.gifx"], "neither"),
    ],
)
def test_wrong_input_is_one_sentence(run, picture, tmp_path, capsys, more, words):
    assert call(run, picture, "--out", tmp_path / "x.png", *more) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not (tmp_path / "x.png").exists()


def test_the_shipped_model_serves_where_none_is_named(run, picture, tmp_path, monkeypatch):
    flags, load = [], models.load
    monkeypatch.setattr(models, "load", lambda name, kind: flags.append(name) or load(run, kind))
    out = tmp_path / "x.png"
    assert run_command(stylize.main, [str(picture), "--culture", "insular", "--out", str(out)]) == 0
    assert flags == ["culture256"] and out.is_file()


@pytest.fixture
def with_looks(run, tmp_path):
    """The run folder's record with two looks of the second culture, and no weights."""
    folder = tmp_path / "looks"
    record = json.loads((run / "run.json").read_text("utf-8"))
    record["cultures"][1] |= {
        "title": "Greek meander",
        "period": "8th century BC",
        "looks": [{"code": [0.5] * 64, "source": "x" * 300}, {"code": [1.0] * 64}],
    }
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(record), "utf-8")
    return folder


def test_a_model_lists_its_cultures_and_looks(with_looks, capsys):
    assert call(with_looks, "--list") == 0
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    names = ["akan_kente", "greek_meander", "greek_meander:1", "greek_meander:2", "insular"]
    assert [row[0] for row in rows] == names
    assert rows[0][1] == "akan kente" and rows[1][1] == "Greek meander, 8th century BC"
    assert 50 < len(rows[2][1]) < 120 and rows[2][1].startswith("xxx") and len(rows[3]) == 1


@pytest.mark.parametrize("name", ["looks.jpg", "samples/looks.png"])
def test_the_list_names_the_sheet_of_looks(run, with_looks, capsys, name):
    for folder in (with_looks, run):  # the second has no looks, so a picture of that name is none
        images.write(folder / name, np.zeros((8, 8, 3)))
    assert call(with_looks, "--list") == 0
    assert capsys.readouterr().out.endswith(f"sheet of the looks: {with_looks / name}\n")
    assert call(run, "--list") == 0
    assert "sheet" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "more, words",
    [
        (["photo.png"], "leave out the pictures"),
        (["--out", "x.png"], "leave out --out"),
        (["--culture", "insular"], "leave out --culture"),
        (["--model", "restore64"], "draws no culture by its name"),
        (["--model", "/nowhere"], "no shipped model"),
    ],
)
def test_a_list_takes_a_model_of_cultures_and_nothing_else(run, capsys, more, words):
    assert call(run, "--list", *more) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_list_starts_no_tensorflow(with_looks):
    question = (
        "import sys; from stylegan_culture import stylize; stylize.main(sys.argv[1:]); "
        "print({'tensorflow', 'keras'} & set(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", question, "--list", "--model", str(with_looks)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert "greek_meander:2" in answer.stdout and answer.stderr == "set()\n"


def test_a_place_for_results_is_asked_for(run, picture, capsys):
    assert call(run, picture, "--culture", "insular") == 2
    assert capsys.readouterr().err == "error: name a place for the results with --out\n"


def test_never_overwrites_its_source(run, picture, capsys):
    before = picture.read_bytes()
    assert call(run, picture, "--culture", "insular", "--out", picture) == 2
    assert call(run, picture, "--culture", "insular", "--out", picture.parent) == 2
    assert picture.read_bytes() == before


def test_destinations(tmp_path):
    sources = ["a/x.jpg", "b/x.jpg", "c/X.avif"]
    places = pictures.destinations(sources, str(tmp_path))
    assert [place.name for place in places] == ["x.jpg", "x_2.jpg", "X.png"]
    assert pictures.destinations(["a.jpg"], "b.png") == [pathlib.Path("b.png")]
    with pytest.raises(InputError, match="give a folder"):
        pictures.destinations(["a.jpg", "b.jpg"], "c.png")


def test_mixtures_are_normalised():
    mixture = mixture_of("a=3,b=1", ["b", "c", "a"])
    np.testing.assert_allclose(mixture, [[0.25, 0, 0.75]])
