"""Restyles picture files by a method that was made ready: one, several, or a sheet of methods."""

import dataclasses
import pathlib
import typing

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.outputs import Outputs
from stylegan_culture.restyling.feedforward import fit, keep_colour
from stylegan_culture.restyling.request import Request

SHEET_PIXELS = 384  # longest edge of a picture on a sheet of several methods


@dataclasses.dataclass(frozen=True)
class Restyler:
    """`restyle(content [H, W, 3], preview) -> [H, W, 3]`, its request, and the longest edge in
    pixels that a picture is reduced to where no --size is given, or None."""

    restyle: typing.Callable
    request: Request
    longest: int | None = None

    def __call__(self, source: str, preview: pathlib.Path | None = None) -> np.ndarray:
        """The result for a picture file, or for standard input where `source` is `-`."""
        content = self._read(images.given(source))
        result = self.restyle(content, preview)
        if self.request.keep_colour:
            result = keep_colour(fit(content, max(result.shape[:2])), result)
        return result

    def _read(self, source: images.PictureSource) -> np.ndarray:
        """A content picture from its path or its bytes, no larger than wanted."""
        size = self.request.size
        remedy = "give --size" if size is None else images.Wanted.remedy
        content = images.read(source, longest=size or self.longest, remedy=remedy)
        # A mask has to be as large as its picture, so that both are reduced together, later.
        if size is None and (
            self.request.mask or max(content.shape[:2]) <= (self.longest or np.inf)
        ):
            return content
        return fit(content, size or self.longest)


def destinations(sources: typing.Sequence[str], out: str) -> list[pathlib.Path]:
    """Where each result goes.

    One picture goes to `out` itself where that has a picture's suffix; otherwise `out` is a folder
    and names are kept, as PNG where a source's suffix cannot be written, and numbered where two
    sources share a name.
    """
    folder = pathlib.Path(out)
    if folder.suffix.lower() in images.WRITABLE and not folder.is_dir():
        if len(sources) > 1:
            raise InputError(f"{out} is one file for {len(sources)} pictures; give a folder")
        return [folder]
    if folder.is_file() or (folder.suffix and not folder.is_dir() and len(sources) == 1):
        raise InputError(f"{out} is neither a folder nor a picture file such as result.png")
    taken, places = set(), []
    for source in sources:
        name = pathlib.Path(source)
        suffix = name.suffix if name.suffix.lower() in images.WRITABLE else ".png"
        place, number = folder / (name.stem + suffix), 2
        while str(place).lower() in taken:
            place, number = folder / f"{name.stem}_{number}{suffix}", number + 1
        taken.add(str(place).lower())
        places.append(place)
    return places


def restyle_files(
    prepare: typing.Callable[[], Restyler],
    sources: typing.Sequence[str],
    out: str,
    outputs: Outputs,
) -> typing.Iterator[pathlib.Path | InputError]:
    """Yields the path of each result, or why its source (a path, or `-`) was skipped; that is
    raised where it is the only source. `prepare` is called once all outputs are known to be free.
    """
    places = destinations(sources, out)
    for place in places:
        outputs.claim(place)
    restyler = prepare()
    for source, place in zip(sources, places, strict=True):
        try:
            preview = outputs.free(place.with_name(f"{place.stem}.preview.png"))
            images.write(place, restyler(source, preview))
        except InputError as error:
            if len(places) == 1:
                raise
            yield error
        else:
            yield place


def write_sheet(
    prepare: typing.Mapping[str, typing.Callable[[], Restyler]],
    sources: typing.Sequence[str],
    styles: typing.Sequence[str],
    place: pathlib.Path,
    outputs: Outputs,
) -> None:
    """One sheet: each picture, the styles, and the picture's result by every method.

    `prepare` makes methods ready, by their names; one is in memory at a time.
    """
    if place.suffix.lower() not in images.WRITABLE:
        raise InputError(f"--compare writes one sheet; {place} is no picture file such as out.png")
    outputs.claim(place)
    labels = ["content"] + ["style"] * len(styles) + list(prepare)
    images.check_sheet(len(labels) * len(sources), len(labels), SHEET_PIXELS, SHEET_PIXELS)
    columns = []
    for ready in prepare.values():
        restyler = ready()
        columns.append([_cell(restyler(source)) for source in sources])
    style_cells = [_cell(images.read(path, longest=SHEET_PIXELS)) for path in styles]
    cells = []
    for row, source in enumerate(sources):
        content = _cell(images.read(source, longest=SHEET_PIXELS))
        cells += [content, *style_cells, *(column[row] for column in columns)]
    images.write(place, images.grid(cells, len(labels), column_labels=labels))


def _cell(picture: np.ndarray) -> np.ndarray:
    """The picture in the middle of a white square: all pictures of a sheet have one size."""
    picture = fit(picture, SHEET_PIXELS)
    height, width = picture.shape[:2]
    square = np.ones((SHEET_PIXELS, SHEET_PIXELS, 3), np.float32)
    top, left = (SHEET_PIXELS - height) // 2, (SHEET_PIXELS - width) // 2
    square[top : top + height, left : left + width] = picture
    return square
