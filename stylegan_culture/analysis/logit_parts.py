"""A culture tagger's logit taken apart exactly: how much each tap says, and where in the picture.

The head is linear in the means and deviations of a tap's channels, standardised (and cut at
`OUTMOST`), so a logit is a bias and one part for the means and one for the deviations of each tap.
Both are averages over positions, hence each part is the mean of a map:

    mean       m = average of f            map  f
    deviation  s = sqrt(v + e)             map  ((f - m)^2 + e) / s,   whose average is s

each standardised and weighed as the head does. The map of the means is the original CAM (Zhou et
al., arXiv 1512.04150) less what an average training picture has; evidence is thus for or against a
culture as compared with that picture. A channel that the head cuts adds what is left evenly to all
positions, since no position changes it. All in NumPy float64.
"""

import dataclasses

import numpy as np

from stylegan_culture.networks.classifier import OUTMOST

KINDS = ("means", "deviations")
FLOOR = 1e-6  # e above, the one that `CultureTagger.describe` adds to variances


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """Logits of N pictures and K cultures, taken apart.

    Fields:
        bias: `[K]`.
        maps: `{(tap, kind): [N, h, w, K]}`, kinds of `KINDS`, taps from shallow to deep.
    """

    bias: np.ndarray
    maps: dict

    def totals(self) -> dict:
        """The parts of the logits, `{(tap, kind): [N, K]}`."""
        return {name: one.mean(axis=(1, 2)) for name, one in self.maps.items()}

    def logits(self) -> np.ndarray:
        """Bias and all parts summed: `[N, K]`."""
        return self.bias + sum(self.totals().values())


def take_apart(tagger, pictures) -> Parts:
    """The parts of a `CultureTagger`'s logits for pictures `[N, H, W, 3]` in [0, 1]."""
    head = tagger.head
    kernel, bias = (np.asarray(value, np.float64) for value in head.logits.weights)
    temperature = float(np.asarray(head.temperature))
    centre, spread = (np.asarray(value, np.float64) for value in (head.mean, head.deviation))
    maps, start = {}, 0
    for tap, features in tagger.backbone(pictures).items():
        features = np.asarray(features, np.float64)
        for kind, values in zip(KINDS, _statistics(features), strict=True):
            slot = slice(start, start + features.shape[-1])
            start = slot.stop
            standard = (values - centre[slot]) / spread[slot]
            whole = standard.mean(axis=(1, 2), keepdims=True)
            standard = np.where(
                np.abs(whole) > OUTMOST, np.clip(whole, -OUTMOST, OUTMOST), standard
            )
            maps[tap, kind] = standard @ kernel[slot] / temperature
    return Parts(bias / temperature, maps)


def _statistics(features) -> tuple[np.ndarray, np.ndarray]:
    """What averages to a channel's mean and to its deviation, `[N, h, w, C]` each."""
    squares = np.square(features - features.mean(axis=(1, 2), keepdims=True)) + FLOOR
    return features, squares / np.sqrt(squares.mean(axis=(1, 2), keepdims=True))
