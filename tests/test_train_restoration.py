"""`train --trainer restore` and `stylize --restore`: plans, refusals, a small run, its use."""

import functools
import json

import numpy as np
import pytest
from calls import run

from stylegan_culture import images, models, stylize, train
from stylegan_culture.deploy import signatures
from stylegan_culture.restyling import restoration

SMALL = ("--image-size", "32", "--refining-width", "8", "--damage", "inpaint,enlarge2")


pytestmark = pytest.mark.usefixtures("eager_runs")
TRAIN = ("--trainer", "restore", "--preset", "smoke", "--precision", "float32")
_train, _stylize = functools.partial(run, train, *TRAIN), functools.partial(run, stylize)


@pytest.fixture(scope="module")
def sources(culture_folder):
    data, content = culture_folder / "art", culture_folder / "photographs"
    return ("--data", f"folder:{data}", "--content", f"folder:{content}", *SMALL)


@pytest.fixture(scope="module")
def finished(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("restore") / "run"
    assert _train(*sources, "--run", folder) == 0
    return folder


@pytest.fixture
def photograph(culture_folder):
    return culture_folder / "photographs" / "0000.png"


def test_the_run_is_judged_by_kind_and_source(finished):
    judged = json.loads((finished / "metrics.json").read_text())["held_out"]
    assert judged["data"]["side"] == 32 and judged["content"]["side"] == 128
    for part in judged.values():
        assert set(part["kinds"]) == {"inpaint", "enlarge2"}
        for values in part["kinds"].values():
            gain = values["psnr_restored"] - values["psnr_damaged"]
            assert values["psnr_gain"] == pytest.approx(gain)
            assert 3.0 < values["psnr_damaged"] < 60.0
    assert (finished / "samples" / "inpaint_00000004.png").is_file()


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(finished, sources, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in ("run.json", "checkpoints/step_00000002.npz"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    assert _train(*sources, "--run", tmp_path, "--resume") == 0
    first, second = (np.load(f / "checkpoints/step_00000004.npz") for f in (finished, tmp_path))
    early = np.load(finished / "checkpoints/step_00000002.npz")
    assert set(first.files) == set(second.files)
    for name in first.files:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert any((early[name] != first[name]).any() for name in first.files if "average" in name)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--damage", "scratches"), "'scratches'"),
        (("--image-size", "36"), "--image-size"),
        (("--image-size", "16"), "at least 32"),
        (("--least-noise", "50"), "--most-noise"),
        (("--rate", "0"), "--rate"),
    ],
)
def test_plans_that_cannot_be_are_refused(flags, words, tmp_path, capsys):
    assert _train(*flags, "--run", tmp_path / "run") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_both_helps_say_that_results_are_no_evidence(capsys):
    for main, flags in (
        (train.main, ["--trainer", "restore", "--help"]),
        (stylize.main, ["--help"]),
    ):
        with pytest.raises(SystemExit):
            main(flags)
        text = " ".join(capsys.readouterr().out.split())
        assert "no evidence of what was there" in text
    assert "medical" in text and "--faithful" in text


def test_a_run_folder_restores_a_file(finished, photograph, tmp_path, capsys):
    place = tmp_path / "large.png"
    assert _stylize(photograph, "--restore", "enlarge2", "--model", finished, "--out", place) == 0
    height, width = images.read(photograph).shape[:2]
    assert images.read(place).shape == (2 * height, 2 * width, 3)
    assert "no evidence" in capsys.readouterr().err


def test_a_mask_says_what_is_repaired(finished, photograph, tmp_path):
    picture = images.read(photograph)
    hole = np.zeros_like(picture)
    hole[10:20, 12:30] = 1.0
    mask, place = tmp_path / "mask.png", tmp_path / "whole.png"
    images.write(mask, hole)
    asked = (photograph, "--restore", "inpaint", "--model", finished, "--mask", mask)
    assert _stylize(*asked, "--out", place) == 0
    result = images.read(place)
    np.testing.assert_array_equal(result[hole == 0], picture[hole == 0])
    assert (result[hole == 1] != picture[hole == 1]).mean() > 0.9
    images.write(mask, hole[1:])
    assert _stylize(*asked, "--out", tmp_path / "other.png") == 2


def test_a_repair_may_end_in_a_culture(finished, model_folder, photograph, tmp_path):
    asked = (photograph, "--restore", "enlarge2", "--model", finished)
    fused = (*asked, "--culture", "waves", "--fuse-model", model_folder)
    pictures = []
    for number, flags in enumerate((asked, (*fused, "--strength", "0"), fused)):
        assert _stylize(*flags, "--out", tmp_path / f"{number}.png") == 0
        pictures.append(images.read(tmp_path / f"{number}.png"))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[2] - pictures[0]).mean() > 0.01


def test_faithful_restoring_needs_no_model_and_keeps_order(photograph, tmp_path):
    place = tmp_path / "tone.png"
    flags = ("--restore", "contrast", "--faithful", "--model", "none", "--out", place)
    assert _stylize(photograph, *flags) == 0
    before, after = images.read(photograph).ravel(), images.read(place).ravel()
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= 0).all()
    assert (np.diff(after[order])[np.diff(before[order]) == 0] == 0).all()
    assert (before != after).any()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--restore", "denoise", "--faithful"), "--restore contrast"),
        (("--culture", "waves", "--faithful"), "--restore contrast"),
        (("--restore", "contrast", "--faithful", "--culture", "waves"), "--culture"),
        (("--restore", "inpaint"), "--mask"),
        (("--restore", "denoise", "--mask", "m.png"), "--mask"),
        (("--restore", "denoise", "--style", "s.png"), "--style"),
        (("--restore", "denoise", "--method", "wct"), "--method"),
        (("--restore", "denoise", "--sample", "2"), "--sample"),
        (("--restore", "denoise", "--strength", "0.5"), "--strength"),
        (("--restore", "enlarge2", "--size", "64"), "--size"),
        (("--restore", "denoise", "--model", "nowhere"), "train one"),
    ],
)
def test_restorations_that_cannot_be_are_refused(flags, words, photograph, tmp_path, capsys):
    assert _stylize(photograph, *flags, "--out", tmp_path / "out.png") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_model_of_other_kinds_says_which_it_has(finished, photograph, tmp_path, capsys):
    flags = ("--restore", "denoise", "--model", finished, "--out", tmp_path / "out.png")
    assert _stylize(photograph, *flags) == 2
    assert "inpaint, enlarge2" in capsys.readouterr().err


def test_shipping_loads_a_network_for_every_kind_without_a_mask(finished, generator):
    (part,) = signatures.EXPORTED["restore"].networks(models.load(finished))
    assert part.name == "enlarge2"
    picture = generator.uniform(size=(1, 32, 32, 3)).astype(np.float32)
    model = restoration.load(finished)
    given = np.concatenate([picture, np.zeros((1, 32, 32, 1), np.float32)], axis=-1)
    np.testing.assert_allclose(
        part.run("translate", image=picture), model.restore(given, np.array([1])), atol=1e-6
    )
