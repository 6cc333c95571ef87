"""How restyling changes faces: lightness and tint of the skin by group, and eyes and mouth kept.

The colour of a face is the median CIELAB colour of the rectangle that marks it: L* from 0 (black)
to 100 (white), a* from green to red, b* from blue to yellow. It is a property of the photograph, of
its light and its camera too; it is neither a person's race nor the reflectance of skin.

F faces, each of a group (dark, medium, light) by the lightness of its box in the photograph.
"""

import dataclasses
import typing
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture.measures import colour, statistics
from stylegan_culture.measures.statistics import Interval


def median_colour(pixels: ArrayLike) -> np.ndarray:
    """Median L*, a* and b*, `[3]`, of the pixels `[..., 3]` of a box, sRGB in [0, 1]."""
    return np.median(colour.lab(pixels).reshape(-1, 3), axis=0)


class Change(typing.NamedTuple):
    """Mean change of the medians of a group's faces, in units of CIELAB."""

    lightness: Interval
    a: Interval
    b: Interval


@dataclasses.dataclass(frozen=True)
class Skin:
    """What one way to restyle does to faces, with 95 % intervals over faces of each group.

    Attributes:
        changes: group to `Change`, of the groups that have a face.
        dark_less_light: mean change of L* of dark faces less that of light ones: above 0, dark
            skin is lightened more than light skin. None where either group is missing.
        gap: mean L* of light faces less that of dark ones after restyling; None likewise.
        rank: Spearman's correlation of the faces' L* before and after: 1 where their order stays,
            None where all have one lightness.
        structure: mean of `lightness.structure`, eyes and mouth kept.
    """

    changes: dict[str, Change]
    dark_less_light: Interval | None
    gap: Interval | None
    rank: Interval | None
    structure: Interval | None


def skin(
    before: ArrayLike, after: ArrayLike, groups: Sequence[str], kept: ArrayLike, seed: int = 0
) -> Skin:
    """The figures of one way to restyle.

    Args:
        before, after: `[F, 3]`, colours of `median_colour`.
        groups: F names.
        kept: `[F]`, values of `lightness.structure`; NaN counts nowhere.
        seed: of the resampling of faces, each group's from that group.
    """
    before, after = (np.asarray(one, np.float64) for one in (before, after))
    names, numbers = np.unique(groups, return_inverse=True)
    weights = statistics.resampled(numbers, statistics.REPLICATES, seed)

    def mean(values: np.ndarray, group: str) -> tuple[float, np.ndarray]:
        """Mean over a group's faces, and that of every draw, `[R]`."""
        members = np.flatnonzero(names[numbers] == group)
        drawn = weights[:, members]
        return values[members].mean(), drawn @ values[members] / len(members)

    def less(values: np.ndarray, first: str, second: str, least: float) -> Interval | None:
        if not {first, second} <= set(names):
            return None
        (one, drawn), (other, other_drawn) = (mean(values, group) for group in (first, second))
        return statistics.with_interval(one - other, drawn - other_drawn, least)

    changed = after - before
    return Skin(
        changes={
            str(group): Change(
                *(statistics.with_interval(*mean(channel, group)) for channel in changed.T)
            )
            for group in names
        },
        dark_less_light=less(changed[:, 0], "dark", "light", -np.inf),
        gap=less(after[:, 0], "light", "dark", -np.inf),
        rank=_rank(before[:, 0], after[:, 0], weights),
        structure=_known_mean(np.asarray(kept, np.float64), weights),
    )


def _rank(before: np.ndarray, after: np.ndarray, weights: np.ndarray) -> Interval | None:
    """Spearman's correlation and its interval; draws of one lightness alone count nowhere."""
    value = statistics.spearman(before, after)
    rows = (np.repeat(np.arange(len(before)), counts) for counts in weights)
    drawn = np.array([statistics.spearman(before[row], after[row]) for row in rows])
    if not np.isfinite(value):
        return None
    return statistics.with_interval(value, drawn[np.isfinite(drawn)], -1.0, 1.0)


def _known_mean(values: np.ndarray, weights: np.ndarray) -> Interval | None:
    """Mean of the finite values `[F]` and its interval; None where there is none."""
    known = np.isfinite(values)
    counts = weights @ known
    drawn = (weights @ np.where(known, values, 0.0))[counts > 0] / counts[counts > 0]
    if not known.any():
        return None
    return statistics.with_interval(values[known].mean(), drawn, -1.0, 1.0)
