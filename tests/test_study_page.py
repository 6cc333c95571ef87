"""The study's page: whole, alone, true to its JSON, honest on what it leaves out."""

import copy
import json
import shutil

import hostile
import numpy as np
import pytest
from reader import Reader

from stylegan_culture import config as settings
from stylegan_culture import files, images, study
from stylegan_culture.measures import colour, looks
from stylegan_culture.pipelines import cultures
from stylegan_culture.reports import study_page as page
from stylegan_culture.reports import study_words as words
from stylegan_culture.reports.parts import document
from stylegan_culture.reports.parts.numbers import number

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


def _run(*arguments):
    return settings.run_command(study.main, [str(argument) for argument in arguments])


def _flags(data, out, archive):
    sizes = ("--short-side", SIDE, "--positions", 16, "--replicates", 2, "--pairs", 4)
    network = ("--backbone", "vgg19_16x", "--weights", archive, "--tap", "relu1_1")
    return ("--data", f"folder:{data}", "--out", out, *network, *sizes)


@pytest.fixture(scope="module")
def made(pictures, vgg_archive, tmp_path_factory):
    """The folder that the command wrote, its record and its page."""
    folder = tmp_path_factory.mktemp("made") / "deep" / "study"
    assert _run(*_flags(pictures, folder, vgg_archive), "--licences", "CC0 & more") == 0
    record = json.loads((folder / "study.json").read_text())
    return folder, record, Reader((folder / "study.html").read_text())


def test_page_plots_and_numbers_are_there_and_nothing_else(made):
    folder, record, reader = made
    assert {path.name for path in folder.iterdir()} == {"study.html", "study.json", *page.PLOTS}
    assert [path.name for path in folder.parent.iterdir()] == ["study"]
    for name in page.PLOTS:
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
    untold = [own for tag, own in reader.attributes if tag == "img" and not own["alt"]]
    assert len(untold) == len(CULTURES)
    tags = [tag for tag, _ in reader.attributes]
    assert tags.count("table") > 5 and tags.count("svg") > 5
    assert dict(reader.attributes)["html"] == {"lang": "en"}


def test_figures_are_means_over_pictures_within_their_intervals(made, pictures):
    """Lightness once more from the files, edges of a picture by its figure."""
    _, record, _ = made
    for name, count in CULTURES.items():
        own = [images.read(pictures / name / f"{number:04d}.png") for number in range(count)]
        mean = np.mean([colour.lab(picture)[..., 0].mean() for picture in own])
        assert record["figures"]["lightness"][name][0] == pytest.approx(mean, abs=1e-4)
        edges = np.mean([looks.Look.of(picture).edges for picture in own])
        assert record["figures"]["edges"][name][0] == pytest.approx(edges, abs=1e-6)
    for key, rows in record["figures"].items():
        assert set(rows) == set(CULTURES if key in looks.WHAT else MEASURED), key
        for value, low, high in rows.values():
            assert low <= value <= high, key


def test_every_number_of_charts_and_tables_is_in_the_json(made):
    _, record, reader = made
    shown = reader.texts("text", "value")
    expected = [
        number(value, form)
        for key, (_, form) in words.FIGURES.items()
        for value in sorted((row[0] for row in record["figures"][key].values()), reverse=True)
    ]
    assert shown == expected
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
    return [text for own, text in reader.found if list(own[-4:]) == path]


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
    shown = [own for tag, own in reader.attributes if tag == "img"]
    assert len(shown) == len(CULTURES) + count + 2 * len(record["neighbours"])


def test_the_findings_name_the_extremes(made):
    _, record, reader = made
    found = " ".join(text for path, text in reader.found if ("ul", "brief") in path)
    for key, low, high in (
        ("lightness", "Darkest on average is", "lightest"),
        ("chroma", "Nearest to grey is", "most colourful"),
    ):
        ordered = sorted(record["figures"][key].items(), key=lambda item: item[1][0])
        for (name, row), text in ((ordered[0], low), (ordered[-1], high)):
            assert f"{text} {cultures.title(name)} ({row[0]:.1f})" in found
    before, after = (record["gaps"][part]["mean"]["frechet"]["value"] for part in BOTH)
    assert f"from {number(before)} to {number(after)}" in found
    distances, names = np.array(record["plane"]["frechet"]), list(record["plane"]["points"])
    i, j = np.unravel_index(distances.argmax(), distances.shape)
    assert f"({number(distances[i, j])})" in found
    assert words.nearest(record, names[i])[1] == (names[j], distances[i, j])


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
    assert words.imbalance([5, 5, 5])["effective"] == pytest.approx(3.0)


def test_names_of_strangers_are_text(made):
    """Of cultures, files, titles, licences and versions; the page is built as with plain ones."""
    _, record, _ = made
    names = dict(zip(CULTURES, hostile.NAMES, strict=False))
    picture = document.shown(np.zeros((8, 8, 3), np.uint8), hostile.MARKUP)
    pages = []
    for other in ({}, names):
        own = hostile.renamed(copy.deepcopy(record), other)
        if other:
            own["titles"] = dict(zip(own["titles"], own["titles"], strict=True))
            own["data"]["name"] = own["commit"] = own["features"]["backbone"] = hostile.CLOSING
            own["data"]["skipped"] = [[hostile.MARKUP, hostile.TURNED]]
            own["data"]["empty"], own["data"]["too_small"] = [hostile.LONG], [hostile.MARKUP]
            own["without"] = own["gaps"]["map"] = own["features"]["weights"] = hostile.MARKUP
            own["versions"] = {hostile.MARKUP: hostile.CLOSING}
            own["origins"] = dict.fromkeys(own["origins"], hostile.CLOSING)
        for one in own["traditions"].values():
            one["licences"] = {hostile.MARKUP if other else "x": 1, "CC0": 1}
        shown = [one["examples"] for one in own["traditions"].values()]
        shown += [one["pictures"] for one in own["neighbours"]]
        pages.append(page.html_of(own, {name: picture for some in shown for name in some}))
    honest, hostile_one = pages
    hostile.check(hostile_one, honest, [*list(names.values())[:4], hostile.MARKUP])


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


def test_a_failure_leaves_the_previous_page(pictures, vgg_archive, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "study.html").write_text(PREVIOUS)

    def fails(*_):
        raise OSError(28, "No space left on device", "study.html")

    monkeypatch.setattr(page, "html_of", fails)
    assert _run(*_flags(pictures, out, vgg_archive)) == settings.EXIT_INPUT
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["study.html"]
    assert (out / "study.html").read_text() == PREVIOUS


@pytest.fixture
def wrong(pictures, vgg_archive, tmp_path):
    """Wrong command lines by name, and a part of the sentence that each has to give."""
    (tmp_path / "file").write_text("no folder")
    shutil.copytree(pictures / "ink", tmp_path / "single" / "ink")
    for name in ("one", "two"):
        images.write(tmp_path / "tiny" / name / "0.png", np.ones((20, 20, 3), np.float32))
    out = tmp_path / "out"
    flags = _flags(pictures, out, vgg_archive)
    return {
        "no data": (("--out", out), "--data"),
        "nowhere to write": (("--data", "ornaments"), "--out"),
        "a file": ((*flags, "--out", tmp_path / "file"), "name a folder"),
        "one tradition": ((*flags, "--data", f"folder:{tmp_path / 'single'}"), "'ink'"),
        "too small": ((*flags, "--data", f"folder:{tmp_path / 'tiny'}"), "fewer than two"),
        "no replicate": ((*flags, "--replicates", 0), "--replicates"),
        "less than no pair": ((*flags, "--pairs", -1), "--pairs"),
        "few pixels": ((*flags, "--short-side", 8), "--short-side"),
        "unknown tap": ((*flags, "--tap", "mixed_5b"), "'mixed_5b'"),
    }


@pytest.mark.parametrize(
    "case",
    [
        *("no data", "nowhere to write", "a file", "one tradition", "too small", "no replicate"),
        *("less than no pair", "few pixels", "unknown tap"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(wrong, case, tmp_path, capsys):
    flags, named = wrong[case]
    assert _run(*flags) == settings.EXIT_INPUT
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(shown) == 1 and named in shown[0]
    assert {path.name for path in tmp_path.iterdir()} == {"file", "single", "tiny"}
