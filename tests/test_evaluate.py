"""The evaluate command, end to end on small networks and pictures, and its wrong input."""

import contextlib
import dataclasses
import io
import json
import pathlib
import types

import faces
import hostile
import keras
import numpy as np
import pytest

from stylegan_culture import config as settings
from stylegan_culture import evaluate, images, tables
from stylegan_culture.config import InputError
from stylegan_culture.measures import lightness, restyled
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.reports import evaluation, evaluation_measures, restylers
from stylegan_culture.reports.evaluation_measures import NUMBER, SETS, Measure
from stylegan_culture.reports.restylers import Restyler
from stylegan_culture.reports.trial import reduced
from stylegan_culture.restyling import gatys


@pytest.fixture(scope="module")
def flags(model_folder, culture_folder, mobilenet_archive, tmp_path_factory):
    given = {
        "model": model_folder,
        "data": f"folder:{culture_folder / 'art'}",
        "content": f"folder:{culture_folder / 'many'}",
        "judge": mobilenet_archive,
        "features": "mobilenet_v1",
        "features-weights": mobilenet_archive,
        "out": tmp_path_factory.mktemp("evaluated") / "out",
        "photographs": 3,
        "artworks": 1,
        "gallery": 4,
        "size": 64,
    }
    return lambda **changed: [
        str(word)
        for name, value in (given | changed).items()
        for word in (f"--{name}", value)
        if value is not None
    ]


def brightness(results):
    """A toy measure: the mean of each result `[K, N]`."""
    return results.pictures.mean(axis=(2, 3, 4))


def controls(trial):
    """A sound restyler, which lays a veil of an artwork of the target culture over each content,
    and a collapsed one, which paints one grey picture."""

    def veiled(pictures, culture):
        artworks = trial.artworks[trial.cultures[culture]][: len(pictures)]
        veil = np.stack([images.resize(one, 64, 64) for one in artworks])
        return (0.5 * veil + 0.5 * np.asarray(pictures)).astype(np.float32)

    grey = Restyler("collapsed", "control", lambda pictures, culture: np.full_like(pictures, 0.5))
    return [Restyler("sound", "control", veiled), grey]


@pytest.fixture(scope="module")
def evaluated(flags, vgg_archive, stage_archive, tmp_path_factory):
    """One run of the command: a model, by culture and by example, the peer, a copy and two more
    controls, with a toy measure that is one function and one line of the table."""
    kept, load, measure = types.SimpleNamespace(), evaluation.load_restylers, evaluation.measure

    def load_more(config, trial, networks):
        return [*load(config, trial, networks), *controls(trial)]

    def keep(config, trial, ways, networks):
        kept.trial, kept.ways = trial, {one.name: one for one in ways}
        kept.record, kept.galleries = measure(config, trial, ways, networks)
        return kept.record, kept.galleries

    people, saved = tmp_path_factory.mktemp("people"), tmp_path_factory.mktemp("saved") / "results"
    table = faces.write(people)
    more = {"portraits": table, "lettering": table, "save-results": saved}
    arguments = flags(style=vgg_archive, peer=stage_archive, method="identity", gatys=1, **more)
    arguments += ["--method", "example"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as shown:
        look = evaluation_measures.MEASURES["Look"]
        toy = Measure("brightness", "Brightness <&>", NUMBER, each=brightness)
        patch.setitem(evaluation_measures.MEASURES, "Look", (*look, toy))
        patch.setattr(evaluation, "load_restylers", load_more)
        patch.setattr(evaluation, "measure", keep)
        quick = gatys.GatysSettings(steps=20, scales=1)
        patch.setattr(gatys, "GatysSettings", lambda: quick)
        assert settings.run_command(evaluate.main, arguments) == 0
    kept.saved = saved
    kept.folder, kept.shown = pathlib.Path(kept.record.config.trial.out), shown.getvalue()
    kept.json = json.loads((kept.folder / "evaluation.json").read_text("utf-8"))
    kept.table = (kept.folder / "evaluation.md").read_text("utf-8")
    kept.page = (kept.folder / "evaluation.html").read_text("utf-8")
    return kept


def test_models_are_measured_beside_the_peer_and_a_copy(evaluated, model_folder):
    record = evaluated.json
    assert record["classes"] == ["lattice", "waves", "photograph"]
    assert record["sources"] == ["photograph"] * 3 + ["lattice", "waves"]
    names = list(record["methods"])
    of_model = [model_folder.name, "identity", f"{model_folder.name}_example"]
    assert names == [*of_model, "wct_vgg19", "sound", "collapsed"]
    for figures in record["methods"].values():
        shares = np.array(figures["confusion"])
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert figures["named"][0] == pytest.approx(np.mean(np.diag(shares)))
        assert 0.0 <= figures["lines"][1] <= figures["lines"][0] <= figures["lines"][2] <= 1.0
        assert figures["style_distance"][0] > 0.0 and 0.0 <= figures["crossfade_named"] <= 1.0
        assert figures["pairs"]["named"]["lattice"][0] is None
        assert {len(pairs) for pairs in figures["strips"].values()} == {5}
        assert any(key.startswith("fid@mobilenet_v1-") for key in figures["cultures"]["waves"])
    assert record["methods"][names[0]]["style_to_gatys"][0] > 1.0
    assert "style_to_gatys" not in record["methods"]["identity"]
    copy = record["methods"]["identity"]
    assert copy["content_distance"][0] == pytest.approx(0.0, abs=1e-5)
    assert copy["perceptual_distance"][0] == pytest.approx(0.0, abs=1e-5)
    assert f"| measure | {' | '.join(names)} |" in evaluated.shown
    assert "| Waves |" in evaluated.shown
    assert evaluated.table.startswith("## Evaluation\n\n| measure |")
    assert evaluated.table.removeprefix("## Evaluation\n\n") in evaluated.shown
    for name in names:
        assert images.read(evaluated.folder / f"{name}.png").shape[1] > 3 * 64


def test_a_measure_is_one_function_and_one_line(evaluated):
    """It is in the page, the table and the JSON, overall and by culture, with its interval."""
    for name, figures in evaluated.json["methods"].items():
        value, low, high = figures["brightness"]
        assert low <= value <= high
        results = evaluated.ways[name].restyle(evaluated.trial.contents, 1)
        expected = results[evaluated.trial.to_change[1]].mean()
        assert figures["cultures"]["waves"]["brightness"][0] == pytest.approx(expected, abs=1e-4)
    assert "| Brightness <&> |" in evaluated.table and "| Brightness <&> |" in evaluated.shown
    cultures = len(evaluated.json["methods"])
    assert evaluated.page.count('<th scope="col">Brightness &lt;&amp;&gt;</th>') == 1 + cultures


def test_sets_of_pictures_are_compared_by_culture(generator, monkeypatch):
    """20 contents of each of two cultures: FID, KID and their like, and ArtFID from their mean."""
    sources = np.repeat([0, 1], 20)
    trial = types.SimpleNamespace(
        cultures=("a", "b"), sources=sources, to_change=np.arange(2)[:, None] != sources
    )
    artworks = {name: generator.normal(size=(30, 8)) for name in trial.cultures}
    config = types.SimpleNamespace(trial=types.SimpleNamespace(seed=0))
    references = types.SimpleNamespace(artworks=artworks)
    results = evaluation_measures.Results(config, trial, references, None, None)
    distance = {"perceptual_distance": Interval(0.3, 0.2, 0.4)}
    vars(results)["summary"] = restyled.Summary(distance, {"a": {}, "b": {}}, {})
    vars(results)["compared"] = None, generator.normal(size=(2, 40, 8))
    monkeypatch.setattr(evaluation_measures, "MEASURES", {"": evaluation_measures.MEASURES[SETS]})
    summary = evaluation_measures.figures_of(results)
    fid = summary.figures["fid"].value
    assert fid == pytest.approx(np.mean([each["fid"].value for each in summary.cultures.values()]))
    assert summary.figures["artfid"].value == pytest.approx(1.3 * (1.0 + fid))
    assert summary.figures["kid"].low < 0.0 < summary.cultures["a"]["coverage"].value <= 1.0


def test_the_page_stands_alone_and_shows_every_method(evaluated):
    page = evaluated.page
    assert "http://" not in page and "https://" not in page and 'src="data:' in page
    assert len(page) < 3e6
    for text in ("The best results", "The worst results", "identity: copies", "Lattice to Waves"):
        assert text in page
    assert page.count("<img") == 6 * (5 * 3 + 3 * 5)  # galleries and strips, and no portrait


def test_what_restyling_keeps_and_adds_is_measured(evaluated):
    """A copy keeps all; what is not restyled at full size, or not by example, lacks those lines."""
    methods = evaluated.json["methods"]
    copy = methods["identity"]
    for name in ("edges", "order", "lettering"):
        assert copy[name] == pytest.approx([1.0, 1.0, 1.0], abs=1e-6)
        assert copy["cultures"]["waves"][name][0] == pytest.approx(1.0, abs=1e-6)
    assert "lettering" not in methods["sound"] and methods["collapsed"]["edges"] is None
    assert "full_edges" not in copy  # of no use where boxes are given
    for name, figures in methods.items():
        obeys = name.endswith("_example") or name == "wct_vgg19"
        assert ("obedience" in figures) == obeys
    assert "| Edges |" in evaluated.table and "| Nearer to its example |" in evaluated.table
    results = evaluated.ways["sound"].restyle(evaluated.trial.contents, 1)
    pairs = zip(*map(lightness.lightness, (evaluated.trial.contents, results)), strict=True)
    expected = np.array([lightness.edges(*pair) for pair in pairs])
    asked = expected[evaluated.trial.to_change[1]].mean()
    assert methods["sound"]["cultures"]["waves"]["edges"][0] == pytest.approx(asked, abs=1e-6)


def test_the_projects_own_probe_judges_beside_another(evaluated):
    second = evaluated.json["second_judge"]
    assert second["backbone"] == "inception_resnet_v2" != evaluated.json["judge"]["backbone"]
    assert "The project's own probe (inception_resnet_v2)" in evaluated.shown
    for figures in evaluated.json["methods"].values():
        assert 0.0 <= figures["named_by_own_probe"][0] <= 1.0
    own, results = evaluated.trial.second_probe, evaluated.ways["sound"].restyle
    named = [own.named(reduced(results(evaluated.trial.contents, k))) == k for k in range(2)]
    asked = evaluated.trial.to_change
    expected = np.array(named)[asked].mean()
    assert evaluated.json["methods"]["sound"]["named_by_own_probe"][0] == pytest.approx(expected)


def test_skin_is_told_in_figures_and_no_portrait_is_shown_or_written(evaluated):
    words = " ".join(evaluated.page.split())
    assert "identity lightens dark faces more than light ones in none of two traditions" in words
    assert "<h3>Skin is measured as pixels</h3>" in words and "6 faces of one collection" in words
    skin = evaluated.json["skin"]
    assert skin["faces"] == {"dark": 2, "medium": 2, "light": 2}
    assert skin["before"]["dark"][0] == pytest.approx(32.5, abs=0.5)
    assert skin["gap"][0] == pytest.approx(45.0, abs=0.5)
    assert set(skin["restylers"]) == set(evaluated.ways) - {"sound", "collapsed"}
    for culture in skin["restylers"]["identity"].values():
        assert culture["rank"] == pytest.approx([1.0, 1.0, 1.0])
        assert culture["dark_less_light"] == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    lines = evaluated.table.splitlines()
    start = lines.index(
        "| skin by identity: change of L* | light | medium | dark | dark less light |"
    )
    assert lines[start + 1] == "|---|---|---|---|---|" and lines[start - 1] == ""
    assert lines[start + 2].startswith("| Lattice | +0.0 (+0.0 to +0.0) |")
    assert "not of a person" in evaluated.page and "Dark less light" in evaluated.page
    everything = (evaluated.folder / "evaluation.json").read_text("utf-8") + evaluated.page
    assert "dark_0" not in everything
    written = [path.name for path in [*evaluated.folder.rglob("*"), *evaluated.saved.rglob("*")]]
    assert not [name for name in written if name.startswith(("dark", "medium", "light"))]


def test_results_are_files_with_an_index(evaluated):
    header, rows = tables.read(evaluated.saved / "results.csv")
    assert header == ["path", "culture", "method", "source"]
    assert len(rows) == 6 * 2 * 5 + 5
    for path, culture, method, source in rows:
        assert (evaluated.saved / path).is_file() and (evaluated.saved / source).is_file()
        of_culture = culture if method != "untouched" else "sources"
        assert pathlib.Path(path).parent.name == of_culture
    sound = [row for row in rows if row[1:3] == ["waves", "sound"]]
    results = evaluated.ways["sound"].restyle(evaluated.trial.contents, 1)
    for row, expected in zip(sound, results, strict=True):
        found = images.read(evaluated.saved / row[0])
        np.testing.assert_allclose(found, expected, atol=0.51 / 255)


def test_faults_are_named_where_they_are(evaluated):
    methods = evaluated.json["methods"]
    faults = {name: set(one["verdicts"]["faults"]) for name, one in methods.items()}
    assert faults["identity"] == {"copies", "one_look", "unnamed"}
    assert "collapsed" in faults["collapsed"] and "copies" not in faults["collapsed"]
    assert not faults["sound"], evaluated.record.methods["sound"].verdicts
    assert methods["collapsed"]["diversity"][0] == pytest.approx(0.0, abs=1e-4)
    assert "identity: Results hardly differ from the pictures that went in" in evaluated.shown
    assert "collapsed: Results of different pictures hardly differ" in evaluated.shown


def test_names_of_strangers_are_text(evaluated):
    """On a page that is otherwise built as an honest one is."""
    names = dict(zip(("sound", "lattice", "waves"), hostile.NAMES, strict=False))
    record, pages = evaluated.record, []
    replace, sound = dataclasses.replace, record.methods["sound"]
    network = {"backbone": hostile.MARKUP, "weights": "<b>" * 9}
    strangers = replace(
        record,
        judge=replace(record.judge, **network),
        features=evaluation.Network(**network),
        commit=hostile.TURNED,
        versions={hostile.MARKUP: hostile.CLOSING},
    )
    for one, faults, other in (
        (record, {"copies": "x"}, {}),
        (strangers, {hostile.TURNED: hostile.CLOSING}, names),
    ):
        guilty = replace(sound, verdicts=replace(sound.verdicts, faults=faults))
        one = hostile.renamed(replace(one, methods={"sound": guilty}), other)
        trial = replace(evaluated.trial, cultures=one.cultures, classes=one.classes)
        results = np.zeros((2, *trial.contents.shape), np.float32)
        strips = dict.fromkeys(guilty.strips, [(0, 0), (1, 0)])
        gallery = evaluation.Gallery.of(trial, results, strips)
        pages.append(evaluation.page_of(one, dict.fromkeys(one.methods, gallery)))
    hostile.check(pages[1], pages[0], list(names.values()))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"judge": "none.npz"}, "none.npz"),
        ({"peer": "stages.npz"}, "--style too"),
        ({"gatys": 2}, "--style"),
        ({"size": 40}, "--size is 40"),
        ({"photographs": 5}, "--gallery has to be"),
        ({"content": "folder:FEW"}, "6 photographs, too few to restyle a fifth"),
        ({"model": None}, "--model is missing"),
        ({"model": "nowhere"}, "nowhere"),
        ({"content": None, "artworks": 0}, "nothing to restyle"),
        ({"model": None, "method": "example"}, "--method example"),
        ({"cultures": "waves,knots"}, "no culture 'knots'; they have lattice, waves"),
        ({"portraits": "none.csv"}, "none.csv does not exist"),
        ({"lettering": "none.csv"}, "none.csv does not exist"),
    ],
)
def test_wrong_input_is_one_sentence(flags, changed, said, culture_folder, capsys, tmp_path):
    arguments = flags(out=tmp_path / "out", **changed)
    arguments = [word.replace("FEW", str(culture_folder / "photographs")) for word in arguments]
    assert settings.run_command(evaluate.main, arguments) == settings.EXIT_INPUT
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1].startswith("error: ") and said in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["features-weights", "style", "peer"])
def test_a_network_that_is_missing_is_told_before_pictures_are_read(
    flags, vgg_archive, monkeypatch, capsys, tmp_path, option
):
    monkeypatch.setattr(evaluation, "build", lambda config: pytest.fail("pictures are read"))
    given = {"style": vgg_archive} | {option: tmp_path / "none.npz"}
    arguments = flags(out=tmp_path / "out", **given)
    assert settings.run_command(evaluate.main, arguments) == settings.EXIT_INPUT
    shown = capsys.readouterr().err.splitlines()[-1]
    assert shown.startswith("error: ") and "none.npz" in shown


def test_a_judge_that_cannot_be_downloaded_is_one_sentence(flags, capsys, tmp_path, monkeypatch):
    def offline(**arguments):
        raise OSError("no network")

    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)
    arguments = flags(out=tmp_path / "out", judge="imagenet")
    assert settings.run_command(evaluate.main, arguments) == settings.EXIT_INPUT
    shown = capsys.readouterr().err.splitlines()[-1]
    assert shown.startswith("error: the ImageNet weights could not be downloaded")
    assert "mobilenet_v2_weights" in shown and ".npz" in shown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": ("truth",)}, "true renderings"),
        ({"method": ("moments",)}, "lattice"),
        ({"method": ("identity", "identity")}, "named twice"),
    ],
)
def test_what_cannot_be_restyled_by_is_said(evaluated, changed, said):
    config = evaluated.record.config
    trial = dataclasses.replace(config.trial, model=())
    config = dataclasses.replace(config, trial=trial, **changed)
    with pytest.raises(InputError, match=said):
        restylers.load_restylers(config, evaluated.trial, restylers.Networks(None, None, None))


def test_a_culture_that_the_model_lacks_is_named(evaluated):
    trial = dataclasses.replace(evaluated.trial, cultures=("waves", "knots"))
    with pytest.raises(InputError, match="'knots'"):
        restylers.load_models(evaluated.record.config.trial, trial)


@pytest.mark.slow
def test_the_measures_rank_a_trained_model_between_an_untrained_one_and_the_truth(tmp_path):
    """The whole preset, ten minutes: after 1,000 steps results are not yet nearer to the truth."""
    from stylegan_culture import train

    for name, changes in (("untrained", ["--steps", "1", "--warm-up", "0"]), ("trained", [])):
        wanted = ["--preset", "ornaments64", "--run", str(tmp_path / name), *changes]
        assert settings.run_command(train.main, wanted) == 0
    arguments = ["--data", "ornaments", "--size", "64", "--artworks", "8", "--out"]
    arguments += [str(tmp_path / "out"), "--method", "identity", "--method", "truth"]
    for name in ("untrained", "trained"):
        arguments += ["--model", str(tmp_path / name)]
    assert settings.run_command(evaluate.main, arguments) == 0
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))["methods"]
    error = {name: one["error"][0] for name, one in figures.items()}
    named = {name: one["named"][0] for name, one in figures.items()}
    assert error["untrained"] > error["identity"] > error["trained"] > error["truth"] == 0.0
    assert named["identity"] <= named["untrained"] < named["trained"] < named["truth"]
    assert "copies" in figures["identity"]["verdicts"]["faults"]
    assert figures["trained"]["verdicts"]["faults"] == figures["truth"]["verdicts"]["faults"] == {}
