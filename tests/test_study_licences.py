"""Licences, titles and dates that the data's table states."""

import csv

import pytest

from stylegan_culture import tables
from stylegan_culture.config import InputError
from stylegan_culture.reports.study_pictures import caption, licences, stated


def test_licences_titles_and_dates_are_taken_from_a_museums_table(tmp_path):
    rows = [
        ("japan/a.jpg", "japan", "CC0", "Wave", "1831"),
        ("japan/b.jpg", "japan;iran", "", "Hill", ""),
    ]
    with open(tmp_path / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "culture", "licence", "title", "date"), *rows])
    known = stated(f"folder:{tmp_path}")
    ids = ["japan/a", "japan/b", "japan/c"]
    assert licences(ids, known, "") == {"not stated": 2, "CC0": 1}
    assert licences(ids, known, "CC BY") == {"CC BY": 2, "CC0": 1}
    assert [caption(name, known) for name in ids] == ["Wave, 1831", "Hill", "c"]
    assert stated(f"folder:{tmp_path / 'none'}") == {} == stated("ornaments")


def test_a_table_is_read_as_it_was_written_and_within_limits(tmp_path):
    header = ("path", "culture", "licence", "title")
    tables.write(tmp_path / "t.csv", header, [("-a.jpg", "x", "=CC0", "\u202egnp")])
    for data in (f"folder:{tmp_path / 't.csv'}", f"folder:{tmp_path / 't.csv'}?outside"):
        row = stated(data)["x/-a"]
        assert (row.licence, row.title) == ("=CC0", "\u202egnp")
    (tmp_path / "manifest.csv").write_bytes(b"path,culture\n" + b"x" * 200_000)
    with pytest.raises(InputError, match="manifest.csv is no CSV .line 2"):
        stated(f"folder:{tmp_path}")
