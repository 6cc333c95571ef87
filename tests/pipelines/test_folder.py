"""Image folders: culture folders, CSV of tags, content only, and every kind of bad file."""

import csv
import unicodedata

import numpy as np
import pytest
from PIL import Image

from pipelines import folder
from stylegan_culture import images
from stylegan_culture.config import InputError


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
