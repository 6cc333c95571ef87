"""The study's page: whole, alone, true to its JSON, honest on what it leaves out."""

import dataclasses
import functools
import json
import shutil
import warnings

import hostile
import numpy as np
import pytest
from calls import run
from reader import Reader

from stylegan_culture import config as settings
from stylegan_culture import files, images, study
from stylegan_culture.measures import colour, looks
from stylegan_culture.pipelines import cultures
from stylegan_culture.reports import study as report
from stylegan_culture.reports.page import number

PREVIOUS = '<meta name="generator" content="stylegan_culture 0"> the previous page'

SIDE = 72
CULTURES = {"ink": 7, "lattice": 6, "ukiyo_e": 8, "rare": 2}
BOTH = ("before", "after")
MEASURED = ["ink", "lattice", "ukiyo_e"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Four traditions of unlike colours and lines, one of two pictures; one file is none."""
    folder, generator = tmp_path_factory.mktemp("pictures") / "art <b>", np.random.default_rng(8)
    row, column = np.mgrid[0:SIDE, 0 : SIDE + 8] / 3.0
    drawn = {
        "ink": (0.1 * np.sin(row), (0.55, 0.55, 0.55)),
        "lattice": (0.3 * np.sign(np.sin(row) * np.sin(column)), (0.7, 0.3, 0.2)),
        "ukiyo_e": (0.2 * np.sin(column + np.sin(row)), (0.2, 0.4, 0.8)),
        "rare": (0.2 * np.sin(2 * row), (0.3, 0.7, 0.3)),
    }
    for name, (pattern, tint) in drawn.items():
        for index in range(CULTURES[name]):
            picture = np.roll(pattern, index, axis=0)[..., None] + np.array(tint)
            picture = picture + generator.normal(0.0, 0.04, picture.shape) + 0.02 * index
            images.write(folder / name / f"{index:04d}.png", np.clip(picture, 0.0, 1.0))
    (folder / "ink" / "9999.jpg").write_text("this is no picture")
    return folder


_run = functools.partial(run, study)


def _flags(data, out, archive):
    sizes = ("--short-side", SIDE, "--positions", 16, "--replicates", 2, "--pairs", 4)
    network = ("--backbone", "vgg19_16x", "--weights", archive, "--tap", "relu1_1")
    return ("--data", f"folder:{data}", "--out", out, *network, *sizes)


@pytest.fixture(scope="module")
def measured(pictures, vgg_archive, tmp_path_factory):
    """The folder that the command wrote, and its record and pictures before they were written."""
    folder = tmp_path_factory.mktemp("made") / "deep" / "study"
    kept, measure = [], report.measure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "measure", lambda config: kept.append(measure(config)) or kept[0])
        flags = (*_flags(pictures, folder, vgg_archive), "--licences", "CC0 & more")
        assert _run(*flags) == 0
    return (folder, *kept[0])


@pytest.fixture(scope="module")
def made(measured):
    """The folder that the command wrote, its JSON and its page."""
    folder = measured[0]
    record = json.loads((folder / "study.json").read_text())
    return folder, record, Reader((folder / "study.html").read_text())


def test_page_plots_and_numbers_are_there_and_nothing_else(made):
    folder, record, reader = made
    assert {path.name for path in folder.iterdir()} == {"study.html", "study.json", *report.PLOTS}
    assert [path.name for path in folder.parent.iterdir()] == ["study"]
    for name in report.PLOTS:
        assert images.read(folder / name).std() > 0.03
    assert {"python", "numpy"} <= set(record["versions"]) and record["commit"]
    assert record["config"]["positions"] == 16 and record["features"]["backbone"] == "vgg19_16x"
    assert not reader.wrong, "tags that are not closed"


def test_the_page_fetches_nothing_and_runs_nothing(made):
    _, _, reader = made
    assert reader.addresses() and "".join(reader.texts("style"))
    assert not reader.reaches_out()


def test_the_page_can_be_read_without_seeing_it(made):
    _, _, reader = made
    assert not reader.unreadable()
    # Those of the frieze stand in links that have text.
    silent = [each for tag, each in reader.attributes if tag == "img" and not each["alt"]]
    assert len(silent) == len(CULTURES)
    tags = [tag for tag, _ in reader.attributes]
    assert tags.count("table") > 5 and tags.count("svg") > 5
    assert dict(reader.attributes)["html"] == {"lang": "en"}


def test_figures_are_means_over_pictures_within_their_intervals(made, pictures):
    """Lightness once more from the files, edges of a picture by its figure."""
    _, record, _ = made
    for name, count in CULTURES.items():
        read = [images.read(pictures / name / f"{number:04d}.png") for number in range(count)]
        mean = np.mean([colour.lab(picture)[..., 0].mean() for picture in read])
        assert record["figures"]["lightness"][name][0] == pytest.approx(mean, abs=1e-4)
        edges = np.mean([looks.Look.of(picture).edges for picture in read])
        assert record["figures"]["edges"][name][0] == pytest.approx(edges, abs=1e-6)
    for key, rows in record["figures"].items():
        assert set(rows) == set(CULTURES if key in looks.WHAT else MEASURED), key
        for value, low, high in rows.values():
            assert low <= value <= high, key


def test_every_number_of_charts_and_tables_is_in_the_json(made):
    _, record, reader = made
    shown, expected = " ".join(reader.texts("text")), []
    for key, measure in report.MEASURES.items():
        rows = sorted(record["figures"][key].items(), key=lambda row: row[1][0])
        for name, row in rows:
            expected += [record["titles"][name], measure.show(row[0])]
    assert " ".join(expected) in shown
    cells = [text for kind in ("", "hot") for text in _cells(reader, kind)]
    expected = []
    for key in ("frechet", "divergence", "cosine", "bures"):
        for part in BOTH:
            values = np.array(record["gaps"][part]["gaps"][key]["value"])
            form = "{:.0f}" if key == "divergence" else "{:.2f}"
            expected += [number(x, form) for x in values[~np.eye(len(values), dtype=bool)]]
    assert sorted(cells) == sorted(expected)
    codes = [text for text in reader.texts("code") if text.startswith("#")]
    assert sorted(codes) == sorted(
        tone["srgb"] for one in record["traditions"].values() for tone in one["palette"]
    )


def _cells(reader, kind):
    path = [("table", "heat"), ("tbody", ""), ("tr", ""), ("td", kind)]
    return [text for tags, text in reader.found if list(tags[-4:]) == path]


def test_gaps_are_those_of_the_study_of_alignment(made, pictures, vgg_archive, tmp_path):
    """The same pictures, tap, part and positions; `rare` has too few for either."""
    _, record, _ = made
    shutil.copytree(pictures, tmp_path / "art", ignore=shutil.ignore_patterns("rare"))
    flags = list(_flags(tmp_path / "art", tmp_path / "out", vgg_archive))
    del flags[flags.index("--pairs") : flags.index("--pairs") + 2]
    assert _run("alignment", *flags) == 0
    other = json.loads((tmp_path / "out" / "alignment.json").read_text())
    assert record["gaps"]["unit"] == pytest.approx(other["unit"], rel=1e-3)
    for part, name in (("before", "none"), ("after", "transport")):
        for key in ("frechet", "cosine", "bures"):
            one = record["gaps"][part]["gaps"][key]["value"]
            two = other["maps"][name]["gaps"][key]["value"]
            np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_neighbours_are_across_traditions_and_shown(made):
    _, record, reader = made
    assert 1 < len(record["neighbours"]) <= 4
    for one in record["neighbours"]:
        first, second = one["pictures"]
        assert [first.split("/")[0], second.split("/")[0]] == one["traditions"]
        assert len(set(one["traditions"])) == 2 and 0.0 < one["similarity"] <= 1.0
    traditions = {tuple(one["traditions"]) for one in record["neighbours"]}
    assert len(traditions) == len(record["neighbours"]), "one pair of each two traditions"
    count = sum(len(one["examples"]) for one in record["traditions"].values())
    shown = [tag for tag, _ in reader.attributes if tag == "img"]
    assert len(shown) == len(CULTURES) + count + 2 * len(record["neighbours"])


def test_the_findings_name_the_extremes(made, measured):
    _, record, reader = made
    brief = " ".join(text for path, text in reader.found if ("ul", "brief") in path)
    for key in ("lightness", "chroma"):
        ordered = sorted(record["figures"][key].items(), key=lambda item: item[1][0])
        for name, row in (ordered[0], ordered[-1]):
            assert f"{cultures.title(name)} ({row[0]:.1f})" in brief
    before, after = (record["gaps"][part]["mean"]["frechet"]["value"] for part in BOTH)
    assert f"from {number(before)} to {number(after)}" in brief
    distances, names = np.array(record["plane"]["frechet"]), list(record["plane"]["points"])
    i, j = np.unravel_index(distances.argmax(), distances.shape)
    assert f"({number(distances[i, j])})" in brief
    assert measured[1].distances(names[i])[-1] == (names[j], distances[i, j])
    assert set(measured[1].apart()[-1][:2]) == {names[i], names[j]}


def test_a_tradition_stands_out_where_its_interval_is_clear_of_all_others(measured):
    rows = {"ink": (1.0, 0.5, 1.5), "lattice": (3.0, 2.0, 4.0), "ukiyo_e": (5.0, 3.9, 6.0)}
    record = dataclasses.replace(measured[1], figures={"contrast": rows})
    assert record.standing_out("ink", "lowest") == ["Contrast"]
    assert record.standing_out("ink", "highest") == record.standing_out("ukiyo_e", "highest") == []


def test_what_is_left_out_is_said(made):
    """A tradition of two pictures has its plate and no distances; the unreadable file is named."""
    _, record, reader = made
    assert record["measured"] == MEASURED and record["traditions"]["rare"]["pictures"] == 2
    text = " ".join(text for _, text in reader.found)
    assert "Left out: Rare." in text and "9999.jpg" in text
    assert record["data"]["skipped"][0][0] == "9999.jpg"
    assert "art <b>" in text and "CC0 & more" in text, "names are written as they are"
    assert "Licence" not in reader.texts("th"), "one of all is said once"
    titles = reader.texts("h3")
    assert {"Ink", "Lattice", "Ukiyo-e", "Rare"} <= set(titles)


def test_counts_and_imbalance(made):
    _, record, _ = made
    counts = {name: one["pictures"] for name, one in record["traditions"].items()}
    assert counts == CULTURES and record["data"]["pictures"] == sum(CULTURES.values())
    uneven = record["data"]["imbalance"]
    shares = np.array(list(CULTURES.values())) / sum(CULTURES.values())
    assert uneven["ratio"] == 4.0 and (uneven["largest"], uneven["smallest"]) == (8, 2)
    assert uneven["effective"] == pytest.approx(np.prod(shares**-shares))
    assert report.Imbalance.of([5, 5, 5]).effective == pytest.approx(3.0)


def _with(record, **fields):
    """The record with other values of fields of its traditions, by tradition."""
    changed = {
        name: dataclasses.replace(one, **{key: each[name] for key, each in fields.items()})
        for name, one in record.traditions.items()
    }
    return dataclasses.replace(record, traditions=changed)


@pytest.fixture(scope="module")
def honest(measured):
    """A record with several licences, pictures with plain captions, and the page of both."""
    _, record, shown = measured
    record = _with(record, licences=dict.fromkeys(CULTURES, {"CC0 <1.0>": 3, "CC BY": 2}))
    shown = {name: dataclasses.replace(one, caption="plain") for name, one in shown.items()}
    return record, shown, report.html_of(record, shown)


def test_several_licences_have_a_column(honest):
    reader = Reader(honest[2])
    assert "Licence" in reader.texts("th")
    assert "CC0 <1.0> (3); CC BY (2)" in reader.texts("td", "licence")


def test_names_of_strangers_are_text(honest):
    """Of cultures, files, titles, licences and versions; the page is built as with plain ones."""
    record, shown, page = honest
    names = dict(zip(CULTURES, hostile.NAMES, strict=False))
    evil = hostile.renamed(record, names)
    evil = dataclasses.replace(
        evil,
        data=dataclasses.replace(
            evil.data,
            name=hostile.CLOSING,
            skipped=[[hostile.MARKUP, hostile.TURNED]],
            empty=[hostile.LONG],
            too_small=[hostile.MARKUP],
        ),
        titles={name: name for name in evil.titles},
        origins=dict.fromkeys(evil.origins, hostile.CLOSING),
        features=report.Features(hostile.CLOSING, hostile.MARKUP, hostile.MARKUP),
        gaps=dataclasses.replace(evil.gaps, map=hostile.MARKUP),
        without=hostile.MARKUP,
        versions={hostile.MARKUP: hostile.CLOSING},
        commit=hostile.CLOSING,
    )
    evil = _with(evil, licences=dict.fromkeys(evil.traditions, {hostile.MARKUP: 1, "CC0": 1}))
    evil_shown = {
        hostile.renamed(name, names): dataclasses.replace(one, caption=hostile.MARKUP)
        for name, one in shown.items()
    }
    hostile.check(
        report.html_of(evil, evil_shown), page, [*list(names.values())[:4], hostile.MARKUP]
    )


def test_plots_take_any_name(measured, tmp_path):
    """No formula, no warning, a size that can be looked at; of 5,000 characters as of none."""
    _, record, shown = measured
    titles = zip(CULTURES, ("$\\frac{", hostile.LONG, hostile.TURNED, ""), strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report.draw(dataclasses.replace(record, titles=dict(titles)), shown, tmp_path)
    for name in report.PLOTS:
        assert all(60 < side < 4000 for side in images.read(tmp_path / name).shape[:2])


def test_without_enough_pictures_the_page_comes_without_distances(pictures, vgg_archive, tmp_path):
    for name in ("ink", "rare"):
        shutil.copytree(pictures / name, tmp_path / "art" / name)
    out = tmp_path / "out"
    out.mkdir()
    files.write_result(out / "study.json", {})
    images.write(out / "map.png", np.zeros((4, 4, 3), np.uint8))
    (out / "own.txt").write_text("a user's")
    assert _run(*_flags(tmp_path / "art", out, vgg_archive)) == 0
    assert {path.name for path in out.iterdir()} == {
        *("study.html", "study.json", "figures.png", "palettes.png", "own.txt")
    }, "what an earlier page left goes, what is no part of it stays"
    record = json.loads((out / "study.json").read_text())
    assert record["plane"] is None and record["gaps"] is None
    assert "Left out: Ink, Rare." in (out / "study.html").read_text()


def test_a_failure_leaves_the_previous_page(measured, pictures, vgg_archive, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "study.html").write_text(PREVIOUS)

    def fails(*_):
        raise OSError(28, "No space left on device", "study.html")

    monkeypatch.setattr(report, "measure", lambda config: measured[1:])
    monkeypatch.setattr(report, "html_of", fails)
    assert _run(*_flags(pictures, out, vgg_archive)) == settings.EXIT_INPUT
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["study.html"]
    assert (out / "study.html").read_text() == PREVIOUS


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--data": None}, "--data"),
        ({"--out": None}, "--out"),
        ({"--out": "{tmp_path}/file"}, "name a folder"),
        ({"--data": "folder:{tmp_path}/single"}, "'ink'"),
        ({"--data": "folder:{tmp_path}/tiny"}, "fewer than two"),
        ({"--replicates": "0"}, "--replicates"),
        ({"--pairs": "-1"}, "--pairs"),
        ({"--short-side": "8"}, "--short-side"),
        ({"--tap": "mixed_5b"}, "'mixed_5b'"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(
    changed, words, pictures, vgg_archive, tmp_path, capsys
):
    (tmp_path / "file").write_text("no folder")
    shutil.copytree(pictures / "ink", tmp_path / "single" / "ink")
    for name in ("one", "two"):
        images.write(tmp_path / "tiny" / name / "0.png", np.ones((20, 20, 3), np.float32))
    flags = _flags(pictures, tmp_path / "out", vgg_archive)
    given = dict(zip(flags[::2], flags[1::2], strict=True)) | changed
    given = {name: value for name, value in given.items() if value is not None}
    line = [str(word).format(tmp_path=tmp_path) for pair in given.items() for word in pair]
    assert _run(*line) == settings.EXIT_INPUT
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(shown) == 1 and words in shown[0], (words, shown)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "single", "tiny"}
