"""Colours as the eye orders them: sRGB to CIELAB, chroma and hue, palettes.

CIELAB of the illuminant D65 and the 2-degree observer (IEC 61966-2-1, CIE 15).
"""

import numpy as np
from numpy.typing import ArrayLike

TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)  # rows X, Y, Z of linear R, G, B
WHITE = TO_XYZ.sum(axis=1)
STARTS = 4  # of k-means, of which the best is kept
EPSILON, KAPPA = (6 / 29) ** 3, (29 / 3) ** 3


def lab(pictures: ArrayLike) -> np.ndarray:
    """CIELAB `[..., 3]` of sRGB `[..., 3]` in [0, 1]: L in [0, 100], a and b about -110 to 110."""
    curved = _curved(_linear(np.asarray(pictures, np.float64)) @ (TO_XYZ / WHITE[:, None]).T)
    x, y, z = np.moveaxis(curved, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lightness(pictures: ArrayLike) -> np.ndarray:
    """L `[...]` float32 alone, in a third of the time of `lab`, to 1e-3."""
    linear = _linear(np.asarray(pictures, np.float32))
    return 116 * _curved(linear @ TO_XYZ[1].astype(np.float32)) - 16


def _linear(encoded: np.ndarray) -> np.ndarray:
    """sRGB values without their gamma, of the same type."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _curved(relative: np.ndarray) -> np.ndarray:
    """The cube root of CIELAB, and the line near black."""
    return np.where(relative > EPSILON, np.cbrt(relative), (KAPPA * relative + 16) / 116)


def srgb(colours: ArrayLike) -> np.ndarray:
    """sRGB `[..., 3]` in [0, 1] of CIELAB `[..., 3]`; what no screen can show is clipped."""
    lightness, a, b = np.moveaxis(np.asarray(colours, np.float64), -1, 0)
    y = (lightness + 16) / 116
    curved = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    relative = np.where(curved**3 > EPSILON, curved**3, (116 * curved - 16) / KAPPA)
    linear = np.clip((relative * WHITE) @ np.linalg.inv(TO_XYZ).T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def chroma(colours: ArrayLike) -> np.ndarray:
    """Distance from grey `[...]` of CIELAB `[..., 3]`."""
    return np.hypot(colours[..., 1], colours[..., 2])


def hue(colours: ArrayLike) -> np.ndarray:
    """Hue angle `[...]` in degrees [0, 360) of CIELAB `[..., 3]`: 0 red-purple, 90 yellow."""
    return np.degrees(np.arctan2(colours[..., 2], colours[..., 1])) % 360.0


def code(colour: ArrayLike) -> str:
    """`#rrggbb` of CIELAB `[3]`."""
    return f"#{bytes(np.rint(255 * srgb(colour)).astype(int).tolist()).hex()}"


def palette(colours: ArrayLike, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The colours that stand best for all: k-means in CIELAB.

    Args:
        colours: CIELAB `[N, 3]`.
        count: of clusters; fewer where there are fewer different colours.
        seed: of the starts.

    Returns:
        Centres `[count, 3]` and their shares `[count]`, the largest first.
    """
    from sklearn.cluster import KMeans

    colours = np.asarray(colours, np.float64)
    count = min(count, len(np.unique(colours, axis=0)))
    clusters = KMeans(count, n_init=STARTS, random_state=seed).fit(colours)
    sizes = np.bincount(clusters.labels_, minlength=count)
    order = np.argsort(-sizes, kind="stable")
    return clusters.cluster_centers_[order], sizes[order] / len(colours)
