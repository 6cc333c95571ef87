"""Each method of `stylize` as one function of a picture: `prepare(method, options)` gives it.

What a method needs (networks, targets) is loaded once, however many pictures follow.
"""

import dataclasses
import functools
import pathlib

import numpy as np
import tqdm

from stylegan_culture import images, models
from stylegan_culture.config import CULTURE_BACKBONE, InputError, from_flags, shipped_file
from stylegan_culture.features import operators
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.features.moments import CultureMoments
from stylegan_culture.models import load_decoders
from stylegan_culture.restyling import classical, feedforward, gatys, translation
from stylegan_culture.restyling.gatys_settings import GatysConfig
from stylegan_culture.restyling.mixtures import culture_weights, mixture_of

CLASSICAL_PIXELS = 1024  # longest edge where --size asks for no other
GATYS_PIXELS = 512
TRAINING_FREE = 2048 * 2048  # pixels: wct took 6.7 GB of memory
PREVIEW_STEPS = 20


def prepare(method: str, options):
    """`function(content [H, W, 3], preview) -> [H, W, 3]`; `preview` is a file's path or None."""
    if method == "generator":
        return _generator(options)
    if method == "gatys":
        return _gatys(options)
    return _classical(method, options)


def fit(picture, longest: int | None):
    """The picture reduced or enlarged until its longest edge is `longest` pixels; None: as is."""
    if longest is None:
        return picture
    scale = longest / max(picture.shape[:2])
    feedforward.check_size(*(max(1, round(edge * scale)) for edge in picture.shape[:2]))
    return images.fit_long_side(picture, longest)


def read(source, method: str, options) -> np.ndarray:
    """A content picture from its file (a path, or its bytes), no larger than the method takes it.

    Where --size asks for none, the training-free methods have a size of their own.
    """
    usual = {"generator": None, "gatys": GATYS_PIXELS}.get(method, CLASSICAL_PIXELS)
    usual = None if options.restore else usual
    remedy = "give --size" if options.size is None else images.Wanted.remedy
    content = images.read(source, longest=options.size or usual, remedy=remedy)
    content = fit(content, options.size)
    # A mask has to be as large as its picture, so that both are reduced together, later.
    if options.size is None and not options.mask and max(content.shape[:2]) > (usual or np.inf):
        content = fit(content, usual)
    return content


def _generator(options):
    if translation.is_asked(options.model):
        return translation.prepare(options)
    model, _ = models.load_model(options.model)
    code = style_code(model, options)
    strength = 1.0 if options.strength is None else options.strength
    return lambda content, preview: feedforward.restyle(model, content, code, strength)


def style_code(model, options) -> np.ndarray:
    """The style code `[1, D]` of a culture, a mixture, or the mean of those of examples."""
    if options.culture is not None:
        return np.asarray(model.fusion(mixture_of(options.culture, model.cultures)))
    weights = classical.normalised_weights(options.weights, len(options.style))
    longest = feedforward.EXAMPLE_PIXELS
    examples = (images.read(path, longest=longest) for path in options.style)
    codes = [feedforward.example_code(model, picture) for picture in examples]
    return sum(weight * code for weight, code in zip(weights, codes, strict=True))


def _classical(method: str, options):
    """A training-free method over the backbone and its decoders."""
    chosen = classical.METHODS[method]
    if method == "moments":
        operator = functools.partial(operators.linear, kind=options.map)
        chosen = dataclasses.replace(chosen, operator=operator)
    backbone = build_backbone(options.backbone, options.backbone_weights)
    decoders = load_decoders(_file(options.decoders, "decoders.npz", "--decoders"), backbone)
    taps = classical.levels(decoders, backbone, chosen)
    targets = _targets(backbone, taps, options)

    def run(content, preview):
        masks = [_mask(path, content.shape[:2], options.size) for path in options.mask]
        if options.size is None and max(content.shape[:2]) > CLASSICAL_PIXELS:
            content = fit(content, CLASSICAL_PIXELS)
            masks = [fit(mask[..., None], CLASSICAL_PIXELS)[..., 0] for mask in masks]
        feedforward.check_size(*content.shape[:2], TRAINING_FREE)
        return classical.transfer(
            backbone,
            decoders,
            content,
            chosen,
            targets,
            options.weights,
            strength=options.strength,
            masks=masks or None,
        )

    return run


def _targets(backbone, taps, options) -> list[dict]:
    """What to restyle towards: the example pictures, or one mixture of cultures' moments."""
    if options.style:
        longest = options.size or feedforward.EXAMPLE_PIXELS
        pictures = (images.read(path, longest=longest) for path in options.style)
        pictures = (fit(p, min(longest, max(p.shape[:2]))) for p in pictures)  # never enlarged
        return [classical.example_target(backbone, taps, picture) for picture in pictures]
    found = CultureMoments.load(_file(options.moments, "moments.npz", "--moments"))
    found.check(backbone)
    mixed = found.mixture(culture_weights(options.culture, found.cultures), options.rule)
    return [classical.moments_target(mixed, taps)]


def _mask(path: str, shape, size: int | None) -> np.ndarray:
    """A mask file as `[H, W]` in [0, 1]; it has to be of the content's size."""
    mask = images.read(path, longest=size).mean(axis=-1)
    if size is not None:
        mask = fit(np.repeat(mask[..., None], 3, -1), size)[..., 0]
    if mask.shape != tuple(shape):
        raise InputError(
            f"the mask {path} has {mask.shape[1]}x{mask.shape[0]} pixels and its picture "
            f"{shape[1]}x{shape[0]}; make them of one size"
        )
    return mask


def _gatys(options):
    backbone = build_backbone(options.backbone, options.backbone_weights)
    config = from_flags(GatysConfig(), options)

    def run(content, preview):
        if options.size is None and max(content.shape[:2]) > GATYS_PIXELS:
            content = fit(content, GATYS_PIXELS)
        feedforward.check_size(*content.shape[:2], TRAINING_FREE)
        longest = max(content.shape[:2])
        styles = [fit(images.read(path, longest=longest), longest) for path in options.style]
        iterates = gatys.restyle(backbone, content, styles, config, options.weights)
        return _follow(iterates, preview)

    return run


def _follow(iterates, preview):
    """The last iterate, with a progress bar and a preview file on the way."""
    result, written = None, False
    try:
        with tqdm.tqdm(unit="step", dynamic_ncols=True, mininterval=1.0) as bar:
            for iterate in iterates:
                bar.total = iterate.steps
                bar.update(iterate.step - bar.n)
                result = iterate.picture
                if preview is not None and iterate.step % PREVIEW_STEPS == 0:
                    images.write(preview, result)
                    written = True
    finally:
        if written:
            pathlib.Path(preview).unlink(missing_ok=True)
    return result


def _file(given: str | None, name: str, flag: str) -> pathlib.Path:
    """The file that was given, or the shipped one."""
    path = pathlib.Path(given) if given else shipped_file(CULTURE_BACKBONE, name)
    if path is None:
        raise InputError(
            f"saved_models/{CULTURE_BACKBONE}/{name} is missing; restore it from the repository, "
            f"or name another with {flag}"
        )
    return path
