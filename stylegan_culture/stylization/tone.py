"""A picture's tones spread by one monotone curve: nothing is drawn, nothing is invented.

Every value of every pixel and channel goes through the same rising curve, which is computed from
the picture alone: equal values stay equal, and darker stays darker.
"""

import numpy as np

from stylegan_culture.images import STRIP

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
