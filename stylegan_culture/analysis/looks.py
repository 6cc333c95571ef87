"""What a picture looks like in a dozen numbers: colour, line, composition.

Pure NumPy. A picture is sRGB `[H, W, 3]` in [0, 1]; every figure is of the picture as a whole and
hardly depends on its size as long as all are reduced to one short side beforehand.
"""

import numpy as np

from stylegan_culture.analysis import colour

HUES = 12  # bins of 30 degrees
EDGE = 10.0  # CIELAB lightness per pixel: a step that a reader of the picture calls a line
WHAT = {
    "lightness": "mean lightness, 0 black to 100 white",
    "contrast": "standard deviation of lightness",
    "chroma": "mean distance from grey in CIELAB",
    "chroma_spread": "standard deviation of chroma",
    "warmth": "mean of CIELAB b: yellow above 0, blue below",
    "symmetry": "correlation of lightness with its mirror image, left to right",
    "balance": "1: visual weight lies in the middle; 0: in a corner",
    "edges": "share of pixels on a line (10 units of lightness a pixel)",
    "slope": "slope of log power against log frequency; steeper is smoother",
    "plain": "share of squares of 8 pixels with less than 2 units of lightness deviation",
}


def figures(picture) -> dict[str, float]:
    """The numbers of `WHAT` of one picture, both edges at least 16 pixels."""
    lab = colour.lab(picture)
    lightness, chroma = lab[..., 0], colour.chroma(lab)
    down, right = np.gradient(lightness)
    return {
        "lightness": float(lightness.mean()),
        "contrast": float(lightness.std()),
        "chroma": float(chroma.mean()),
        "chroma_spread": float(chroma.std()),
        "warmth": float(lab[..., 2].mean()),
        "symmetry": symmetry(lightness),
        "balance": balance(lab),
        "edges": float(np.mean(np.hypot(down, right) > EDGE)),
        "slope": spectral_slope(lightness),
        "plain": plain_share(lightness),
    }


def hues(picture) -> np.ndarray:
    """Shares `[12]` of hues, each pixel counting by its chroma: bin k is from 30 k degrees.

    All zero for a grey picture.
    """
    lab = colour.lab(picture)
    weight = colour.chroma(lab).ravel()
    bins = (colour.hue(lab).ravel() // (360 / HUES)).astype(int) % HUES
    total = np.bincount(bins, weight, HUES)
    return total / total.sum() if weight.mean() > 1e-2 else np.zeros(HUES)


def symmetry(lightness) -> float:
    """Correlation of `[H, W]` with its left-right mirror image, -1 to 1; 1 for an even one."""
    centred = lightness - lightness.mean()
    power = np.square(centred).sum()
    if power < 1e-9 * lightness.size:
        return 1.0
    return float((centred * centred[:, ::-1]).sum() / power)


def balance(lab) -> float:
    """How near the middle the visual weight lies: 1 in it, 0 in a corner.

    A pixel weighs its distance in CIELAB from the picture's mean colour.
    """
    weight = np.linalg.norm(lab - lab.mean(axis=(0, 1)), axis=-1)
    total = weight.sum()
    if total < 1e-9 * weight.size:
        return 1.0
    places = [np.linspace(-1.0, 1.0, length) for length in weight.shape]
    centre = [weight.sum(axis=1) @ places[0] / total, weight.sum(axis=0) @ places[1] / total]
    return float(1.0 - np.linalg.norm(centre) / np.sqrt(2.0))


def spectral_slope(lightness) -> float:
    """Slope of log power against log frequency of `[H, W]`, over 4 cycles to a quarter of the rate.

    About -2 for photographs of nature (Field, 1987), nearer 0 for line drawings. Directions and
    octaves count alike: power is averaged over rings before the fit. 0 for an even picture.
    """
    side = min(lightness.shape)
    square = lightness[:side, :side] - lightness[:side, :side].mean()
    window = np.hanning(side)
    power = np.abs(np.fft.fft2(square * window[:, None] * window)) ** 2
    rates = np.fft.fftfreq(side) * side
    ring = np.rint(np.hypot(rates[:, None], rates)).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    rings = np.arange(4, side // 4 + 1)
    if len(rings) < 2 or mean[rings].max() < 1e-9:
        return 0.0
    octaves, levels = np.log(rings), np.log(np.maximum(mean[rings], 1e-12))
    weight = 1.0 / rings  # as many rings as there are in an octave count as one
    return float(np.polyfit(octaves, levels, 1, w=np.sqrt(weight))[0])


def plain_share(lightness, side: int = 8, least: float = 2.0) -> float:
    """The share of squares of `side` pixels whose lightness deviates by less than `least`."""
    rows, columns = (length // side for length in lightness.shape)
    cells = lightness[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return float(np.mean(cells.std(axis=(1, 3)) < least))
