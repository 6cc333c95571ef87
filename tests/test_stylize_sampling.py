"""`stylize --sample`: sheets, walks, GIFs and folders, of samplers and of a culture model."""

import dataclasses
import functools
import json

import calls
import keras
import numpy as np
import pytest
from PIL import Image

from stylegan_culture import config, export, images, models, outputs, stylize
from stylegan_culture.networks import noise
from stylegan_culture.networks.dcgan import NoiseGenerator
from stylegan_culture.networks.sizes import SamplerConfig
from stylegan_culture.restyling import feedforward

SIZE = 16
CELL = SIZE + 2


_run = functools.partial(calls.run, stylize)


def _sampler(folder, conditional):
    keras.utils.set_random_seed(6)
    sizes = SamplerConfig(2, 4, 4, conditional)
    generator = NoiseGenerator(2 if conditional else 1, SIZE, sizes).create_weights()
    generator.save_weights(folder / models.WEIGHTS)
    facts = {
        "trainer": "dcgan",
        "config": {"sampler": dataclasses.asdict(sizes)},
        "image_size": SIZE,
        "cultures": [{"key": "lattice"}, {"key": "waves"}],
    }
    (folder / "run.json").write_text(json.dumps(facts), "utf-8")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return _sampler(tmp_path_factory.mktemp("conditional"), True)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "content.png"
    pixels = np.random.default_rng(1).uniform(size=(5, 6, 3)).repeat(8, 0).repeat(8, 1)
    images.write(path, pixels)
    return path


def _cell(sheet, row, column, left):
    return sheet[row * CELL : row * CELL + SIZE, left + column * CELL : left + column * CELL + SIZE]


def test_a_sheet_has_a_row_for_each_culture_and_a_column_for_each_point(run, tmp_path):
    out = tmp_path / "sheet.png"
    assert _run("--sample", 3, "--model", run, "--seed", 4, "--out", out) == 0
    sheet = images.read(out)
    left = sheet.shape[1] - (3 * CELL - 2)
    assert sheet.shape[0] == 2 * CELL - 2 and left > 0
    points = noise.draw(3, 4, 4)
    generator = models.load(run, "sampler").network
    for row, label in enumerate(np.eye(2, dtype="f4")):
        drawn = np.asarray(generator(points, np.tile(label, (3, 1))))
        for column in range(3):
            np.testing.assert_allclose(_cell(sheet, row, column, left), drawn[column], atol=0.003)


def test_one_culture_or_a_mixture_is_one_row(run, tmp_path):
    rows = {}
    for request in ("waves", "lattice=0.5,waves=0.5"):
        out = tmp_path / "row.png"
        assert _run("--sample", 2, "--model", run, "--culture", request, "--out", out) == 0
        sheet = images.read(out)
        rows[request] = sheet[:, -(2 * CELL - 2) :]
        assert rows[request].shape == (SIZE, 2 * CELL - 2, 3)
    first, second = rows.values()
    assert np.abs(first - second).max() > 0.01


def test_the_noise_is_that_of_the_seed(run, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert _run("--sample", 1, "--model", run, "--seed", seed, "--out", tmp_path / name) == 0
    files = {name: (tmp_path / name / "waves_0001.png").read_bytes() for name in "abc"}
    assert files["a"] == files["b"] != files["c"]


def test_a_folder_takes_every_sample_by_its_culture(run, tmp_path):
    assert _run("--sample", 2, "--model", run, "--out", tmp_path / "new") == 0
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == [f"{key}_{n:04d}.png" for key in ("lattice", "waves") for n in (1, 2)]
    assert images.read(tmp_path / "new" / names[0]).shape == (SIZE, SIZE, 3)


def test_a_walk_on_a_sheet_goes_from_each_sample_to_the_next(run, tmp_path):
    out = tmp_path / "walk.png"
    flags = ("--sample", 3, "--walk", 4, "--model", run, "--culture", "waves", "--out", out)
    assert _run(*flags) == 0
    sheet = images.read(out)
    left = sheet.shape[1] - (5 * CELL - 2)
    assert sheet.shape[0] == 2 * CELL - 2
    np.testing.assert_array_equal(_cell(sheet, 0, 4, left), _cell(sheet, 1, 0, left))
    points = noise.draw(3, 4, 0)
    between = noise.between(points[1], points[2], 0.25)
    generator = models.load(run, "sampler").network
    expected = np.asarray(generator(between[None], np.array([[0.0, 1.0]], "f4")))[0]
    np.testing.assert_allclose(_cell(sheet, 1, 1, left), expected, atol=0.003)


def test_a_walk_as_a_gif_repeats_and_has_all_steps(run, tmp_path):
    out = tmp_path / "walk.gif"
    assert _run("--sample", 2, "--walk", 5, "--model", run, "--out", out) == 0
    with Image.open(out) as clip:
        assert clip.n_frames == 10 and clip.info["loop"] == 0
        assert clip.size == (2 * CELL - 2, SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["walk.gif"]
    assert outputs.made_here(out)


def test_a_walk_in_a_folder_is_its_frames(run, tmp_path):
    flags = ("--sample", 2, "--walk", 3, "--model", run, "--culture", "waves")
    assert _run(*flags, "--out", tmp_path / "frames") == 0
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == [f"{number:04d}.png" for number in range(1, 7)]


def test_an_unconditional_one_has_a_single_unnamed_row(tmp_path, capsys):
    run = _sampler(tmp_path, False)
    assert _run("--sample", 3, "--model", run, "--out", tmp_path / "sheet.png") == 0
    assert images.read(tmp_path / "sheet.png").shape == (SIZE, 3 * CELL - 2, 3)
    flags = ("--sample", 1, "--model", run, "--culture", "waves", "--out", tmp_path / "x.png")
    assert _run(*flags) == config.EXIT_INPUT
    assert "--culture" in capsys.readouterr().err


def test_new_styles_of_a_picture_follow_the_content_on_a_sheet(model_folder, picture, tmp_path):
    out = tmp_path / "styles.png"
    flags = (picture, "--sample", 2, "--culture", "waves", "--model", model_folder)
    assert _run(*flags, "--size", 48, "--spread", 0.5, "--out", out) == 0
    sheet = images.read(out)
    content = images.read(picture)
    assert sheet.shape[0] == 40
    sheet = sheet[:, -148:]
    cells = [sheet[:, 50 * n : 50 * n + 48] for n in range(3)]
    np.testing.assert_allclose(cells[0], content, atol=0.003)
    model = models.load(model_folder, "culture").network
    for cell, point in zip(cells[1:], noise.draw(2, model.config.code_size, 0), strict=True):
        code = np.asarray(model.fusion(np.array([[0.0, 1.0]], "f4"))) + 0.5 * point
        expected = feedforward.CultureNetwork(model, code)(content)
        np.testing.assert_allclose(cell, expected, atol=0.003)
    assert np.abs(cells[1] - cells[2]).max() > 0.01


def test_wrong_input_is_one_sentence(run, model_folder, picture, tmp_path, capsys):
    out = ("--out", tmp_path / "x.png")
    gif = ("--out", tmp_path / "x.gif")
    of_run = ("--model", run)
    cases = {
        "no sample": (("--sample", 0, *of_run, *out), "sample is 0"),
        "negative seed": (("--sample", 1, "--seed", -1, *of_run, *out), "seed is -1"),
        "walk alone": ((picture, "--walk", 3, *of_run, *out), "--sample"),
        "walk of one": (("--sample", 1, "--walk", 3, *of_run, *out), "--walk"),
        "walk without steps": (("--sample", 2, "--walk", 0, *of_run, *out), "--walk"),
        "unknown culture": (("--sample", 1, "--culture", "wave", *of_run, *out), "'wave'"),
        "nothing at all": ((*of_run, *out), "--sample N"),
        "no run of noise": (("--sample", 1, "--model", model_folder, *out), str(model_folder)),
        "picture for noise": (
            (picture, "--sample", 1, "--culture", "waves", *of_run, *out),
            "leave",
        ),
        "no culture": ((picture, "--sample", 1, "--model", model_folder, *out), "--culture"),
        "two pictures": ((picture, picture, "--sample", 1, "--culture", "waves", *out), "not 2"),
        "a style": (("--sample", 1, "--style", picture, *of_run, *out), "--style"),
        "a method": (("--sample", 1, "--method", "wct", *of_run, *out), "--method"),
        "no spread": (("--sample", 1, "--spread", "nan", *of_run, *out), "spread is nan"),
        "a still GIF": (("--sample", 2, *of_run, *gif), "x.gif"),
        "a video": (("--sample", 2, "--walk", 2, *of_run, "--out", tmp_path / "x.mp4"), "x.mp4"),
        "not for --strength": (
            (picture, "--sample", 1, "--culture", "waves", "--strength", 2, *out),
            "--strength",
        ),
    }
    for name, (flags, named) in cases.items():
        assert _run(*flags) == config.EXIT_INPUT, name
        shown = capsys.readouterr().err
        assert shown.startswith("error: ") and shown.count("\n") == 1 and named in shown, name
    assert not list(tmp_path.iterdir())


def test_samplers_are_not_exported_and_say_so(run, tmp_path, capsys):
    flags = ["--run", str(run), "--out", str(tmp_path / "model")]
    assert config.run_command(export.main, flags) == config.EXIT_INPUT
    assert "--sample" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
