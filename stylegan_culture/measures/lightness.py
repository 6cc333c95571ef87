"""What restyling does to lightness: marks on plain places; edges, order and structure kept.

All compare the CIELAB lightness L* (0 black to 100 white) of a result with that of its
source. Lightness is `[..., H, W]`; distances in pixels are meant for pictures of `SIDE` pixels;
edges may be compared at any size, and structure inside boxes of any size.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import binary_erosion, gaussian_filter, uniform_filter

from stylegan_culture import images
from stylegan_culture.measures import colour

SIDE = 256  # pixels a side of the squares that are compared
ROWS_COLUMNS = (-2, -1)
PLAIN_SLOPE = 1.0  # L* a pixel: mean slope below which a place is plain
PLAIN_WINDOW = 13  # pixels a side of the square over which the slope is averaged
PLAIN_MARGIN = 6 + 4  # pixels between a plain place that counts and any other place
LEAST_PLAIN = 2500  # pixels
MARKS = (2.0, 6.0)  # pixels: deviations of the Gaussians between which marks lie
EDGE_BLUR, ORDER_BLUR = 0.7, 8.0  # pixels: deviations of Gaussians
SHADING = 1 / 8  # of a box's shorter side: deviation of the Gaussian that carries its shading


def lightness(pictures: ArrayLike) -> np.ndarray:
    """L* `[N, SIDE, SIDE]` float32 of square pictures `[N, S, S, 3]` in [0, 1]."""
    return np.stack([colour.lightness(images.resize(one, SIDE, SIDE)) for one in pictures])


def plain(source: ArrayLike) -> np.ndarray:
    """Where a picture of lightness `[H, W]` is plain: bool `[H, W]`.

    A place is plain where the slope, averaged over `PLAIN_WINDOW`, is below `PLAIN_SLOPE`; it
    counts where it lies `PLAIN_MARGIN` away from the border and from every other place.
    """
    slope = uniform_filter(_slope(np.asarray(source, np.float64)), PLAIN_WINDOW)
    return binary_erosion(slope < PLAIN_SLOPE, iterations=PLAIN_MARGIN)


def motifs(source: ArrayLike, results: ArrayLike) -> np.ndarray:
    """Marks that results show where their source is plain, in L*.

    The standard deviation, over the plain places of the source, of

        G_2 * L - G_6 * L,

    L the result's lightness and G_s a Gaussian of deviation s pixels. It sees grain and rows of
    marks of 5 to 30 pixels, and not the slow change of a sky.

    Source `[H, W]` and results `[..., H, W]` give `[...]`: NaN where the source has fewer than
    `LEAST_PLAIN` plain pixels.
    """
    results = np.asarray(results, np.float64)
    places = plain(source)
    if np.count_nonzero(places) < LEAST_PLAIN:
        return np.full(results.shape[:-2], np.nan)
    fine, coarse = (blurred(results, deviation) for deviation in MARKS)
    return (fine - coarse)[..., places].std(axis=-1)


def edges(source: ArrayLike, results: ArrayLike) -> np.ndarray:
    """Whether edges stay where they were: correlation of slopes, 1 for a copy.

    The slope is the length of the gradient of the lightness after a Gaussian of `EDGE_BLUR`; it
    is steep at letters, contours and features of faces. Of lightness `[..., H, W]`: `[...]`, NaN
    where a picture has no edge at all.
    """
    return correlation(*(_slope(blurred(one, EDGE_BLUR)) for one in (source, results)))


def order(source: ArrayLike, results: ArrayLike) -> np.ndarray:
    """Whether what was lighter is lighter still: correlation of blurred lightness.

    1 for a copy, -1 for a negative. The Gaussian has the deviation `ORDER_BLUR`. Of lightness
    `[..., H, W]`: `[...]`, NaN where a picture is of one lightness.
    """
    return correlation(*(blurred(one, ORDER_BLUR) for one in (source, results)))


def structure(source: ArrayLike, result: ArrayLike) -> float:
    """Whether the marks inside a box are kept: eyes and mouth of a face, letters of a line.

    Correlation of the lightness less its shading, which is the lightness after a Gaussian whose
    deviation is `SHADING` of the box's shorter side; so a change of lightness, of contrast or of
    the light's direction counts little. 1 for a copy, near 0 where nothing is kept, NaN where a box
    is of one lightness. Of the lightness of a box, `[h, w]`.
    """
    marks = (
        np.asarray(one, np.float64) - blurred(one, SHADING * min(np.shape(one)))
        for one in (source, result)
    )
    return float(correlation(*marks))


def correlation(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Pearson's correlation of the values of `[..., H, W]`: `[...]`, NaN for a constant."""
    first, second = (
        each - each.mean(axis=ROWS_COLUMNS, keepdims=True)
        for each in (np.asarray(one, np.float64) for one in (first, second))
    )
    shared = (first * second).mean(axis=ROWS_COLUMNS)
    lengths = np.sqrt((first**2).mean(axis=ROWS_COLUMNS) * (second**2).mean(axis=ROWS_COLUMNS))
    return np.where(lengths > 1e-9, shared / np.maximum(lengths, 1e-9), np.nan)


def _slope(values: np.ndarray) -> np.ndarray:
    """Length of the gradient `[..., H, W]`, a pixel."""
    return np.hypot(*np.gradient(values, axis=ROWS_COLUMNS))


def blurred(values: ArrayLike, deviation: float) -> np.ndarray:
    """`[..., H, W]` after a Gaussian of this deviation in pixels."""
    return gaussian_filter(np.asarray(values, np.float64), deviation, axes=ROWS_COLUMNS)
