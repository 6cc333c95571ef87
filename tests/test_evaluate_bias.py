"""The bias report, end to end on small networks and pictures, its words, and wrong input."""

import copy
import dataclasses
import json
import shutil

import hostile
import keras
import numpy as np
import pytest
from reader import Reader

from stylegan_culture import config as settings
from stylegan_culture import evaluate
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.networks.sizes import GeneratorConfig
from stylegan_culture.pipelines import cultures
from stylegan_culture.reports import bias_page, bias_words
from stylegan_culture.reports.parts.numbers import number


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
        "content": f"folder:{culture_folder / 'photographs'}",
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
    """The folder that the command wrote, its record and its page."""
    folder = tmp_path_factory.mktemp("made") / "bias"
    flags = _flags(runs, culture_folder, mobilenet_archive, folder)
    assert settings.run_command(evaluate.main, flags) == 0
    record = json.loads((folder / "bias.json").read_text("utf-8"))
    return folder, record, Reader((folder / "bias.html").read_text("utf-8"))


def test_the_page_stands_alone_and_can_be_read(made):
    folder, record, reader = made
    assert {path.name for path in folder.iterdir()} == {"bias.json", "bias.html"}
    assert not reader.wrong and not reader.reaches_out() and not reader.unreadable()
    headings = reader.texts("h2")
    assert set(record["models"]) <= set(headings) and "Side by side" in headings
    text = " ".join(text for _, text in reader.found)
    for name in record["models"]:
        for sentence in bias_words.brief(record, name):
            assert sentence.partition(": ")[2][1:] in text
    for heading, limit in bias_words.limits(record):
        assert heading in text and limit in text


def test_names_of_strangers_are_text(made):
    _, record, _ = made
    models = list(record["models"])
    names = dict(zip((*models, "lattice", "waves"), hostile.NAMES, strict=False))
    pages = []
    for other in ({}, names):
        own = hostile.renamed(copy.deepcopy(record), other)
        if other:
            own["cultures"] = {key: key for key in own["cultures"]}
            own["judge"] |= {"backbone": hostile.MARKUP, "weights": hostile.CLOSING}
            own["versions"] = {hostile.MARKUP: hostile.CLOSING}
            own["commit"] = hostile.TURNED
        pages.append(bias_page.html_of(own, _pictures(own)))
    hostile.check(pages[1], pages[0], list(names.values()))


def _pictures(record):
    """As `bias.measure` gives them, all black."""
    count, shown = len(record["cultures"]), len(record["contents"]["shown"])
    black = np.zeros((8, 8, 3), np.float32)
    found = {"contents": [black] * shown, "first": black}
    for name, own in record["models"].items():
        steps = len(own["drift"]["distance"])
        found[name] = {
            "every": [[black] * shown] * count,
            "drift": [[black] * steps] * count,
            "back": [[black] * 2] * count,
        }
    return found


def test_figures_of_the_page_are_those_of_the_record(made):
    _, record, reader = made
    dots = reader.texts("text", "value")
    expected = [
        bias_words.MEASURES[key].show(value)
        for own in record["models"].values()
        for key, rows in own["figures"].items()
        for value in sorted((row[0] for row in rows.values()), reverse=True)
    ]
    assert dots == expected
    pictures = [own for tag, own in reader.attributes if tag == "img"]
    shown = len(record["contents"]["shown"])
    # Contents with source, drift of both cultures with source, there and back with source.
    assert len(pictures) == 2 * (shown * 3 + 2 * 6 + 2 * 3)


def test_the_record_holds_together(made):
    _, record, _ = made
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
            choose = min if bias_words.MEASURES[name].higher else max
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
    _, record, _ = made
    first, second = record["models"].values()
    assert second["representation"]["counts"] == {"lattice": 7, "waves": 99}
    assert second["representation"]["told_by_model"]
    held = record["judge"]["held_out"]
    assert first["representation"]["counts"] == {name: 10 - held[name] for name in held}
    assert not first["representation"]["told_by_model"]
    assert second["judge_in_training"] and not first["judge_in_training"]
    assert "The judge was in the training" in [heading for heading, _ in bias_words.limits(record)]


def test_the_sentences_name_the_worst_and_say_a_tie(made):
    _, record, _ = made
    name, own = next(iter(record["models"].items()))
    sentence = bias_words.brief(record, name)[0]
    one = own["worst"]["named"]
    value, low, high = (number(100 * end, "{:.0f}%") for end in one["interval"])
    title = cultures.title(one["culture"])
    assert f"{title} is served worst, {value} ({low} to {high})" in sentence
    other = next(name for name in record["cultures"] if name != one["culture"])
    for share, tie in ((0.99, False), (0.6, True)):
        shares = {one["culture"]: share, other: 1.0 - share}
        told = bias_words.settled(one | {"share": share, "shares": shares, "tie": tie})
        assert ("tie" in told) == tie and number(share, "{:.0%}") in told
        assert (f"{cultures.title(other)} in 40%" in told) == tie


def test_a_link_to_training_pictures_is_claimed_only_where_it_is_shown(made):
    _, record, _ = made
    record = copy.deepcopy(record)
    name, own = next(iter(record["models"].items()))
    for p, value, least, said in (
        (0.5, -0.2, 0.68, "no link is shown"),
        (0.01, 0.9, 0.68, "traditions are few"),
        (1.0, 1.0, 1.0, "none could stand out"),
        (None, None, None, "all traditions have as many"),
    ):
        found = {"value": value, "p": p, "least": least}
        own["representation"]["correlations"]["named"] = found
        (text,) = (text for text in bias_words.brief(record, name) if text.startswith("Training"))
        assert said in text


def test_a_judge_that_errs_on_the_worst_is_told(made):
    _, record, _ = made
    record = copy.deepcopy(record)
    name, own = next(iter(record["models"].items()))
    culture = own["worst"]["named"]["culture"]
    for share, told in ((0.4, True), (1.0, False)):
        record["judge"]["named"] = dict.fromkeys(record["cultures"], [1.0, 0.9, 1.0])
        record["judge"]["named"][culture] = [share, 0.2, 1.0]
        assert ("own confusion" in bias_words.brief(record, name)[1]) == told


@pytest.mark.parametrize(("p", "text"), [(0.0002, "p < 0.001"), (0.0123, "p = 0.012")])
def test_chances_in_words(p, text):
    assert bias_words.chance(p) == text


@pytest.mark.parametrize(("value", "text"), [(-0.194, "\N{MINUS SIGN}19"), (-0.001, "0")])
def test_points_in_words(value, text):
    assert bias_words.points(value) == text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"judge": ""}, "--judge is missing"),
        ({"trial-contents": 1}, "--trial-contents"),
        ({"size": 40}, "--size is 40"),
        ({"content": "", "artworks": 1}, "contents could be restyled"),
        ({"photographs": 6}, "6 photographs, too few"),
    ],
)
def test_wrong_input_is_one_sentence(
    runs, culture_folder, mobilenet_archive, changed, said, tmp_path, capsys
):
    flags = _flags(runs[:1], culture_folder, mobilenet_archive, tmp_path / "out", **changed)
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
