"""Measures of pictures drawn from noise: named as asked, as varied as real ones, and not copied.

Distances are root mean squared differences of pixel values in [0, 1]. A generator that draws one
picture over and over is named well and has no variety; one that copies its training pictures has
both, and lies much nearer to them than pictures do that it was not trained on.
"""

import numpy as np

MEASURES = {
    "named_as_asked": "named as the culture asked for",
    "diversity": "mean distance of two samples, in that of two real pictures",
    "nearest_training": "mean distance to the nearest training picture, in that of held-out ones",
}


def pairwise(first, second) -> np.ndarray:
    """Distances between each two of `[N, H, W, 3]` and `[M, H, W, 3]`: `[N, M]`."""
    first, second = (np.reshape(x, (len(x), -1)).astype(np.float64) for x in (first, second))
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2.0 * first @ second.T
    return np.sqrt(np.maximum(squares, 0.0) / first.shape[1])


def mean_distance(pictures) -> float:
    """Mean distance of two different pictures of `[N, H, W, 3]`, N at least 2."""
    distances = pairwise(pictures, pictures)
    return float(distances[~np.eye(len(pictures), dtype=bool)].mean())


def judge_samples(samples, training, held_out, name_culture) -> dict:
    """The measures of `MEASURES`, means over cultures, and `per_culture` lists of each.

    Args:
        samples: of each culture in order, `[K][N, H, W, 3]`, N at least 2.
        training, held_out: real pictures of each, `[K][M, H, W, 3]`; `held_out` at least 2.
        name_culture: `images [N, H, W, 3] -> [N]` int.

    Returns:
        Also `samples`, how many of each culture there were, and `classifier_accuracy_on_truth`, the
        share of held-out pictures that `name_culture` names rightly.
    """
    found = {name: [] for name in (*MEASURES, "right")}
    for number, (own, taught, other) in enumerate(zip(samples, training, held_out, strict=True)):
        reach = pairwise(own, taught).min(axis=1).mean()
        found["named_as_asked"].append(float(np.mean(name_culture(own) == number)))
        found["diversity"].append(mean_distance(own) / mean_distance(other))
        found["nearest_training"].append(float(reach / pairwise(other, taught).min(axis=1).mean()))
        found["right"].append(float(np.mean(name_culture(other) == number)))
    summary = {name: float(np.mean(values)) for name, values in found.items()}
    summary["classifier_accuracy_on_truth"] = summary.pop("right")
    summary["samples"] = len(samples[0])
    summary["per_culture"] = {name: found[name] for name in MEASURES}
    return summary
