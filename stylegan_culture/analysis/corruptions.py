"""What happens to pictures by nature: noise, blur and JPEG, in fixed severities.

Kinds and their order of severity follow ImageNet-C (Hendrycks and Dietterich, arXiv 1903.12261);
the severities are the project's own. Pictures are `[N, H, W, 3]` float32 in [0, 1] and stay there.
"""

import io

import numpy as np
from PIL import Image

from stylegan_culture.config import InputError

# Deviation of the noise in units of brightness; that of the blur in pixels; JPEG quality.
SEVERITIES = {
    "noise": (0.02, 0.05, 0.1, 0.2),
    "blur": (0.5, 1.0, 2.0, 4.0),
    "jpeg": (75, 40, 20, 10),
}
REACH = 4.0  # deviations of a blur that its kernel holds


def corrupted(pictures, kind: str, severity: float, seed: int = 0) -> np.ndarray:
    """Pictures under one of `SEVERITIES`; equal seeds give equal noise, the rest draws nothing.

    Raises `InputError` for an unknown kind.
    """
    if kind == "noise":
        return noisy(pictures, severity, seed)
    if kind == "blur":
        return blurred(pictures, severity)
    if kind == "jpeg":
        return compressed(pictures, int(severity))
    raise InputError(f"no corruption {kind!r}; there are {', '.join(SEVERITIES)}")


def noisy(pictures, deviation: float, seed: int) -> np.ndarray:
    """Gaussian noise of its own on every value: `clip(x + deviation n)`."""
    noise = np.random.default_rng(seed).normal(0.0, deviation, np.shape(pictures))
    return np.clip(pictures + noise, 0.0, 1.0).astype(np.float32)


def blurred(pictures, deviation: float) -> np.ndarray:
    """Convolution with a Gaussian of a deviation in pixels, the picture mirrored at its edges."""
    reach = int(REACH * deviation + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    found = np.asarray(pictures, np.float64)
    for axis in (1, 2):
        size = found.shape[axis]
        margin = [(reach, reach) if other == axis else (0, 0) for other in range(4)]
        padded = np.pad(found, margin, "symmetric")
        found = sum(
            weight * padded.take(range(start, start + size), axis)
            for start, weight in enumerate(kernel)
        )
    return np.clip(found, 0.0, 1.0).astype(np.float32)


def compressed(pictures, quality: int) -> np.ndarray:
    """Saved as JPEG of a quality from 1 to 95 (colours at half resolution) and read again."""
    found = []
    for picture in np.asarray(pictures):
        file = io.BytesIO()
        pixels = np.rint(255.0 * picture).astype(np.uint8)
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        found.append(np.asarray(Image.open(file)))
    return np.stack(found).astype(np.float32) / 255
