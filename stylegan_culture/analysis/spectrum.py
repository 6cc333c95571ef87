"""Lines in a picture's spectrum, which strides of a network leave behind as a grid."""

import numpy as np

PERIODS = (2, 4, 8)  # pixels: the strides of the generator's layers
PERCENTILE = 99.0


def line_strength(picture, period: float) -> float:
    """Power at the frequency 1 / period against that of its neighbours, rows or columns.

    The stronger of the two directions; 1 where nothing stands out, in the mean. Power is averaged
    over the other direction's frequencies, so that a grid whose cells differ is found too.

    Args:
        picture: `[H, W, C]`, both edges at least 64 pixels; only the mean of channels counts.
        period: in pixels, from 2 on.
    """
    grey = np.asarray(picture, np.float64).mean(axis=-1)
    windows = [np.hanning(length) for length in grey.shape]
    grey = (grey - grey.mean()) * windows[0][:, None] * windows[1]
    power = np.abs(np.fft.fft2(grey)) ** 2
    found = []
    for profile in (power.mean(axis=1), power.mean(axis=0)):
        at, length = round(len(profile) / period), len(profile)
        own = np.arange(at - 1, at + 2) % length
        beside = np.r_[at - 8 : at - 3, at + 4 : at + 9] % length
        found.append(profile[own].mean() / max(profile[beside].mean(), 1e-12))
    return float(max(found))


def line_strengths(pictures) -> np.ndarray:
    """`line_strength` of pictures `[N, H, W, C]` at every one of `PERIODS`: `[N, 3]`."""
    return np.array([[line_strength(one, period) for period in PERIODS] for one in pictures])


def ordinary_strengths(artworks) -> np.ndarray:
    """What 99 in 100 of real pictures `[N, H, W, C]` stay below at each of `PERIODS`: `[3]`."""
    return np.percentile(line_strengths(artworks), PERCENTILE, axis=0)
