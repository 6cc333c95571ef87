"""Skin: what every restyler does to portraits, in figures alone; no portrait leaves this module.

The pictures of the table live in memory while they are measured. The record has no name of a file
and no picture.
"""

import dataclasses
import pathlib

import numpy as np
import tqdm

from stylegan_culture.measures import colour, lightness, skin, statistics
from stylegan_culture.measures.skin import Skin
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.pipelines import boxes
from stylegan_culture.pipelines.boxes import GROUPS, Marked
from stylegan_culture.reports.restylers import Restyler
from stylegan_culture.reports.trial import TrialConfig

LONGEST = 384  # pixels of the longer side of a portrait that is restyled


@dataclasses.dataclass(frozen=True)
class SkinRecord:
    """What restyling does to faces.

    Attributes:
        faces: group to its number of faces.
        before: group to the mean L* of its faces as photographed.
        gap: mean L* of light faces less that of dark ones as photographed; None where a group is
            missing.
        restylers: restyler to culture to its figures.
    """

    faces: dict[str, int]
    before: dict[str, Interval]
    gap: Interval | None
    restylers: dict[str, dict[str, Skin]]

    def lightened(self, restyler: str) -> list[str]:
        """The cultures that surely lighten dark faces more than light ones: the interval of dark
        less light lies above 0."""
        figures = self.restylers[restyler].items()
        return [culture for culture, each in figures if (each.dark_less_light or (0, 0, 0))[1] > 0]


def load(config: TrialConfig) -> list[Marked]:
    """The portraits of `--portraits`, reduced to `LONGEST`; none without the option. Raises
    `InputError` for a table that cannot be used."""
    if not config.portraits:
        return []
    return boxes.read(pathlib.Path(config.portraits), LONGEST, faces=True)


def measured(
    portraits: list[Marked], restylers: list[Restyler], cultures: tuple[str, ...], seed: int
) -> SkinRecord | None:
    """The figures of all restylers that take pictures of any size; None without portraits."""
    if not portraits:
        return None
    pictures = [one.picture.astype(np.float32) / 255 for one in portraits]
    faces = [
        (picture, box)
        for one, picture in zip(portraits, pictures, strict=True)
        for box in one.boxes
    ]
    groups = np.array([box.group for _, box in faces])
    before = np.array([skin.median_colour(box.of(picture)) for picture, box in faces])

    def figures(restyler: Restyler, culture: int) -> Skin:
        after, kept = [], []
        for one, picture, result in zip(
            portraits, pictures, restyler.each(pictures, culture), strict=True
        ):
            for box in one.boxes:
                after.append(skin.median_colour(box.of(result)))
                pair = (colour.lightness(box.of(each)) for each in (picture, result))
                kept.append(lightness.structure(*pair))
        return skin.skin(before, after, groups, kept, seed)

    known = [group for group in GROUPS if group in groups]
    return SkinRecord(
        faces={group: int(np.count_nonzero(groups == group)) for group in known},
        before={
            group: statistics.mean_interval(before[groups == group, 0], seed, 0.0)
            for group in known
        },
        gap=skin.skin(before, before, groups, np.ones(len(groups)), seed).gap,
        restylers={
            restyler.name: {
                culture: figures(restyler, number)
                for number, culture in enumerate(
                    tqdm.tqdm(cultures, f"portraits by {restyler.name}", disable=None)
                )
            }
            for restyler in restylers
            if restyler.each
        },
    )
