"""Choosing the best checkpoint: the figures against what models made for it must get, the run."""

import contextlib
import dataclasses
import functools
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from calls import run

from stylegan_culture import config as settings
from stylegan_culture import models, train
from stylegan_culture.config import InputError
from stylegan_culture.measures import content as content_measures
from stylegan_culture.measures import sets
from stylegan_culture.networks.classifier import CultureTagger
from stylegan_culture.pipelines.input import (
    DataConfig,
    evaluation_arrays,
    load_content,
    load_source,
)
from stylegan_culture.training import checkpoint
from stylegan_culture.training.culture import keep_best
from stylegan_culture.training.culture.keep_best import Exam
from stylegan_culture.training.culture.settings import METRICS, BestConfig, TrainConfig


class Copying:
    """Gives contents back."""

    def __call__(self, image, mixture, strength):
        return image


class Answering:
    """Gives one picture for each culture, whatever the content."""

    def __init__(self, answers):
        self.answers = tf.constant(answers)  # [K, S, S, 3]

    def __call__(self, image, mixture, strength):
        return tf.einsum("bk,khwc->bhwc", mixture, self.answers)


def _config(data, **more):
    chosen = BestConfig(**{"keep_best": "named", **more})
    return TrainConfig(data=data, best=chosen, precision="float32")


@pytest.fixture(scope="module")
def data(culture_folder):
    return DataConfig(data=f"folder:{culture_folder / 'art'}", image_size=32)


@pytest.fixture(scope="module")
def source(data):
    return load_source(data.data, data.image_size, "train")


@pytest.fixture(scope="module")
def exam(data, source):
    return Exam(_config(data), source, None)


@pytest.fixture(scope="module")
def artworks(data, source):
    """A training picture of each culture `[K, S, S, 3]`."""
    chosen = source.select([source.of_culture(k)[0] for k in range(2)])
    return evaluation_arrays(chosen, data.image_size)[0]


def test_contents_are_held_out_and_only_asked_to_become_another_culture(exam, data):
    held_out = load_source(data.data, data.image_size, "held_out")
    pictures, cultures, _ = evaluation_arrays(held_out, data.image_size)
    np.testing.assert_array_equal(exam.contents, pictures)
    np.testing.assert_array_equal(exam.wanted, [cultures != 0, cultures != 1])


def test_a_model_that_copies_keeps_all_content_and_is_never_named_as_asked(exam):
    found = exam(Copying())
    assert found["content"] == pytest.approx(0.0, abs=1e-5)
    assert found["named"] == 0.0 and found["balanced"] == 0.0 and found["kid"] > 0.1
    assert set(found) == set(METRICS) - {"truth"}


def test_a_model_that_paints_an_artwork_is_named_as_asked_and_loses_the_content(exam, artworks):
    found = exam(Answering(artworks))
    assert found["named"] == 1.0 and found["content"] > 0.5
    assert found["balanced"] == pytest.approx(1.0 - found["content"] / 2.0)
    mixed = exam(Answering(artworks[[0, 0]]))  # of culture 0, whatever is asked
    assert mixed["named"] == 0.5
    assert mixed["balanced"] == pytest.approx(0.5 * (1.0 - mixed["content"] / 2.0))


def test_figures_are_the_projects_measures_of_the_enlarged_pictures(exam, artworks, source, data):
    """Content by `content_codes`, KID by `quality.kid` of the tagger's standardised descriptors."""
    answers, backbone = 0.5 * artworks + 0.2, exam.sight.backbone
    found = exam(Answering(answers))
    larger = [np.repeat(np.repeat(x, 3, axis=1), 3, axis=2) for x in (exam.contents, answers)]
    codes = [content_measures.content_codes(backbone, each) for each in larger]
    apart = content_measures.content_distances(codes[1], codes[0])  # [K, N]
    assert found["content"] == pytest.approx(apart[exam.wanted].mean(), rel=1e-4)
    tagger, kids = CultureTagger(backbone), []
    head = exam.sight.head

    def standard(pictures):
        pictures = pictures.repeat(3, axis=1).repeat(3, axis=2)
        described = np.asarray(tagger.describe(pictures))
        return np.clip((described - np.asarray(head.mean)) / np.asarray(head.deviation), -5.0, 5.0)

    for culture in range(2):
        own = source.select(source.of_culture(culture))
        real = standard(evaluation_arrays(own, data.image_size)[0])
        results = standard(np.repeat(answers[[culture]], exam.wanted[culture].sum(), axis=0))
        kids.append(sets.kid(results, real))
    assert found["kid"] == pytest.approx(np.mean(kids), rel=1e-3)


def test_photographs_are_a_class_of_their_own_and_the_contents(data, source, culture_folder):
    """Left alone, they are named photographs and no culture."""
    place = f"folder:{culture_folder / 'photographs'}"
    photographs = load_content(place, data.image_size, "all")
    with pytest.raises(InputError, match="1 held-out contents"):
        Exam(_config(dataclasses.replace(data, content=place)), source, photographs)
    contents = evaluation_arrays(photographs, data.image_size)[0]
    exam = Exam(_config(data), source, photographs)
    named = np.argmax(exam.sight.head(exam.sight._perceived(contents)[0]), axis=1)
    np.testing.assert_array_equal(named, np.full(len(contents), 2))


def test_the_truth_is_that_of_the_same_scenes_in_every_tradition():
    """A model that paints the truth is without error; one that copies has that of the scenes."""
    data = DataConfig(data="ornaments", image_size=64)
    exam = Exam(
        _config(data, keep_best="truth", judged_contents=5), load_source("ornaments", 64), None
    )
    assert exam.sight is None and exam.rendered.shape == (8, 5, 64, 64, 3)

    class True_:
        def __call__(self, image, mixture, strength):
            return tf.einsum("bk,kbhwc->bhwc", mixture, tf.constant(exam.rendered))

    assert exam(True_()) == {"truth": pytest.approx(0.0, abs=1e-12)}
    held_out = load_source("ornaments", 64, "held_out")
    pictures, cultures, names = evaluation_arrays(held_out, 64)
    errors = []
    for content in exam.contents:
        (number,) = np.flatnonzero((pictures == content).all(axis=(1, 2, 3)))
        scene = names[number].split("/")[1]
        for other, name in enumerate(names):
            if name.endswith(scene) and cultures[other] != cultures[number]:
                errors.append(np.mean((pictures[other].astype(float) - content) ** 2))
    assert len(errors) == 5 * 7
    assert exam(Copying())["truth"] == pytest.approx(np.mean(errors), rel=1e-5)


_run = functools.partial(run, train)


def _flags(folder, run, *more):
    art = ("--preset", "smoke", "--data", f"folder:{folder / 'art'}", "--run", run)
    return (*art, "--image-size", "32", "--log-interval", "1", "--save-interval", "1", *more)


@contextlib.contextmanager
def _measured(uncompiled, *figures):
    """Runs are judged by these figures one after the other, and their few steps not compiled."""
    values = iter(figures)
    with pytest.MonkeyPatch.context() as patch, uncompiled():
        patch.setattr(keep_best, "Exam", lambda *_: lambda model: {"named": next(values)})
        yield


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--keep-best", "truth"), "--data ornaments"),
        (("--keep-best", "kid", "--judged-contents", "1"), "at least 2"),
        (("--keep-best", "kid", "--judged-contents", "2"), "more --judged-contents"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_the_run(
    culture_folder, tmp_path, capsys, more, named
):
    assert _run(*_flags(culture_folder, tmp_path / "run", *more)) == settings.EXIT_INPUT
    shown = capsys.readouterr().err
    assert named in shown and shown.startswith("error: ") and not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def finished(culture_folder, tmp_path_factory, uncompiled):
    """Two steps, judged by figures that are told: step 1 is the better one."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    flags = _flags(culture_folder, folder, "--steps", "2", "--keep-best", "named")
    with _measured(uncompiled, 0.9, 0.4):
        assert _run(*flags) == 0
    return folder, flags


def _average(path):
    with np.load(path) as saved:
        return [saved[name] for name in sorted(saved.files) if name.startswith("average/")]


def test_the_run_ends_with_the_best_weights_and_says_so(finished):
    folder, _ = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["kept"] == {"metric": "named", "step": 1, "figures": {"named": 0.9}}
    assert metrics["steps"] == 2
    model = models.load(folder, "culture").network
    wanted = _average(folder / "checkpoints" / "step_00000001.npz")
    for variable, value in zip(model.variables, wanted, strict=True):
        np.testing.assert_array_equal(variable, value)
    last = _average(folder / "checkpoints" / "step_00000002.npz")
    assert any(not np.array_equal(a, b) for a, b in zip(wanted, last, strict=True))
    assert (folder / "samples" / "cultures_best.png").exists()


def test_an_unfinished_run_serves_the_best_weights_so_far(finished, tmp_path):
    """As a kill after step 1 leaves it; export, stylize and evaluate load a run so."""
    folder = tmp_path / "killed"
    shutil.copytree(finished[0], folder)
    (folder / "metrics.json").unlink()
    model = models.load(folder, "culture").network
    wanted = _average(folder / "checkpoints" / "step_00000001.npz")
    np.testing.assert_array_equal(model.variables[0], wanted[0])


@pytest.mark.slow
def test_a_longer_run_goes_on_comparing(finished, tmp_path, capsys, uncompiled):
    shutil.copytree(finished[0], tmp_path / "longer")
    flags = [tmp_path / "longer" if flag == finished[0] else flag for flag in finished[1]]
    with _measured(uncompiled, 0.7):
        assert _run(*flags, "--resume", "--steps", "3") == 0
    record = json.loads((tmp_path / "longer" / "best.json").read_text())
    assert [entry["figures"]["named"] for entry in record["judged"]] == [0.9, 0.4, 0.7]
    assert "step 1, best by named (0.900)" in capsys.readouterr().out
    assert checkpoint.latest(tmp_path / "longer" / "checkpoints").name == "step_00000003.npz"
