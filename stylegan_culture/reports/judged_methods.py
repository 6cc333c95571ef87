"""All that is judged, as functions of pictures and a culture: models, methods, controls, truth."""

import dataclasses
import itertools
import pathlib
import typing

import numpy as np
import tensorflow as tf

from stylegan_culture import images, models
from stylegan_culture.config import InputError, shipped_file
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.features.moments import CultureMoments
from stylegan_culture.models import load_decoders
from stylegan_culture.reports.trial_settings import PEER, names_of
from stylegan_culture.restyling import classical, wct_vgg19

BATCH = 8
SHIPPED = "culture_backbone"


@dataclasses.dataclass(frozen=True, eq=False)
class Method:
    """What is judged.

    Attributes:
        name: of its column.
        kind: "model", "method", "control" or "truth".
        restyle: `(pictures [n, S, S, 3], culture number) -> [n, S, S, 3]`, all in [0, 1].
        model: the `CultureModel` of kind "model", else None.
        facts: of a model: its run.json or model.json.
    """

    name: str
    kind: str
    restyle: typing.Callable
    model: object = None
    facts: dict = dataclasses.field(default_factory=dict)


def prepare_models(config, trial) -> list[Method]:
    """The models of `--model`, each with a name of its own."""
    found = []
    for name, reference in zip(names_of(config.model), config.model, strict=True):
        model, facts = models.load_model(reference)
        unknown = sorted(set(trial.cultures) - set(model.cultures))
        if unknown:
            raise InputError(f"{reference} has no culture {unknown[0]!r}; leave it out of --data")
        found.append(Method(name, "model", _by_model(model, trial.cultures), model, facts))
    return found


def prepare(config, trial) -> list[Method]:
    """Everything that the options of `evaluate` ask for, in their order."""
    found = prepare_models(config.trial, trial)
    for name in config.method:
        if name == "identity":
            found.append(Method(name, "control", lambda pictures, culture: np.array(pictures)))
        elif name == "truth":
            found.append(Method(name, "truth", _by_truth(trial)))
        else:
            found.append(Method(name, "method", _classical(name, config.trial, trial)))
    if config.peer:
        found.append(Method(PEER, "method", _by_peer(config, trial)))
    return found


def _by_model(model, cultures):
    run = tf.function(lambda image, mixture, strength: model(image, mixture, strength))

    def restyle(pictures, culture: int):
        mixture = np.zeros((1, len(model.cultures)), np.float32)
        mixture[0, model.cultures.index(cultures[culture])] = 1.0
        found = []
        for start in range(0, len(pictures), BATCH):
            batch = np.asarray(pictures[start : start + BATCH], np.float32)
            ones = np.ones((len(batch), 1), np.float32)
            found.append(np.asarray(run(batch, mixture.repeat(len(batch), 0), ones)))
        return np.concatenate(found)

    return restyle


def _by_truth(trial):
    if not trial.rendered:
        raise InputError("--method truth needs true renderings; use it with --data ornaments")

    def restyle(pictures, culture: int):
        if pictures is not trial.contents:
            raise ValueError("the truth is known of the trial's own contents alone")
        return trial.truth[culture]

    return restyle


def _by_peer(config, trial):
    """Multi-level WCT through a distilled VGG-19, each content with a training artwork."""
    transfer = wct_vgg19.StageTransfer(config.style, config.peer)
    examples = examples_of(config.trial, trial)

    def restyle(pictures, culture: int):
        styles = examples(culture, pictures)
        return np.stack([transfer(*pair) for pair in zip(pictures, styles, strict=True)])

    return restyle


def _classical(name: str, config, trial):
    """A method of `stylize` over the shipped backbone: `moments` follows the shipped moments of
    a culture, the others a training artwork for each content."""
    chosen = classical.operation(name)
    backbone = build_backbone("inception_resnet_v2", "culture")
    decoders = load_decoders(_shipped("decoders.npz"), backbone)
    taps = classical.levels(decoders, backbone, chosen)
    if name == "moments":
        known = CultureMoments.load(_shipped("moments.npz"))
        known.check(backbone)
        targets = [
            classical.moments_target(known.mixture({culture: 1.0}), taps)
            for culture in trial.cultures
        ]
    else:
        targets = None
        examples = examples_of(config, trial)

    def restyle(pictures, culture: int):
        if targets:
            own = itertools.repeat(targets[culture], len(pictures))
        else:
            styles = examples(culture, pictures)
            own = (classical.example_target(backbone, taps, style) for style in styles)
        return np.stack(
            [
                classical.transfer(backbone, decoders, one, chosen, [target])
                for one, target in zip(pictures, own, strict=True)
            ]
        )

    return restyle


def examples_of(config, trial):
    """`(culture, pictures) -> [n]` training artworks at the trial's size, equal on every call."""

    def drawn(culture: int, pictures):
        generator = np.random.default_rng((config.seed, culture))
        own = generator.choice(trial.training.of_culture(culture), len(pictures))
        return (fitted(trial.training.read(int(number)), config.size) for number in own)

    return drawn


def fitted(pixels, size: int) -> np.ndarray:
    """A picture uint8 `[H, W, 3]` reduced to a short side, float32 in [0, 1]."""
    if min(pixels.shape[:2]) > size:
        pixels = images.fit_short_side(pixels, size)
    return pixels.astype(np.float32) / 255


def _shipped(name: str) -> pathlib.Path:
    path = shipped_file(SHIPPED, name)
    if path is None:
        raise InputError(
            f"saved_models/{SHIPPED}/{name} is missing; restore it from the repository"
        )
    return path
