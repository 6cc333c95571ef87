"""What the study's page is told of licences, titles and dates."""

import csv

import pytest

from stylegan_culture import tables
from stylegan_culture.config import InputError
from stylegan_culture.reports import licences
from stylegan_culture.reports import study_sections as sections


def test_licences_titles_and_dates_are_taken_from_a_museums_table(tmp_path):
    rows = [
        ("japan/a.jpg", "japan", "CC0", "Wave", "1831"),
        ("japan/b.jpg", "japan;iran", "", "Hill", ""),
    ]
    with open(tmp_path / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "culture", "licence", "title", "date"), *rows])
    found = licences.read(f"folder:{tmp_path}")
    ids = ["japan/a", "japan/b", "japan/c"]
    assert licences.counts(ids, found, "") == {"not stated": 2, "CC0": 1}
    assert licences.counts(ids, found, "CC BY") == {"CC BY": 2, "CC0": 1}
    assert [licences.caption(name, found) for name in ids] == ["Wave, 1831", "Hill", "c"]
    assert licences.read(f"folder:{tmp_path / 'none'}") == {} == licences.read("ornaments")


def test_a_table_is_read_as_it_was_written_and_within_limits(tmp_path):
    header = ("path", "culture", "licence", "title")
    tables.write(tmp_path / "t.csv", header, [("-a.jpg", "x", "=CC0", "\u202egnp")])
    for data in (f"folder:{tmp_path / 't.csv'}", f"folder:{tmp_path / 't.csv'}?outside"):
        row = licences.read(data)["x/-a"]
        assert (row["licence"], row["title"]) == ("=CC0", "\u202egnp")
    (tmp_path / "manifest.csv").write_bytes(b"path,culture\n" + b"x" * 200_000)
    with pytest.raises(InputError, match="manifest.csv is no CSV .line 2"):
        licences.read(f"folder:{tmp_path}")


def test_one_licence_of_all_is_said_once_and_several_have_a_column():
    ones = {
        name: {"pictures": count, "held_out": 1, "licences": {"CC0 <1.0>": count}}
        for name, count in (("japan", 6), ("iran", 5))
    }
    record = {
        "data": {
            "name": "art",
            "imbalance": {"ratio": 1.2, "effective": 1.99},
            **{"skipped": [], "too_small": [], "empty": []},
        },
        "titles": {"japan": "Japan", "iran": "Iran"},
        "traditions": ones,
    }
    page = sections.pictures_of(record)
    assert page.count("CC0 &lt;1.0&gt;") == 1 and ">Licence<" not in page
    ones["iran"]["licences"] = {"CC0 <1.0>": 3, "CC BY": 2}
    page = sections.pictures_of(record)
    assert "CC0 &lt;1.0&gt; (3); CC BY (2)" in page and ">Licence<" in page
