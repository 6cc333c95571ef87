"""What restyles the contents of a trial: models, methods without training, controls, the truth."""

import dataclasses
import itertools
import pathlib
import typing
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, models
from stylegan_culture.config import InputError, shipped_file
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.features.moments import CultureMoments
from stylegan_culture.measures.batches import in_batches
from stylegan_culture.model_record import read_backbone
from stylegan_culture.models import load_decoders
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.reports.trial import PEER, EvaluateConfig, Trial, TrialConfig, model_names
from stylegan_culture.restyling import classical, wct_vgg19

SHIPPED = "culture_backbone"
Restyle = typing.Callable[[np.ndarray, int], np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Restyler:
    """One way to restyle."""

    name: str  # of its column
    kind: str  # "model", "method", "control" or "truth"
    restyle: Restyle  # `(pictures [n, S, S, 3], culture number) -> [n, S, S, 3]`, all in [0, 1]
    model: CultureModel | None = None  # of kind "model", else None
    facts: dict = dataclasses.field(default_factory=dict)  # of a model: its run.json or model.json

    def trained_against(self, backbone: keras.Model) -> bool:
        """Whether a model was trained against the very network that the probe sees."""
        return read_backbone(self.facts, "the model's record") == backbone.name


def load_models(config: TrialConfig, trial: Trial) -> list[Restyler]:
    """The models of `--model`, each by a name that no other has."""
    loaded = []
    for name, reference in zip(model_names(config.model), config.model, strict=True):
        loaded_model = models.load(reference, "culture")
        model, facts = loaded_model.network, loaded_model.facts.record
        unknown = sorted(set(trial.cultures) - set(model.cultures))
        if unknown:
            raise InputError(f"{reference} has no culture {unknown[0]!r}; leave it out of --data")
        loaded.append(Restyler(name, "model", _by_model(model, trial.cultures), model, facts))
    return loaded


def load_restylers(config: EvaluateConfig, trial: Trial) -> list[Restyler]:
    """Everything that the options of `evaluate` name, in their order."""
    loaded = load_models(config.trial, trial)
    for name in config.method:
        if name == "identity":
            loaded.append(Restyler(name, "control", lambda pictures, culture: np.array(pictures)))
        elif name == "truth":
            loaded.append(Restyler(name, "truth", _by_truth(trial)))
        else:
            loaded.append(Restyler(name, "method", _classical(name, config.trial, trial)))
    if config.peer:
        loaded.append(Restyler(PEER, "method", _by_peer(config, trial)))
    if len({one.name for one in loaded}) < len(loaded):
        raise InputError("a method is named twice; name each once")
    return loaded


def _by_model(model: CultureModel, cultures: tuple[str, ...]) -> Restyle:
    run = tf.function(lambda image, mixture, strength: model(image, mixture, strength))

    def restyle(pictures: np.ndarray, culture: int) -> np.ndarray:
        pictures, count = np.asarray(pictures, np.float32), len(pictures)
        mixture = np.zeros((count, len(model.cultures)), np.float32)
        mixture[:, model.cultures.index(cultures[culture])] = 1.0
        return in_batches(run, pictures, mixture, np.ones((count, 1), np.float32), size=8)

    return restyle


def _by_truth(trial: Trial) -> Restyle:
    if not trial.rendered:
        raise InputError("--method truth needs true renderings; use it with --data ornaments")

    def restyle(pictures: np.ndarray, culture: int) -> np.ndarray:
        if pictures is not trial.contents:
            raise ValueError("the truth is known of the trial's own contents alone")
        return trial.truth[culture]

    return restyle


def _by_peer(config: EvaluateConfig, trial: Trial) -> Restyle:
    """Multi-level WCT through a distilled VGG-19, each content with a training artwork."""
    transfer = wct_vgg19.StageTransfer(config.style, config.peer)

    def restyle(pictures: np.ndarray, culture: int) -> np.ndarray:
        styles = examples(config.trial, trial, culture, len(pictures))
        return np.stack([transfer(*pair) for pair in zip(pictures, styles, strict=True)])

    return restyle


def _classical(name: str, config: TrialConfig, trial: Trial) -> Restyle:
    """A method of `stylize` over the shipped backbone: `moments` follows the shipped moments of
    a culture, the others a training artwork for each content."""
    chosen = classical.operation(name)
    backbone = build_backbone("inception_resnet_v2", "culture")
    decoders = load_decoders(_shipped("decoders.npz"), backbone)
    taps = classical.levels(decoders, backbone, chosen)
    if name == "moments":
        known = CultureMoments.load(_shipped("moments.npz"))
        known.check(backbone)
        by_culture = [
            classical.moments_target(known.mixture({culture: 1.0}), taps)
            for culture in trial.cultures
        ]

    def targets(culture: int, count: int) -> Iterable[dict]:
        if name == "moments":
            return itertools.repeat(by_culture[culture], count)
        styles = examples(config, trial, culture, count)
        return (classical.example_target(backbone, taps, style) for style in styles)

    def restyle(pictures: np.ndarray, culture: int) -> np.ndarray:
        pairs = zip(pictures, targets(culture, len(pictures)), strict=True)
        return np.stack(
            [classical.transfer(backbone, decoders, one, chosen, [target]) for one, target in pairs]
        )

    return restyle


def examples(config: TrialConfig, trial: Trial, culture: int, count: int) -> Iterator[np.ndarray]:
    """Training artworks of a culture at the trial's size, the same on every call."""
    generator = np.random.default_rng((config.seed, culture))
    chosen = generator.choice(trial.training.of_culture(culture), count)
    return training_pictures(trial, chosen, config.size)


def training_pictures(trial: Trial, numbers: Iterable[int], size: int) -> Iterator[np.ndarray]:
    """Training pictures `[H, W, 3]` in [0, 1], reduced to a short side where it is longer."""
    for number in numbers:
        pixels = trial.training.read(int(number))
        if min(pixels.shape[:2]) > size:
            pixels = images.fit_short_side(pixels, size)
        yield pixels.astype(np.float32) / 255


def _shipped(name: str) -> pathlib.Path:
    path = shipped_file(SHIPPED, name)
    if path is None:
        raise InputError(
            f"saved_models/{SHIPPED}/{name} is missing; restore it from the repository"
        )
    return path
