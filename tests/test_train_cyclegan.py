"""`train --trainer cyclegan`: plan, refusals, a small run; what stylize makes of it."""

import dataclasses
import functools
import json
import shutil

import numpy as np
import pytest
from calls import run

from stylegan_culture import config as settings
from stylegan_culture import images, stylize, train
from stylegan_culture.pipelines.input import load_source, make_batch
from stylegan_culture.training import cyclegan as command

SMALL = ("--image-size", "32", "--filters", "2", "--blocks", "0", "--patch-filters", "2")


pytestmark = pytest.mark.usefixtures("eager_runs")
_train = functools.partial(run, train, "--trainer", "cyclegan")
_stylize = functools.partial(run, stylize)


@pytest.fixture(scope="module")
def finished(culture_folder, tmp_path_factory):
    """A run of two steps between the two cultures of the small folder."""
    folder = tmp_path_factory.mktemp("cyclegan") / "run"
    data = ("--data", f"folder:{culture_folder / 'art'}", "--domains", "waves,lattice")
    flags = ("--preset", "smoke", "--run", folder, "--steps", 2, "--precision", "float32")
    flags = (*flags, *data, *SMALL)
    assert _train(*flags) == 0
    return folder, flags


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--domains", ""), "--domains '': name two different cultures"),
        (("--domains", "waves"), "--domains 'waves': name two"),
        (("--domains", "waves,waves"), "--domains 'waves,waves': name two different"),
        (("--domains", "waves,lattice,more"), "name two different"),
        (("--domains", "waves,dots"), "no culture 'dots'; there are lattice, waves"),
        (("--content", "folder:x"), "reads no --content"),
        (("--image-size", "30"), "multiple of 4"),
        (("--image-size", "12"), "at least 16"),
        (("--image-size", "32", "--patch-layers", "4"), "at least 64"),
        (("--patch-layers", "6"), "at least 1 and at most 5"),
        (("--pool", "-1"), "--pool"),
        (("--augmentation", "rain"), "--augmentation"),
        (("--batch-size", "0"), "--batch-size"),
    ],
)
def test_wrong_settings_are_one_sentence(finished, tmp_path, capsys, flags, words):
    moved = [tmp_path / "new" if flag == finished[0] else flag for flag in finished[1]]
    assert _train(*moved, *flags) == settings.EXIT_INPUT
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    assert not (tmp_path / "new").exists()


def test_batches_show_the_first_domain_as_contents_and_the_second_as_styles(culture_folder):
    """Both drawn from all of their own pictures, and independently of each other."""
    source = load_source(f"folder:{culture_folder / 'art'}", 32, "train")
    config = dataclasses.replace(command.SMOKE.data, image_size=32, batch_size=8, mirror=False)
    first, second = command.domains(source, ("waves", "lattice"))
    assert len(first) == len(second) == 8
    assert {name.split("/")[0] for name in first.ids} == {"waves"}
    assert {name.split("/")[0] for name in second.ids} == {"lattice"}
    drawn = {"content": set(), "style": set()}
    owners = {"content": first, "style": second}
    for step in range(6):
        batch = make_batch(config, second, first, step)
        assert (batch["content_culture"] == -1).all() and (batch["culture"] == 0).all()
        for name, owner in owners.items():
            for picture in batch[name]:
                mean = picture.mean(axis=(0, 1))
                tints = [owner.read(i).mean(axis=(0, 1)) / 255 for i in range(len(owner))]
                errors = np.abs(np.array(tints) - mean).max(axis=1)
                assert errors.min() < 0.1
                drawn[name].add(int(errors.argmin()))
    assert all(len(numbers) >= 5 for numbers in drawn.values())


def test_the_run_folder_says_what_was_learnt_and_how_well(finished):
    folder, _ = finished
    facts = json.loads((folder / "run.json").read_text())
    assert facts["trainer"] == "cyclegan"
    assert [culture["key"] for culture in facts["cultures"]] == ["waves", "lattice"]
    measures = json.loads((folder / "metrics.json").read_text())["held_out"]
    assert set(measures) == {"waves_to_lattice", "lattice_to_waves"}
    assert all(figures["pictures"] == 2 for figures in measures.values())
    assert (folder / "samples" / "waves_to_lattice_00000002.png").exists()
    assert _train(*finished[1]) == settings.EXIT_INPUT  # holds a run already


def test_the_figures_are_those_of_their_formulae(monkeypatch, culture_folder):
    """Generators that darken by a half and brighten by two, before a classifier by brightness."""
    data = dataclasses.replace(
        command.SMOKE.data, data=f"folder:{culture_folder / 'art'}", image_size=32
    )
    config = dataclasses.replace(command.SMOKE, data=data, domains="waves,lattice")

    class Pair:
        forth = staticmethod(lambda x: 0.5 * x)
        back = staticmethod(lambda x: 2.0 * x + 0.1)

    waves, lattice = command.held_out(config)
    found = command.measure(Pair, config)
    assert found["waves_to_lattice"] == {"cycle_psnr": pytest.approx(20.0, abs=1e-3), "pictures": 2}
    error = [-10 * np.log10(np.mean((0.05 + 0 * x) ** 2)) for x in lattice]
    assert found["lattice_to_waves"]["cycle_psnr"] == pytest.approx(np.mean(error), abs=1e-3)

    def name(shown):
        return np.where(shown.mean(axis=(1, 2, 3)) < 0.3, "lattice", "waves")

    monkeypatch.setattr(command, "_classifier", lambda config: name)
    monkeypatch.setattr(command, "_has_truth", lambda config: True)
    figures = command.measure(Pair, config)["waves_to_lattice"]
    assert figures["named_as_target"] == np.mean(0.5 * waves.mean(axis=(1, 2, 3)) < 0.3)
    assert figures["source_named_rightly"] == np.mean(waves.mean(axis=(1, 2, 3)) >= 0.3)
    assert figures["error"] == pytest.approx(np.mean((0.5 * waves - lattice) ** 2), rel=1e-5)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--style", "x.png"), "follows no --style"),
        (("--culture", "waves", "--strength", "0.5"), "leave out --strength"),
        (("--culture", "waves=0.5,lattice=0.5"), "one of the two, not 'waves=0.5,lattice=0.5'"),
        (("--culture", "dots"), "one of the two, not 'dots'"),
    ],
)
def test_stylize_refuses_what_a_pair_cannot(finished, tmp_path, capsys, more, words):
    images.write(tmp_path / "in.png", np.zeros((20, 20, 3)))
    places = (tmp_path / "in.png", "--model", finished[0], "--out", tmp_path / "out.png")
    assert _stylize(*places, *more) == settings.EXIT_INPUT
    error = capsys.readouterr().err
    assert words in error and "turns waves into lattice and back" in error
    assert not (tmp_path / "out.png").exists()


def test_stylize_names_weights_that_are_missing(finished, tmp_path, capsys):
    (tmp_path / "half").mkdir()
    shutil.copy(finished[0] / "run.json", tmp_path / "half")
    images.write(tmp_path / "in.png", np.zeros((20, 20, 3)))
    places = (tmp_path / "in.png", "--model", tmp_path / "half", "--out", tmp_path / "out.png")
    assert _stylize(*places, "--culture", "waves") == settings.EXIT_INPUT
    assert "train the run to its end" in capsys.readouterr().err


def test_stylize_restyles_by_the_run_itself(finished, tmp_path):
    images.write(tmp_path / "in.png", np.random.default_rng(2).random((20, 24, 3), np.float32))
    results = []
    for key in ("waves", "lattice"):
        out = tmp_path / f"{key}.png"
        places = (tmp_path / "in.png", "--model", finished[0], "--out", out)
        assert _stylize(*places, "--culture", key) == 0
        results.append(images.read(out))
    assert results[0].shape == (20, 24, 3) and np.abs(results[0] - results[1]).max() > 0.02


def test_stylize_restyles_no_clips_by_it(finished, tmp_path, capsys):
    pytest.importorskip("av")
    for number in range(2):
        images.write(tmp_path / "frames" / f"{number:04d}.png", np.zeros((20, 20, 3)))
    places = (tmp_path / "frames", "--model", finished[0], "--out", tmp_path / "out")
    assert _stylize(*places, "--culture", "waves") == settings.EXIT_INPUT
    assert "which would flicker" in capsys.readouterr().err
