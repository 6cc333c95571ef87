"""`--trainer codes`: what it scores, what it chooses, and the run folder that it writes."""

import dataclasses
import itertools
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from calls import refused, run
from skies import picture

from stylegan_culture import arrays, images, models, train
from stylegan_culture.deploy import exporter
from stylegan_culture.features import backbones
from stylegan_culture.stylizer import Stylizer
from stylegan_culture.training import code_score, codes


def judged(code, score, tone=1.0, shown=(0.0,), named=(0.5,)):
    candidate = codes.Candidate(np.array(code, np.float32), "waves/0001")
    figures = codes.Figures(
        named, edges=0.5, order=0.5, marks=0.0, tone=tone, lights=80.0, chroma=9.0, far=0.0
    )
    return codes.Judged(candidate, figures, score, np.array(shown))


def _farthest(every, count, near):
    """`different` by brute force: of all that are near the best, the farthest from the chosen."""
    chosen = [max(every, key=lambda one: one.score)]
    for _ in range(count - 1):
        left = [one for one in every if one not in chosen and one.score >= chosen[0].score - near]
        nearest = {
            id(one): min(sum((one.shown - each.shown) ** 2) ** 0.5 for each in chosen)
            for one in left
        }
        if left:
            chosen.append(max(left, key=lambda one: nearest[id(one)]))
    return chosen


def test_looks_are_the_best_and_then_the_most_different_of_those_near_it(generator):
    scores, places = generator.uniform(0.0, 0.4, 30), generator.normal(size=(30, 3))
    every = [judged([0], score, shown=at) for score, at in zip(scores, places, strict=True)]
    chosen = codes.different(every, 5, 0.2)
    assert chosen == _farthest(every, 5, 0.2)
    assert chosen[0].score == scores.max() and min(one.score for one in chosen) < scores.max() - 0.1
    assert codes.different(every, 5, 0.0) == chosen[:1]  # none is as good
    assert codes.different([], 5, 0.2) == codes.different(every, 0, 0.2) == []
    assert len(codes.different(every[:2], 5, 1.0)) == 2


def test_a_code_of_a_lower_tone_is_not_allowed_but_the_one_before_always_is():
    every = [judged([0], 0.1, tone=0.8), judged([1], 0.9, tone=0.7), judged([2], 0.5, tone=0.78)]
    assert codes.allowed(every, 0.03) == [every[0], every[2]]
    assert codes.allowed(every, 0.2) == every


def test_a_code_that_a_probe_names_less_is_not_allowed():
    every = [judged([0], 0.1, named=(0.5, 0.6)), judged([1], 0.9, named=(0.9, 0.55))]
    assert codes.allowed(every, 0.03) == every[:1] and codes.allowed(every, 0.06) == every


AIMS = codes.Aims(1.5, 80.0, 5.0, 20.0, None)


@pytest.fixture
def searching(monkeypatch):
    """Makes a search whose candidates are judged by what a test says of their codes; 10 is added to
    improve them."""

    def make(told, keeps=False, **settings):
        class Model:
            def stylize_with(self, *inputs):
                raise AssertionError("nothing is restyled here")

        class Descent:
            def __init__(self, *arguments):
                pass

            def held(self, code, culture, aims):
                assert (code.tolist(), culture, aims) == ([0.0], "waves", AIMS)
                return "held"

            def refined(self, start, culture, aims, held):
                assert (culture, aims, held) == ("waves", AIMS, "held")
                return start + 10.0

        monkeypatch.setattr(code_score, "Descent", Descent)
        search = codes.Search(Model(), None, "few", "every", codes.CodesConfig(**settings))

        def tell(candidate, contents, culture, aims):
            assert (culture, aims) == ("waves", AIMS)
            score, tone = told(float(candidate.code[0]), contents)
            one = judged(candidate.code, score, tone, shown=candidate.code)
            return dataclasses.replace(one, candidate=candidate)

        monkeypatch.setattr(search, "judged", tell)
        encoded = [
            codes.Candidate(np.array([place], np.float32), f"waves/{place}")
            for place in np.linspace(-1.0, 1.0, 9)
        ]
        before = codes.Candidate(np.zeros(1, np.float32), codes.BEFORE)
        return search.looks("waves", before, encoded, AIMS, keeps)

    return make


def test_a_candidate_of_a_lower_tone_is_never_chosen(searching):
    """Codes above 0 score more and draw light and dark together."""
    looks, before = searching(lambda x, _: (abs(x + 0.1), 1.0 - max(x, 0.0)), steps=0, near=5.0)
    assert before.candidate.source == codes.BEFORE
    assert len(looks) > 1 and max(float(one.candidate.code[0]) for one in looks) == 0.0


def test_the_tone_on_all_photographs_decides(searching):
    """On the few photographs all have one tone; on all of them only the code before keeps it."""

    def told(x, contents):
        return x, 1.0 if contents == "few" or x == 0.0 else 0.9

    looks, before = searching(told, near=50.0)
    assert [one.candidate for one in looks] == [before.candidate]


def test_the_code_before_stays_where_nothing_is_better(searching):
    looks, before = searching(lambda x, _: (-abs(x), 1.0), near=0.0)
    assert looks[0].score == before.score == 0.0 and looks[0].candidate.code[0] == 0.0


def test_the_best_and_most_different_artworks_are_improved(searching):
    """Improved codes are judged; the best artwork, then that farthest from it, and the code of now
    are where improving begins."""
    looks, _ = searching(lambda x, _: (x, 1.0), starts=2, looks=9, near=50.0)
    by_code = {float(look.candidate.code[0]): look.candidate.source for look in looks}
    assert by_code == {
        0.0: codes.BEFORE,
        10.0: f"{codes.BEFORE}, improved",
        11.0: "waves/1.0, improved",
        9.0: "waves/-1.0, improved",
    }


def test_a_kept_code_stays_first_and_what_is_found_follows(searching):
    looks, _ = searching(lambda x, _: (x, 1.0), keeps=True, starts=1, looks=3, near=50.0)
    assert [float(look.candidate.code[0]) for look in looks] == [0.0, 11.0, 10.0]


def test_the_plainest_come_first(generator):
    skies = np.array([0, 32, 8, 64, 16, 48, 24, 40])
    shown = np.stack([picture(generator, sky) for sky in skies])
    ordered = codes.plainest_first(shown, 4)
    rows = [next(n for n, one in enumerate(shown) if np.array_equal(one, each)) for each in ordered]
    assert sorted(rows) == list(range(8))
    assert skies[rows[:2]].tolist() == [64, 48]  # the two plainest of four
    assert rows[2] == 0 and rows[3] == 7  # the first and the last of the others
    assert rows[4:] == sorted(rows[4:])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Artworks of two cultures and of a third that the model has not, and photographs."""
    folder, generator = tmp_path_factory.mktemp("data"), np.random.default_rng(5)
    tints = {"waves": (1.0, 0.7, 0.3), "lattice": (0.3, 0.6, 1.0), "other": (0.5, 1.0, 0.5)}
    for (key, tint), number in itertools.product(tints.items(), range(5)):
        shown = picture(generator, 24) * np.array(tint, np.float32)
        images.write(folder / "art" / key / f"{number:04d}.png", shown)
    for number in range(8):
        shown = picture(generator, 8 * number)
        images.write(folder / "photographs" / f"{number:04d}.png", shown)
    (folder / "photographs" / "broken.png").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def model(model_folder, tmp_path_factory):
    """The run folder of `model_folder` with what a trained one says besides."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(model_folder / "model.weights.h5", folder)
    record = json.loads((model_folder / "run.json").read_text("utf-8"))
    record["cultures"][0] |= {"title": "Lattice of lines", "pictures": 4}
    facts = {"data": "folder:art", "image_size": 32, "commit": "abc", "versions": {"keras": "3"}}
    (folder / "run.json").write_text(json.dumps(record | facts), "utf-8")
    table = folder.with_name(f"{folder.name}_pictures.csv")
    table.write_text("path,culture\nart/waves/7.png,waves\n", "utf-8")
    return folder


SLACK = 0.5  # so that two codes of untrained weights are allowed


def flags(model, data, folder, *more):
    return (
        *("--trainer", "codes", "--model", model, "--run", folder, "--data", f"folder:{data}/art"),
        *("--content", f"folder:{data}/photographs", "--size", 32, "--artworks", 3),
        *("--starts", 1, "--steps", 2, "--contents", 2, "--judged", 4, "--looks", 2, "--near", 9),
        *("--slack", SLACK, *more),
    )


def _thumbnails(batch):
    """Stands for a backbone: the picture in blocks of 40 px."""
    return {"blocks": tf.nn.avg_pool2d(batch, 40, 40, "VALID")}


@pytest.fixture(scope="module")
def read():
    """The models that `finished` has read."""
    return []


@pytest.fixture(scope="module")
def finished(model, data, read, tmp_path_factory):
    folder, load = tmp_path_factory.mktemp("runs") / "codes", models.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "build_backbone", lambda name, weights: _thumbnails)
        patch.setattr(models, "load", lambda *named: read.append(load(*named)) or read[-1])
        assert run(train, *flags(model, data, folder)) == 0
    return folder


@pytest.fixture(scope="module")
def loaded(finished):
    return models.load(finished, "culture")


@pytest.fixture(scope="module")
def measures(finished):
    return json.loads((finished / "metrics.json").read_text("utf-8"))


def test_the_run_folder_is_a_model_with_looks(read, loaded, measures):
    assert (loaded.facts.trainer, loaded.facts.keys) == ("codes", ("lattice", "waves"))
    assert loaded.facts.cultures[0].title == "Lattice of lines"
    (before,) = read
    for ours, theirs in zip(loaded.network.weights, before.network.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    named = loaded.network.named_codes()
    for culture in loaded.facts.cultures:
        assert len(culture.looks) == 2
        np.testing.assert_allclose(named[culture.key], culture.looks[0].code)
        np.testing.assert_allclose(named[f"{culture.key}:2"], culture.looks[1].code)
        before, looks = measures[culture.key]["before"], measures[culture.key]["looks"]
        assert [one["source"] for one in looks] == [look.source for look in culture.looks]
        assert before["source"] == codes.BEFORE and looks[0]["score"] >= before["score"]
        assert min(one["tone"] for one in looks) >= before["tone"] - SLACK


def test_looks_restyle_by_name(loaded, generator):
    content, stylizer = picture(generator, 16), Stylizer(loaded.network)
    first, named, second = (stylizer(content, name) for name in ("waves", "waves:1", "waves:2"))
    np.testing.assert_array_equal(first, named)
    assert np.abs(first - second).max() > 1 / 255


def test_the_sheet_shows_two_photographs_in_every_look(finished, loaded):
    sheet = images.read(finished / "samples" / "looks.png")
    height, width = sheet.shape[:2]
    assert height >= 2 * 32 and width >= 6 * 32
    assert models.looks_sheet(loaded.facts) == finished / "samples" / "looks.png"


def test_an_export_reads_the_run_and_its_card_names_the_looks(finished, loaded):
    plan = exporter.make_plan(exporter.ExportConfig(run=str(finished), out="tiny"))
    assert plan.origin.data == "folder:art" and plan.origin.commit == "abc"
    assert "--trainer codes" in plan.origin.command
    described = exporter.describe(plan, plan.kind.record(loaded, []), finished)
    assert [len(one["looks"]) for one in described["cultures"]] == [2, 2]
    card = exporter.card_of(plan, [], {}, [])
    assert "## Looks" in card and "- `waves:2`: " in card and "](looks.jpg)" in card


def test_the_run_folder_is_whole_and_broken_files_are_named(finished):
    files = (path for path in finished.rglob("*") if path.is_file())
    names = {path.relative_to(finished).as_posix() for path in files}
    whole = {"run.json", "metrics.json", "model.weights.h5", "samples/looks.png"}
    assert names == whole | {"skipped_content.csv", "pictures.csv"}
    assert models.training_pictures(finished) == {"waves/7"}
    assert "broken.png" in (finished / "skipped_content.csv").read_text("utf-8")


@pytest.fixture
def quick(loaded, monkeypatch):
    """A model that is in memory, and a backbone that takes no time."""
    monkeypatch.setattr(backbones, "build_backbone", lambda name, weights: _thumbnails)
    monkeypatch.setattr(models, "load", lambda name, kind: loaded)


def test_a_search_may_begin_with_looks(finished, data, tmp_path, measures, quick):
    """The code before is the first look, and looks are replaced."""
    more = ("--starts", 0, "--looks", 1, "--artworks", 2)
    assert run(train, *flags(finished, data, tmp_path / "again", *more)) == 0
    assert [len(culture.looks) for culture in models.read(tmp_path / "again").cultures] == [1, 1]
    again = json.loads((tmp_path / "again" / "metrics.json").read_text("utf-8"))
    for key in ("lattice", "waves"):
        look, before = measures[key]["looks"][0], again[key]["before"]
        was, now = look["tone"], before["tone"]
        assert before["source"] == look["source"]
        assert now == pytest.approx(was, abs=2e-4)


def test_an_interrupted_search_leaves_no_run(finished, data, tmp_path, monkeypatch, quick):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(codes.Search, "judged", lambda *_, **__: judged([0.0] * 64, 0.0))
    monkeypatch.setattr(codes, "_sheet", lambda *_: np.ones((8, 8, 3)))
    monkeypatch.setattr(arrays, "save_weights", stop)
    assert run(train, *flags(finished, data, tmp_path / "run")) == 130
    assert (tmp_path / "run" / "metrics.json").exists()
    assert not (tmp_path / "run" / "run.json").exists()
    with pytest.raises(codes.InputError, match="no run folder"):
        models.find(tmp_path / "run")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--data", ""), "--data is missing"),
        (("--content", ""), "--content is missing"),
        (("--contents", 5), "--contents 5 is more than --judged 4"),
        (("--judged", 30), "6 training photographs"),
    ],
)
def test_wrong_input_is_one_sentence(quick, model, data, tmp_path, capsys, more, words):
    refused(capsys, train, *flags(model, data, tmp_path / "run", *more), words=words)
    assert not (tmp_path / "run").exists()


def test_a_culture_without_artworks_is_refused(quick, model, data, tmp_path, capsys):
    folder = tmp_path / "some"
    shutil.copytree(data / "art" / "waves", folder / "art" / "waves")
    shutil.copytree(data / "art" / "other", folder / "art" / "other")
    shutil.copytree(data / "photographs", folder / "photographs")
    refused(capsys, train, *flags(model, folder, tmp_path / "run"), words="model's culture lattice")


def test_other_cultures_keep_what_they_have(finished, loaded, data, tmp_path, quick):
    more = ("--starts", 0, "--looks", 1, "--artworks", 2, "--cultures", "waves")
    assert run(train, *flags(finished, data, tmp_path / "one", *more)) == 0
    lattice, waves = models.read(tmp_path / "one").cultures
    assert lattice == loaded.facts.cultures[0] and len(waves.looks) == 1
    measures = json.loads((tmp_path / "one" / "metrics.json").read_text("utf-8"))
    assert "waves" in measures and "lattice" not in measures


def test_a_culture_that_the_model_has_not_is_refused(quick, model, data, tmp_path, capsys):
    for more in (("--cultures", "waves,stars"), ("--cultures", "waves", "--keep", "stars")):
        given = flags(model, data, tmp_path / "run", *more)
        refused(capsys, train, *given, words="names stars, for which no codes are searched")
        assert not (tmp_path / "run").exists()
