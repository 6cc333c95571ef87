"""Pictures with marked rectangles, from a CSV: faces for the measure of skin, or lettering.

The header names `file,left,top,right,bottom`, in any order; faces have a column `group` besides,
further columns are ignored. A row is one rectangle; a file may have several. Files are named as
seen from the table's folder, or from the folder beside the table that is called like it
(`portraits.csv` and `portraits/`). Rectangles are in pixels of the upright picture: left and top
are the first column and row inside, right and bottom the first outside.
"""

import dataclasses
import os
import pathlib

import numpy as np

from stylegan_culture import images, tables
from stylegan_culture.config import InputError, shortened

EDGES = ("left", "top", "right", "bottom")
COLUMNS = ("file", *EDGES)
GROUPS = ("dark", "medium", "light")  # of faces, by the lightness of the box as photographed
LEAST_SIDE = 8  # pixels of a rectangle, in the picture as it is and as it is reduced


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle in pixels, and the group of a face ("" where the table has none)."""

    left: int
    top: int
    right: int
    bottom: int
    group: str = ""

    def of(self, picture: np.ndarray) -> np.ndarray:
        """The part of a picture `[..., H, W, C]` that lies inside."""
        return picture[..., self.top : self.bottom, self.left : self.right, :]


@dataclasses.dataclass(frozen=True, eq=False)
class Marked:
    """A picture with its rectangles: file name, uint8 `[H, W, 3]`, and at least one box."""

    name: str
    picture: np.ndarray
    boxes: tuple[Box, ...]


def read(path: str | os.PathLike, longest: int | None = None, faces: bool = False) -> list[Marked]:
    """The pictures of a table with their rectangles, in the table's order.

    Args:
        path: of the CSV.
        longest: a picture whose longer side has more pixels is reduced to it, and its rectangles.
        faces: whether each row has to name one of `GROUPS`.

    Raises:
        InputError: the table lacks a column or has no row, or a row names a picture that cannot be
            read or lies elsewhere, a rectangle that is not inside it or too small, or another
            group. The message names the table and the line.
    """
    path = pathlib.Path(path).expanduser()
    try:
        header, rows = tables.read(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; name a CSV of boxes") from None
    columns = (*COLUMNS, "group") if faces else COLUMNS
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; its header has to name {','.join(columns)}"
        )
    if not rows:
        raise InputError(f"{path} has no row; add one for each box")
    by_file: dict[pathlib.Path, list[tuple[int, Box]]] = {}
    for line, row in enumerate(rows, start=2):
        cells = dict(zip(header, row, strict=False))
        if not all(cells.get(column, "").strip() for column in columns):
            raise InputError(f"{path}, row {line}: a cell of {','.join(columns)} is empty; fill it")
        place = _placed(path, line, cells["file"].strip())
        by_file.setdefault(place, []).append((line, _box(path, line, cells, faces)))
    return [_marked(path, file, boxes, longest) for file, boxes in by_file.items()]


def _placed(table: pathlib.Path, line: int, name: str) -> pathlib.Path:
    """The file that a row names: in the table's folder or in the one called like the table."""
    if os.path.isabs(name) or ".." in pathlib.PurePath(name.replace("\\", "/")).parts:
        raise InputError(
            f"{table}, row {line}: {shortened(name)} lies outside the table's folder; put the "
            "pictures beside the table"
        )
    named_like_it = table.with_suffix("") / name
    return named_like_it if named_like_it.is_file() else table.parent / name


def _box(table: pathlib.Path, line: int, cells: dict[str, str], faces: bool) -> Box:
    try:
        edges = [int(cells[edge]) for edge in EDGES]
    except ValueError:
        texts = ", ".join(shortened(cells[edge]) for edge in EDGES)
        raise InputError(
            f"{table}, row {line}: edges of a box are whole numbers of pixels, not {texts}"
        ) from None
    group = cells["group"].strip() if faces else ""
    if faces and group not in GROUPS:
        raise InputError(
            f"{table}, row {line}: unknown group {shortened(group)}; use one of {', '.join(GROUPS)}"
        )
    return Box(*edges, group)


def _marked(
    table: pathlib.Path, file: pathlib.Path, boxes: list[tuple[int, Box]], longest: int | None
) -> Marked:
    """A picture and its boxes, checked against its size, then both reduced."""
    picture = images.read_uint8(file)
    height, width = picture.shape[:2]
    for line, box in boxes:
        inside = 0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height
        if not inside:
            raise InputError(
                f"{table}, row {line}: the box {box.left},{box.top},{box.right},{box.bottom} is "
                f"not inside {file.name}, which has {width}x{height} pixels"
            )
    if longest is not None and max(height, width) > longest:
        picture = images.fit_long_side(picture, longest)
    scales = picture.shape[1] / width, picture.shape[0] / height
    scaled = []
    for line, box in boxes:
        edges = dataclasses.astuple(box)[:4]
        left, top, right, bottom = (
            round(edge * scale) for edge, scale in zip(edges, scales * 2, strict=True)
        )
        if min(right - left, bottom - top) < LEAST_SIDE:
            raise InputError(
                f"{table}, row {line}: the box has fewer than {LEAST_SIDE} pixels a side in "
                f"{file.name} at the size that is measured; mark larger ones"
            )
        scaled.append(Box(left, top, right, bottom, box.group))
    return Marked(file.name, picture, tuple(scaled))
