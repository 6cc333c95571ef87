"""Colours of a scene: OKLab, and a seeded choice of harmonious base colours and inks.

Base colours vary widely from scene to scene: this keeps the palettes of the traditions overlapping
and the scenes apart.
"""

from dataclasses import dataclass

import numpy as np

from stylegan_culture.pipelines.ornaments.shapes import ROLES

Lab = tuple[float, float, float]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LMS, _FROM_LAB = np.linalg.inv(_TO_LMS), np.linalg.inv(_TO_LAB)


def rgb_to_lab(colour: np.ndarray) -> np.ndarray:
    """sRGB [..., 3] in [0, 1] to OKLab [..., 3]; B. Ottosson, A perceptual color space (2020)."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T


def lab_to_rgb(colour: np.ndarray) -> np.ndarray:
    """OKLab [..., 3] to sRGB [..., 3], clipped to [0, 1]."""
    linear = np.clip((colour @ _FROM_LAB.T) ** 3 @ _FROM_LMS.T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def mix(colours: np.ndarray, target: np.ndarray, amount: np.ndarray | float) -> np.ndarray:
    """OKLab colours [..., 3] moved towards `target` by `amount` [...] in [0, 1]."""
    return colours + np.asarray(amount)[..., None] * (target - colours)


@dataclass(frozen=True)
class Palette:
    """A scene's colours in OKLab: one base colour per role, in the order of `ROLES`, and inks."""

    roles: tuple[Lab, ...]
    ink: Lab
    glow: Lab
    accent: Lab


# Per role: range of OKLab lightness, range of chroma, hues (degrees) that it may have.
_RANGES = {
    "sky": ((0.56, 0.90), (0.03, 0.11), (240, 215, 190, 155, 85, 60, 25, 340, 295)),
    "sun": ((0.72, 0.96), (0.06, 0.17), (85, 60, 30, 100, 45)),
    "far_hills": ((0.45, 0.82), (0.04, 0.12), (150, 200, 250, 300, 60, 20)),
    "hills": ((0.38, 0.78), (0.05, 0.14), (130, 155, 105, 70, 285, 30, 220)),
    "ground": ((0.46, 0.90), (0.04, 0.14), (85, 60, 110, 135, 40, 15, 330)),
    "water": ((0.40, 0.84), (0.05, 0.13), (250, 225, 200, 175, 275)),
    "trunk": ((0.28, 0.50), (0.03, 0.07), (50, 70, 30)),
    "crown": ((0.35, 0.78), (0.05, 0.15), (140, 125, 155, 70, 30, 350)),
    "wall": ((0.60, 0.95), (0.01, 0.09), (80, 60, 95, 30, 220)),
    "roof": ((0.36, 0.68), (0.06, 0.15), (30, 45, 15, 250, 200)),
    "door": ((0.28, 0.48), (0.03, 0.09), (40, 250, 150)),
    "figure": ((0.38, 0.75), (0.08, 0.18), (25, 350, 260, 145, 85)),
    "head": ((0.45, 0.82), (0.04, 0.08), (60,)),
    "ink": ((0.16, 0.46), (0.02, 0.11), (30, 60, 140, 200, 265, 310, 350)),
    "glow": ((0.74, 0.97), (0.02, 0.12), (85, 60, 100, 20, 200, 160, 340, 240)),
    "accent": ((0.35, 0.85), (0.06, 0.16), (30, 55, 85, 150, 200, 265, 350)),
}


def _choose(generator: np.random.Generator, name: str) -> np.ndarray:
    """An OKLab colour within the ranges of `name`."""
    lightness, chroma, hues = _RANGES[name]
    hue = np.deg2rad(hues[int(generator.integers(len(hues)))] + generator.uniform(-12, 12))
    strength = generator.uniform(*chroma)
    return np.array([generator.uniform(*lightness), strength * np.cos(hue), strength * np.sin(hue)])


def choose_palette(generator: np.random.Generator) -> Palette:
    """Base colours and inks of one scene."""
    chosen = {name: _choose(generator, name) for name in _RANGES}
    colours = {name: tuple(map(float, colour)) for name, colour in chosen.items()}
    roles = tuple(colours[role] for role in ROLES)
    return Palette(roles, colours["ink"], colours["glow"], colours["accent"])
