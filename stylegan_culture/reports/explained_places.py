"""Where the tagger sees a culture, before and after restyling, and whether its maps are true."""

import numpy as np

from stylegan_culture.measures import evidence
from stylegan_culture.networks.classifier import CultureTagger
from stylegan_culture.reports.explained_subjects import Subjects

WHEN = ("before", "after")
MAPS = ("parts", "grad_cam")
COVERED = 0.2  # of the picture, where a map is checked
ELSEWHERE = 24  # other places that are covered for comparison
FOR, AGAINST = np.array([1.0, 0.55, 0.05]), np.array([0.10, 0.35, 0.95])  # colours of evidence
VEIL = 0.75  # the most that an evidence's colour covers
QUANTILE = 0.99  # of a map's strength that has the full colour


def measure(subjects: Subjects, culture: str, seed: int) -> tuple[list, list]:
    """Maps of one culture, and their checks.

    Returns:
        For each picture a dict: `name`, and for each of `WHEN` the `probabilities` by culture, the
        `logit`, its parts (`bias`, `taps`), and for each of `MAPS` a check; and for each picture
        six pictures `[S, S, 3]`: itself, its parts and its Grad-CAM, and those of the restyled one.
    """
    number = subjects.seen.index(culture)
    restyled = subjects.restyled(subjects.code(culture)[None])[:, 0]
    records, shown = [], []
    for index, name in enumerate(subjects.names):
        both = np.stack([subjects.pictures[index], restyled[index]])
        squares = subjects.as_seen(both)
        taken = evidence.take_apart(subjects.tagger, squares)
        probabilities, logits = subjects.probabilities(both), taken.logits()[:, number]
        maps = {
            "parts": parts_map(subjects, taken, number, subjects.side),
            "grad_cam": _grad_cam(subjects, squares, number),
        }
        record = {"name": name}
        for turn, when in enumerate(WHEN):
            record[when] = {
                "probabilities": subjects.told(probabilities[turn]),
                "logit": float(logits[turn]),
                "bias": float(taken.bias[number]),
                "taps": _told(taken, turn, number),
                "checks": {
                    kind: check(subjects, squares[turn], own[turn], number, seed)
                    for kind, own in maps.items()
                },
            }
        records.append(record)
        shown.append(_drawn(both, maps))
    return records, shown


def parts_map(subjects: Subjects, taken, culture: int, size: int) -> np.ndarray:
    """The maps of all parts of a logit added up at the picture's pixels, `[N, size, size]`."""
    scale, total = size / subjects.side, 0.0
    for (tap, _), maps in taken.maps.items():
        stride = subjects.tagger.backbone.strides[tap] * scale
        total = total + np.stack(
            [evidence.on_picture(one[..., culture], stride, size, size) for one in maps]
        )
    return total


def check(subjects: Subjects, square, own_map, culture: int, seed: int) -> dict:
    """Whether a map marks what the tagger needs: a fifth of the picture, where the map is
    strongest, is blurred, and as much elsewhere for comparison.

    Returns:
        `fall` of the logit where the map says, `elsewhere` the mean, least and greatest fall of
        other places of the same shape, and `beaten`, the share of those that fell less.
    """
    mask = evidence.strongest_pixels(own_map, COVERED)
    others = evidence.elsewhere(mask, ELSEWHERE, seed)
    covered = np.stack([evidence.covered(square, one) for one in (mask, *others)])
    logits = subjects.logits(np.stack([square, *covered]))[:, culture].astype(np.float64)
    falls = logits[0] - logits[1:]
    return {
        "fall": float(falls[0]),
        "elsewhere": [
            float(value) for value in (falls[1:].mean(), falls[1:].min(), falls[1:].max())
        ],
        "beaten": float(np.mean(falls[1:] < falls[0])),
    }


def _grad_cam(subjects: Subjects, squares, culture: int) -> np.ndarray:
    def logits_of(taps):
        return CultureTagger(lambda _: taps, subjects.tagger.head)(squares)

    backbone, tap = subjects.tagger.backbone, subjects.tap
    found = evidence.grad_cam(backbone, logits_of, squares, tap, culture)
    size = subjects.side
    return np.stack(
        [evidence.on_picture(one, backbone.strides[tap], size, size) for one in np.asarray(found)]
    )


def _told(taken, turn: int, culture: int) -> dict:
    told = {}
    for (tap, kind), values in taken.totals().items():
        told.setdefault(tap, {})[kind] = float(values[turn, culture])
    return told


def _drawn(both, maps: dict) -> list:
    """The six pictures of a row; both maps of a kind have one scale of colour."""
    size = both.shape[1]
    drawn = []
    for turn, picture in enumerate(both):
        enlarged = {
            kind: evidence.on_picture(own[turn], size / own.shape[1], size, size)
            for kind, own in maps.items()
        }
        scales = {kind: np.quantile(np.abs(own), QUANTILE) for kind, own in maps.items()}
        drawn += [
            picture,
            _overlay(picture, enlarged["parts"], scales["parts"]),
            _overlay(picture, enlarged["grad_cam"], scales["grad_cam"]),
        ]
    return drawn


def _overlay(picture, values, scale: float) -> np.ndarray:
    """A picture `[H, W, 3]` in grey, orange where `values [H, W]` are for a culture and blue where
    they are against it, at `scale` and beyond in full colour."""
    strength = np.clip(np.asarray(values, np.float64) / max(scale, 1e-12), -1.0, 1.0)[..., None]
    grey = np.asarray(picture, np.float64).mean(axis=-1, keepdims=True)
    veil = VEIL * np.abs(strength)
    colour = np.where(strength > 0.0, FOR, AGAINST)
    return np.clip((1.0 - veil) * grey + veil * colour, 0.0, 1.0).astype(np.float32)
