"""The demo's built-in picture: an evening at a lake, computed, so that nobody's rights are asked.

Hills are ridge lines of summed noise that pale with distance, the lake mirrors what stands above
it, and grain and brush-like streaks give a network something to restyle in every area.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image

from stylegan_culture import images

HEIGHT, WIDTH = 576, 768  # px, at which it is computed; any size wanted is made from this
HORIZON = 0.62  # of the height: where the lake begins
SEED = 5
# Distance 0 to 1 of each range of hills: height of its ridge, roughness, colour (sRGB, 0 to 1).
HILLS = (
    (0.34, 0.11, (0.62, 0.58, 0.68)),
    (0.45, 0.09, (0.44, 0.45, 0.60)),
    (0.53, 0.07, (0.27, 0.36, 0.48)),
    (0.60, 0.05, (0.13, 0.26, 0.31)),
)


def png(edge: int) -> bytes:
    """The picture as a PNG file, `edge` pixels wide and three quarters of that high."""
    file = io.BytesIO()
    picture = images.resize(landscape(), max(1, round(edge * HEIGHT / WIDTH)), edge)
    Image.fromarray(images.to_uint8(picture)).save(file, "PNG")
    return file.getvalue()


@lru_cache(maxsize=1)
def landscape() -> np.ndarray:
    """The picture at its own size: float32 [576, 768, 3] in [0, 1], the same on every machine."""
    generator = np.random.default_rng(SEED)
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH] / np.array([HEIGHT, WIDTH])[:, None, None]
    picture = _sky(generator, down, across)
    for ridge, roughness, colour in HILLS:
        picture = _hills(generator, picture, down, (ridge, roughness, np.array(colour)))
    picture = _lake(generator, picture, down)
    picture = _shore(generator, picture, down, across)
    grain = 0.03 * (_noise(generator, 160, 220, octaves=2) - 0.5)
    picture = np.clip(picture + grain[..., None], 0, 1).astype(np.float32)
    picture.setflags(write=False)
    return picture


def _sky(generator, down, across):
    """From violet above to gold at the horizon, a low sun, and long clouds lit from below."""
    levels = np.array([0.0, 0.25, 0.45, HORIZON])
    colours = np.array([[0.30, 0.40, 0.62], [0.62, 0.58, 0.70], [0.95, 0.72, 0.55], [1, 0.86, 0.6]])
    sky = np.stack([np.interp(down, levels, colours[:, band]) for band in range(3)], axis=-1)
    distance = np.hypot((across - 0.66) * WIDTH / HEIGHT, down - 0.33)
    glow = np.exp(-((distance / 0.22) ** 2))[..., None]
    sky = sky + glow * np.array([0.30, 0.20, 0.02])
    clouds = np.clip(2.6 * (_noise(generator, 9, 3, octaves=5) - 0.52), 0, 1)[..., None]
    sky = sky + clouds * (np.array([1.0, 0.62, 0.52]) - sky) * 0.75
    sun = np.clip((0.052 - distance) * HEIGHT / 2, 0, 1)[..., None]
    return sky + sun * (np.array([1.0, 0.97, 0.80]) - sky)


def _hills(generator, picture, down, form):
    """One range in front of `picture`; its foot pales into the mist of the valley."""
    ridge, roughness, colour = form
    profile = _noise(generator, 1, 5, octaves=6)[0]
    top = ridge + roughness * (1.0 - 2.0 * profile)
    inside = np.clip((down - top) * HEIGHT / 1.5, 0, 1)[..., None]
    folds = _noise(generator, 26, 12, octaves=4)[..., None]
    mist = np.clip((down - top) / (HORIZON - ridge + 0.10), 0, 1)[..., None] ** 1.6
    painted = colour * (0.72 + 0.56 * folds)
    painted = painted + 0.55 * mist * (np.array([0.98, 0.80, 0.66]) - painted)
    return picture + inside * (painted - picture)


def _lake(generator, picture, down):
    """Below the horizon: what stands above it, upside down, darker and broken by ripples."""
    horizon = int(HORIZON * HEIGHT)
    depth = np.arange(1, HEIGHT - horizon + 1)
    ripples = _noise(generator, 90, 7, octaves=3)[horizon:] - 0.5
    strength = 10.0 + 60.0 * (depth / HEIGHT)[:, None]
    rows = np.clip(horizon - depth[:, None] * 1.25 + strength * ripples, 0, horizon - 1).astype(int)
    mirrored = picture[rows, np.arange(WIDTH)[None, :]]
    water = mirrored * np.array([0.86, 0.84, 0.92]) + 0.10 * ripples[..., None]
    result = picture.copy()
    result[horizon:] = water
    line = np.exp(-(((down - HORIZON) * HEIGHT / 2.0) ** 2))[..., None]
    return result + 0.35 * line * (np.array([1.0, 0.86, 0.66]) - result)


def _shore(generator, picture, down, across):
    """The near bank at the left, with reeds and a crooked pine before the sky."""
    bank = 0.90 - 0.16 * np.exp(-((across / 0.42) ** 2)) + 0.03 * _noise(generator, 1, 9, 4)
    inside = np.clip((down - bank) * HEIGHT / 2, 0, 1)[..., None]
    tufts = _noise(generator, 40, 120, octaves=3)[..., None]
    ground = np.array([0.16, 0.17, 0.10]) + tufts * np.array([0.30, 0.26, 0.10])
    picture = picture + inside * (ground - picture)
    trunk = np.abs(across - 0.17 - 0.025 * np.sin(down * 9)) - (0.004 + 0.012 * down)
    trunk = (trunk < 0) & (down > 0.20) & (down < 0.86)
    leaves = _noise(generator, 34, 44, octaves=3)
    crown = np.zeros_like(down)
    for height, left, wide in ((0.2, 0.16, 0.10), (0.3, 0.22, 0.12), (0.37, 0.11, 0.10)):
        crown = np.maximum(crown, 1 - np.hypot((across - left) / wide, (down - height) / 0.055))
    tree = trunk | ((crown > 0) & (crown + 1.1 * (leaves - 0.5) > 0.28))
    dark = np.array([0.09, 0.13, 0.11]) + 0.22 * leaves[..., None] * np.array([0.8, 0.9, 0.5])
    return np.where(tree[..., None], dark, picture)


def _noise(generator, rows: int, columns: int, octaves: int) -> np.ndarray:
    """Sum of smoothed random lattices, each twice as fine and half as strong: [H, W] in [0, 1]."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for octave in range(octaves):
        fine = 2**octave
        lattice = generator.random((min(rows * fine, HEIGHT), min(columns * fine, WIDTH)))
        layer = Image.fromarray(lattice.astype(np.float32))
        total += np.asarray(layer.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) / fine
    return (total - total.min()) / (total.max() - total.min())
