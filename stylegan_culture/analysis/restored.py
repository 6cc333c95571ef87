"""How near a restored picture comes to the truth: PSNR, and the error of its colours.

Pictures are `[N, H, W, 3]` in [0, 1]; every measure is one number a picture, `[N]`. The baselines
of colour are tints: a picture's grey with one and the same a and b of CIELAB everywhere.
"""

import numpy as np

from stylegan_culture.analysis.colour import lab

LEAST_SQUARE = 1e-10  # equal pictures: 100 dB
ROUNDS = 100


def psnr(pictures, truth) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, over the three channels: `-10 log10 E (x - y)^2`."""
    squares = np.square(np.asarray(pictures, np.float64) - truth).mean(axis=(1, 2, 3))
    return -10.0 * np.log10(np.maximum(squares, LEAST_SQUARE))


def colour_error(pictures, truth) -> np.ndarray:
    """Mean distance of the pixels in CIELAB (CIE76)."""
    return np.array([_distance(lab(x), lab(y)) for x, y in zip(pictures, truth, strict=True)])


def best_tint_error(grey, truth) -> np.ndarray:
    """As `colour_error`, of each picture's grey with the one tint that is best for that picture.

    It is fitted to the truth, which no method may see: the most that a tint can reach.
    """
    found = []
    for own, true in zip(grey, truth, strict=True):
        lightness, colours = lab(own)[..., 0], lab(true)
        offset = (lightness - colours[..., 0]).ravel()
        tint = median_tint(colours[..., 1:].reshape(-1, 2), offset)
        found.append(_distance(_tinted(lightness, tint), colours))
    return np.array(found)


def tint_error(grey, truth, tint) -> np.ndarray:
    """As `colour_error`, of each picture's grey with one tint (a, b) for all pictures."""
    return np.array(
        [
            _distance(_tinted(lab(own)[..., 0], tint), lab(true))
            for own, true in zip(grey, truth, strict=True)
        ]
    )


def median_tint(tints, offset=0.0) -> np.ndarray:
    """The (a, b) whose mean distance `E sqrt(|t - x|^2 + o^2)` to tints `[N, 2]` is least.

    The geometric median, by Weiszfeld's iteration; `offset [N]` is a distance in lightness that no
    tint can change.
    """
    tints, square = np.asarray(tints, np.float64), np.square(offset)
    found = tints.mean(axis=0)
    for _ in range(ROUNDS):
        weight = 1.0 / np.sqrt(np.square(tints - found).sum(axis=1) + square + 1e-6)
        moved = weight @ tints / weight.sum()
        if np.abs(moved - found).max() < 1e-4:
            break
        found = moved
    return moved


def _tinted(lightness, tint) -> np.ndarray:
    plain = np.broadcast_to(np.asarray(tint, np.float64), (*lightness.shape, 2))
    return np.concatenate([lightness[..., None], plain], axis=-1)


def _distance(first, second) -> float:
    return float(np.sqrt(np.square(first - second).sum(axis=-1)).mean())
