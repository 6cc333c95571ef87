"""Tables of figures, heat tables, rows of pictures and remarks say what they were given."""

import re

import numpy as np
from reader import Reader

from stylegan_culture.reports.parts import document, tables


def _share(text):
    return [float(value) for value in re.findall(r"--v:([0-9.]+)", text)]


def _body(reader):
    return [text for path, text in reader.found if ("tbody", "") in path and path[-1][0] != "th"]


def test_figures_come_with_their_intervals():
    text = tables.figures_table(
        [("Named", "{:.0%}".format), ("Distance <d>", "{:.2f}".format)],
        [("ink", [(0.5, 0.4, 0.625), 1.234]), ("a & b", [None, "untold"])],
        "What & how",
    )
    reader = Reader(text)
    assert _body(reader) == ["50% ", "(40% to 62%)", "1.23", "\N{EN DASH}", "untold"]
    assert reader.texts("th") == ["Named", "Distance <d>", "ink", "a & b"]
    assert reader.texts("caption") == ["What & how"] and not reader.wrong


def test_intervals_of_broad_tables_stand_below_their_figures():
    for count, kind in ((4, "figures"), (5, "figures broad")):
        text = tables.figures_table([("a", str)] * count, [("b", [1] * count)], "c")
        assert f'class="{kind}"' in text


def test_heat_follows_the_values():
    text = tables.heat_table(
        ["a", "b"], ["c", "d"], [[1.0, None], [(4.0, "3 to 5"), 2.0]], "{:.0f}".format, "Counts"
    )
    reader = Reader(text)
    assert _share(text) == [0.25, 1.0, 0.5]
    assert _body(reader) == ["1", "4", "2"] and reader.texts("td", "hot") == ["4"]
    notes = [own["title"] for tag, own in reader.attributes if "title" in own]
    assert notes == ["3 to 5"]
    assert reader.texts("span") == ["c", "d"] and not reader.wrong


def test_heat_of_likeness_can_be_turned_round_and_never_overflows():
    text = tables.heat_table(
        ["a"],
        ["b", "c", "d"],
        [[1.0, 0.2, -1.0]],
        str,
        "Alike",
        lambda value: 1.0 - value,
        "Cosine",
    )
    assert _share(text) == [0.0, 0.8, 1.0]
    reader = Reader(text)
    assert reader.texts("span", "hidden") == [": Cosine"]
    assert dict(reader.attributes)["div"]["aria-label"] == "Cosine, alike"


def test_no_heat_where_all_is_zero_or_below():
    text = tables.heat_table(["a"], ["b", "c"], [[0.0, -2.0]], str, "None")
    assert _share(text) == [0.0, 0.0]


def test_pictures_keep_their_order_and_their_words():
    shown = [
        document.shown(np.full((8, 8, 3), tone, np.uint8), f"tone <{tone}>") for tone in (0, 250)
    ]
    for text in (tables.strip(shown), tables.picture_table(["x", "y"], [("row", shown)], "All")):
        reader = Reader(text)
        found = [own for tag, own in reader.attributes if tag == "img"]
        assert [own["src"] for own in found] == [one.address for one in shown]
        assert [own["alt"] for own in found] == ["tone <0>", "tone <250>"]
        assert not reader.wrong
    assert Reader(tables.strip(shown)).texts("figcaption") == ["tone <0>", "tone <250>"]
    assert 'class="tiles"' in tables.strip(shown)
    assert 'class="tiles broad"' in tables.strip(shown, broad=True)


def test_remarks_columns_and_facts_are_text():
    text = tables.remark("Few <ten>", "a <b>") + tables.columns_of([("H <1>", "t & u")])
    reader = Reader(text + tables.facts({"Seed": "0 <x>"}))
    assert reader.texts("strong") == ["Few <ten>"] and reader.texts("h3") == ["H <1>"]
    assert reader.texts("p") == ["a <b>", "t & u"] and reader.texts("dd") == ["0 <x>"]
    assert not reader.wrong


def test_a_page_ends_with_its_limits_and_how_it_was_made():
    page = tables.closing([("Few <pictures>", "Wide & open.")], {"Seed": "7"}, "numbers.json")
    found = Reader(page)
    assert found.texts("h2") == ["What these figures do not say", "How it was made"]
    assert found.texts("h3") == ["Few <pictures>"] and found.texts("code") == ["numbers.json"]
    assert "Wide &amp; open." in page and found.texts("dd") == ["7"]
