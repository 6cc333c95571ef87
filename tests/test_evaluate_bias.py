"""The bias report: end to end on small networks and pictures, its sentences, wrong input, and what
it measures on a restyling whose every result can be written down."""

import dataclasses
import json
import shutil
import types

import faces
import hostile
import keras
import numpy as np
import pytest
import tensorflow as tf
from reader import Reader

from stylegan_culture import config as settings
from stylegan_culture import evaluate
from stylegan_culture.measures import statistics
from stylegan_culture.measures.content import content_codes
from stylegan_culture.measures.skin import Change, Skin
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.networks.generator import CultureModel, GeneratorConfig
from stylegan_culture.pipelines import cultures
from stylegan_culture.pipelines.boxes import GROUPS
from stylegan_culture.reports import bias
from stylegan_culture.reports.bias import STEPS, Bench, look
from stylegan_culture.reports.page import number
from stylegan_culture.reports.skin import SkinRecord
from stylegan_culture.reports.trial import reduced


def _save(folder, seed, **facts):
    keras.utils.set_random_seed(seed)
    model = CultureModel(("lattice", "waves"), GeneratorConfig(width=64, blocks=1))
    model.create_weights().save_weights(str(folder / "model.weights.h5"))
    written = {"config": {"generator": dataclasses.asdict(model.config)}}
    written["cultures"] = [{"key": key} for key in model.cultures]
    (folder / "run.json").write_text(json.dumps(written | facts), "utf-8")
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two run folders; the second says what it was trained on, and by the judge's network."""
    counted = [{"key": "lattice", "pictures": 7}, {"key": "waves", "pictures": 99}]
    facts = {"cultures": counted, "backbone": {"backbone": "mobilenet_v1"}}
    return (
        _save(tmp_path_factory.mktemp("one"), 4),
        _save(tmp_path_factory.mktemp("two"), 5, **facts),
    )


def _flags(runs, culture_folder, archive, out, **changed):
    given = {
        "data": f"folder:{culture_folder / 'art'}",
        "content": f"folder:{culture_folder / 'many'}",
        "judge": archive,
        "out": out,
        "photographs": 3,
        "artworks": 2,
        "size": 64,
        "trial-contents": 3,
    }
    words = [word for run in runs for word in ("--model", run)]
    words += [word for name, value in (given | changed).items() for word in (f"--{name}", value)]
    return ["bias", *map(str, words)]


@pytest.fixture(scope="module")
def made(runs, culture_folder, mobilenet_archive, tmp_path_factory):
    """The folder that the command wrote, its JSON, and the record and pictures of its page."""
    folder, kept = tmp_path_factory.mktemp("made") / "bias", []

    def measure(*arguments, measured=bias.measure):
        kept.append(measured(*arguments))
        return kept[0]

    table = faces.write(tmp_path_factory.mktemp("people"))
    flags = _flags(runs, culture_folder, mobilenet_archive, folder, portraits=table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bias, "measure", measure)
        assert settings.run_command(evaluate.main, flags) == 0
    return folder, json.loads((folder / "bias.json").read_text("utf-8")), *kept[0]


@pytest.fixture(scope="module")
def reader(made):
    return Reader((made[0] / "bias.html").read_text("utf-8"))


def test_the_page_stands_alone_and_can_be_read(made, reader):
    folder, _, record, _ = made
    assert {path.name for path in folder.iterdir()} == {"bias.json", "bias.html"}
    assert not reader.wrong and not reader.reaches_out() and not reader.unreadable()
    headings = reader.texts("h2")
    assert set(record.models) <= set(headings) and "Side by side" in headings
    text = " ".join(text for _, text in reader.found)
    for name in record.models:
        for sentence in bias.findings(record, name):
            assert sentence.partition(": ")[2][1:] in text
    assert "The probe was in the training" in reader.texts("h3")
    assert "No photographs" not in reader.texts("h3")


def test_names_of_strangers_are_text(made):
    _, _, record, pictures = made
    names = dict(zip((*record.models, "lattice", "waves"), hostile.NAMES, strict=False))
    changed = hostile.renamed(record, names)
    judge = dataclasses.replace(changed.judge, backbone=hostile.MARKUP, weights=hostile.CLOSING)
    changed = dataclasses.replace(
        changed,
        judge=judge,
        cultures={key: key for key in changed.cultures},
        versions={hostile.MARKUP: hostile.CLOSING},
        commit=hostile.TURNED,
    )
    honest = dataclasses.replace(record, versions={"python": "3"})
    pages = [
        bias.html_of(changed, hostile.renamed(pictures, names)),
        bias.html_of(honest, pictures),
    ]
    hostile.check(*pages, list(names.values()))


def test_figures_of_the_page_are_those_of_the_record(made, reader):
    _, _, record, _ = made
    charts = [text for path, text in reader.found if path and path[-1][0] == "text"]
    expected = []
    for own in record.models.values():
        for key, figures in own.figures.items():
            for name, figure in sorted(figures.items(), key=lambda item: item[1].value):
                expected += [cultures.title(name), bias.MEASURES[key].show(figure.value)]
    assert charts == expected
    pictures = [own for tag, own in reader.attributes if tag == "img"]
    shown = len(record.contents.shown)
    # Contents with source, drift of both cultures with source, there and back with source.
    assert len(pictures) == 2 * (shown * 3 + 2 * 6 + 2 * 3)


def test_the_json_holds_together(made):
    record = made[1]
    assert record["classes"] == ["lattice", "waves", "photograph"]
    assert record["contents"]["count"] == 7 and record["contents"]["photographs"] == 3
    assert len(record["contents"]["trial"]) == 3
    np.testing.assert_allclose(np.sum(record["judge"]["confusion"], axis=1), 1.0)
    for own in record["models"].values():
        for name, rows in own["figures"].items():
            for value, low, high in rows.values():
                assert low <= value <= high, name
            one = own["worst"][name]
            values = {culture: row[0] for culture, row in rows.items()}
            choose = min if bias.MEASURES[name].higher else max
            assert one["culture"] == choose(values, key=values.get)
            assert one["share"] == one["shares"][one["culture"]]
            assert sum(one["shares"].values()) == pytest.approx(1.0)
        named = np.array([row[0] for row in own["figures"]["named"].values()])
        np.testing.assert_allclose(np.diag(own["confusion"])[:2], named)
        np.testing.assert_allclose(np.sum(own["confusion"], axis=1), 1.0)
        assert own["paired"]["named"]["value"][0][0] == 0.0
        assert set(own["round_trips"]) == {"example", "name"}
        assert own["round_trips"]["example"]["contents"] == 3


def test_what_a_model_was_trained_on_is_taken_from_it(made):
    first, second = made[2].models.values()
    assert second.representation.counts == {"lattice": 7, "waves": 99}
    assert second.representation.counted_by_model
    held = made[2].judge.held_out
    assert first.representation.counts == {name: 10 - held[name] for name in held}
    assert not first.representation.counted_by_model
    assert second.judge_in_training and not first.judge_in_training


def test_skin_comes_first_in_words_and_figures_and_no_portrait_is_shown(made, reader):
    folder, written, record, _ = made
    record = dataclasses.replace(record, skin=_skin(record))
    name = next(iter(record.models))
    first, *_ = bias.findings(record, name)
    said = (
        "Skin: in one of two traditions dark faces are lightened more than light ones (95% interval"
    )
    assert first.startswith(said)
    assert "most of all in Waves, by 20 L* (15 to 25)" in first
    assert "light faces are 34 L* lighter than dark ones in the photographs and 12 in" in first
    assert "neither race nor the skin's reflectance" in first
    assert reader.texts("h2")[1] == "Skin"  # after "In brief"
    text = " ".join(" ".join(text.split()) for _, text in reader.found)
    assert "depends on the lamp, the exposure and the camera" in text
    assert "says nothing of anybody's race or origin" in text
    assert "sort rectangles of photographs, not people" in text
    assert "A change whose interval holds 0 is not shown to be one" in text
    assert written["skin"]["faces"] == {"dark": 2, "medium": 2, "light": 2}
    assert set(written["skin"]["restylers"]) == set(record.models)
    everything = (folder / "bias.html").read_text("utf-8") + json.dumps(written)
    assert "dark_0" not in everything


def test_the_most_unequal_tradition_stands_first_in_the_table_of_skin(made):
    """Waves, by 20 L*, before the lattice, by 2, though the record has it after; and where a group
    is missing the record's order stays."""
    _, _, record, pictures = made
    alone = dataclasses.replace(record, models=dict([next(iter(record.models.items()))]))
    faces = _skin(alone)
    one_group = {
        culture: dataclasses.replace(each, dark_less_light=None, gap=None)
        for culture, each in next(iter(faces.restylers.values())).items()
    }
    lacking = dataclasses.replace(
        faces, gap=None, restylers=dict.fromkeys(faces.restylers, one_group)
    )
    for known, order in ((faces, ["Waves", "Lattice"]), (lacking, ["Lattice", "Waves"])):
        text = bias.html_of(dataclasses.replace(alone, skin=known), pictures)
        table = text[text.index('id="skin"') :].partition("</table>")[0]
        assert sorted(order, key=lambda title: table.index(f">{title}<")) == order
        assert ("the most unequal first" in table) == (known is faces)


def _skin(record):
    """Figures of which one tradition surely lightens dark faces more, the other does not."""

    def of(value, low, high, gap):
        changes = dict.fromkeys(GROUPS, Change(*[Interval(1.0, 0.0, 2.0)] * 3))
        less, sure = Interval(value, low, high), Interval(0.8, 0.7, 0.9)
        return Skin(changes, less, Interval(gap, gap - 3, gap + 3), sure, sure)

    figures = {"lattice": of(2.0, -1.0, 5.0, 30.0), "waves": of(20.0, 15.0, 25.0, 12.0)}
    return SkinRecord(
        faces=dict.fromkeys(GROUPS, 2),
        before={group: Interval(50.0, 48.0, 52.0) for group in GROUPS},
        gap=Interval(34.2, 31.0, 37.0),
        restylers=dict.fromkeys(record.models, figures),
    )


def test_without_portraits_the_page_says_that_skin_was_not_measured(made):
    _, _, record, pictures = made
    page = bias.html_of(dataclasses.replace(record, skin=None), pictures)
    assert "Skin was not measured" in page and "--portraits" in page
    names = iter(record.models)
    assert bias.findings(dataclasses.replace(record, skin=None), next(names))[0].startswith("Named")


def _findings(record, **changed):
    """Of the first model, some of whose figures are others."""
    name, model = next(iter(record.models.items()))
    model = dataclasses.replace(model, **changed)
    return bias.findings(dataclasses.replace(record, models={name: model}), name)


def test_the_sentences_name_the_worst_and_say_a_tie(made):
    record = made[2]
    own = next(iter(record.models.values()))
    one = own.worst["named"]
    other = next(name for name in record.cultures if name != one.culture)
    value, low, high = (number(100 * end, "{:.0f}%") for end in one.interval)
    title = cultures.title(one.culture)
    for share, tie in ((0.99, False), (0.6, True)):
        shares = {one.culture: share, other: 1.0 - share}
        changed = dataclasses.replace(one, share=share, shares=shares, tie=tie)
        sentence = _findings(record, worst=own.worst | {"named": changed})[0]
        assert f"{title} is served worst, {value} ({low} to {high})" in sentence
        assert ("tie" in sentence) == tie and number(share, "{:.0%}") in sentence
        assert (f"{cultures.title(other)} in 40%" in sentence) == tie


@pytest.mark.parametrize(
    ("p", "value", "least", "said"),
    [
        (0.5, -0.2, 0.68, "no link is shown"),
        (0.01, 0.9, 0.68, "traditions are few"),
        (1.0, 1.0, 1.0, "none could stand out"),
        (None, None, None, "all traditions have as many"),
    ],
)
def test_a_link_to_training_pictures_is_claimed_only_where_it_is_shown(made, p, value, least, said):
    link = statistics.Correlation(value, p, least)
    own = next(iter(made[2].models.values())).representation
    changed = dataclasses.replace(own, correlations=own.correlations | {"named": link})
    sentences = _findings(made[2], representation=changed)
    (sentence,) = (text for text in sentences if text.startswith("Training"))
    assert said in sentence


@pytest.mark.parametrize(("share", "said"), [(0.4, True), (1.0, False)])
def test_a_probe_that_errs_on_the_worst_is_named(made, share, said):
    record = made[2]
    name, own = next(iter(record.models.items()))
    known = dict.fromkeys(record.cultures, statistics.Interval(1.0, 0.9, 1.0))
    known[own.worst["named"].culture] = statistics.Interval(share, 0.2, 1.0)
    judge = dataclasses.replace(record.judge, named=known)
    sentences = bias.findings(dataclasses.replace(record, judge=judge), name)
    assert ("own confusion" in sentences[1]) == said


@pytest.mark.parametrize(("p", "text"), [(0.0002, "p < 0.001"), (0.0123, "p = 0.012")])
def test_chances_in_words(p, text):
    assert bias.chance(p) == text


@pytest.mark.parametrize(("value", "text"), [(-0.194, "\N{MINUS SIGN}19"), (-0.001, "0")])
def test_points_in_words(value, text):
    assert bias.points(value) == text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"judge": ""}, "--judge is missing"),
        ({"trial-contents": 1}, "--trial-contents"),
        ({"size": 40}, "--size is 40"),
        ({"content": "", "artworks": 1}, "contents could be restyled"),
        ({"content": "folder:FEW"}, "6 photographs, too few to restyle a fifth"),
        ({"portraits": "none.csv"}, "none.csv does not exist"),
    ],
)
def test_wrong_input_is_one_sentence(
    runs, culture_folder, mobilenet_archive, changed, said, tmp_path, capsys
):
    flags = _flags(runs[:1], culture_folder, mobilenet_archive, tmp_path / "out", **changed)
    flags = [word.replace("FEW", str(culture_folder / "photographs")) for word in flags]
    assert settings.run_command(evaluate.main, flags) == settings.EXIT_INPUT
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1].startswith("error: ") and said in shown
    assert not (tmp_path / "out").exists()


def test_without_photographs_artworks_alone_are_restyled(
    runs, culture_folder, mobilenet_archive, tmp_path, capsys
):
    for copy_ in ("", "_2", "_3"):
        for path in (culture_folder / "art").rglob("*.png"):
            target = tmp_path / "art" / path.parent.name / f"{path.stem}{copy_}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    changed = {"data": f"folder:{tmp_path / 'art'}", "content": "", "artworks": 4}
    flags = _flags(runs[:1], culture_folder, mobilenet_archive, tmp_path / "out", **changed)
    assert settings.run_command(evaluate.main, flags) == 0
    record = json.loads((tmp_path / "out" / "bias.json").read_text("utf-8"))
    assert record["classes"] == ["lattice", "waves"] and record["contents"]["photographs"] == 0
    (own,) = record["models"].values()
    assert not own["leaning"]["photographs"]
    shown = capsys.readouterr().out
    assert "is served worst" in shown and "bias.html" in shown
    text = (tmp_path / "out" / "bias.html").read_text("utf-8")
    assert "<h3>No photographs</h3>" in text and "Side by side" not in text


SIDE, CULTURES = 32, ("alpha", "beta", "gamma")


class Eye:
    """A backbone that sees pictures at an eighth of their size."""

    content_tap = "eighth"

    def __call__(self, picture, taps=None):
        return {"eighth": tf.nn.avg_pool2d(picture, 8, 8, "VALID")}


class Brightest:
    """A probe that names the channel that is brightest on average; all 0 counts for the last."""

    def predict_proba(self, features):
        return np.eye(4)[self.predict(features)]

    def predict(self, features):
        means = np.asarray(features)[:, :3]
        return np.where(means.max(axis=1) < 0.05, 3, means.argmax(axis=1))


@pytest.fixture(scope="module")
def patterns():
    """What each culture adds to a picture: `[K, S, S, 3]`, most of it in its channel."""
    noise = np.random.default_rng(5).normal(0.0, 0.2, (3, SIDE, SIDE, 3))
    return (noise + np.eye(3)[:, None, None, :]).astype(np.float32)


@pytest.fixture(scope="module")
def bench(patterns):
    """A restyling that adds the code's mixture of patterns; three photographs, the first of which
    is nearly black, and three artworks."""
    generator = np.random.default_rng(6)
    contents = generator.random((6, SIDE, SIDE, 3)).astype(np.float32) * 0.5
    contents[0] *= 0.05
    sources = np.array([3, 3, 3, 0, 1, 2])
    probe = types.SimpleNamespace(backbone=Eye(), classifier=Brightest())
    trial = types.SimpleNamespace(
        cultures=CULTURES,
        classes=(*CULTURES, "photograph"),
        contents=contents,
        sources=sources,
        probe=probe,
        to_change=np.arange(3)[:, None] != sources,
    )
    return Bench(
        trial=trial,
        sources=look(probe, contents),
        restyle=lambda pictures, codes: pictures + np.einsum("nk,khwc->nhwc", codes, patterns),
        encode=_encode,
        codes=np.eye(3, dtype=np.float32),
        middle=np.full(3, 1 / 3, np.float32),
    )


def _encode(pictures):
    """Codes that can be read off: the mean of each channel."""
    return np.asarray(pictures).mean(axis=(1, 2))


def _apart(pictures, others):
    one, other = (content_codes(Eye(), reduced(each)) for each in (pictures, others))
    return ((one - other) ** 2).sum(axis=1)


def test_every_content_in_every_culture(bench, patterns):
    served, contents = bias.into_every_culture(bench, [1, 4]), bench.trial.contents
    for culture in range(3):
        results = contents + patterns[culture]
        np.testing.assert_allclose(served.distance[culture], _apart(results, contents), atol=1e-4)
        np.testing.assert_allclose(served.pictures[culture], results[[1, 4]], atol=1e-6)
        assert (served.probabilities[culture].argmax(axis=1) == culture).all()
    assert served.features.shape == (3, 6, 6)


def test_drift_adds_the_style_again_and_again(bench, patterns):
    chosen = np.array([1, 3])
    (figures, pictures), contents = bias.drift(bench, chosen, 0), bench.trial.contents[chosen]
    apart = np.zeros((2, 3, STEPS, 2))  # to the source and to the picture before, by culture
    for culture, step in np.ndindex(3, STEPS):
        now, last = (contents + k * patterns[culture] for k in (step + 1, step))
        apart[:, culture, step] = _apart(now, contents), _apart(now, last)
        np.testing.assert_allclose(pictures[culture, step], now[0], atol=1e-5)
    for measured, expected in zip((figures.distance, figures.before), apart, strict=True):
        # The second content is an artwork of alpha: only beta and gamma are asked of it.
        mean = (expected[:, :, 0].mean(axis=0) + expected[1:, :, 1].mean(axis=0)) / 2
        np.testing.assert_allclose([one.value for one in measured], mean, atol=1e-4)
    np.testing.assert_allclose(figures.cultures["alpha"], apart[0, 0, :, 0], atol=1e-4)
    np.testing.assert_allclose(figures.cultures["gamma"], apart[0, 2].mean(axis=1), atol=1e-4)
    assert [one.value for one in figures.named] == [1.0] * STEPS


def test_round_trips_come_back_by_name_and_by_example(bench, patterns):
    chosen = np.array([1, 4])  # a photograph and an artwork of beta
    (ways, pictures), contents = bias.round_trips(bench, chosen, 0), bench.trial.contents[chosen]
    own = np.einsum("nk,khwc->nhwc", _encode(contents), patterns)
    example, name = ways["example"], ways["name"]
    assert example.contents == 2 and name.contents == 1, "artworks alone"
    direct = np.abs(own).mean()
    assert example.pixels.direct.value == pytest.approx(direct, abs=1e-6)
    assert name.pixels.direct.value == pytest.approx(np.abs(patterns[1]).mean(), abs=1e-6)
    for culture, key in enumerate(CULTURES):
        asked = [0, 1] if key != "beta" else [0]
        once = contents + patterns[culture]
        expected = [_apart(each, contents)[asked].mean() for each in (once, once + own)]
        np.testing.assert_allclose(example.content.cultures[key], expected, atol=1e-4)
        if key != "beta":
            apart, back = name.content.cultures[key][0], name.pixels.cultures[key][1]
            assert apart == pytest.approx(_apart(once, contents)[1], abs=1e-4)
            named = np.abs(patterns[culture] + patterns[1]).mean()
            assert back == pytest.approx(named, abs=1e-5)
        both = np.stack([once[0], once[0] + own[0]])
        np.testing.assert_allclose(pictures[culture], both, atol=1e-5)
    through = [name.pixels.cultures[key][1] for key in ("alpha", "gamma")]
    assert name.pixels.back.value == pytest.approx(np.mean(through)), "not through its own"
    assert set(name.content.cultures) == {"alpha", "gamma"}
    legs = example.content
    assert legs.gain.value == pytest.approx(legs.once.value - legs.back.value)


def test_without_a_culture_results_are_named(bench, patterns):
    figures = bias.leaning_of(bench, 0)
    assert figures.contents == 3 and figures.photographs, "photographs alone"
    photographs = bench.trial.contents[:3]
    named = Brightest().predict((photographs + patterns.mean(axis=0)).mean(axis=(1, 2)))
    for leaning, expected in (
        (figures.untouched, Brightest().predict(photographs.mean(axis=(1, 2)))),
        (figures.mixture, named),
    ):
        shares = [share.value for share in leaning.shares.values()]
        np.testing.assert_allclose(shares, np.bincount(expected, minlength=4) / 3)
    assert figures.untouched.shares["photograph"].value == pytest.approx(1 / 3)
    assert figures.zeros == figures.untouched


def test_a_bench_restyles_as_its_model_does(culture_model, generator):
    """In batches of one size, in the trial's order of cultures."""
    trial = types.SimpleNamespace(cultures=("gamma", "alpha"))
    bench = Bench.of(culture_model, trial, None)
    pictures = generator.random((11, 32, 32, 3)).astype(np.float32)
    for place, culture in enumerate((2, 0)):
        mixture = np.eye(3, dtype=np.float32)[[culture]].repeat(11, axis=0)
        expected = culture_model(pictures, mixture, np.ones((11, 1), np.float32))
        results = bench.into(pictures, bench.codes[place])
        np.testing.assert_allclose(results, expected, atol=1e-5)
    np.testing.assert_allclose(
        bench.encode(pictures), culture_model.encode_style(pictures), atol=1e-5
    )
    middle = culture_model.fusion(np.ones((1, 3), np.float32))
    np.testing.assert_allclose(bench.middle, middle[0], atol=1e-6)
