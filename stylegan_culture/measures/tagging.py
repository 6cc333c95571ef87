"""How good a culture tagger is: average precision, F1, calibration, confusion.

Probabilities and tags are `[N, K]`, tags multi-hot.
"""

import numpy as np

BINS = 15
THRESHOLD = 0.5  # of a probability, from which on a tag is given


def confusion(probabilities, tags) -> np.ndarray:
    """Of the pictures that carry tag i, the share whose most probable culture is j: `[K, K]`."""
    first, tags = np.asarray(probabilities).argmax(axis=1), np.asarray(tags, bool)
    named = np.eye(tags.shape[1])[first]
    return tags.T.astype(float) @ named / np.maximum(tags.sum(axis=0), 1)[:, None]


def top_label(probabilities, tags) -> tuple[np.ndarray, np.ndarray]:
    """The greatest probability of each picture `[N]`, and whether it carries that tag `[N]`."""
    probabilities = np.asarray(probabilities, np.float64)
    rows, first = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    return probabilities[rows, first], np.asarray(tags, bool)[rows, first]


def reliability(confidence, right, bins: int = BINS) -> list[dict]:
    """Pictures in bins of equal number by confidence: `pictures`, mean `confidence`, `accuracy`."""
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    order = np.argsort(confidence, kind="stable")
    return [
        {
            "pictures": len(members),
            "confidence": float(confidence[members].mean()),
            "accuracy": float(right[members].mean()),
        }
        for members in np.array_split(order, min(bins, len(order)))
    ]


def calibration_error(confidence, right, bins: int = BINS, debiased: bool = True) -> float:
    """Root mean square of confidence minus accuracy over bins of equal number of pictures.

        E^2 = sum_b n_b / N [(c_b - a_b)^2 - a_b (1 - a_b) / (n_b - 1)]

    The last term is what chance adds to each square, so that few pictures do not look badly
    calibrated; a negative sum counts as 0. (Kumar, Liang, Ma, arXiv 1909.10155.) Without
    `debiased` it is left out.
    """
    total = 0.0
    for one in reliability(confidence, right, bins):
        accuracy, count = one["accuracy"], one["pictures"]
        square = (one["confidence"] - accuracy) ** 2
        if debiased and count > 1:
            square -= accuracy * (1.0 - accuracy) / (count - 1)
        total += square * count / len(confidence)
    return float(np.sqrt(max(total, 0.0)))


def figures(probabilities, tags, cultures) -> dict:
    """All of the above of one set of pictures, and average precision (the area under the
    precision-recall curve, without interpolation) and F1 of each culture; fit for JSON, None where
    there is no figure."""
    from sklearn import metrics

    probabilities, tags = np.asarray(probabilities), np.asarray(tags, bool)
    confidence, right = top_label(probabilities, tags)
    harmonic = metrics.f1_score(
        tags, probabilities >= THRESHOLD, average=None, zero_division=np.nan
    )
    precision = [
        metrics.average_precision_score(carried, scores) if carried.any() else np.nan
        for carried, scores in zip(tags.T, probabilities.T, strict=True)
    ]
    return {
        "pictures": len(confidence),
        "accuracy": float(right.mean()),
        "mean_average_precision": float(np.nanmean(precision)),
        "calibration_error": calibration_error(confidence, right),
        "calibration_error_with_bias": calibration_error(confidence, right, debiased=False),
        "reliability": reliability(confidence, right),
        "cultures": {
            culture: {
                "pictures": int(np.sum(tags[:, number])),
                "average_precision": _finite(precision[number]),
                "f1": _finite(harmonic[number]),
            }
            for number, culture in enumerate(cultures)
        },
        "confusion": confusion(probabilities, tags).round(4).tolist(),
    }


def _finite(value) -> float | None:
    return float(value) if np.isfinite(value) else None
