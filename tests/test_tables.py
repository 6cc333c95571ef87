"""Tables hold strangers' texts without obeying them, and give them back as they were."""

import csv
import errno
import itertools
import os

import numpy as np
import pytest

from stylegan_culture import tables
from stylegan_culture.config import InputError

HOSTILE = [
    *(
        "=1+1",
        "+1",
        "-front.jpg",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "'=1",
        "''-2",
        "'\"@x",
        '"=1"',
        "＝1",
    ),
    *(
        "x;=1;y",
        "'",
        "plain",
        "it's",
        "a-b",
        "",
        " x",
        "a,b",
        'say "so"',
        "line\nend",
        "\x1b[31mred",
        "\0",
    ),
    *("\u202etxt.jpg", "\\u202e", "\\\\u202e", "\\u005c", "\\u005cu202e", "\\u0041", "\U000e0041"),
    *("\udcff", "\\udcff", "\u2028", "\ufeffBOM", "نگارگری\u200cایرانی", "\u061c", "a\\b"),
]


def _cells(path, delimiter=","):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def test_every_text_comes_back_as_it_was(tmp_path):
    parts = ["'", '"', "=", "-", ";", "\t", "\\", "u", "202e", "005c", "\u202e", "\udc80", "x"]
    texts = HOSTILE + ["".join(some) for some in itertools.product(parts, repeat=3)]
    rows = [texts[n : n + 3] for n in range(0, len(texts) - 2, 3)]
    tables.write(tmp_path / "t.csv", HOSTILE[:3], rows)
    assert tables.read(tmp_path / "t.csv") == (HOSTILE[:3], rows)
    assert tables.header(tmp_path / "t.csv") == HOSTILE[:3]


def test_no_cell_is_a_formula_or_turns_the_direction(tmp_path):
    tables.write(tmp_path / "t.csv", ("text",), [[text] for text in HOSTILE])
    for (cell,) in _cells(tmp_path / "t.csv")[1:]:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝")), cell
        assert cell.isprintable() or "\u200c" in cell, cell  # which Persian is written with
    content = (tmp_path / "t.csv").read_bytes()
    assert (
        b"'-front.jpg" in content
        and b"x;'=1;y" in content
        and rb"\u202etxt.jpg" in content
        and b"plain" in content
    )
    assert len(content.splitlines()) == len(HOSTILE) + 1


def test_numbers_of_the_program_stay_numbers(tmp_path):
    tables.write(tmp_path / "t.csv", ("a", "b", "c"), [(-1, -0.5, np.float64(-2.25)), ("-1", 2, 3)])
    assert _cells(tmp_path / "t.csv")[1:] == [["-1", "-0.5", "-2.25"], ["'-1", "2", "3"]]


def test_tabs_part_cells_without_quotes(tmp_path):
    tables.write(tmp_path / "t.tsv", ("name", "kind"), [('a "b"\tc\nd', "=x")], "\t")
    assert (tmp_path / "t.tsv").read_bytes() == b'name\tkind\na "b"\\u0009c\\u000ad\t\'=x\n'
    tables.write(tmp_path / "t.tsv", (), [(1, -2.5)], "\t")
    assert (tmp_path / "t.tsv").read_bytes() == b"1\t-2.5\n"


def test_rows_are_added_and_a_torn_one_is_taken_away(tmp_path):
    path = tmp_path / "t.csv"
    for name in ("-a", "b\nc"):
        tables.append(path, ("name", "number"), (name, 7))
    assert tables.read(path) == (["name", "number"], [["-a", "7"], ["b\nc", "7"]])
    whole = path.read_bytes()
    path.write_bytes(whole + b"half,a r")
    tables.cut_torn_row(path)
    assert path.read_bytes() == whole


def test_a_full_disk_leaves_no_half_row(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    tables.append(path, ("name",), ("a",))
    before = path.read_bytes()

    def fails(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(InputError, match="disk is full"):
        tables.append(path, ("name",), ("b",))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path,culture\na.png,\xe9\n", "line 2: .* save it as such"),
        ("path,culture\n".encode("utf-16"), "line 1: "),
        (b"path,culture\na.png,b\nc\0.png,d\n", "line 3: a NUL byte"),
        (b"path,culture\n" + b"x" * 200_000 + b",a\n", r"line 2: field larger"),
        (b'path,culture\n"' + b"x\n" * 100_000, "no CSV"),
        (b"path,culture\n" + b"," * (2**20 + 1), "line 2: more than 1,048,576 characters"),
        (b"path,culture\n" + (b"," * 2**18 + b'"\n"') * 5, "characters in a row"),
        (b"path\n" + b"," * 20_000, "more than 10,000 columns"),
    ],
)
def test_a_wrong_table_is_one_sentence_with_the_line(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        tables.read(tmp_path / "t.csv")
    assert str(tmp_path / "t.csv") in str(caught.value) and "\n" not in str(caught.value)


def test_tables_have_limits(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_bytes(b"a,b\n" * 20)
    monkeypatch.setattr(tables, "MOST_LINES", 10)
    with pytest.raises(InputError, match="more than 10 lines"):
        tables.read(tmp_path / "t.csv")
    monkeypatch.setattr(tables, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="more than 10 bytes"):
        tables.read(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("use", "arguments"),
    [
        (tables.read, ()),
        (tables.header, ()),
        (tables.write, (("a",), [])),
        (tables.append, (("a",), ("b",))),
    ],
)
def test_only_ordinary_files_are_read_and_written(use, arguments, tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(InputError, match="pipe|ordinary"):
        use(tmp_path / "t.csv", *arguments)


def test_the_header_of_a_large_table_is_read_alone(tmp_path):
    (tmp_path / "t.csv").write_text("path,culture\n" + "é" * 70_000 + '"\n', encoding="utf-8")
    assert tables.header(tmp_path / "t.csv") == ["path", "culture"]
    (tmp_path / "t.csv").write_bytes(b"x" * 70_000)
    with pytest.raises(InputError, match="first line"):
        tables.header(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"")
    assert tables.header(tmp_path / "t.csv") == [] and tables.read(tmp_path / "t.csv") == ([], [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_of_others_are_read(tmp_path, end, encoding):
    text = end.join(["path,culture", '"a, b.png",x', "", "it's.png,y"])
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    rows = [["a, b.png", "x"], ["it's.png", "y"]]
    assert tables.read(tmp_path / "t.csv") == (["path", "culture"], rows)
    assert tables.header(tmp_path / "t.csv") == ["path", "culture"]
