"""Measures of pictures against the true ones: restyled scenes, repaired and coloured pictures.

Scenes are rendered in every tradition: `truth [K, S, H, W, 3]`, scene s in tradition k. All
distances are mean squared differences of pixel values in [0, 1].
"""

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture.measures.colour import lab

MEASURES = ("named_as_target", "nearest_is_truth", "nearer_than_source")


def mean_square(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Mean squared difference over the last three axes."""
    return np.mean((np.asarray(first) - np.asarray(second)) ** 2, axis=(-3, -2, -1))


def against_truth(
    restyled: ArrayLike, truth: ArrayLike, target: int, source: int, named: ArrayLike
) -> dict:
    """Of each of S scenes of tradition `source` restyled into `target`, bool `[S]`:

    `named_as_target`, where `named [S]` are a classifier's answers; `nearest_is_truth`, whether the
    scene's true rendering is the nearest of all S scenes of the target tradition; and
    `nearer_than_source`, whether the result is nearer to it than the source picture was.
    """
    flat, gallery = (x.reshape(len(x), -1).astype(np.float64) for x in (restyled, truth[target]))
    squared = (flat**2).sum(1)[:, None] - 2.0 * flat @ gallery.T + (gallery**2).sum(1)[None]
    error = mean_square(restyled, truth[target])
    return {
        "named_as_target": np.asarray(named) == target,
        "nearest_is_truth": squared.argmin(axis=1) == np.arange(len(flat)),
        "nearer_than_source": error < mean_square(truth[source], truth[target]),
    }


def judge_transfer(restyle: Callable, name_culture: Callable, truth: ArrayLike) -> dict:
    """Means of `against_truth` over every ordered pair of different traditions.

    `restyle` maps `(images [S, H, W, 3], target)` to images, `name_culture` images to numbers
    `[S]`. Besides the three shares: `per_target` shares for each tradition, the error of results
    and of untouched sources (`error`, `source_error`), and the classifier's accuracy on the truth.
    """
    count = len(truth)
    verdicts = {name: np.zeros((count, count)) for name in MEASURES}
    errors = np.zeros((count, count, 2))
    for source, target in itertools.permutations(range(count), 2):
        restyled = restyle(truth[source], target)
        each = against_truth(restyled, truth, target, source, name_culture(restyled))
        for name, values in each.items():
            verdicts[name][source, target] = values.mean()
        errors[source, target, 0] = mean_square(restyled, truth[target]).mean()
        errors[source, target, 1] = mean_square(truth[source], truth[target]).mean()
    pairs = ~np.eye(count, dtype=bool)
    summary = {name: float(values[pairs].mean()) for name, values in verdicts.items()}
    summary["per_target"] = {
        name: (values.sum(axis=0) / (count - 1)).tolist() for name, values in verdicts.items()
    }
    summary["error"], summary["source_error"] = errors[pairs].mean(axis=0).tolist()
    named = [np.mean(name_culture(pictures) == k) for k, pictures in enumerate(truth)]
    summary["classifier_accuracy_on_truth"] = float(np.mean(named))
    return summary


LEAST_SQUARE = 1e-10  # equal pictures: 100 dB
ROUNDS = 100


def psnr(pictures: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, over the three channels: `-10 log10 E (x - y)^2`."""
    squares = np.square(np.asarray(pictures, np.float64) - truth).mean(axis=(1, 2, 3))
    return -10.0 * np.log10(np.maximum(squares, LEAST_SQUARE))


def colour_error(pictures: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Mean distance of the pixels in CIELAB (CIE76)."""
    return np.array([_distance(lab(x), lab(y)) for x, y in zip(pictures, truth, strict=True)])


def best_tint_error(grey: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """As `colour_error`, of each picture's grey with the one tint that is best for that picture.

    It is fitted to the truth, which no method may see: the most that a tint can reach.
    """
    tints = []
    for picture, true in zip(grey, truth, strict=True):
        colours = lab(true)
        offset = (lab(picture)[..., 0] - colours[..., 0]).ravel()
        tints.append(median_tint(colours[..., 1:].reshape(-1, 2), offset))
    return tint_error(grey, truth, tints)


def tint_error(grey: ArrayLike, truth: ArrayLike, tints: ArrayLike) -> np.ndarray:
    """As `colour_error`, of each picture's grey with a tint (a, b): `[2]`, or one each `[N, 2]`."""
    tints = np.broadcast_to(np.asarray(tints, np.float64), (len(grey), 2))
    return np.array(
        [
            _distance(_tinted(lab(picture)[..., 0], tint), lab(true))
            for picture, true, tint in zip(grey, truth, tints, strict=True)
        ]
    )


def median_tint(tints: ArrayLike, offset: ArrayLike = 0.0) -> np.ndarray:
    """The (a, b) whose mean distance `E sqrt(|t - x|^2 + o^2)` to tints `[N, 2]` is least.

    The geometric median, by Weiszfeld's iteration; `offset [N]` is a distance in lightness that no
    tint can change.
    """
    tints, square = np.asarray(tints, np.float64), np.square(offset)
    centre = tints.mean(axis=0)
    for _ in range(ROUNDS):
        weight = 1.0 / np.sqrt(np.square(tints - centre).sum(axis=1) + square + 1e-6)
        moved = weight @ tints / weight.sum()
        if np.abs(moved - centre).max() < 1e-4:
            break
        centre = moved
    return moved


def _tinted(lightness: np.ndarray, tint: np.ndarray) -> np.ndarray:
    plain = np.broadcast_to(tint, (*lightness.shape, 2))
    return np.concatenate([lightness[..., None], plain], axis=-1)


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.sqrt(np.square(first - second).sum(axis=-1)).mean())
