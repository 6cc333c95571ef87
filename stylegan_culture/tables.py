"""Tables of text, CSV and TSV: the one writer and the one reader of the project.

A cell of text may come from a stranger: a museum's title, a culture's or a file's name. In the file
it can do no harm. Text that a spreadsheet would take for a formula begins with an apostrophe, and
control characters and those that change the direction of writing become escapes such as
`\\u202e`. `read` undoes both exactly, so every path is found again.
"""

import codecs
import contextlib
import csv
import io
import itertools
import os
import pathlib
import re
import typing

from stylegan_culture import config, files
from stylegan_culture.config import InputError, visible

MOST_BYTES = 128 * 2**20
MOST_LINES = 1_000_000
MOST_IN_ROW = 2**20  # characters; a cell has at most 131,072, the limit of Python's csv
MOST_COLUMNS = 10_000
_HEADER = 64 * 1024  # bytes in which the first line has to end
# Where a formula may begin: also with the full-width signs of East Asian writing, and after a
# semicolon, which separates cells where the comma is the decimal point.
_SIGN = "(?=['\"]*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20])"
_FORMULA = re.compile(f"(^|;){_SIGN}")
_MADE_TEXT = re.compile(f"(^|;)'{_SIGN}")
_SPELLED = re.compile(r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


def write(
    path: files.Place,
    header: typing.Sequence[str],
    rows: typing.Iterable[typing.Sequence],
    delimiter: str = ",",
) -> None:
    """Writes a table in UTF-8, whole or not at all; `InputError` where it cannot be written.

    The header may be empty; text in cells is written as `written` says, numbers as they are. A tab
    as delimiter makes TSV, which knows no quotes. Parent folders are made.
    """
    content = _encoded([header, *rows] if header else rows, delimiter)
    with files.written_whole(path) as file:
        file.write(content)


def append(path: files.Place, header: typing.Sequence[str], row: typing.Sequence) -> None:
    """Adds a row to a CSV and waits until the disk has it; a new one begins with the header.
    `InputError` where it cannot be written."""
    path = pathlib.Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no ordinary file; choose another place")
    size = path.stat().st_size if path.exists() else 0
    try:
        with open(path, "ab") as file:
            file.write(_encoded([row] if size else [header, row]))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):  # half a row, where the disk is full
            os.truncate(path, size)
        raise InputError(f"{path} cannot be written ({config.reason(error)})") from None


def read(path: files.Place) -> tuple[list[str], list[list[str]]]:
    """The names of a CSV's columns and its rows, without empty lines; the texts as they were before
    `write`. Others' tables are read likewise; a byte-order mark is passed over.

    Raises `InputError` for what is no ordinary file, no UTF-8 or no CSV, for a NUL byte, and for
    more of anything than the limits at the head of this file; OSError where it is missing.
    """
    text = _decoded(path, files.read_bytes(path, MOST_BYTES))
    first, *rows = _rows(path, text)
    return first, rows


def header(path: files.Place) -> list[str]:
    """The names of a CSV's columns; raises what `read` raises."""
    with files.open_file(path) as file:
        content = file.read(_HEADER)
    text = _decoded(path, content, whole=len(content) < _HEADER)
    if len(content) == _HEADER and not ("\n" in text or "\r" in text):
        raise InputError(f"{path} is no table: its first line has {_HEADER:,} bytes and more")
    return _rows(path, text, most=1)[0]


def cut_torn_row(path: files.Place) -> None:
    """Removes the last row of a CSV where a killed run has not finished it."""
    content = files.read_bytes(path, MOST_BYTES)
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with files.written_whole(path) as file:
            file.write(whole)


def written(text: str) -> str:
    """A text as it stands in a cell."""

    def spelled(match):
        return "\\u005c" + match[0][1:] if _meant(match) else match[0]

    text = visible(_SPELLED.sub(spelled, text))
    return _FORMULA.sub(r"\1'", text)


def _taken(cell: str) -> str:
    """The text from which `written` made a cell."""
    text = _MADE_TEXT.sub(r"\1", cell)
    return _SPELLED.sub(lambda match: _meant(match) or match[0], text)


def _meant(match: re.Match) -> str:
    """The character of an escape; "" where `written` writes no such escape."""
    number = int(match[1] or match[2], 16)
    character = chr(number) if number < 0x110000 else ""
    return character if character == "\\" or visible(character) != character else ""


def _cell(value: object) -> int | float | str:
    return value if isinstance(value, (int, float)) else written(str(value))


def _encoded(rows: typing.Iterable[typing.Sequence], delimiter: str = ",") -> bytes:
    """The bytes of a table."""
    text = io.StringIO(newline="")
    kind = {"quoting": csv.QUOTE_NONE, "quotechar": None} if delimiter == "\t" else {}
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", **kind)
    writer.writerows(map(_cell, row) for row in rows)
    return text.getvalue().encode("utf-8")


def _decoded(path: files.Place, content: bytes, whole: bool = True) -> str:
    """The text of a CSV's bytes, or of its beginning, which may end within a character."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(content, whole)
    except UnicodeDecodeError as error:
        raise _no_utf8(path, content[: error.start].count(b"\n"), error.reason) from None
    if "\0" in text:
        raise _no_utf8(path, text.count("\n", 0, text.index("\0")), "a NUL byte")
    return text


def _no_utf8(path: files.Place, lines_before: int, reason: str) -> InputError:
    return InputError(
        f"{path} is no CSV in UTF-8 (line {lines_before + 1}: {reason}); save it as such"
    )


def _rows(path: files.Place, text: str, most: int | None = None) -> list[list[str]]:
    """At least one row, the first the header, and no more than `most`."""
    lines, rows = _Lines(path, text), []
    reader = csv.reader(lines)
    try:
        for row in itertools.islice(reader, most):
            lines.in_row = 0
            if len(row) > MOST_COLUMNS:
                raise _too_large(path, reader.line_num, "columns", MOST_COLUMNS)
            if row or not rows:
                rows.append([_taken(cell) if "'" in cell or "\\" in cell else cell for cell in row])
    except csv.Error as error:
        raise InputError(f"{path} is no CSV (line {reader.line_num}: {error}); mend it") from None
    return rows or [[]]


class _Lines:
    """The lines of a table, within its limits; the reader sets `in_row` to 0 where a row ends."""

    def __init__(self, path: files.Place, text: str):
        self.in_row, self._path = 0, path
        self._lines = enumerate(io.StringIO(text, newline=""), start=1)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self.in_row += len(line)
        if number > MOST_LINES:
            raise _too_large(self._path, number, "lines", MOST_LINES)
        if self.in_row > MOST_IN_ROW:
            raise _too_large(self._path, number, "characters in a row", MOST_IN_ROW)
        return line


def _too_large(path: files.Place, line: int, what: str, most: int) -> InputError:
    return InputError(f"{path}, line {line}: more than {most:,} {what}; take a part of the table")
