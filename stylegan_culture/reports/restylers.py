"""What restyles the contents of a trial: models, methods without training, controls, the truth."""

import dataclasses
import itertools
import pathlib
import typing
from collections.abc import Iterable, Iterator, Sequence

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
from stylegan_culture.pipelines.sampling import parents
from stylegan_culture.reports.trial import (
    EXAMPLE,
    PEER,
    EvaluateConfig,
    Trial,
    TrialConfig,
    by_example,
    model_names,
)
from stylegan_culture.restyling import classical, feedforward, wct_vgg19

SHIPPED = "culture_backbone"
Restyle = typing.Callable[[np.ndarray, int], np.ndarray]
# Of pictures of any sizes `[H, W, 3]` and a culture's number, the results in the same order
EachRestyled = typing.Callable[[Sequence[np.ndarray], int], Iterator[np.ndarray]]


@dataclasses.dataclass(frozen=True, eq=False)
class Restyler:
    """One way to restyle."""

    name: str  # of its column
    kind: str  # "model", "method", "control" or "truth"
    restyle: Restyle  # `(pictures [n, S, S, 3], culture number) -> [n, S, S, 3]`, all in [0, 1]
    model: CultureModel | None = None  # of kind "model", else None
    facts: dict = dataclasses.field(default_factory=dict)  # of a model: its run.json or model.json
    each: EachRestyled | None = None  # the same, of pictures of any sizes; None: of squares alone
    by_example: bool = False  # whether content n follows example n of `example_numbers`

    @classmethod
    def of_each(cls, name: str, kind: str, each: EachRestyled, **more: typing.Any) -> "Restyler":
        """One whose squares are restyled one by one like other pictures."""

        def restyle(pictures: np.ndarray, culture: int) -> np.ndarray:
            return np.stack(list(each(pictures, culture)))

        return cls(name, kind, restyle, each=each, **more)

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
            raise InputError(
                f"{reference} has no culture {unknown[0]!r}; leave it out of --data, or choose "
                "among those that it has by --cultures"
            )
        restyle, each = _by_model(model, trial.cultures), _each_by_model(model, trial.cultures)
        loaded.append(Restyler(name, "model", restyle, model, facts, each))
    return loaded


@dataclasses.dataclass(frozen=True, eq=False)
class Networks:
    """The networks that the options of `evaluate` name by files.

    `features` is of FID, KID and perceptual distances, `style` of the style distance; `peer` is
    multi-level WCT. None where no option names one.
    """

    features: keras.Model
    style: keras.Model | None
    peer: wct_vgg19.StageTransfer | None

    @classmethod
    def of(cls, config: EvaluateConfig) -> "Networks":
        """Loads them; `InputError` for a wrong file."""
        features = build_backbone(config.features, config.features_weights)
        style = build_backbone("vgg19_16x", config.style) if config.style else None
        peer = wct_vgg19.StageTransfer(config.style, config.peer) if config.peer else None
        return cls(features, style, peer)


def load_restylers(config: EvaluateConfig, trial: Trial, networks: Networks) -> list[Restyler]:
    """Everything that the options of `evaluate` name, in their order."""
    loaded = load_models(config.trial, trial)
    known = tuple(loaded)
    for name in config.method:
        if name == "identity":
            each = lambda pictures, culture: (np.array(one) for one in pictures)  # noqa: E731
            loaded.append(Restyler.of_each(name, "control", each))
        elif name == "truth":
            loaded.append(Restyler(name, "truth", _by_truth(trial)))
        elif name == EXAMPLE:
            for called, one in zip(by_example(each.name for each in known), known, strict=True):
                restyle, each = _by_example(one.model, config.trial, trial)
                loaded.append(Restyler(called, "method", restyle, None, one.facts, each, True))
        else:
            restyle, by = _classical(name, config.trial, trial), name != "moments"
            loaded.append(Restyler.of_each(name, "method", restyle, by_example=by))
    if networks.peer:
        peer = _by_peer(config, trial, networks.peer)
        loaded.append(Restyler.of_each(PEER, "method", peer, by_example=True))
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


def _each_by_model(model: CultureModel, cultures: tuple[str, ...]) -> EachRestyled:
    def each(pictures: Sequence[np.ndarray], culture: int) -> Iterator[np.ndarray]:
        code = np.asarray(model.fusion.codes())[[model.cultures.index(cultures[culture])]]
        return map(feedforward.CultureNetwork(model, code), pictures)

    return each


def _by_example(
    model: CultureModel, config: TrialConfig, trial: Trial
) -> tuple[Restyle, EachRestyled]:
    """A model that follows the style code of one training artwork for each content."""
    run = tf.function(model.stylize_with)

    def codes(culture: int, count: int) -> list[np.ndarray]:
        styles = examples(config, trial, culture, count)
        return [feedforward.example_code(model, style) for style in styles]

    def restyle(pictures: np.ndarray, culture: int) -> np.ndarray:
        pictures, count = np.asarray(pictures, np.float32), len(pictures)
        ones = np.ones((count, 1), np.float32)
        return in_batches(run, pictures, np.concatenate(codes(culture, count)), ones, size=8)

    def each(pictures: Sequence[np.ndarray], culture: int) -> Iterator[np.ndarray]:
        for picture, code in zip(pictures, codes(culture, len(pictures)), strict=True):
            yield feedforward.CultureNetwork(model, code)(picture)

    return restyle, each


def _by_truth(trial: Trial) -> Restyle:
    if not trial.rendered:
        raise InputError("--method truth needs true renderings; use it with --data ornaments")

    def restyle(pictures: np.ndarray, culture: int) -> np.ndarray:
        if pictures is not trial.contents:
            raise ValueError("the truth is known of the trial's own contents alone")
        return trial.truth[culture]

    return restyle


def _by_peer(
    config: EvaluateConfig, trial: Trial, transfer: wct_vgg19.StageTransfer
) -> EachRestyled:
    """Multi-level WCT through a distilled VGG-19, each content with a training artwork."""

    def each(pictures: Sequence[np.ndarray], culture: int) -> Iterator[np.ndarray]:
        styles = examples(config.trial, trial, culture, len(pictures))
        return map(transfer, pictures, styles)

    return each


def _classical(name: str, config: TrialConfig, trial: Trial) -> EachRestyled:
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

    def each(pictures: Sequence[np.ndarray], culture: int) -> Iterator[np.ndarray]:
        for one, target in zip(pictures, targets(culture, len(pictures)), strict=True):
            yield classical.transfer(backbone, decoders, one, chosen, [target])

    return each


def examples(config: TrialConfig, trial: Trial, culture: int, count: int) -> Iterator[np.ndarray]:
    """Training artworks of a culture at the trial's size, the same on every call."""
    numbers = example_numbers(config, trial, culture, count)
    return training_pictures(trial, numbers, config.size)


def example_numbers(config: TrialConfig, trial: Trial, culture: int, count: int) -> np.ndarray:
    """Numbers `[count]` of those artworks among the training pictures."""
    generator = np.random.default_rng((config.seed, culture))
    return generator.choice(trial.training.of_culture(culture), count)


def other_examples(
    config: TrialConfig, trial: Trial, culture: int, numbers: Sequence[int]
) -> np.ndarray:
    """For each example another artwork of the culture that is no part of the same picture, by
    chance but the same on every call; the example itself where the culture has no other."""
    generator = np.random.default_rng((config.seed, culture, 1))
    members, works = trial.training.of_culture(culture), np.array(parents(trial.training.ids))
    others = [members[works[members] != works[number]] for number in numbers]
    return np.array(
        [
            generator.choice(choice) if len(choice) else number
            for choice, number in zip(others, numbers, strict=True)
        ]
    )


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
