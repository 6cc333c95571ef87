"""Measures of restyled scenes against their true renderings, where those exist.

Scenes are rendered in every tradition: `truth [K, S, H, W, 3]`, scene s in tradition k. All
distances are mean squared differences of pixel values in [0, 1].
"""

import numpy as np

from stylegan_culture.measures.colour import lab


def mean_square(first, second):
    """Mean squared difference over the last three axes."""
    return np.mean((np.asarray(first) - np.asarray(second)) ** 2, axis=(-3, -2, -1))


def against_truth(restyled, truth, target: int, source: int, named) -> dict:
    """Per-scene verdicts on scenes of tradition `source` restyled into `target`.

    Args:
        restyled: `[S, H, W, 3]`.
        truth: `[K, S, H, W, 3]`.
        target, source: indices of traditions.
        named: `[S]`, the tradition that a classifier names for each restyled scene.

    Returns:
        Boolean arrays `[S]`: `named_as_target`; `nearest_is_truth`, whether the scene's true
        rendering is the nearest of all S scenes of the target tradition; `nearer_than_source`,
        whether the result is nearer to it than the source picture was.
    """
    flat, gallery = (x.reshape(len(x), -1).astype(np.float64) for x in (restyled, truth[target]))
    squared = (flat**2).sum(1)[:, None] - 2.0 * flat @ gallery.T + (gallery**2).sum(1)[None]
    error = mean_square(restyled, truth[target])
    return {
        "named_as_target": np.asarray(named) == target,
        "nearest_is_truth": squared.argmin(axis=1) == np.arange(len(flat)),
        "nearer_than_source": error < mean_square(truth[source], truth[target]),
    }


def judge_transfer(restyle, name_culture, truth) -> dict:
    """Means of `against_truth` over every ordered pair of different traditions.

    Args:
        restyle: `(images [S, H, W, 3], target) -> [S, H, W, 3]`.
        name_culture: `images [S, H, W, 3] -> [S]` int.
        truth: `[K, S, H, W, 3]`.

    Returns:
        The three shares, `per_target` shares for each tradition, the error of results and of
        untouched sources (`error`, `source_error`), and the classifier's accuracy on the truth.
    """
    count = len(truth)
    verdicts = {name: np.zeros((count, count)) for name in MEASURES}
    errors = np.zeros((count, count, 2))
    for source in range(count):
        for target in range(count):
            if source == target:
                continue
            restyled = restyle(truth[source], target)
            found = against_truth(restyled, truth, target, source, name_culture(restyled))
            for name, values in found.items():
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


MEASURES = ("named_as_target", "nearest_is_truth", "nearer_than_source")

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
