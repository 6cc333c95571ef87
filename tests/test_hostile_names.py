"""Names of cultures, methods and files that nobody means well: in charts, sheets, files, Markdown
and on pages."""

import dataclasses
import os
import pathlib
import re
import types
import warnings

import hostile
import numpy as np
import pytest
from PIL import Image

from stylegan_culture import files, images, model_record
from stylegan_culture.deploy import exporter, markdown, signatures
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.measures.tagging import TaggerFigures
from stylegan_culture.reports import charts, evaluation
from stylegan_culture.reports import tagger_report as tag_report
from stylegan_culture.training import loop

SHOWN = (hostile.MARKUP, hostile.CLOSING, hostile.TURNED, "$\\frac{", "$x$", "波斯", "")


def test_a_files_name_stays_in_its_folder_and_can_be_written(tmp_path):
    found = files.file_names(hostile.NAMES)
    assert len({name.casefold() for name in found}) == len(hostile.NAMES)
    for name in found:
        path = tmp_path / f"places_{name}.png"
        path.write_bytes(b"")
        assert path.parent == tmp_path and os.path.basename(path) == path.name
        assert name[0] not in ".-~ " and name[-1] not in ". " and visible_on_every_system(name)
    assert len(list(tmp_path.iterdir())) == len(hostile.NAMES)


def visible_on_every_system(name):
    return (
        not re.search(r'[\x00-\x1f/\\<>:"|?*]', name)
        and len(name.encode()) <= files.LONGEST_NAME + 4
        and name.partition(".")[0].lower() not in ("con", "prn", "aux", "nul", "com1", "lpt1")
    )


def test_ordinary_names_stay_as_they_are():
    names = [
        "ukiyo_e",
        "photo_to_ukiyo_e",
        "Persé 波斯",
        "Doré's wood engraving",
        "v1.2",
        "a-b",
        "x",
    ]
    assert files.file_names(names) == names
    assert files.file_names(["a/b", "a\\b", "A_B", "a_b_2"]) == ["a_b", "a_b_2", "A_B_3", "a_b_2_2"]
    long, other = (files.file_name("x" * 300 + end) for end in "ab")
    assert long != other and len(long) == files.LONGEST_NAME


def test_sheets_of_an_evaluation_stay_in_its_folder(tmp_path):
    gallery = evaluation.Gallery(np.zeros((8, 8, 3), np.float32), [], {})
    folder = tmp_path / "deep" / "out"
    names = ("../x", "..", "a/b", "x" * 300, "con", "a\0b")
    evaluation.write_sheets(dict.fromkeys(names, gallery), folder)
    assert len(list(folder.iterdir())) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_sheets_of_a_run_stay_in_its_folder(tmp_path):
    sheet = np.zeros((8, 8, 3), np.float32)

    class Trainer:
        def samples(self):
            return {"../../a_to_b": sheet, "a_to_../../b": sheet, "x" * 300: sheet, "day": sheet}

        def codes(self):
            return {}

    loop._draw(Trainer(), tmp_path / "run" / "samples", 7)
    names = {path.name for path in (tmp_path / "run" / "samples").iterdir()}
    assert len(names) == 4 and "day_00000007.png" in names
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_charts_and_sheets_take_any_name(tmp_path):
    """No formula, no warning, a size that can be looked at; of 5,000 characters as of none."""
    names = [*SHOWN, hostile.LONG, "\udcff", "$", "a\n" * 500]
    count = len(names)
    tagged = TaggerFigures.of(0.6 * np.eye(count), np.eye(count), names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tag_report.draw({"held_out": tagged}, names, tmp_path)
    pictures = np.zeros((2 * count, 12, 12, 3), np.uint8)
    sheet = images.grid(pictures, count, row_labels=names[:2], column_labels=names)
    images.write(tmp_path / "sheet.png", sheet)
    sizes = [_size(path) for path in tmp_path.iterdir()]
    assert len(sizes) == 3 and all(60 < side < 4000 for size in sizes for side in size), sizes


def test_a_dollar_sign_is_drawn_as_it_is():
    """`$x$` is as wide as three letters, and not the one of a formula."""
    widths = {}
    for name in ("$x$", "x"):
        with charts.drawing(144, 144) as figure:
            drawn = figure.text(0.1, 0.5, name)
            figure.canvas.draw()
            widths[name] = drawn.get_window_extent().width
    assert widths["$x$"] > 2.0 * widths["x"]


def test_the_largest_figure_can_be_written(tmp_path):
    with charts.drawing(50_400, 720) as figure:
        charts.png(figure, tmp_path / "a.png")
    assert max(_size(tmp_path / "a.png")) == charts.LONGEST_SIDE


def _size(path):
    with Image.open(path) as picture:
        return picture.size


PLAIN = [
    "culture256",
    "wct_vgg19",
    "Doré's wood engraving",
    "Ukiyo-e (Edo)",
    "100% to 3.5",
    "a_b c",
]


@pytest.mark.parametrize("name", PLAIN)
def test_ordinary_names_stay_as_they_are_in_markdown(name):
    assert markdown.markdown(name) == name and markdown.code(name) == f"`{name}`"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a|b", r"a\|b"),
        ("<b>", r"\<b\>"),
        ("[a](b)", r"\[a\](b)"),
        ("`*_a_*`", r"\`\*\_a\_\*\`"),
        ("https://x", r"https\://x"),
        ("www.x", r"www\.x"),
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("a\nb", r"a\\u000ab"),
        ("&lt;", r"\&lt;"),
        ("$x$", r"\$x\$"),
        ("\\", r"\\"),
    ],
)
def test_markdown_takes_no_name_for_its_own(name, written):
    assert markdown.markdown(name) == written


def test_code_in_markdown_ends_where_it_ends():
    assert markdown.code("a`b``c") == "```a`b``c```" and markdown.code("`a`") == "`` `a` ``"
    assert markdown.code("a\n# b") == "`a\\u000a# b`"


EVIL = "a|b <script>`x` [l](javascript:1) https://x.example\n# heading\n- item \u202e"


def _obeyed(card_text):
    """What of Markdown is neither escaped nor code."""
    prose = re.sub(r"```json\n.*?\n```\n", "", card_text, flags=re.DOTALL)
    prose = re.sub(r"^    .*$", "", prose, flags=re.MULTILINE)
    return re.sub(r"(`+).*?\1|\\.", "", prose)


def _check_card(card_text, honest):
    assert "<script" not in _obeyed(card_text) and "https://" not in _obeyed(card_text)
    assert "](" not in _obeyed(card_text) and card_text.count("\n```\n") == 1
    for mark in ("|", "\n#", "\n-", "\n"):
        assert _obeyed(card_text).count(mark) == _obeyed(honest).count(mark), mark
    assert all(line.isprintable() for line in card_text.splitlines())


@pytest.mark.parametrize("kind", ["culture", "cyclegan"])
def test_the_card_of_a_model_escapes_names(kind):
    def made(name):
        culture = model_record.Culture(*[name] * 4)
        facts = model_record.Facts(
            kind, name, (culture,), pathlib.Path("run.json"), {"parameters": name}
        )
        origin = model_record.Origin(name, 64, name, name, name, {})
        settings = exporter.ExportConfig(out=name)
        plan = exporter.Plan(settings, facts, origin, signatures.EXPORTED[kind], [], [], [])
        networks = [signatures.translation(name, None, {name: name})]
        return exporter.card_of(plan, networks, {name: f"```\n{name}"}, [])

    _check_card(made(EVIL), made("plain"))


def test_the_table_of_an_evaluation_escapes_names():
    figures = {"named": Interval(0.5, 0.4, 0.6), "few": False}
    method = types.SimpleNamespace(
        figures=figures,
        cultures={EVIL: figures},
        crossfade_named=0.5,
        judge_in_training=True,
        verdicts=types.SimpleNamespace(faults={"copies": EVIL}),
    )
    probe = evaluation.ProbeFigures(EVIL, "", 0.5, {}, 0.5, None)
    facts = dict.fromkeys(field.name for field in dataclasses.fields(evaluation.EvaluationRecord))
    facts |= {"methods": {EVIL: method, "x": method}, "cultures": [EVIL], "crossfade": [None]}
    found = evaluation.table_of(evaluation.EvaluationRecord(**facts | {"judge": probe}))
    rows = [_obeyed(line) for line in found.splitlines() if line.startswith("|")]
    assert len(rows) == 5 and {row.count("|") for row in rows} == {4}
    for mark in ("<script", "](", "https://", "\n#", "\n-"):
        assert mark not in _obeyed(found)
