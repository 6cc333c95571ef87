"""Pages stand alone and show texts of strangers as text; their parts say what they were given;
their folder is complete or as it was."""

import base64
import dataclasses
import io
import os
import re

import hostile
import jinja2
import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image
from reader import Reader

from stylegan_culture import images
from stylegan_culture.reports import charts, page
from stylegan_culture.reports.page import counted, number, word

PAGE = """{% extends "base.html.j2" %}
{% block title %}{{ title }}{% endblock %}
{% block kind %}{{ title }}{% endblock %}
{% block lead %}{{ title }}{% endblock %}
{% block main %}{{ main }}{% endblock %}
{% block limits %}
{% call parts.limit("Few <pictures>") %}Wide & {{ title }}.{% endcall %}
{% endblock %}
"""


def whole(title="Ink & <gold>", main=""):
    template = page._environment().from_string(PAGE)
    links, findings, made = [("limits", title)], [title], {"Seed": "7", title: title}
    return template.render(
        title=title, main=main, links=links, findings=findings, made=made, json_file="numbers.json"
    )


def part(call, **values):
    """What a call of `parts.html.j2` gives, as `Markup`."""
    text = f'{{% import "parts.html.j2" as parts with context %}}{{{{ parts.{call} }}}}'
    return Markup(page._environment().from_string(text).render(**values))


def test_a_page_stands_alone_and_says_its_title():
    reader = Reader(whole())
    assert reader.texts("title") == reader.texts("h1") == ["Ink & <gold>"]
    assert not reader.wrong and not reader.reaches_out() and not reader.unreadable()
    assert "--paper" in "".join(reader.texts("style")), "the style sheet is within"
    assert reader.texts("h2") == ["In brief", "What these figures do not say", "How it was made"]
    assert reader.texts("h3") == ["Few <pictures>"] and reader.texts("code") == ["numbers.json"]
    assert reader.texts("dd") == ["7", "Ink & <gold>"] and reader.texts("li") == ["Ink & <gold>"]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ('<img src="https://example.org/a.png" alt="">', "out"),
        ("<script>1</script>", "out"),
        ('<p onclick="1">a</p>', "out"),
        ("<h2>a</h2><h4>too deep</h4>", "unreadable"),
        ("<table></table>", "unreadable"),
        ('<a href="#nowhere">a</a>', "unreadable"),
        ('<svg viewBox="0 0 1 1"></svg>', "unreadable"),
    ],
)
def test_the_reader_tells_pages_that_reach_out_or_cannot_be_read(part, kind):
    reader = Reader(whole(main=Markup(part)))
    assert bool(reader.reaches_out()) == (kind == "out")
    assert bool(reader.unreadable()) == (kind == "unreadable")


def test_a_name_that_a_template_asks_for_and_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        part("remark(heading, 'a')")


def test_parts_of_pages_show_names_as_text():
    shown = page.shown(np.zeros((8, 8, 3), np.uint8), hostile.MARKUP)

    def built(names, picture):
        name, values = names[0], {"names": names, "name": names[0], "picture": picture, "show": str}
        calls = (
            "figures_table(columns, rows, name)",
            'heat_table(names, names, cells, show, name, "", name)',
            "picture_table([name], [(name, [picture])], name)",
            "strip([picture])",
            "remark(name, name)",
            "facts({name: name})",
        )
        values |= {"columns": [(n, str) for n in names], "rows": [(n, [n] * 4) for n in names]}
        values["cells"] = [[(1.0, n)] * 4 for n in names]
        drawn = [
            charts.dots([(n, 1.0, 0.5, 2.0) for n in names], str, name),
            charts.histogram([0.5], [0.4], ["#102030"], (name, name), name),
        ]
        return whole(name, Markup("").join([*(part(call, **values) for call in calls), *drawn]))

    plain = [f"name {n}" for n in range(4)]
    honest = built(plain, dataclasses.replace(shown, caption="plain"))
    hostile.check(built(hostile.NAMES[:4], shown), honest, hostile.NAMES[:4])


def test_a_shown_picture_is_the_picture():
    row, column = np.mgrid[0:24, 0:48]
    pixels = np.stack([5 * row, 5 * column, 0 * row + 90], axis=-1).astype(np.uint8)
    shown = page.shown(pixels, "a river", quality=95)
    assert shown.proportion == 2.0 and shown.caption == "a river"
    kind, data = shown.address.split(",")
    assert kind == "data:image/jpeg;base64"
    read = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.abs(read.astype(int) - pixels).mean() < 3.0
    assert len(page.shown(pixels, "", quality=20).address) < len(shown.address)
    assert 'alt="a &lt;b&gt;"' in part('image(picture, "a <b>")', picture=shown)


def test_files_take_their_places_together_and_old_plots_go(tmp_path):
    folder = tmp_path / "deep" / "out"
    with page.complete(folder) as unfinished:
        (unfinished / "a.html").write_text("first")
        images.write(unfinished / "old.png", np.zeros((4, 4, 3), np.uint8))
        assert not (folder / "a.html").exists()
    (folder / "users.txt").write_text("not of the page")
    (folder / "users.png").write_text("not of the page")
    names = ("old.png", "new.png", "users.png")
    with page.complete(folder, names) as unfinished:
        (unfinished / "a.html").write_text("second")
        (unfinished / "new.png").write_text("second")
        assert (folder / "a.html").read_text() == "first"
    kept = {"users.txt", "users.png"}
    assert {path.name for path in folder.iterdir()} == {"a.html", "new.png"} | kept
    assert (folder / "a.html").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_the_page_is_the_last_to_come(tmp_path, monkeypatch):
    moved = []

    def replace(source, target, real=os.replace):
        moved.append(target.name)
        real(source, target)

    monkeypatch.setattr(page.os, "replace", replace)
    with page.complete(tmp_path / "out") as unfinished:
        for name in ("a.html", "z.json", "b.png"):
            (unfinished / name).write_text("")
    assert moved[-1] == "a.html" and len(moved) == 3


def test_a_failure_leaves_what_was_there(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.html").write_text("before")
    with pytest.raises(OSError, match="full"), page.complete(folder, ("b.png",)) as unfinished:
        (unfinished / "a.html").write_text("after")
        raise OSError("full")
    assert (folder / "a.html").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def _heat(text):
    return [float(value) for value in re.findall(r"--v:([0-9.]+)", text)]


def _body(reader):
    cells = [text for path, text in reader.found if ("tbody", "") in path and path[-1][0] != "th"]
    return [text for text in cells if text.strip()]


def test_figures_come_with_their_intervals():
    text = part(
        'figures_table(columns, rows, "What & how")',
        columns=[("Named", "{:.0%}".format), ("Distance <d>", "{:.2f}".format)],
        rows=[("ink", [(0.5, 0.4, 0.625), 1.234]), ("a & b", [None, "untold"])],
    )
    reader = Reader(text)
    assert _body(reader) == ["50% ", "(40% to 62%)", "1.23", "\N{EN DASH}", "untold"]
    assert reader.texts("th") == ["Named", "Distance <d>", "ink", "a & b"]
    assert reader.texts("caption") == ["What & how"] and not reader.wrong


def test_intervals_of_broad_tables_stand_below_their_figures():
    for count, kind in ((4, "figures"), (5, "figures broad")):
        columns, rows = [("a", str)] * count, [("b", [1] * count)]
        text = part('figures_table(columns, rows, "c")', columns=columns, rows=rows)
        assert f'class="{kind}"' in text


def test_heat_follows_the_values():
    text = part(
        'heat_table(["a", "b"], ["c", "d"], values, show, "Counts")',
        values=[[1.0, None], [(4.0, "3 to 5"), 2.0]],
        show="{:.0f}".format,
    )
    reader = Reader(text)
    assert _heat(text) == [0.25, 1.0, 0.5]
    assert _body(reader) == ["1", "4", "2"] and reader.texts("td", "hot") == ["4"]
    assert [held["title"] for _, held in reader.attributes if "title" in held] == ["3 to 5"]
    assert reader.texts("span") == ["c", "d"] and not reader.wrong


def test_heat_of_likeness_can_be_turned_round_and_never_overflows():
    text = part(
        'heat_table(["a"], ["b", "c", "d"], [[1.0, 0.2, -1.0]], show, "Alike", heat, "Cosine")',
        show=str,
        heat=lambda value: 1.0 - value,
    )
    assert _heat(text) == [0.0, 0.8, 1.0]
    reader = Reader(text)
    assert reader.texts("span", "hidden") == [": Cosine"]
    assert dict(reader.attributes)["div"]["aria-label"] == "Cosine, alike"


def test_no_heat_where_all_is_zero_or_below():
    text = part('heat_table(["a"], ["b", "c"], [[0.0, -2.0]], show, "None")', show=str)
    assert _heat(text) == [0.0, 0.0]


def test_pictures_keep_their_order_and_their_words():
    shown = [page.shown(np.full((8, 8, 3), tone, np.uint8), f"tone <{tone}>") for tone in (0, 250)]
    table = part('picture_table(["x", "y"], [("row", shown)], "All")', shown=shown)
    strip = part("strip(shown)", shown=shown)
    for text in (strip, table):
        reader = Reader(text)
        pictures = [held for tag, held in reader.attributes if tag == "img"]
        assert [held["src"] for held in pictures] == [one.address for one in shown]
        assert [held["alt"] for held in pictures] == ["tone <0>", "tone <250>"]
        assert not reader.wrong
    assert Reader(strip).texts("figcaption") == ["tone <0>", "tone <250>"]
    assert 'class="tiles"' in strip
    assert 'class="tiles broad"' in part("strip(shown, broad=true)", shown=shown)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.07123, "", "0.0712"),
        (1.0, "", "1.00"),
        (45.55, "", "45.5"),
        (1230.4, "", "1,230"),
        (-0.5, "", "\N{MINUS SIGN}0.500"),
        (0.256, "{:.0%}", "26%"),
        (-0.256, "{:.1f}", "\N{MINUS SIGN}0.3"),
    ],
)
def test_numbers(value, form, text):
    assert number(value, form) == text


def test_counts_in_words():
    assert counted(1, "picture") == "1 picture" and counted(1344, "picture") == "1,344 pictures"
    assert counted(2, "study", "studies") == "2 studies"
    assert [word(count) for count in (0, 9, 10, 11)] == ["no", "nine", "ten", "11"]
