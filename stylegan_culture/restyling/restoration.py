"""Restores pictures of any size by a trained network, and lets a repair end in a culture's style.

Pictures are `[H, W, 3]` in [0, 1]. What is restored is likely, not certain: no evidence of what was
there.
"""

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.images import STRIP
from stylegan_culture.networks.holes import known, with_holes
from stylegan_culture.networks.restoration import RestorationModel
from stylegan_culture.restyling.feedforward import (
    TILE,
    UNTILED_PIXELS,
    YIQ,
    check_size,
    finite,
    pad,
    restyle,
    tiles,
)

COARSE = 4  # pixels: what is smaller counts as detail in `fuse`
RESTORED_PIXELS, ENLARGED_PIXELS = 15_000_000, 17_000_000  # that fit 2 GB of memory
KEPT = 0.6  # share of a repair that stays where it is most detailed, at full strength


def restore(model: RestorationModel, picture, kind: str, hole=None, tile: int | None = None):
    """One picture restored from one kind of damage.

    Args:
        model: with its weights.
        picture: `[h, w, 3]`, any height and width from 1 on.
        kind: one of `model.kinds`; enlarge2 and enlarge4 give a picture of 2 or 4 times the sides.
        hole: `[h, w]`, above 0.5 where inpaint shall fill; everything else stays bit for bit.
        tile: edge of a tile in pixels, a multiple of 8; None: whole up to a megapixel, else 512.

    Returns:
        float32 `[H, W, 3]` in [0, 1].

    Raises:
        InputError: a kind that the model has not learnt, a hole where none is asked for, or a
            result that is too large for memory.
    """
    if kind not in model.kinds:
        raise InputError(f"this model restores {', '.join(model.kinds)}, not {kind!r}")
    if (kind == "inpaint") != (hole is not None):
        raise InputError("inpaint needs a mask of its holes, and no other kind takes one")
    picture = np.asarray(picture, np.float32)
    if kind.startswith("enlarge"):
        factor = int(kind.removeprefix("enlarge"))
        sides = [factor * side for side in picture.shape[:2]]
        remedy = f"reduce the picture to {int(ENLARGED_PIXELS**0.5) // factor} pixels a side first"
        check_size(*sides, ENLARGED_PIXELS, remedy)
        picture = images.resize(picture, *sides)
    else:
        check_size(*picture.shape[:2], RESTORED_PIXELS)
    height, width = picture.shape[:2]
    if hole is None:
        given = np.asarray(known(pad(picture)[None]))[0]
        picture = None  # an enlarged one is not needed any more
    else:
        masked = pad(np.concatenate([picture, hole[..., None] > 0.5], -1, dtype=np.float32))
        given = np.asarray(with_holes(masked[None, ..., :3], masked[None, ..., 3:]))[0]
    code = np.asarray(model.codes(np.array([model.kinds.index(kind)])))
    if tile is None and given.shape[0] * given.shape[1] > UNTILED_PIXELS:
        tile = TILE
    drawn = restyle(model, given, code, tile=tile)
    restored = _refined(model, given, drawn, code, tile)[:height, :width]
    return restored if hole is None else np.where(hole[..., None] > 0.5, restored, picture)


def fuse(repaired, restyled, strength: float = 1.0) -> np.ndarray:
    """A repair that ends in a culture's style: the restyled picture, but less where detail counts.

        result = repaired + strength (1 - KEPT w) (restyled - repaired)

    where w in [0, 1] is how much fine luminance there is about a pixel of the repaired picture, the
    most detailed twentieth having 1. `strength` 0 gives the repair.
    """
    luminance = np.asarray(repaired, np.float32) @ YIQ[0]
    detail = _smoothed(np.abs(luminance - _smoothed(luminance)))
    weight = np.clip(detail / max(float(np.quantile(detail, 0.95)), 1e-4), 0.0, 1.0)
    share = strength * (1.0 - KEPT * weight[..., None])
    result = np.empty(repaired.shape, np.float32)
    rows = max(1, images.STRIP // max(1, repaired.shape[1]))
    for top in range(0, len(result), rows):  # copies are of bands alone
        band = slice(top, top + rows)
        mixed = repaired[band] + share[band] * (restyled[band] - repaired[band])
        result[band] = np.clip(mixed, 0.0, 1.0)
    return result


def _smoothed(plane):
    """`[H, W]` without what is smaller than `COARSE` pixels."""
    height, width = plane.shape
    coarse = (max(1, height // COARSE), max(1, width // COARSE))
    return images.resize(images.resize(plane[..., None], *coarse), height, width)[..., 0]


def _refined(model: RestorationModel, given, drawn, code, tile: int | None):
    """What the refining path makes of a damaged picture `[H, W, 4]` and of what was drawn.

    It is local, so tiles that are wider by what it sees give the same picture.
    """
    if tile is None:
        whole = np.asarray(model.refine(given[None], drawn[None], code))[0]
        return np.clip(finite(whole), 0.0, 1.0)
    result = np.empty_like(drawn)
    for core, outer in tiles(*given.shape[:2], tile, model.refiner.reach):
        part = np.asarray(model.refine(given[outer][None], drawn[outer][None], code))[0]
        inner = tuple(
            slice(c.start - o.start, c.stop - o.start) for c, o in zip(core, outer, strict=True)
        )
        result[core] = np.clip(finite(part[inner]), 0.0, 1.0)
    return result


LEVELS = 256
LEAST, MOST = 0.25, 2.5  # slopes before scaling; 1 where values are as frequent as on average
REACH = 4  # levels to each side over which frequencies are averaged


def tone_curve(picture, strength: float = 1.0) -> np.ndarray:
    """The curve's values `[257]` at 0, 1/256 .. 1, rising from 0 to 1.

        slope(v) ~ min(max(f(v), LEAST), MOST)

    where f is the smoothed frequency of value v: equalisation of the histogram, limited so that no
    tones fall together and no noise is blown up (after Pizer et al., "Adaptive histogram
    equalization", 1987, of the whole picture at once). `strength` 0 is the identity, 1 the curve.
    """
    counts = sum(
        np.histogram(np.clip(strip, 0.0, 1.0), LEVELS, (0.0, 1.0))[0] for strip in _strips(picture)
    )
    window = np.ones(2 * REACH + 1) / (2 * REACH + 1)
    frequency = np.convolve(np.pad(counts / counts.mean(), REACH, "edge"), window, "valid")
    slopes = np.clip(frequency, LEAST, MOST)
    slopes = strength * slopes / slopes.mean() + 1.0 - strength
    return np.concatenate([[0.0], np.cumsum(slopes) / slopes.sum()])


def spread_tones(picture, strength: float = 1.0) -> np.ndarray:
    """The picture `[H, W, 3]` in [0, 1] through its own `tone_curve`; float32."""
    knots, curve = np.linspace(0.0, 1.0, LEVELS + 1), tone_curve(picture, strength)
    result = np.empty(np.shape(picture), np.float32)
    for strip, part in zip(_strips(picture), _strips(result), strict=True):
        part[...] = np.interp(np.clip(strip, 0.0, 1.0), knots, curve)
    return result


def _strips(picture):
    """The picture `[H, W, ...]` in bands of rows, views: copies are of bands alone."""
    rows = max(1, STRIP // max(1, picture.shape[1]))
    return [picture[top : top + rows] for top in range(0, len(picture), rows)]
