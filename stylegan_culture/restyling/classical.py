"""Restyles pictures without training anything for it: encode, bring to a target, decode.

At each level, from the deepest tap to the shallowest, the picture is encoded, its features are
brought to the target's by one of the operators of `features.operators`, and decoded again (multi-
level, Li et al., arXiv 1705.08086). Differs from the paper in two points. What a decoder loses of
the picture that it was given is added back, so that a deep level changes style without blurring
content:

    picture <- picture + (decode(restyled) - decode(features))

And where all levels act, deep ones draw and shallow ones colour: of a deep level's change, what is
broader than its positions are wide is left out, for it shows as halos about things and as stains.

Pictures `[H, W, 3]` in [0, 1]; strength in [0, 1].
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features import operators
from stylegan_culture.features.backbones import check_size, features_inside

DRAWING_STRIDE = 8  # pixels: levels from this stride on draw and do not colour
BROAD = 4  # positions: what is broader belongs to colouring


@dataclasses.dataclass(frozen=True)
class Method:
    """An operator, whether it acts at every level or at the deepest alone, and a good strength."""

    operator: object
    every_level: bool
    strength: float


METHODS = {
    "alpha": Method(operators.alpha_fusion, False, 0.4),
    "adain": Method(operators.adain, True, 1.0),
    "wct": Method(operators.wct, True, 0.8),
    "match": Method(operators.match, False, 1.0),
    "moments": Method(functools.partial(operators.linear, kind="transport"), True, 0.6),
}


def example_target(backbone, taps, picture) -> dict:
    """The target that a style picture `[h, w, 3]` gives at each tap: `{tap: Target}`."""
    check_size(backbone, *picture.shape[:2])
    features = features_inside(backbone, fit_grid(picture, backbone.multiple)[None], taps)
    return {tap: operators.Target.of_features(value) for tap, value in features.items()}


def moments_target(moments: dict, taps) -> dict:
    """The target that moments, for instance of a whole culture, give at each tap."""
    missing = [tap for tap in taps if tap not in moments]
    if missing:
        raise InputError(f"the moments have no tap {missing[0]}; make them anew with this tap")
    return {
        tap: operators.Target.of_moments(moments[tap].mean, moments[tap].covariance) for tap in taps
    }


def transfer(backbone, decoders, image, method: Method, targets, weights=None, **options):
    """Restyles one picture towards one target or several.

    Args:
        backbone: see `features.backbones`.
        decoders: `{tap: Decoder}` of this backbone.
        image: `[H, W, 3]`, at least `backbone.least_size` a side.
        method: one of `METHODS`, or another operator.
        targets: list of `{tap: Target}`.
        weights: of the targets, non-negative, normalised here; None: equal.
        options: `strength` (None: the method's own) and `masks` `[K, H, W]` in [0, 1], one for
            each target: then each target fills its own region and weights are not used.

    Returns:
        float32 `[H, W, 3]` in [0, 1].
    """
    height, width = image.shape[:2]
    check_size(backbone, height, width)
    strength = options.get("strength")
    strength = method.strength if strength is None else strength
    masks = options.get("masks")
    if masks is None:
        weights = normalised_weights(weights, len(targets))
    elif len(masks) != len(targets) or np.shape(masks)[1:] != (height, width):
        raise InputError(
            f"{len(masks)} masks of {np.shape(masks)[2]}x{np.shape(masks)[1]} pixels do not fit "
            f"{len(targets)} styles and a picture of {width}x{height}; give one mask of the "
            "picture's size for each style"
        )
    if strength == 0:
        return np.asarray(image, np.float32)
    picture = fit_grid(np.asarray(image, np.float32), backbone.multiple)[None]
    covered = 1.0
    if masks is not None:
        total = np.sum(masks, axis=0, dtype=np.float32)[..., None]
        covered = fit_grid(total, backbone.multiple)[None]
    for tap in levels(decoders, backbone, method):
        features = features_inside(backbone, picture, (tap,))[tap]
        at_tap = [target[tap] for target in targets]
        if masks is None:
            changed = operators.fuse(method.operator, features, at_tap, weights, strength)
        else:
            small = [_to_grid(mask, backbone, tap) for mask in masks]
            changed = operators.regions(method.operator, features, at_tap, small, strength)
        decoded = decoders[tap](tf.concat([changed, features], 0))
        change = np.asarray(decoded[:1] - decoded[1:], np.float32)
        if method.every_level and backbone.strides[tap] >= DRAWING_STRIDE:
            change = change - covered * _broad(change, BROAD * backbone.strides[tap])
        picture = np.clip(picture + change, 0.0, 1.0)
    return picture[0, :height, :width]


def levels(decoders: dict, backbone, method: Method) -> list[str]:
    """Taps in the order of work, deepest first; only the content tap for a one-level method.

    Of several taps of one stride the shallowest acts: a deeper one adds a woven grain in plain
    areas and hardly any drawing.
    """
    if not method.every_level:
        return [backbone.content_tap]
    first = {}
    for tap in backbone.taps:
        if tap in decoders:
            first.setdefault(backbone.strides[tap], tap)
    return list(first.values())[::-1]


def normalised_weights(weights, count: int) -> list[float]:
    """Weights of sum 1 for `count` targets; `InputError` where there are no such."""
    if weights is None:
        return [1.0 / count] * count
    weights = np.asarray(weights, np.float64)
    if len(weights) != count:
        raise InputError(f"{len(weights)} weights do not fit {count} styles; give one for each")
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise InputError("weights of styles have to be non-negative and must not sum to zero")
    return list(weights / weights.sum())


def fit_grid(image, multiple: int):
    """Mirrors at the right and the bottom up to a multiple of the backbone's grid."""
    height, width = image.shape[:2]
    extra = [-size % multiple for size in (height, width)]
    if not any(extra):
        return image
    return np.pad(image, [(0, extra[0]), (0, extra[1]), (0, 0)], "reflect")


def _broad(change, size: int):
    """What of `[1, H, W, 3]` is broader than about `size` pixels."""
    height, width = change.shape[1:3]
    small = [max(1, round(edge / size)) for edge in (height, width)]
    reduced = tf.image.resize(change, small, antialias=True)
    return np.asarray(tf.image.resize(reduced, (height, width), "bicubic"))


def _to_grid(mask, backbone, tap: str):
    """A mask `[H, W]` averaged over each position of a tap's map."""
    stride = backbone.strides[tap]
    mask = fit_grid(np.asarray(mask, np.float32)[..., None], backbone.multiple)
    rows, columns = mask.shape[0] // stride, mask.shape[1] // stride
    return mask.reshape(rows, stride, columns, stride).mean(axis=(1, 3))
