"""Restores pictures of any size by a trained network, and lets a repair end in a culture's style:
`stylize FILE --restore KIND [--model RUN]`.

Pictures are `[H, W, 3]` in [0, 1]. A restored picture is likely, not certain: it is no evidence of
what was there.
"""

import dataclasses
import sys
import typing

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError, option
from stylegan_culture.later import later
from stylegan_culture.networks.sizes import KINDS
from stylegan_culture.restyling import feedforward
from stylegan_culture.restyling.feedforward import (
    CULTURE_MODEL,
    YIQ,
    CultureNetwork,
    check_size,
    finite,
    inside_of,
    pad,
    tiles,
)
from stylegan_culture.restyling.request import Request

if typing.TYPE_CHECKING:  # importing them takes seconds, and --help imports this module
    import tensorflow as tf

    from stylegan_culture.networks.restoration import RestorationModel

models = later("stylegan_culture.models")
holes = later("stylegan_culture.networks.holes")
SHIPPED = "restore64"  # the model where --model names none
WARNING = (
    "what is restored is likely, not certain: results are no evidence of what was there; where "
    "invention would harm (medical, legal or scientific pictures) use --faithful, which changes "
    "tone only"
)
COARSE = 4  # pixels: what is smaller counts as detail in `fuse`
RESTORED_PIXELS, ENLARGED_PIXELS = 15_000_000, 17_000_000  # that fit 2 GB of memory
KEPT = 0.6  # share of a repair that stays where it is most detailed, at full strength


@dataclasses.dataclass(frozen=True)
class RestorationSettings:
    """What is repaired, and by which model."""

    model: str = option(SHIPPED, "shipped model, model folder or run folder")
    restore: str | None = option(
        None,
        f"repair instead of restyling, by {SHIPPED} or the run of `train --trainer restore` that "
        "--model names; inpaint takes one --mask, white in the holes",
        tuple(KINDS),
    )
    faithful: bool = option(
        False,
        "with --restore contrast: one monotone tone curve for the whole picture, computed from it "
        "without a model; nothing is invented; --strength weakens it",
    )
    fuse_model: str = option(
        CULTURE_MODEL,
        "a model of several cultures: with --restore and --culture the repaired picture is "
        "restyled by it, and both are fused: --strength 0 keeps the repair",
    )


def check(settings: RestorationSettings, request: Request) -> None:
    """Raises `InputError` where the settings contradict each other."""
    kind = settings.restore
    if settings.faithful and kind != "contrast":
        raise InputError("--faithful changes tone only; use it with --restore contrast")
    if kind is None:
        return
    if request.size is not None and kind.startswith("enlarge"):
        raise InputError(f"--restore {kind} says how large; leave out --size")
    request.refuse("--restore takes no {}; leave it out", "style", "weights", "keep_colour")
    if (kind == "inpaint") != bool(request.mask) or len(request.mask) > 1:
        raise InputError("--restore inpaint takes one --mask, white in the holes; no other kind")
    if settings.faithful and request.culture is not None:
        raise InputError("--faithful changes tone only; leave out --culture")
    if request.strength is not None and not settings.faithful and request.culture is None:
        raise InputError("--strength goes with --faithful, or with --culture to fuse")


def build(settings: RestorationSettings, request: Request) -> typing.Callable:
    """`function(content [h, w, 3], preview) -> [H, W, 3]`."""
    strength = 1.0 if request.strength is None else request.strength
    if settings.faithful:
        return lambda content, preview: spread_tones(content, strength)
    model = load(settings.model)
    print(f"note: {WARNING}", file=sys.stderr)
    finish = None
    if request.culture is not None:
        culture_model = models.load(settings.fuse_model, "culture").network
        finish = CultureNetwork(culture_model, feedforward.style_code(culture_model, request))

    def run(content, preview):
        hole = None
        if settings.restore == "inpaint":
            hole = images.read_mask(request.mask[0], content.shape[:2], request.size)
        repaired = restore(model, content, settings.restore, hole)
        return repaired if finish is None else fuse(repaired, finish(repaired), strength)

    return run


def load(reference: str) -> "RestorationModel":
    """The restoring model of a run folder, a model folder, or the name of a shipped model."""
    return models.load(reference, "restore").network


class RestoringNetwork(CultureNetwork):
    """A `RestorationModel` for one kind of damage: the generator drafts, the refiner finishes.

    Pictures have a fourth channel, 1 in holes. The refiner is local, so tiles that are wider by
    its reach give the same picture.
    """

    def __init__(self, model: "RestorationModel", kind: str):
        super().__init__(model, model.codes(np.array([model.kinds.index(kind)])))

    def whole(self, pictures: np.ndarray, strength: np.ndarray) -> "tf.Tensor":
        """As of `FeedForward`."""
        drawn = np.clip(finite(super().whole(pictures, strength)), 0.0, 1.0)
        return self.model.refine(pictures, drawn, self.code.repeat(len(pictures), 0))

    def tiled(self, picture: np.ndarray, strength: float, tile: int) -> np.ndarray:
        """As of `FeedForward`."""
        drawn = super().tiled(picture, strength, tile)
        result = np.empty_like(drawn)
        for core, outer in tiles(*picture.shape[:2], tile, self.model.refiner.reach):
            part = self.model.refine(picture[outer][None], drawn[outer][None], self.code)
            inner = finite(np.asarray(part, np.float32)[0][inside_of(core, outer)])
            result[core] = np.clip(inner, 0.0, 1.0)
        return result


def restore(
    model: "RestorationModel",
    picture: np.ndarray,
    kind: str,
    hole: np.ndarray | None = None,
    tile: int | None = None,
) -> np.ndarray:
    """One picture `[h, w, 3]` restored from one kind of damage: float32 `[H, W, 3]` in [0, 1].

    kind: one of `model.kinds`; enlarge2 and enlarge4 give a picture of 2 or 4 times the sides.
    hole: `[h, w]`, above 0.5 where inpaint shall fill; all other pixels stay bit for bit. tile: as
    of `FeedForward`. `InputError` for a kind that the model has not learnt, a hole for another
    kind, and a result that is too large for memory.
    """
    if kind not in model.kinds:
        raise InputError(f"this model restores {', '.join(model.kinds)}, not {kind!r}")
    if (kind == "inpaint") != (hole is not None):
        raise InputError("inpaint needs a mask of its holes, and no other kind takes one")
    picture = np.asarray(picture, np.float32)
    if kind.startswith("enlarge"):
        factor = int(kind.removeprefix("enlarge"))
        sides = [factor * side for side in picture.shape[:2]]
        remedy = f"reduce the picture to {int(ENLARGED_PIXELS**0.5) // factor} pixels a side first"
        check_size(*sides, ENLARGED_PIXELS, remedy)
        picture = images.resize(picture, *sides)
    else:
        check_size(*picture.shape[:2], RESTORED_PIXELS)
    height, width = picture.shape[:2]
    network = RestoringNetwork(model, kind)
    if hole is None:
        given = np.asarray(holes.known(pad(picture)[None]))[0]
        del picture  # memory: it may be an enlarged one
        return network(given, tile=tile)[:height, :width]
    filled = hole[..., None] > 0.5
    masked = pad(np.concatenate([picture, filled], -1, dtype=np.float32))
    given = np.asarray(holes.with_holes(masked[None, ..., :3], masked[None, ..., 3:]))[0]
    return np.where(filled, network(given, tile=tile)[:height, :width], picture)


def fuse(repaired: np.ndarray, restyled: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """A repair that ends in a culture's style: the restyled picture, weaker where it is detailed.

        result = repaired + strength (1 - KEPT w) (restyled - repaired)

    where w in [0, 1] is how much fine luminance there is about a pixel of the repaired picture, the
    most detailed twentieth having 1. `strength` 0 gives the repair.
    """
    luminance = np.asarray(repaired, np.float32) @ YIQ[0]
    detail = _smoothed(np.abs(luminance - _smoothed(luminance)))
    weight = np.clip(detail / max(float(np.quantile(detail, 0.95)), 1e-4), 0.0, 1.0)
    share = strength * (1.0 - KEPT * weight[..., None])
    result = np.empty(repaired.shape, np.float32)
    planes = map(_strips, (result, repaired, restyled, share))
    for part, before, after, weight in zip(*planes, strict=True):
        part[...] = np.clip(before + weight * (after - before), 0.0, 1.0)
    return result


def _smoothed(plane: np.ndarray) -> np.ndarray:
    """`[H, W]` without what is smaller than `COARSE` pixels."""
    height, width = plane.shape
    coarse = (max(1, height // COARSE), max(1, width // COARSE))
    return images.resize(images.resize(plane[..., None], *coarse), height, width)[..., 0]


LEVELS = 256
LEAST, MOST = 0.25, 2.5  # slopes before scaling; a value of average frequency has 1
REACH = 4  # levels to each side over which frequencies are averaged


def tone_curve(picture: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """The curve's values `[257]` at 0, 1/256 .. 1, rising from 0 to 1.

        slope(v) ~ min(max(f(v), LEAST), MOST)

    where f is the smoothed frequency of value v: equalisation of the histogram, limited so that
    tones stay distinct and noise is not amplified (after Pizer et al., "Adaptive histogram
    equalization", 1987, of the whole picture at once). `strength` 0 is the identity, 1 the curve.
    """
    counts = sum(
        np.histogram(np.clip(strip, 0.0, 1.0), LEVELS, (0.0, 1.0))[0] for strip in _strips(picture)
    )
    window = np.ones(2 * REACH + 1) / (2 * REACH + 1)
    frequency = np.convolve(np.pad(counts / counts.mean(), REACH, "edge"), window, "valid")
    slopes = np.clip(frequency, LEAST, MOST)
    slopes = strength * slopes / slopes.mean() + 1.0 - strength
    return np.concatenate([[0.0], np.cumsum(slopes) / slopes.sum()])


def spread_tones(picture: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """The picture `[H, W, 3]` in [0, 1] through its `tone_curve`; float32."""
    knots, curve = np.linspace(0.0, 1.0, LEVELS + 1), tone_curve(picture, strength)
    result = np.empty(np.shape(picture), np.float32)
    for strip, part in zip(_strips(picture), _strips(result), strict=True):
        part[...] = np.interp(np.clip(strip, 0.0, 1.0), knots, curve)
    return result


def _strips(picture: np.ndarray) -> list[np.ndarray]:
    """The picture `[H, W, ...]` as views of bands of rows, so that only bands are copied."""
    rows = max(1, images.STRIP // max(1, picture.shape[1]))
    return [picture[top : top + rows] for top in range(0, len(picture), rows)]
