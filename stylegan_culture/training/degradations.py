"""Synthetic damage: pure functions of pictures and a seed, from which restoration is learnt.

Pictures are `[B, H, W, 3]` in [0, 1]; damaged ones `[B, H, W, 4]`: RGB in [0, 1], the picture's own
size, and a plane that is 1 where nothing is known. A seed is int32 `[2]`, as of stateless draws.
"""

import dataclasses

import tensorflow as tf

from stylegan_culture.config import InputError, option, shortened
from stylegan_culture.networks.holes import known, with_holes
from stylegan_culture.training.replicas import normal, uniform

KINDS = {
    "enlarge2": "2x super-resolution: reduced to a half and enlarged again",
    "enlarge4": "4x super-resolution: reduced to a quarter and enlarged again",
    "colourise": "grey pictures to colour",
    "denoise": "Gaussian noise on every value",
    "inpaint": "holes, by a mask",
    "contrast": "flat contrast and wrong brightness",
}
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
RECTANGLES, STROKES = 3, 3  # holes of a picture
RECTANGLE = (0.08, 0.3)  # least and greatest side, in sides of the picture
STROKE = (0.01, 0.035)  # least and greatest half width, likewise
FLATNESS = (0.35, 0.95)  # what is left of contrast
MIDDLE = (0.3, 0.7)  # the brightness that contrast is taken about
GAMMA = (0.65, 1.55)


@dataclasses.dataclass(frozen=True)
class DamageConfig:
    """Which kinds of damage, and how much noise."""

    damage: str = option(
        ",".join(KINDS), f"kinds, separated by commas, of {', '.join(KINDS)}; all learn together"
    )
    least_noise: float = option(
        5.0, "least deviation of the noise of denoise, in 1/255", low=0.0, high=255.0
    )
    most_noise: float = option(
        40.0, "greatest deviation, in 1/255; it is drawn for each picture", low=0.0, high=255.0
    )


def parse_kinds(text: str) -> tuple[str, ...]:
    """The kinds named in a text, in order; raises `InputError` for none, an unknown or a twin."""
    kinds = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in kinds if name not in KINDS]
    if unknown or not kinds:
        named = shortened(unknown[0]) if unknown else "nothing"
        raise InputError(f"--damage names {named}; there are {', '.join(KINDS)}")
    if len(set(kinds)) < len(kinds):
        raise InputError(f"--damage {shortened(text)} names a kind twice; name each once")
    return kinds


def damaged(kind: str, pictures, seed, noise=(25.0, 25.0)):
    """Pictures with one kind of damage; `noise` are the ends of its deviation, in 1/255."""
    if kind == "inpaint":
        return with_holes(pictures, holes(pictures.shape, seed))
    if kind == "denoise":
        return known(noisy(pictures, seed, noise))
    if kind == "contrast":
        return known(flattened(pictures, seed))
    if kind == "colourise":
        return known(grey(pictures))
    return known(reduced(pictures, int(kind[-1])))


def mixed(kinds, pictures, chosen, seed, noise):
    """Each picture with the kind of damage whose number in `kinds` stands in `chosen [B]`."""
    result = tf.zeros([*pictures.shape[:3], 4])
    for number, kind in enumerate(kinds):
        own = (chosen == number)[:, None, None, None]
        result = tf.where(own, damaged(kind, pictures, seed + 8 * number, noise), result)
    return result


def reduced(pictures, factor: int):
    """Antialiased bicubic reduction by a factor and bicubic enlargement to the old size."""
    height, width = pictures.shape[1:3]
    small = (height // factor, width // factor)
    fine = tf.image.resize(pictures, small, "bicubic", antialias=True)
    # Files hold no overshoot, so what is enlarged is clipped as a reduced file would be.
    fine = tf.image.resize(
        tf.clip_by_value(fine, 0.0, 1.0), (height, width), "bicubic", False, True
    )
    return tf.clip_by_value(fine, 0.0, 1.0)


def grey(pictures):
    """Luminance in three equal channels."""
    luminance = tf.tensordot(pictures, tf.constant(LUMINANCE), [[-1], [0]])
    return tf.repeat(luminance[..., None], 3, -1)


def noisy(pictures, seed, deviations):
    """`clip(x + d n)`, n standard normal, d drawn for each picture between two ends in 1/255."""
    count = pictures.shape[0]
    least, most = deviations
    deviation = uniform([count, 1, 1, 1], seed, least, most) if most > least else float(most)
    noise = normal(pictures.shape, seed + 1) * (deviation / 255.0)
    return tf.clip_by_value(pictures + noise, 0.0, 1.0)


def flattened(pictures, seed):
    """`m + c (x^g - m)`: contrast c, brightness m and gamma g drawn for each picture."""
    draws = uniform([pictures.shape[0], 3], seed)
    contrast, middle, gamma = (
        tf.reshape(low + (high - low) * draws[:, number], [-1, 1, 1, 1])
        for number, (low, high) in enumerate((FLATNESS, MIDDLE, GAMMA))
    )
    bent = tf.exp(gamma * tf.math.log(tf.maximum(pictures, 1e-4)))
    return tf.clip_by_value(middle + contrast * (bent - middle), 0.0, 1.0)


def holes(shape, seed):
    """Masks `[B, H, W, 1]`, 1 in holes: rectangles and strokes at random places."""
    count, height, width = shape[:3]
    row = tf.reshape((tf.range(height, dtype=tf.float32) + 0.5) / height, [1, 1, -1, 1])
    column = tf.reshape((tf.range(width, dtype=tf.float32) + 0.5) / width, [1, 1, 1, -1])
    draws = uniform([count, RECTANGLES, 4, 1, 1], seed)
    low, high = RECTANGLE
    sides = low + (high - low) * draws[:, :, 2:]
    inside = (tf.abs(row - draws[:, :, 0]) < 0.5 * sides[:, :, 0]) & (
        tf.abs(column - draws[:, :, 1]) < 0.5 * sides[:, :, 1]
    )
    draws = uniform([count, STROKES, 5, 1, 1], seed + 1)
    top, left = draws[:, :, 0], draws[:, :, 1]
    down, right = draws[:, :, 2] - top, draws[:, :, 3] - left
    along = ((row - top) * down + (column - left) * right) / (down**2 + right**2 + 1e-6)
    along = tf.clip_by_value(along, 0.0, 1.0)
    distance = (row - top - along * down) ** 2 + (column - left - along * right) ** 2
    low, high = STROKE
    stroke = distance < (low + (high - low) * draws[:, :, 4]) ** 2
    either = tf.reduce_any(tf.concat([inside, stroke], 1), 1)
    return tf.cast(either, tf.float32)[..., None]
