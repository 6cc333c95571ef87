"""Draws from noise: `stylize --sample N`, new pictures of cultures, or new styles of one.

Without a picture, `--model` is a run of `train --trainer dcgan` or `vae`, and each culture gives
one row of samples of the same noise. With a picture, `--model` is a culture model, and the row
shows the picture in new styles of the culture. `--walk STEPS` goes from each sample to the next.
"""

import dataclasses
import io
import pathlib
import struct
import typing

import numpy as np
import tqdm
from PIL import Image

from stylegan_culture import images, models
from stylegan_culture.config import InputError, reason
from stylegan_culture.files import SOFTWARE, file_names, written_whole
from stylegan_culture.model_record import keys_of, read_cultures
from stylegan_culture.networks import noise
from stylegan_culture.outputs import Outputs
from stylegan_culture.restyling import feedforward
from stylegan_culture.restyling.methods import fit
from stylegan_culture.restyling.mixtures import mixture_of

SHEET_PIXELS = 256  # longest edge of a restyled picture on a sheet or in a GIF
FRAME_MILLISECONDS = 80  # of a GIF
GIF_PIXELS = 400_000_000  # of all frames, a byte each
BATCH = 32


@dataclasses.dataclass(frozen=True)
class Row:
    """What draws one row: its label, and points of noise `[n, Z]` to pictures `[H, W, 3]`."""

    label: str
    draw: typing.Callable


def main(options, outputs: Outputs) -> None:
    """Draws what the options ask for and writes a sheet, a GIF or a folder of pictures."""
    place = pathlib.Path(options.out)
    suffix = place.suffix.lower()
    clip = options.walk is not None and suffix == ".gif"
    if suffix and suffix not in images.WRITABLE and not clip:
        kinds = ".gif or a folder" if options.walk is not None else "or a folder"
        raise InputError(f"{place} cannot hold samples; use {', '.join(images.WRITABLE)} {kinds}")
    if suffix:
        outputs.claim(place)
    else:
        outputs.check_folder(place)
    if options.images:
        rows, size, first = _styles(options, sheet=bool(suffix))
    else:
        rows, size, first = *_cultures(options), None
    points = noise.draw(options.sample, size, options.seed)
    if not suffix:
        names = [place / name for name in _names(rows, len(points), options.walk)]
        for name in names:
            outputs.claim(name)
    if clip:
        path = noise.walk(points, options.walk, closed=True)
        count, cell = len(rows) * len(path), _cell(rows, points, first)
        images.check_sheet(count, len(rows), *cell, most=GIF_PIXELS)
        _write_gif(place, _frames(rows, path))
    elif suffix:
        images.write(place, _sheet(rows, points, options.walk, first))
    else:
        _write_folder(names, rows, points, options.walk)
    print(place)


def _cultures(options) -> tuple[list[Row], int]:
    """A row for every culture of a sampler, or one for the culture or mixture asked for."""
    if not models.is_sampler(options.model):
        raise InputError(
            f"{options.model} restyles pictures: name one, or give --model a run of "
            "`train --trainer dcgan` or `--trainer vae`, which draws without"
        )
    generator, facts = models.load_sampler(options.model)
    keys = keys_of(read_cultures(facts, options.model))
    if not generator.config.conditional:
        if options.culture is not None:
            raise InputError(f"{options.model} was trained --no-conditional; leave --culture out")
        asked = {"": np.ones((1, 1), np.float32)}
    elif options.culture is not None:
        asked = {options.culture: mixture_of(options.culture, keys)}
    else:
        asked = dict(zip(keys, np.eye(len(keys), dtype=np.float32)[:, None], strict=True))
    rows = [Row(key, _sampler(generator, mixture)) for key, mixture in asked.items()]
    return rows, generator.config.noise_size


def _sampler(generator, mixture):
    def draw(points):
        labels = np.repeat(mixture, len(points), 0)
        return feedforward.finite(generator(points, labels))

    return draw


def _styles(options, sheet: bool) -> tuple[list[Row], int, np.ndarray]:
    """One row: the picture in styles about the culture's own, `default code + spread noise`.

    The prior that the style encoder was trained towards has the deviation 1, but encoded artworks
    lie within about a third of that, and styles from farther off leave the culture.
    """
    if models.is_sampler(options.model):
        raise InputError(f"{options.model} draws without a picture; leave {options.images[0]} out")
    model, _ = models.load_model(options.model)
    code = np.asarray(model.fusion(mixture_of(options.culture, model.cultures)))
    longest = options.size or (SHEET_PIXELS if sheet else None)
    content = fit(images.read(images.given(options.images[0]), longest=longest), longest)
    strength = 1.0 if options.strength is None else options.strength

    def draw(points):
        styles = code + options.spread * points
        # One at a time: a picture may be large.
        return (feedforward.restyle(model, content, style[None], strength) for style in styles)

    return [Row(options.culture, draw)], model.config.code_size, content


def _sheet(rows, points, steps, first) -> np.ndarray:
    """Rows of samples or, with `steps`, of the ways from each sample to the next, both included.

    `first`, a picture, stands before every row.
    """
    if steps is None:
        legs = [points]
    else:
        legs = [noise.walk(points[i : i + 2], steps) for i in range(len(points) - 1)]
    columns = len(legs[0]) + (first is not None)
    images.check_sheet(len(rows) * len(legs) * columns, columns, *_cell(rows, points, first))
    cells, labels = [], []
    with _progress(sum(map(len, legs)) * len(rows)) as bar:
        for row in rows:
            for leg in legs:
                cells += [] if first is None else [first]
                cells += _drawn(row, leg, bar)
                labels.append(row.label)
    return images.grid(cells, columns, labels if any(labels) else None)


def _cell(rows, points, first) -> tuple[int, int]:
    """Height and width of one picture of a sheet."""
    return (rows[0].draw(points[:1])[0] if first is None else first).shape[:2]


def _frames(rows, path):
    """For every point of a walk one picture: all rows beside each other."""
    with _progress(len(path) * len(rows)) as bar:
        for point in path:
            cells = [next(_drawn(row, point[None], bar)) for row in rows]
            yield images.to_uint8(images.grid(cells, len(cells)))


def _write_gif(place, frames) -> None:
    """A GIF that repeats for ever, each frame with its own 256 colours."""
    pictures, content = [Image.fromarray(frame).quantize(256) for frame in frames], io.BytesIO()
    try:
        pictures[0].save(
            content,
            "GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=FRAME_MILLISECONDS,
            loop=0,
            comment=SOFTWARE.encode(),
        )
    except (OSError, ValueError, struct.error) as error:  # more pixels a side than a GIF counts
        raise InputError(
            f"{place} cannot be written as GIF ({reason(error)}); choose a smaller --size"
        ) from None
    with written_whole(place) as file:
        file.write(content.getvalue())


def _names(rows, count: int, steps: int | None) -> list[str]:
    """Names of a folder's pictures: `CULTURE_0001.png`, row by row, or `0001.png` for a walk's."""
    if steps is not None:
        return [f"{number:04d}.png" for number in range(1, count * steps + 1)]
    labels = ("".join(c if c.isalnum() else "_" for c in row.label) for row in rows)
    names = file_names(label or "sample" for label in labels)
    return [f"{name}_{number:04d}.png" for name in names for number in range(1, count + 1)]


def _write_folder(names, rows, points, steps) -> None:
    """Samples, or a walk's frames, under the names that `_names` gave."""
    if steps is not None:
        path = noise.walk(points, steps, closed=True)
        for name, frame in zip(names, _frames(rows, path), strict=True):
            images.write(name, frame)
        return
    left = iter(names)
    with _progress(len(names)) as bar:
        for row in rows:
            for picture in _drawn(row, points, bar):
                images.write(next(left), picture)


def _drawn(row: Row, points, bar):
    """Yields the pictures of a row; a few are drawn at a time, so that memory is bounded."""
    for begin in range(0, len(points), BATCH):
        for picture in row.draw(points[begin : begin + BATCH]):
            bar.update()
            yield picture


def _progress(total: int):
    return tqdm.tqdm(total=total, unit="picture", dynamic_ncols=True, disable=None)
