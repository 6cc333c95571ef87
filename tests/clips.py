"""Seeded moving pictures for the tests of video: pans, zooms, a moving cut-out, changing exposure.

A film is a generator of uint8 frames `[H, W, 3]`, so that a long one takes no memory.
"""

import dataclasses

import numpy as np
from PIL import Image, ImageDraw

MOTIONS = ("pan", "zoom", "cut-out")


@dataclasses.dataclass(frozen=True)
class Film:
    """What a film shows: one scene after another, each with the next of the motions. `flicker` is
    the deviation of the exposure, which follows a slow random walk about 1 with half of its
    variance fresh in every frame, as automatic exposure and mains light give it. `speed` is in
    pixels a frame."""

    frames: int
    height: int = 360
    width: int = 640
    scene: int = 50  # frames
    speed: float = 1.3
    flicker: float = 0.02
    seed: int = 0


def frames(film: Film, pictures):
    """Yields the frames of a film made from pictures `[h, w, 3]` uint8, one or two a scene."""
    generator = np.random.default_rng(film.seed)
    slow = 0.0
    for number in range(film.frames):
        scene, place = divmod(number, film.scene)
        sources = [pictures[(scene + further) % len(pictures)] for further in (0, 1)]
        shown = _scene(MOTIONS[scene % len(MOTIONS)], sources, place, film)
        slow = 0.9 * slow + np.sqrt(1 - 0.9**2) * generator.standard_normal()
        walk = (slow + generator.standard_normal()) / np.sqrt(2.0)
        exposed = shown.astype(np.float32) * (1.0 + film.flicker * walk)
        yield np.clip(np.round(exposed), 0, 255).astype(np.uint8)


def _scene(motion: str, sources, place: int, film: Film) -> np.ndarray:
    """Frame `place` of a scene, `[H, W, 3]` uint8."""
    way = film.speed * place
    room = film.speed * film.scene
    size = (film.width, film.height)
    background = _fitted(sources[0], (film.width + int(room) + 2, film.height + int(room) + 2))
    if motion == "pan":
        return np.asarray(_window(background, way, 0.35 * way, 1.0, size))
    if motion == "zoom":
        scale = 1.0 - 0.25 * place / film.scene
        left, top = (0.5 * (1 - scale) * length for length in size)
        return np.asarray(_window(background, left, top, scale, size))
    base = _window(background, 0.4 * way, 0.0, 1.0, size)
    cut = _fitted(sources[1], (film.width // 3, film.width // 3))
    mask = Image.new("L", cut.size, 0)
    ImageDraw.Draw(mask).ellipse((1, 1, cut.width - 2, cut.height - 2), fill=255)
    moved = (-0.1 * film.width - 1.5 * way, -0.2 * film.height - 0.3 * way)
    base.paste(_window(cut, *moved, 1.0, size), (0, 0), _window(mask, *moved, 1.0, size))
    return np.asarray(base)


def _fitted(picture, size) -> Image.Image:
    """The picture's middle, enlarged or reduced to cover `size` (width, height)."""
    picture = Image.fromarray(picture)
    scale = max(size[0] / picture.width, size[1] / picture.height)
    wanted = [max(size[axis], round(picture.size[axis] * scale)) for axis in (0, 1)]
    picture = picture.resize(wanted, Image.Resampling.BICUBIC)
    left, top = ((wanted[axis] - size[axis]) // 2 for axis in (0, 1))
    return picture.crop((left, top, left + size[0], top + size[1]))


def _window(picture, left: float, top: float, scale: float, size) -> Image.Image:
    """What a window of `size` times `scale` shows; places between pixels are interpolated."""
    matrix = (scale, 0, left, 0, scale, top)
    return picture.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def texture(generator, height: int, width: int, spots: int = 60) -> np.ndarray:
    """A seeded picture of coloured discs on a gradient, `[height, width, 3]` uint8."""
    ramp = np.linspace(40, 200, width)[None, :, None] * np.ones((height, 1, 3))
    picture = Image.fromarray(ramp.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(spots):
        x, y = generator.uniform(0, width), generator.uniform(0, height)
        radius = generator.uniform(0.03, 0.15) * height
        colour = tuple(int(value) for value in generator.integers(0, 256, 3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return np.asarray(picture)
