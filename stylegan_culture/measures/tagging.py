"""How good a culture tagger is: average precision, F1, calibration, confusion.

Probabilities and tags are `[N, K]`, tags multi-hot.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture.measures import statistics
from stylegan_culture.measures.statistics import Interval

BINS = 15
FEW = 8  # works of a culture, below which its share named rightly is an interval and no figure
THRESHOLD = 0.5  # of a probability, from which on a tag is given


@dataclasses.dataclass(frozen=True)
class Bin:
    """Pictures of similar confidence: their number, mean confidence, and accuracy."""

    pictures: int
    confidence: float
    accuracy: float


@dataclasses.dataclass(frozen=True)
class CultureFigures:
    """Of one culture: pictures that carry its tag, the works that they are of (a work is a picture
    with its cut-outs), average precision (the area under the precision-recall curve, without
    interpolation), F1, and the share of its pictures whose most probable culture it is (recall of
    the first guess), with its interval over works; None where there is no figure."""

    pictures: int
    works: int
    average_precision: float | None
    f1: float | None
    named: Interval | None


@dataclasses.dataclass(frozen=True)
class TaggerFigures:
    """How good a tagger is on one set of pictures."""

    pictures: int
    accuracy: float  # share of pictures that carry the most probable tag
    mean_average_precision: float  # over the cultures that have pictures
    calibration_error: float  # debiased, and with its bias
    calibration_error_with_bias: float
    reliability: list[Bin]
    cultures: dict[str, CultureFigures]
    confusion: list[list[float]]  # `[K][K]` of `confusion`, to four digits

    @classmethod
    def of(
        cls,
        probabilities: ArrayLike,
        tags: ArrayLike,
        cultures: Sequence[str],
        works: Sequence[str] | None = None,
        seed: int = 0,
    ) -> "TaggerFigures":
        """Of probabilities and tags `[N, K]` of K `cultures`.

        works: names of the works that the N pictures are of; None: each is one. seed: of intervals.
        """
        from sklearn import metrics

        works = np.arange(len(tags)) if works is None else np.asarray(works)
        probabilities, tags = np.asarray(probabilities), np.asarray(tags, bool)
        confidence, right = top_label(probabilities, tags)
        f1 = metrics.f1_score(tags, probabilities >= THRESHOLD, average=None, zero_division=np.nan)
        precision = [
            metrics.average_precision_score(carried, scores) if carried.any() else np.nan
            for carried, scores in zip(tags.T, probabilities.T, strict=True)
        ]
        first, named = probabilities.argmax(axis=1), []
        for number, carried in enumerate(tags.T):
            hits = first[carried] == number
            share = statistics.share_interval(hits, works[carried], seed) if len(hits) else None
            named.append((int(carried.sum()), len(set(works[carried].tolist())), share))
        return cls(
            pictures=len(confidence),
            accuracy=float(right.mean()),
            mean_average_precision=float(np.nanmean(precision)),
            calibration_error=calibration_error(confidence, right),
            calibration_error_with_bias=calibration_error(confidence, right, debiased=False),
            reliability=reliability(confidence, right),
            cultures={
                name: CultureFigures(pictures, count, *map(_finite, figures), share)
                for name, (pictures, count, share), *figures in zip(
                    cultures, named, precision, f1, strict=True
                )
            },
            confusion=confusion(probabilities, tags).round(4).tolist(),
        )


def confusion(probabilities: ArrayLike, tags: ArrayLike) -> np.ndarray:
    """Of the pictures that carry tag i, the share whose most probable culture is j: `[K, K]`."""
    first, tags = np.asarray(probabilities).argmax(axis=1), np.asarray(tags, bool)
    named = np.eye(tags.shape[1])[first]
    return tags.T.astype(float) @ named / np.maximum(tags.sum(axis=0), 1)[:, None]


def top_label(probabilities: ArrayLike, tags: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The greatest probability of each picture `[N]`, and whether it carries that tag `[N]`."""
    probabilities = np.asarray(probabilities, np.float64)
    rows, first = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    return probabilities[rows, first], np.asarray(tags, bool)[rows, first]


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Pictures `[N]` in bins of equal number by confidence."""
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    order = np.argsort(confidence, kind="stable")
    return [
        Bin(len(members), float(confidence[members].mean()), float(right[members].mean()))
        for members in np.array_split(order, min(bins, len(order)))
    ]


def calibration_error(
    confidence: ArrayLike, right: ArrayLike, bins: int = BINS, debiased: bool = True
) -> float:
    """Root mean square of confidence minus accuracy over bins of equal number of pictures.

        E^2 = sum_b n_b / N [(c_b - a_b)^2 - a_b (1 - a_b) / (n_b - 1)]

    The last term is what chance adds to each square, so that few pictures do not look badly
    calibrated; a negative sum counts as 0. (Kumar, Liang, Ma, arXiv 1909.10155.) Without
    `debiased` it is left out.
    """
    total = 0.0
    for one in reliability(confidence, right, bins):
        square = (one.confidence - one.accuracy) ** 2
        if debiased and one.pictures > 1:
            square -= one.accuracy * (1.0 - one.accuracy) / (one.pictures - 1)
        total += square * one.pictures / len(confidence)
    return float(np.sqrt(max(total, 0.0)))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
