"""Streams pictures through a backbone into the moments of their cultures."""

import dataclasses

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.features import linalg
from stylegan_culture.features.backbones import check_size, features_inside
from stylegan_culture.features.moments import CultureMoments, Moments, merge

LEAST_SHRINKAGE = 1e-3  # below it the exported root does not converge (features/linalg.py)


def aligned_features(backbone, pictures, taps):
    """Yields (`{tap: [h, w, C]}`, cultures) for each (picture, cultures), one pass of the backbone.

    Args:
        backbone: of `features.backbones`.
        pictures: iterable of (`[H, W, 3]` float32 in [0, 1], names of cultures). Each is cropped
            about its middle to multiples of `backbone.multiple` pixels.
        taps: names of the backbone's taps.

    Raises:
        InputError: a picture is too small for the backbone, or a tap is unknown.
    """
    unknown = [tap for tap in taps if tap not in backbone.taps]
    if unknown:
        raise InputError(
            f"unknown tap {unknown[0]!r} of {backbone.name}; there are {', '.join(backbone.taps)}"
        )
    for picture, cultures in pictures:
        check_size(backbone, *picture.shape[:2])
        features = features_inside(backbone, _cropped(picture, backbone.multiple)[None], taps)
        yield {tap: np.asarray(features[tap][0]) for tap in taps}, tuple(cultures)


@dataclasses.dataclass
class Collector:
    """Sums up features picture by picture: moments of every position, and a sample of positions.

    Fields:
        positions: drawn of each picture, without repetition where it has as many.
        seed: of the draw; with it, the same pictures in the same order give the same sample.
        moments: culture to tap to `Moments` of every position seen.
        samples: tap to a list with `[positions, C]` float32 of each picture.
        cultures: the cultures of each picture, in the order of `samples`.
    """

    positions: int = 32
    seed: int = 0
    moments: dict = dataclasses.field(default_factory=dict)
    samples: dict = dataclasses.field(default_factory=dict)
    cultures: list = dataclasses.field(default_factory=list)

    def add(self, features: dict, cultures) -> None:
        """One picture: `{tap: [h, w, C]}` and the names of its cultures."""
        for tap, value in features.items():
            rows = value.reshape(-1, value.shape[-1])
            found = Moments.of(rows)
            for culture in cultures:
                known = self.moments.setdefault(culture, {})
                known[tap] = merge(known[tap], found) if tap in known else found
            generator = np.random.default_rng([self.seed, len(self.cultures)])
            chosen = generator.choice(len(rows), self.positions, replace=len(rows) < self.positions)
            self.samples.setdefault(tap, []).append(rows[chosen])
        self.cultures.append(tuple(cultures))

    def names(self) -> tuple:
        """Every culture seen, sorted."""
        return tuple(sorted(self.moments))

    def pictures(self) -> dict:
        """Culture to its number of pictures."""
        return {name: sum(name in own for own in self.cultures) for name in self.names()}

    def of(self, culture: str, tap: str) -> np.ndarray:
        """The sample of one culture at a tap: `[pictures, positions, C]` float32."""
        pairs = zip(self.samples[tap], self.cultures, strict=True)
        return np.stack([rows for rows, own in pairs if culture in own])

    def shrinkage(self) -> float:
        """One l for the roots of all covariances: the median of `linalg.ledoit_wolf_amount`.

        Over cultures and taps, with pictures as the independent groups, and at least 1e-3. From a
        sample of positions it is rather too large than too small.
        """
        amounts = [
            linalg.ledoit_wolf_amount(np.concatenate(self.of(name, tap)), self.positions)
            for name in self.names()
            for tap in self.samples
        ]
        return max(LEAST_SHRINKAGE, float(np.median(amounts)))


def culture_moments(
    backbone, pictures, short_side: int, taps=None, sources: str = "", seed: int = 0
) -> CultureMoments:
    """The moments of every culture among the pictures; each picture is seen once.

    Args:
        backbone: of `features.backbones`; its `aligned` features are taken.
        pictures: iterable of (`[H, W, 3]` float32 in [0, 1], names of cultures). A picture of
            several cultures counts for each.
        short_side: pixels that the pictures were reduced to, for the record.
        taps: names of taps; None takes all.
        sources: text that says where the pictures come from.
        seed: of the sample that the recommended shrinkage is estimated from.

    Raises:
        InputError: no picture of any culture, one that is too small, or an unknown tap.
    """
    collector = Collector(seed=seed)
    wanted = backbone.taps if taps is None else tuple(taps)
    for features, cultures in aligned_features(backbone, pictures, wanted):
        collector.add(features, cultures)
    if not collector.moments:
        raise InputError("no picture of any culture to take moments of; check the data")
    return CultureMoments(
        backbone=backbone.name,
        weights=backbone.fingerprint,
        short_side=short_side,
        shrinkage=collector.shrinkage(),
        sources=sources,
        cultures=collector.names(),
        pictures=collector.pictures(),
        moments=collector.moments,
    )


def _cropped(picture, multiple: int):
    """The middle of `[H, W, 3]`, height and width multiples of `multiple`."""
    height, width = (size // multiple * multiple for size in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]
