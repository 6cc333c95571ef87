"""Painted panels of manuscript pages, without the script and the margins around them.

A page of a manuscript is half writing on bare paper. Trained on whole pages, a network learns that
plain areas are to be filled with rows of marks, and fills skies with them.
"""

import pathlib
import typing

import numpy as np
from PIL import Image, ImageCms, ImageFilter

from stylegan_culture import files, images
from stylegan_culture.config import InputError
from stylegan_culture.pipelines import folder

WORKING = 448  # pixels of the short side to which larger pages are reduced to find their panels
STROKE = 9  # pixels: a median over 9 x 9 erases pen strokes and keeps paint
BIN = np.array([8, 6, 6])  # of L, a and b in the histogram that finds the paper
OFFSET, SPAN = 32, 64  # that make whole positive numbers of bins
LIGHT, FAINT, WARM = 48, 18, 36  # paper: L at least, |a| at most, b between 0 and this
TONE_WEIGHT, DISTANCE = 0.6, 11.0  # colours farther from the paper's are paint
STEP, SHRINK = 12, 16  # pixels between places and between sides that are tried
COUNT = 3  # squares of a page at most
OVERLAP = 0.25  # share of a square that earlier ones may cover

_TO_LAB = ImageCms.buildTransform(
    ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
)


def painted(image: np.ndarray) -> np.ndarray:
    """Where a page uint8 [H, W, 3] is painted: bool [H, W].

    The paper is the most frequent light colour between grey and yellow, after pen strokes have been
    erased; painted is what differs from it in CIELAB, lightness counting less than colour. A page
    without such a colour is painted all over.
    """
    plain = Image.fromarray(image).filter(ImageFilter.MedianFilter(STROKE))
    encoded = np.asarray(ImageCms.applyTransform(plain, _TO_LAB))
    tone = encoded[..., :1] / np.float32(2.55)
    colour = encoded[..., 1:].view(np.int8).astype(np.float32)
    lab = np.concatenate([tone, colour], axis=-1)
    places = np.floor(lab / BIN).astype(np.int64).reshape(-1, 3) + OFFSET
    codes, counts = np.unique(places @ [SPAN**2, SPAN, 1], return_counts=True)
    bins = np.stack([codes // SPAN**2, codes // SPAN % SPAN, codes % SPAN], axis=1) - OFFSET
    lowest = bins * BIN
    paper = (lowest[:, 0] >= LIGHT) & (np.abs(lowest[:, 1]) < FAINT)
    paper &= (lowest[:, 2] >= 0) & (lowest[:, 2] < WARM)
    if not paper.any():
        return np.ones(image.shape[:2], bool)
    centre = lowest[paper][counts[paper].argmax()] + BIN / 2
    return np.linalg.norm((lab - centre) * [TONE_WEIGHT, 1.0, 1.0], axis=-1) > DISTANCE


def squares(
    mask: np.ndarray, least: int = 150, share: float = 0.8, count: int = COUNT
) -> list[tuple]:
    """At most `count` squares (top, left, side) of which a `share` lies in a mask bool [H, W].

    The largest come first, down to `least` pixels; later ones overlap earlier ones little.
    """
    height, width = mask.shape
    free = np.ones(mask.shape, bool)
    painted_sums, free_sums, chosen = _sums(mask), _sums(free), []
    for side in range(min(height, width), least - 1, -SHRINK):
        inside = _means(painted_sums, side)
        inside[(_means(free_sums, side) < 1.0 - OVERLAP) | (inside < share)] = -1.0
        row, column = np.unravel_index(inside.argmax(), inside.shape)
        if inside[row, column] >= 0:
            top, left = int(row) * STEP, int(column) * STEP
            free[top : top + side, left : left + side] = False
            free_sums = _sums(free)
            chosen.append((top, left, side))
        if len(chosen) == count:
            break
    return chosen


def places(source: files.Place, target: files.Place) -> typing.Iterator[pathlib.Path]:
    """The files that `cut` may write for every picture below a folder; `InputError` as there."""
    source, target = _folders(source, target)
    for file in folder.files(source):
        yield from (_place(source, target, file, number) for number in range(COUNT))


def _folders(source: files.Place, target: files.Place) -> tuple[pathlib.Path, pathlib.Path]:
    source, target = folder.existing(source).resolve(), pathlib.Path(target).expanduser().resolve()
    if target == source or source in target.parents:
        raise InputError(f"--out {target} lies within the pages' folder; choose another one")
    return source, target


def _place(
    source: pathlib.Path, target: pathlib.Path, file: pathlib.Path, number: int
) -> pathlib.Path:
    """Where a panel of a page goes."""
    stem = file.stem if file.stem[-1].isdigit() else f"{file.stem}_0"
    return target / file.relative_to(source).parent / f"{stem}_{number}.png"


def cut(
    source: files.Place, target: files.Place, short_side: int = 0
) -> tuple[int, int, list[str]]:
    """Cuts the panels of every picture below a folder into PNG files of the same tree.

    `short_side` above 0 reduces larger panels to so many pixels, so that a training crop shows most
    of a composition. `0012_0.png`, `0012_1.png`, ... are cut-outs of `0012` for the rule that holds
    pictures out; a page whose name ends in no digit gets one (`recto_0_0.png`). Large pages are
    looked at reduced and cut in full size. Returns the numbers of pages read and of panels written,
    and why files were skipped; `InputError` where there is no folder, or the target lies within it.
    """
    if short_side < 0:
        raise InputError(f"--short-side {short_side} is no number of pixels; use 0 for none")
    source, target = _folders(source, target)
    pages, written, skipped = 0, set(), []
    for file in folder.files(source):
        if _place(source, target, file, 0) in written:
            skipped.append(f"{file}: another page of this name has been cut")
            continue
        try:
            page = images.read_uint8(file)
        except InputError as error:
            skipped.append(str(error))
            continue
        for number, panel in enumerate(panels_of(page)):
            if 0 < short_side < min(panel.shape[:2]):
                panel = images.fit_short_side(panel, short_side)
            place = _place(source, target, file, number)
            images.write(place, panel)
            written.add(place)
        pages += 1
    return pages, len(written), skipped


def panels_of(page: np.ndarray) -> list[np.ndarray]:
    """The painted squares of a page uint8 [H, W, 3], in its own pixels."""
    short = min(page.shape[:2])
    small = images.fit_short_side(page, WORKING) if short > WORKING else page
    scale = short / min(small.shape[:2])
    panels = []
    for square in squares(painted(small)):
        top, left, side = (int(round(scale * length)) for length in square)
        panels.append(page[top : top + side, left : left + side])
    return panels


def _sums(mask: np.ndarray) -> np.ndarray:
    """The integral image `[H + 1, W + 1]` of a mask."""
    return np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def _means(sums: np.ndarray, side: int) -> np.ndarray:
    """Means over every square of a side, at places `STEP` apart, from an integral image."""
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return inside[::STEP, ::STEP] / side**2
