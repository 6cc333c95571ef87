"""Draws from noise: `stylize --sample N`, new pictures of cultures, or new styles of one.

Without a picture, `--model` is a run of `train --trainer dcgan` or `vae`, and each culture gives
one row of samples from the same noise. With a picture, `--model` is a culture model, and the row
shows the picture in new styles of the culture. `--walk STEPS` goes from each sample to the next.
In this file `first` is a picture that stands before every row of a sheet, or None.
"""

import dataclasses
import io
import pathlib
import struct
import typing

import numpy as np
import tqdm
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import InputError, option, reason
from stylegan_culture.files import SOFTWARE, file_names, written_whole
from stylegan_culture.later import later
from stylegan_culture.networks import noise
from stylegan_culture.outputs import Outputs
from stylegan_culture.restyling.feedforward import (
    CULTURE_MODEL,
    CultureNetwork,
    culture_code,
    finite,
    fit,
)
from stylegan_culture.restyling.request import Request, mixture_of

models = later("stylegan_culture.models")
SHEET_PIXELS = 256  # longest edge of a restyled picture on a sheet or in a GIF
FRAME_MILLISECONDS = 80  # of a GIF
GIF_PIXELS = 400_000_000  # of all frames, a byte each
BATCH = 32
MOST_SAMPLES = 10_000  # of each culture, steps between them included


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """What is drawn from noise, and by which model."""

    model: str = option(CULTURE_MODEL, "shipped model, model folder or run folder")
    sample: int | None = option(
        None,
        "draw so many pictures of each culture from noise (--model: a run of train --trainer dcgan "
        "or vae) or, of one IMAGE, so many new styles of --culture; --out names a sheet or a "
        "folder",
        low=1,
    )
    # 0.35 is about the deviation of encoded artworks in a culture of the shipped model.
    spread: float = option(
        0.35,
        "deviation of new styles of an IMAGE from the culture's code: more differ more, "
        "and leave the culture; 1 is the prior of training",
        low=0.0,
    )
    walk: int | None = option(
        None,
        "go from each sample to the next in so many steps; --out names a sheet, a .gif, or a "
        "folder of frames",
        low=1,
    )
    seed: int = option(0, "decides the noise", low=0)


def check(settings: SamplingSettings, request: Request, pictures: tuple[str, ...]) -> None:
    """Raises `InputError` where the settings contradict each other."""
    if settings.sample is None:
        raise InputError("--walk goes from sample to sample; add --sample N")
    if settings.sample * (settings.walk or 1) > MOST_SAMPLES:
        raise InputError(
            f"--sample and --walk ask for more than {MOST_SAMPLES:,} pictures; ask for fewer at a "
            "time, with another --seed each time"
        )
    if settings.walk is not None and settings.sample < 2:
        raise InputError("--walk needs --sample of at least 2 to go between")
    request.refuse("--sample draws new styles; leave {} out", "style", "mask", "weights")
    if pictures and request.culture is None:
        raise InputError("say of which culture the new styles are to be: --culture KEY")
    if len(pictures) > 1:
        raise InputError(f"--sample takes one picture at a time, not {len(pictures)}")


@dataclasses.dataclass(frozen=True)
class Row:
    """What draws one row: its label, and points of noise `[n, Z]` to pictures `[H, W, 3]`."""

    label: str
    draw: typing.Callable


def draw(
    settings: SamplingSettings,
    request: Request,
    picture: str | None,
    place: pathlib.Path,
    outputs: Outputs,
) -> None:
    """Draws samples, or new styles of a picture file, to a sheet, a GIF or a folder of pictures."""
    suffix = place.suffix.lower()
    clip = settings.walk is not None and suffix == ".gif"
    if suffix and suffix not in images.WRITABLE and not clip:
        kinds = ".gif or a folder" if settings.walk is not None else "or a folder"
        raise InputError(f"{place} cannot hold samples; use {', '.join(images.WRITABLE)} {kinds}")
    if suffix:
        outputs.claim(place)
    else:
        outputs.check_folder(place)
    if picture is not None:
        longest = request.size or (SHEET_PIXELS if suffix else None)
        rows, size, first = _styles(settings, request, picture, longest)
    else:
        rows, size, first = *_cultures(settings.model, request.culture), None
    points = noise.draw(settings.sample, size, settings.seed)
    if clip:
        path = noise.walk(points, settings.walk, closed=True)
        count, cell = len(rows) * len(path), _cell(rows, points, first)
        images.check_sheet(count, len(rows), *cell, most=GIF_PIXELS)
        _write_gif(place, _frames(rows, path))
    elif suffix:
        images.write(place, _sheet(rows, points, settings.walk, first))
    else:
        names = [place / name for name in _names(rows, len(points), settings.walk)]
        for name in names:
            outputs.claim(name)
        _write_folder(names, rows, points, settings.walk)


def _cultures(model: str, culture: str | None) -> tuple[list[Row], int]:
    """A row for every culture of a sampler, or one for a culture or mixture."""
    if models.kind_of(model) != "sampler":
        raise InputError(
            f"{model} restyles pictures: name one, or give --model a run of "
            "`train --trainer dcgan` or `--trainer vae`, which draws without"
        )
    loaded = models.load(model, "sampler")
    generator, keys = loaded.network, loaded.facts.keys
    if not generator.config.conditional:
        if culture is not None:
            raise InputError(f"{model} was trained --no-conditional; leave --culture out")
        mixtures = {"": np.ones((1, 1), np.float32)}
    elif culture is not None:
        mixtures = {culture: mixture_of(culture, keys)}
    else:
        mixtures = dict(zip(keys, np.eye(len(keys), dtype=np.float32)[:, None], strict=True))

    def sampler(mixture):
        return lambda points: finite(generator(points, np.repeat(mixture, len(points), 0)))

    rows = [Row(key, sampler(mixture)) for key, mixture in mixtures.items()]
    return rows, generator.config.noise_size


def _styles(
    settings: SamplingSettings, request: Request, picture: str, longest: int | None
) -> tuple[list[Row], int, np.ndarray]:
    """One row: the picture in styles around the culture's code, `code + spread noise`.

    The style encoder's prior has the deviation 1, but encoded artworks lie within about a third of
    that; styles farther away leave the culture.
    """
    if models.kind_of(settings.model) == "sampler":
        raise InputError(f"{settings.model} draws without a picture; leave {picture} out")
    model = models.load(settings.model, "culture").network
    code = culture_code(model, request.culture)
    content = fit(images.read(images.given(picture), longest=longest), longest)
    strength = 1.0 if request.strength is None else request.strength

    def draw_styles(points):
        styles = code + settings.spread * points
        # One at a time: a picture may be large.
        return (CultureNetwork(model, style[None])(content, strength) for style in styles)

    return [Row(request.culture, draw_styles)], model.config.code_size, content


def _sheet(
    rows: list[Row], points: np.ndarray, steps: int | None, first: np.ndarray | None
) -> np.ndarray:
    """Rows of samples or, with `steps`, of the ways from each sample to the next, both included."""
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


def _cell(rows: list[Row], points: np.ndarray, first: np.ndarray | None) -> tuple[int, int]:
    """Height and width of one picture of a sheet."""
    return (rows[0].draw(points[:1])[0] if first is None else first).shape[:2]


def _frames(rows: list[Row], path: np.ndarray) -> typing.Iterator[np.ndarray]:
    """One picture uint8 `[H, W, 3]` for every point of a walk: all rows beside each other."""
    with _progress(len(path) * len(rows)) as bar:
        for point in path:
            cells = [next(_drawn(row, point[None], bar)) for row in rows]
            yield images.to_uint8(images.grid(cells, len(cells)))


def _write_gif(place: pathlib.Path, frames: typing.Iterable[np.ndarray]) -> None:
    """A GIF that repeats for ever, each frame with 256 colours of its picture."""
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


def _names(rows: list[Row], count: int, steps: int | None) -> list[str]:
    """Names of a folder's pictures: `CULTURE_0001.png`, row by row, or `0001.png` for a walk's."""
    if steps is not None:
        return [f"{number:04d}.png" for number in range(1, count * steps + 1)]
    labels = ("".join(c if c.isalnum() else "_" for c in row.label) for row in rows)
    names = file_names(label or "sample" for label in labels)
    return [f"{name}_{number:04d}.png" for name in names for number in range(1, count + 1)]


def _write_folder(
    names: list[pathlib.Path], rows: list[Row], points: np.ndarray, steps: int | None
) -> None:
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


def _drawn(row: Row, points: np.ndarray, bar: tqdm.tqdm) -> typing.Iterator[np.ndarray]:
    """Yields the pictures of a row; a few are drawn at a time, to limit memory."""
    for begin in range(0, len(points), BATCH):
        for picture in row.draw(points[begin : begin + BATCH]):
            bar.update()
            yield picture


def _progress(total: int) -> tqdm.tqdm:
    return tqdm.tqdm(total=total, unit="picture", dynamic_ncols=True, disable=None)
