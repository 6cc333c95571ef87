"""Image folders: culture folders, CSV of tags, content only, and every kind of bad file."""

import csv
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images, tables
from stylegan_culture.config import InputError
from stylegan_culture.pipelines import folder

CSV = ("path", "culture")


def _picture(path, value=100, size=(20, 30)):
    images.write(path, np.full((*size, 3), value, np.uint8))


def _table(path, *rows, header="path,culture", encoding="utf-8"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)


def test_folders_named_by_culture(tmp_path):
    for number in range(10):
        _picture(tmp_path / "ukiyo_e" / f"{number:04d}.png", number)
    _picture(tmp_path / "Persé 波斯" / "deeper" / "été.jpg", 50)
    (tmp_path / "ukiyo_e" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    source = folder.load(tmp_path)
    assert source.cultures == ("Persé 波斯", "ukiyo_e")
    assert source.ids == ("Persé 波斯/été", *(f"ukiyo_e/{n:04d}" for n in range(10)))
    assert source.tags.sum(axis=0).tolist() == [1, 10] and not source.skipped
    assert source.held.sum() == 2
    assert [int(source.read(n)[0, 0, 0]) for n in source.of_culture(1)] == list(range(10))
    assert source.read(0).dtype == np.uint8 and source.read(0).shape == (20, 30, 3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("named", [True, False])
def test_csv_of_tags(tmp_path, encoding, named):
    _picture(tmp_path / "pictures" / "a, b.png")
    _picture(tmp_path / "pictures" / "c.png")
    _picture(tmp_path / "pictures" / "untagged.png")
    _table(
        tmp_path / "tags.csv",
        '"pictures/a, b.png",Perse; Inde ;Perse,0.9',
        "pictures/c.png,日本,0.8",
        "pictures/untagged.png,,",
        "pictures/c.png,Perse,1",
        "pictures/absent.png,Perse,1",
        "",
        header="path,culture,confidence",
        encoding=encoding,
    )
    source = folder.load(tmp_path / "tags.csv" if named else tmp_path)
    assert source.cultures == ("Inde", "Perse", "日本")
    assert source.ids == ("Perse/a, b", "日本/c")
    assert source.tags.tolist() == [[True, True, False], [False, False, True]]
    reasons = {path.rsplit("/", 1)[-1]: reason for path, reason in source.skipped}
    assert "no culture" in reasons["untagged.png"] and "twice" in reasons["c.png"]
    assert "missing" in reasons["absent.png"] and len(source.skipped) == 3


def test_csv_finds_names_in_either_unicode_form(tmp_path):
    _picture(tmp_path / unicodedata.normalize("NFD", "é.png"))
    _picture(tmp_path / "b.png")
    _table(tmp_path / "t.csv", unicodedata.normalize("NFC", "é.png") + ",Pérou", "b.png,B")
    source = folder.load(tmp_path)
    assert len(source) == 2 and source.ids[0] == unicodedata.normalize("NFC", "Pérou/é")


def test_wrong_tables(tmp_path):
    _table(tmp_path / "t.csv", "a.png,A", header="file,tag")
    with pytest.raises(InputError, match="no header path,culture"):
        folder.load(tmp_path / "t.csv")
    _table(tmp_path / "t.csv", "é.png,A", encoding="latin-1")
    with pytest.raises(InputError, match="UTF-8"):
        folder.load(tmp_path)
    _table(tmp_path / "t.csv", "a.png,A")
    _table(tmp_path / "u.csv", "a.png,A")
    with pytest.raises(InputError, match="t.csv and u.csv"):
        folder.load(tmp_path)


def test_bad_files_are_skipped_and_reported(tmp_path):
    for number in range(3):
        _picture(tmp_path / "a" / f"{number}.jpg")
        _picture(tmp_path / "b" / f"{number}.jpg")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    images.write(tmp_path / "b" / "cut.jpg", noise)
    data = (tmp_path / "b" / "cut.jpg").read_bytes()
    (tmp_path / "b" / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "a" / "empty.png").write_bytes(b"")
    (tmp_path / "a" / "text.jpg").write_text("not a picture")
    (tmp_path / "a" / "notes.txt").write_text("notes")
    (tmp_path / "c").mkdir()
    bomb = Image.new("1", (20_000, 6_000))  # 120 million pixels in a few kilobytes
    bomb.save(tmp_path / "b" / "bomb.png")
    source = folder.load(tmp_path)
    assert len(source) == 6 and source.cultures == ("a", "b")
    reasons = {path.rsplit("/", 1)[-1]: reason for path, reason in source.skipped}
    assert set(reasons) == {"cut.jpg", "empty.png", "text.jpg", "notes.txt", "bomb.png", "c"}
    assert "truncated" in reasons["cut.jpg"] and "limit" in reasons["bomb.png"]
    assert "empty" in reasons["empty.png"] and "no picture" in reasons["text.jpg"]

    report = tmp_path / "out" / "skipped.csv"
    folder.write_report(report, source)
    with open(report, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "reason"] and len(rows) == 7
    assert [file.name for file in report.parent.iterdir()] == ["skipped.csv"]


def test_unusable_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        folder.load(tmp_path / "absent")
    with pytest.raises(InputError, match="no readable picture"):
        folder.load(tmp_path)
    _picture(tmp_path / "only" / "a.png")
    with pytest.raises(InputError, match="only culture 'only'"):
        folder.load(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "text.jpg").write_text("not a picture")
    with pytest.raises(InputError, match="text.jpg"):
        folder.load(tmp_path)


def test_pictures_are_reduced_and_cached_or_not_alike(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(4):
        noise = generator.integers(0, 255, (90, 60 + 40 * number, 3), np.uint8)
        images.write(tmp_path / "ab"[number % 2] / f"{number}.jpg", noise)
    cached = folder.load(tmp_path, short_side=40, cache_mib=8)
    decoded = folder.load(tmp_path, short_side=40, cache_mib=0)
    for number in range(4):
        assert min(cached.read(number).shape[:2]) == 40
        np.testing.assert_array_equal(cached.read(number), decoded.read(number))
    for file in tmp_path.rglob("*.jpg"):
        file.unlink()
    assert cached.read(0).shape == (60, 40, 3)
    with pytest.raises(InputError, match="missing"):
        decoded.read(0)


def test_content_only(tmp_path):
    _picture(tmp_path / "a.png", 1)
    _picture(tmp_path / "trip" / "a.png", 2)
    (tmp_path / "bad.jpg").write_bytes(b"")
    source = folder.load_content(tmp_path)
    assert source.ids == ("content/a", "content/trip/a")
    assert source.cultures == () and source.tags.shape == (2, 0) and len(source.skipped) == 1
    assert source.read(1)[0, 0, 0] == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no readable picture"):
        folder.load_content(tmp_path / "empty")


STRANGE = [
    *("=1.png", "-front.png", "+a.png", "@b.png", "'=2.png", "''-c.png", "\u202egnp.exe.png"),
    *("tab\there.png", "line\nend.png", "\\u202e.png", "\x1b[31m.png", "~tilde.png", '"=3".png'),
]


def test_pictures_of_any_name_are_found_by_a_table_of_ours(tmp_path):
    for number, name in enumerate(STRANGE):
        _picture(tmp_path / name, number)
    _picture(tmp_path / "~home" / "x.png", len(STRANGE))
    names = [*STRANGE, "~home/x.png"]
    rows = [(name, "ab"[number % 2]) for number, name in enumerate(names)]
    tables.write(tmp_path / "tags.csv", CSV, rows)
    source = folder.load(tmp_path)
    assert not source.skipped and len(source) == len(names)
    assert [int(source.read(n)[0, 0, 0]) for n in range(len(names))] == list(range(len(names)))


def test_names_in_tables_of_others_may_look_spelled_out(tmp_path):
    _picture(tmp_path / "\\u0001.png")
    _picture(tmp_path / "'=1.png")
    _table(tmp_path / "t.csv", "\\u0001.png,A", "'=1.png,B")
    assert len(folder.load(tmp_path)) == 2


@pytest.fixture
def within(tmp_path):
    """A folder with two pictures and a table, beside pictures that are none of its business."""
    for name in ("art/a.png", "art/b.png", "art/deep/c.png", "elsewhere/x.png", "artists/y.png"):
        _picture(tmp_path / name)
    (tmp_path / "art" / "link.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (tmp_path / "art" / "way").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "art" / "inner.png").symlink_to(tmp_path / "art" / "deep" / "c.png")
    return tmp_path / "art"


LEADING_OUT = [
    *("../elsewhere/x.png", "deep/../../elsewhere/x.png", "../artists/y.png", "link.png"),
    *("way/x.png", "../../../../../../etc/hostname", "/etc/hostname", "~/x.png", "~root/x.png"),
    *(
        "~",
        "C:\\x.png",
        "C:/x.png",
        "\\\\server\\share\\x.png",
        "/dev/zero",
        "..",
        "/proc/self/fd/0",
    ),
]


@pytest.mark.parametrize("name", LEADING_OUT)
def test_rows_stay_within_the_folder_of_their_table(within, name, monkeypatch):
    monkeypatch.setenv("HOME", str(within.parent / "elsewhere"))
    tables.write(within / "t.csv", CSV, [("a.png", "A"), ("b.png", "B"), (name, "B")])
    source = folder.load(within)
    assert len(source) == 2 and source.skipped == ((name, folder.LEADS_OUT),)


def test_what_lies_outside_by_its_name_is_not_looked_for(within, monkeypatch):
    """On some systems a look is a greeting to another machine."""
    looked = []

    def noted(known):
        return lambda path: looked.append(str(path)) or known(path)

    for name in ("exists", "realpath"):
        monkeypatch.setattr(os.path, name, noted(getattr(os.path, name)))
    rows = [("a.png", "A"), ("../elsewhere/x.png", "B"), ("/elsewhere/y.png", "B")]
    tables.write(within / "t.csv", CSV, rows)
    folder.listed(within)
    assert any("a.png" in path for path in looked)
    assert not [path for path in looked if "elsewhere" in path]


@pytest.mark.parametrize("name", ["../elsewhere/x.png", "link.png", "way/x.png", "~/x.png"])
def test_rows_lead_out_where_that_is_asked_for(within, name, monkeypatch):
    monkeypatch.setenv("HOME", str(within.parent / "elsewhere"))
    tables.write(within / "t.csv", CSV, [("a.png", "A"), (name, "B")])
    for path in (within, within / "t.csv"):
        assert len(folder.load(f"{path}?outside")) == 2


def test_ways_that_come_back_are_within(within, monkeypatch):
    monkeypatch.chdir(within.parent)
    (within.parent / "other").symlink_to(within, target_is_directory=True)
    rows = [("../art/a.png", "A"), (str(within / "b.png"), "B"), ("inner.png", "B")]
    tables.write(within / "t.csv", CSV, rows)
    for path in ("art", within, "other/t.csv"):
        assert len(folder.load(path)) == 3


def test_where_every_row_leads_out_the_remedy_is_named(within):
    tables.write(within / "t.csv", CSV, [("../elsewhere/x.png", "A")])
    with pytest.raises(InputError, match="add --outside"):
        folder.load(within)


def test_impossible_and_unspeakable_names_are_skipped(tmp_path):
    _picture(tmp_path / "a.png")
    _picture(tmp_path / "b.png")
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb") as file:
        file.write((tmp_path / "a.png").read_bytes())
    names = ["a.png", "b.png", "x" * 300, "nul\0.png", "\udcff.png", "\ud800.png", ""]
    tables.write(tmp_path / "t.csv", CSV, [(name, "AB"[n % 2]) for n, name in enumerate(names)])
    source = folder.load(tmp_path)
    assert source.ids == ("A/a", "B/b") and len(source.skipped) == 5
    folder.write_report(tmp_path / "skipped" / "r.csv", source)
    assert len(tables.read(tmp_path / "skipped" / "r.csv")[1]) == 5
    (tmp_path / "t.csv").unlink()
    for culture in ("A", "B"):
        os.makedirs(tmp_path / culture)
        os.link(tmp_path / "a.png", tmp_path / culture / "a.png")
        os.link(os.fsencode(tmp_path) + b"/\xff.png", os.fsencode(tmp_path / culture) + b"/\xfe")
    source = folder.load(tmp_path)
    assert source.ids == ("A/a", "B/a") and "no UTF-8" in source.skipped[0][1]
    "".join(map("".join, source.skipped)).encode()  # records keep it as JSON
    with pytest.raises(InputError, match="no readable picture"):
        os.makedirs(tmp_path / "photographs")
        os.link(tmp_path / "a.png", os.fsencode(tmp_path / "photographs") + b"/\xff.png")
        folder.load_content(tmp_path / "photographs")
