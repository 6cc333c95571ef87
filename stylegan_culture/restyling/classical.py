"""Restyles pictures without training anything for it: encode, bring to a target, decode.

At each level, from the deepest tap to the shallowest, the picture is encoded, an operator of
`features.operators` moves its features to the target's, and they are decoded again (multi-level,
Li et al., arXiv 1705.08086). Differs from the paper in two points. What the decoder loses of a
picture is added back, so that a deep level changes style without blurring content:

    picture <- picture + (decode(restyled) - decode(features))

And where all levels act, deep ones draw and shallow ones colour: the part of a deep level's change
that is broader than its positions is left out, because it shows as halos around things and stains.

Pictures `[H, W, 3]` in [0, 1]; strength in [0, 1].
"""

import dataclasses
import functools
import pathlib
import typing

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import CULTURE_BACKBONE, InputError, option, shipped_file
from stylegan_culture.later import later
from stylegan_culture.restyling import feedforward
from stylegan_culture.restyling.feedforward import fit
from stylegan_culture.restyling.request import Request, culture_weights, normalised_weights

if typing.TYPE_CHECKING:
    import keras

    from stylegan_culture.features.operators import Target
    from stylegan_culture.networks.decoder import Decoder

tf, models = later("tensorflow"), later("stylegan_culture.models")
backbones = later("stylegan_culture.features.backbones")
feature_moments = later("stylegan_culture.features.moments")
operators = later("stylegan_culture.features.operators")
DRAWING_STRIDE = 8  # pixels: levels of this stride or more draw and do not colour
BROAD = 4  # positions: broader changes belong to colouring
LONGEST = 1024  # pixels of the longest edge where --size asks for no other
MOST_PIXELS = 2048 * 2048  # of a training-free method: wct took 6.7 GB of memory


@dataclasses.dataclass(frozen=True)
class BackboneSettings:
    """The network whose features a training-free method compares."""

    backbone: str = option(
        "inception_resnet_v2", "inception_resnet_v2, vgg19, resnet50, vgg19_16x or mobilenet_v1"
    )
    backbone_weights: str = option(
        "culture", "culture (inception_resnet_v2 only), random, imagenet, or the path of a file"
    )


@dataclasses.dataclass(frozen=True)
class ClassicalSettings(BackboneSettings):
    """What decodes the features, and what they are brought to."""

    decoders: str | None = option(None, "file of this backbone's decoders, else the shipped")
    moments: str | None = option(None, "file of culture moments made by study, else the shipped")
    rule: str = option(
        "linear", "how the moments of several cultures mix", ("linear", "barycentre")
    )


@dataclasses.dataclass(frozen=True)
class MomentsSettings(ClassicalSettings):
    """How features are moved to a culture's moments."""

    map: str = option(
        "transport",
        "how features are moved to the moments of a culture",
        ("transport", "coral", "ddr", "dda_as_published"),
    )


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operator, whether it acts at every level or at the deepest alone, and its strength in
    [0, 1]."""

    operator: typing.Callable
    every_level: bool
    strength: float


def operation(name: str, kind: str = "transport") -> Operation:
    """The operation of a method, with the strength where none is given; `kind`: the map of
    `moments`."""
    return {
        "alpha": Operation(operators.alpha_fusion, False, 0.4),
        "adain": Operation(operators.adain, True, 1.0),
        "wct": Operation(operators.wct, True, 0.8),
        "match": Operation(operators.match, False, 1.0),
        "moments": Operation(functools.partial(operators.linear, kind=kind), True, 0.6),
    }[name]


def build(name: str, settings: ClassicalSettings, request: Request) -> typing.Callable:
    """`function(content [H, W, 3], preview) -> [H, W, 3]` of one of the methods in `operation`."""
    chosen = operation(name, getattr(settings, "map", "transport"))
    if request.strength is not None:
        chosen = dataclasses.replace(chosen, strength=request.strength)
    weights = request.style_weights() if request.style else None
    backbone = backbones.build_backbone(settings.backbone, settings.backbone_weights)
    file = _file(settings.decoders, "decoders.npz", "--decoders")
    decoders = models.load_decoders(file, backbone)
    taps = levels(decoders, backbone, chosen)
    targets = _targets(backbone, taps, settings, request)

    def run(content, preview):
        shape = content.shape[:2]
        masks = [images.read_mask(path, shape, request.size) for path in request.mask]
        if request.size is None and max(content.shape[:2]) > LONGEST:
            content = fit(content, LONGEST)
            masks = [fit(mask[..., None], LONGEST)[..., 0] for mask in masks]
        feedforward.check_size(*content.shape[:2], MOST_PIXELS)
        return transfer(backbone, decoders, content, chosen, targets, weights, masks or None)

    return run


def _targets(
    backbone: "keras.Model", taps: list[str], settings: ClassicalSettings, request: Request
) -> list[dict[str, "Target"]]:
    """The targets: the example pictures, or one mixture of cultures' moments."""
    if request.style:
        longest = request.size or feedforward.EXAMPLE_PIXELS
        pictures = (images.read(path, longest=longest) for path in request.style)
        pictures = (fit(p, min(longest, max(p.shape[:2]))) for p in pictures)  # never enlarged
        return [example_target(backbone, taps, picture) for picture in pictures]
    moments = feature_moments.CultureMoments.load(
        _file(settings.moments, "moments.npz", "--moments")
    )
    moments.check(backbone)
    weights = culture_weights(request.culture, moments.cultures)
    return [moments_target(moments.mixture(weights, settings.rule), taps)]


def _file(given: str | None, name: str, flag: str) -> pathlib.Path:
    """The file that was given, or the shipped one."""
    path = pathlib.Path(given) if given else shipped_file(CULTURE_BACKBONE, name)
    if path is None:
        raise InputError(
            f"saved_models/{CULTURE_BACKBONE}/{name} is missing; restore it from the repository, "
            f"or name another with {flag}"
        )
    return path


def example_target(
    backbone: "keras.Model", taps: typing.Iterable[str], picture: np.ndarray
) -> dict[str, "Target"]:
    """The target that a style picture `[h, w, 3]` gives at each tap."""
    backbones.check_size(backbone, *picture.shape[:2])
    grid = fit_grid(picture, backbone.multiple)[None]
    features = backbones.features_inside(backbone, grid, taps)
    return {tap: operators.Target.of_features(value) for tap, value in features.items()}


def moments_target(moments: dict, taps: typing.Iterable[str]) -> dict[str, "Target"]:
    """The target that moments, for instance of a whole culture, give at each tap."""
    missing = [tap for tap in taps if tap not in moments]
    if missing:
        raise InputError(f"the moments have no tap {missing[0]}; make them again with this tap")
    return {
        tap: operators.Target.of_moments(moments[tap].mean, moments[tap].covariance) for tap in taps
    }


def transfer(
    backbone: "keras.Model",
    decoders: dict[str, "Decoder"],
    image: np.ndarray,
    chosen: Operation,
    targets: list[dict[str, "Target"]],
    weights: typing.Sequence[float] | None = None,
    masks: typing.Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Restyles one picture `[H, W, 3]` towards one target or several: float32 `[H, W, 3]`.

    decoders: of this backbone, by tap; targets: by tap. weights: of the targets, non-negative,
    normalised here; None: equal. masks: `[K, H, W]` in [0, 1], one for each target: then each
    target fills its region and weights are not used.
    """
    height, width = image.shape[:2]
    backbones.check_size(backbone, height, width)
    strength = chosen.strength
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
    for tap in levels(decoders, backbone, chosen):
        features = backbones.features_inside(backbone, picture, (tap,))[tap]
        at_tap = [target[tap] for target in targets]
        if masks is None:
            changed = operators.fuse(chosen.operator, features, at_tap, weights, strength)
        else:
            small = [_to_grid(mask, backbone, tap) for mask in masks]
            changed = operators.regions(chosen.operator, features, at_tap, small, strength)
        decoded = decoders[tap](tf.concat([changed, features], 0))
        change = np.asarray(decoded[:1] - decoded[1:], np.float32)
        if chosen.every_level and backbone.strides[tap] >= DRAWING_STRIDE:
            change = change - covered * _broad(change, BROAD * backbone.strides[tap])
        picture = np.clip(picture + change, 0.0, 1.0)
    return picture[0, :height, :width]


def levels(decoders: dict[str, "Decoder"], backbone: "keras.Model", chosen: Operation) -> list[str]:
    """Taps in the order of work, deepest first; only the content tap for a one-level operation.

    Of several taps of one stride the shallowest acts: a deeper one adds a woven grain in plain
    areas and hardly any drawing.
    """
    if not chosen.every_level:
        return [backbone.content_tap]
    first = {}
    for tap in backbone.taps:
        if tap in decoders:
            first.setdefault(backbone.strides[tap], tap)
    return list(first.values())[::-1]


def fit_grid(image: np.ndarray, multiple: int) -> np.ndarray:
    """Mirrors at the right and the bottom up to a multiple of the backbone's grid."""
    height, width = image.shape[:2]
    extra = [-size % multiple for size in (height, width)]
    if not any(extra):
        return image
    return np.pad(image, [(0, extra[0]), (0, extra[1]), (0, 0)], "reflect")


def _broad(change: np.ndarray, size: int) -> np.ndarray:
    """The part of `[1, H, W, 3]` that is broader than about `size` pixels."""
    height, width = change.shape[1:3]
    small = [max(1, round(edge / size)) for edge in (height, width)]
    reduced = tf.image.resize(change, small, antialias=True)
    return np.asarray(tf.image.resize(reduced, (height, width), "bicubic"))


def _to_grid(mask: np.ndarray, backbone: "keras.Model", tap: str) -> np.ndarray:
    """A mask `[H, W]` averaged over each position of a tap's map."""
    stride = backbone.strides[tap]
    mask = fit_grid(np.asarray(mask, np.float32)[..., None], backbone.multiple)
    rows, columns = mask.shape[0] // stride, mask.shape[1] // stride
    return mask.reshape(rows, stride, columns, stride).mean(axis=(1, 3))
