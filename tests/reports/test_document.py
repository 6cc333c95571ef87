"""A page stands alone; its folder is complete or as it was."""

import base64
import io
import os

import numpy as np
import pytest
from PIL import Image
from reader import Reader

from stylegan_culture import images
from stylegan_culture.reports.parts import document


def test_a_page_stands_alone_and_says_its_title():
    text = document.document("Ink & <gold>", ["<h1>Ink</h1>", '<p id="a">of</p>'])
    reader = Reader(text)
    assert reader.texts("title") == ["Ink & <gold>"]
    assert not reader.wrong and not reader.reaches_out() and not reader.unreadable()
    assert "--paper" in "".join(reader.texts("style")), "the style sheet is within"
    assert text.startswith("<!doctype html>\n<html") and text.endswith("</body></html>\n")


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ('<img src="https://example.org/a.png" alt="">', "out"),
        ("<script>1</script>", "out"),
        ('<p onclick="1">a</p>', "out"),
        ("<h3>too deep</h3>", "unreadable"),
        ("<table></table>", "unreadable"),
        ('<a href="#nowhere">a</a>', "unreadable"),
        ('<svg viewBox="0 0 1 1"></svg>', "unreadable"),
    ],
)
def test_the_reader_tells_pages_that_reach_out_or_cannot_be_read(part, kind):
    reader = Reader(document.document("a", ["<h1>a</h1>", part]))
    assert bool(reader.reaches_out()) == (kind == "out")
    assert bool(reader.unreadable()) == (kind == "unreadable")


def test_a_shown_picture_is_the_picture():
    row, column = np.mgrid[0:24, 0:48]
    pixels = np.stack([5 * row, 5 * column, 0 * row + 90], axis=-1).astype(np.uint8)
    one = document.shown(pixels, "a river", quality=95)
    assert one.proportion == 2.0 and one.caption == "a river"
    kind, data = one.address.split(",")
    assert kind == "data:image/jpeg;base64"
    read = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.abs(read.astype(int) - pixels).mean() < 3.0
    assert len(document.shown(pixels, "", quality=20).address) < len(one.address)
    assert 'alt="a &lt;b&gt;"' in document.image(one, "a <b>")


def test_files_take_their_places_together_and_old_plots_go(tmp_path):
    folder = tmp_path / "deep" / "out"
    with document.complete(folder) as unfinished:
        (unfinished / "a.html").write_text("first")
        images.write(unfinished / "old.png", np.zeros((4, 4, 3), np.uint8))
        assert not (folder / "a.html").exists()
    (folder / "own.txt").write_text("not of the page")
    (folder / "users.png").write_text("not of the page")
    names = ("old.png", "new.png", "users.png")
    with document.complete(folder, names) as unfinished:
        (unfinished / "a.html").write_text("second")
        (unfinished / "new.png").write_text("second")
        assert (folder / "a.html").read_text() == "first"
    kept = {"own.txt", "users.png"}
    assert {path.name for path in folder.iterdir()} == {"a.html", "new.png"} | kept
    assert (folder / "a.html").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_the_page_is_the_last_to_come(tmp_path, monkeypatch):
    moved = []

    def replace(source, target, own=os.replace):
        moved.append(target.name)
        own(source, target)

    monkeypatch.setattr(document.os, "replace", replace)
    with document.complete(tmp_path / "out") as unfinished:
        for name in ("a.html", "z.json", "b.png"):
            (unfinished / name).write_text("")
    assert moved[-1] == "a.html" and len(moved) == 3


def test_a_failure_leaves_what_was_there(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.html").write_text("before")
    with pytest.raises(OSError, match="full"), document.complete(folder, ("b.png",)) as unfinished:
        (unfinished / "a.html").write_text("after")
        raise OSError("full")
    assert (folder / "a.html").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
