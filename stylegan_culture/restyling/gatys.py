"""Neural style transfer by optimising the picture itself, coarse to fine.

It needs no training, only a backbone, whose features describe what is in a picture (content) and
how it is painted (statistics of style). Gatys, Ecker and Bethge, arXiv 1508.06576. Differs from the
paper: the loss of each tap is divided by that of the content picture, so that every tap counts
equally in any backbone; means and covariances by default instead of Gram matrices; scales from
coarse to fine; and, as an option, shifts, which blur the grid that strides may leave in a picture.
"""

import dataclasses
import pathlib
import typing

import numpy as np
import tqdm

from stylegan_culture import images
from stylegan_culture.config import option
from stylegan_culture.later import later
from stylegan_culture.restyling import feedforward
from stylegan_culture.restyling.classical import MOST_PIXELS, BackboneSettings, fit_grid
from stylegan_culture.restyling.feedforward import fit
from stylegan_culture.restyling.request import Request, normalised_weights

if typing.TYPE_CHECKING:
    import keras

alignment = later("stylegan_culture.features.alignment")
backbones = later("stylegan_culture.features.backbones")
linalg = later("stylegan_culture.features.linalg")
losses = later("stylegan_culture.losses")
operators = later("stylegan_culture.features.operators")
optimisation = later("stylegan_culture.restyling.optimisation")
tf = later("tensorflow")
Features = dict[str, "tf.Tensor"]  # by tap, [1, h, w, C]
LONGEST = 512  # pixels of the longest edge where --size asks for no other
PREVIEW_STEPS = 20
STARTS = ("recoloured", "content", "noise")
STATISTICS = ("covariance", "gram", "moments")
RANGE_WEIGHT = 100.0  # of squared excess beyond [0, 1]
FLOOR = 0.01  # share of a style's size below which its distance to the content is not divided


@dataclasses.dataclass(frozen=True)
class GatysSettings(BackboneSettings):
    """What is weighed against what, how long, and from where."""

    steps: int = option(100, "optimiser steps at each scale", low=1)
    scales: int = option(2, "how many sizes, each half of the next, up to the picture's", low=1)
    content_weight: float = option(1.0, "weight of the content's features", low=0.0)
    style_weight: float = option(10.0, "weight of the style's statistics", low=0.0)
    smoothness: float = option(2.0, "weight of total variation", low=0.0)
    statistics: str = option(
        "covariance",
        "what describes a style: mean and covariance, Gram, or mean and deviation",
        STATISTICS,
    )
    start: str = option(
        "recoloured",
        "first picture: content in the styles' colours, the content, noise",
        STARTS,
    )
    optimiser: str = option("lbfgs", "how the picture follows its gradient", ("lbfgs", "adam"))
    rate: float = option(0.02, "learning rate of adam, in units of brightness", low=0.0, high=1.0)
    smoothing: bool = option(
        False, "soften peaks of features, for residual networks trained to name objects"
    )
    temperature: float = option(2.0, "of --smoothing, in deviations of the features", low=0.01)
    jitter: int = option(
        0, "largest shift of the picture before the backbone sees it, in pixels", low=0
    )
    jitter_interval: int = option(5, "steps between shifts", low=1)
    seed: int = option(0, "decides the noise and the shifts", low=0)


def build(settings: GatysSettings, request: Request) -> typing.Callable:
    """`function(content [H, W, 3], preview) -> [H, W, 3]`, which writes a preview on the way."""
    weights = request.style_weights()
    backbone = backbones.build_backbone(settings.backbone, settings.backbone_weights)

    def run(content, preview):
        if request.size is None and max(content.shape[:2]) > LONGEST:
            content = fit(content, LONGEST)
        feedforward.check_size(*content.shape[:2], MOST_PIXELS)
        longest = max(content.shape[:2])
        styles = [fit(images.read(path, longest=longest), longest) for path in request.style]
        return follow(restyle(backbone, content, styles, settings, weights), preview)

    return run


def follow(iterates: "typing.Iterable[Iterate]", preview: pathlib.Path | None) -> np.ndarray:
    """The last iterate's picture, with a progress bar and a preview file on the way."""
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


@dataclasses.dataclass(frozen=True, eq=False)
class Iterate:
    """A picture `[H, W, 3]` in [0, 1] of the content's size, after `step` of `steps`; losses by
    name: content, style (1: that of the content picture), smoothness, range, total."""

    picture: np.ndarray
    step: int
    steps: int
    losses: dict


def restyle(
    backbone: "keras.Model",
    content: np.ndarray,
    styles: list[np.ndarray],
    settings: GatysSettings | None = None,
    weights: typing.Sequence[float] | None = None,
) -> typing.Iterator[Iterate]:
    """Optimises a picture towards the features of the content `[H, W, 3]` and the statistics of the
    styles `[h, w, 3]`; an `Iterate` after each step.

    Every scale brings the styles to the content's longest edge, so that brush strokes keep their
    size relative to the style picture. weights: of the styles, normalised here; None: equal.
    `InputError` where a picture is too small or the weights cannot be normalised.
    """
    weights = normalised_weights(weights, len(styles))
    for picture in (content, *styles):
        backbones.check_size(backbone, *picture.shape[:2])
    return _iterates(backbone, content, styles, weights, settings or GatysSettings())


def _iterates(
    backbone: "keras.Model",
    content: np.ndarray,
    styles: list[np.ndarray],
    weights: list[float],
    settings: GatysSettings,
) -> typing.Iterator[Iterate]:
    sizes = scale_sizes(content.shape[:2], settings.scales, backbone.least_size)
    generator = np.random.default_rng(settings.seed)
    picture = _start(content, styles, weights, settings.start, generator)
    number = 0
    for size in sizes:
        scale = Scale(backbone, content, styles, weights, size, settings)
        for coarse, values in scale.run(picture, generator):
            picture, number = coarse, number + 1
            shown = np.clip(images.resize(picture, *content.shape[:2]), 0.0, 1.0)
            yield Iterate(shown, number, len(sizes) * settings.steps, values)


def scale_sizes(size: tuple, scales: int, least: int) -> list[tuple]:
    """Height and width of each scale, coarsest first; scales with a side below `least` left out."""
    halved = [tuple(max(1, round(x / 2**level)) for x in size) for level in range(scales)]
    return [scaled for scaled in reversed(halved) if min(scaled) >= least]


def recoloured(picture: np.ndarray, styles: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """The picture in the styles' colours: its pixels' mean and covariance moved to theirs by the
    optimal-transport map, clipped to [0, 1]."""
    mean, covariance = linalg.moments(np.asarray(picture, np.float32).reshape(-1, 3))
    moments = [linalg.moments(np.asarray(style, np.float32).reshape(-1, 3)) for style in styles]
    target_mean, target = (
        sum(weight * part for weight, part in zip(weights, parts, strict=True))
        for parts in zip(*moments, strict=True)
    )
    matrix = alignment.transport(linalg.shrink(covariance, 1e-3), linalg.shrink(target, 1e-3))
    moved = (picture - mean) @ np.asarray(matrix).T + target_mean
    return np.clip(np.asarray(moved, np.float32), 0.0, 1.0)


def _start(
    content: np.ndarray,
    styles: list[np.ndarray],
    weights: list[float],
    start: str,
    generator: np.random.Generator,
) -> np.ndarray:
    if start == "recoloured":
        return recoloured(content, styles, weights)
    if start == "noise":
        return generator.normal(0.5, 0.2, content.shape).clip(0.0, 1.0).astype(np.float32)
    return np.asarray(content, np.float32)


class Scale:
    """The objective at one size (height, width): targets of content and style, and the loss of a
    picture. The other parameters are those of `gatys.restyle`, with weights of sum 1."""

    def __init__(
        self,
        backbone: "keras.Model",
        content: np.ndarray,
        styles: list[np.ndarray],
        weights: list[float],
        size: tuple[int, int],
        settings: GatysSettings,
    ):
        self.backbone, self.size, self.settings = backbone, size, settings
        self.content = fit_grid(images.resize(content, *size), backbone.multiple)
        self.temperatures = {}
        described = [self._features(self._style(style, max(size))[None]) for style in styles]
        if settings.smoothing:
            for tap in backbone.taps:
                spreads = [float(operators.spread(features[tap])[0]) for features in described]
                self.temperatures[tap] = settings.temperature * float(np.dot(weights, spreads))
            described = [self._smooth(features) for features in described]
        parts = [self._statistics(features) for features in described]
        self.target = {
            key: sum(weight * part[key] for weight, part in zip(weights, parts, strict=True))
            for key in parts[0]
        }
        start = self._statistics(self._smooth(self._features(self.content[None])))
        self.units = {
            key: _squares(start[key] - target) + FLOOR * _squares(target) + 1e-12
            for key, target in self.target.items()
        }
        self.evaluate = tf.function(self._evaluate)

    def run(
        self, picture: np.ndarray, generator: np.random.Generator
    ) -> typing.Iterator[tuple[np.ndarray, dict[str, float]]]:
        """Yields `(picture [H, W, 3] not clipped, losses)` after each step from `picture`."""
        start = fit_grid(images.resize(picture, *self.size), self.backbone.multiple)
        start = tf.reshape(tf.constant(start, tf.float32), [-1])
        settings, values = self.settings, {}
        optimiser = (
            optimisation.LBFGS(start)
            if settings.optimiser == "lbfgs"
            else optimisation.Adam(start, settings.rate)
        )
        for step in range(settings.steps):
            if step == 0 or (settings.jitter and step % settings.jitter_interval == 0):
                offset = tf.constant(generator.integers(0, 2 * settings.jitter + 1, 2), tf.int32)
                content = self._content(offset)
                optimiser.function_changed()

            def objective(flat, offset=offset, content=content):
                total, gradient, parts = self.evaluate(flat, offset, content)
                values.update(parts)
                return total, gradient

            total = optimiser.step(objective)
            height, width = self.size
            picture = np.asarray(tf.reshape(optimiser.position, self.content.shape))
            numbers = {name: float(value) for name, value in values.items()}
            yield picture[:height, :width], numbers | {"total": total}

    def _style(self, style: np.ndarray, longest: int) -> np.ndarray:
        """The style with its longest edge at `longest` pixels, or more where the backbone needs."""
        least = self.backbone.least_size / min(style.shape[:2])
        factor = max(longest / max(style.shape[:2]), least)
        height, width = (max(1, round(size * factor)) for size in style.shape[:2])
        return fit_grid(images.resize(style, height, width), self.backbone.multiple)

    def _features(self, picture: "tf.Tensor | np.ndarray") -> Features:
        features = self.backbone.aligned(picture, taps=self.backbone.taps)
        return {tap: tf.cast(value, tf.float32) for tap, value in features.items()}

    def _smooth(self, features: Features) -> Features:
        if not self.settings.smoothing:
            return features
        return {
            tap: operators.smooth(value, self.temperatures[tap]) for tap, value in features.items()
        }

    def _statistics(self, features: Features) -> dict:
        """Tensors by (tap, kind); all count equally."""
        values = {}
        for tap, value in features.items():
            mean, variance = tf.nn.moments(value, (1, 2))
            if self.settings.statistics == "gram":
                values[tap, "gram"] = losses.gram(value)
                continue
            values[tap, "mean"] = mean
            if self.settings.statistics == "covariance":
                values[tap, "covariance"] = losses.gram(value - mean[:, None, None])
            else:
                values[tap, "deviation"] = tf.sqrt(variance + 1e-6)
        return values

    def _shifted(self, picture: "tf.Tensor", offset: "tf.Tensor") -> "tf.Tensor":
        reach = self.settings.jitter
        if not reach:
            return picture[None]
        padded = tf.pad(picture, [[reach, reach], [reach, reach], [0, 0]], "REFLECT")
        return tf.slice(padded, [offset[0], offset[1], 0], picture.shape)[None]

    def _content(self, offset: "tf.Tensor") -> "tf.Tensor":
        """The features of the shifted content at the backbone's content tap."""
        shifted = self._shifted(tf.constant(self.content, tf.float32), offset)
        return self._smooth(self._features(shifted))[self.backbone.content_tap]

    def _evaluate(
        self, flat: "tf.Tensor", offset: "tf.Tensor", content: "tf.Tensor"
    ) -> "tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]":
        """Loss, gradient and parts at a picture's pixels `[H W 3]`."""
        with tf.GradientTape() as tape:
            tape.watch(flat)
            picture = tf.reshape(flat, self.content.shape)
            features = self._smooth(self._features(self._shifted(picture, offset)))
            statistics = self._statistics(features)
            relative = [
                _squares(value - self.target[key]) / self.units[key]
                for key, value in statistics.items()
            ]
            parts = {
                "content": losses.content(features[self.backbone.content_tap], content),
                "style": tf.add_n(relative) / len(relative),
                "smoothness": losses.total_variation(picture[None]),
                "range": tf.reduce_mean((picture - tf.clip_by_value(picture, 0.0, 1.0)) ** 2),
            }
            weights = {
                "content": self.settings.content_weight,
                "style": self.settings.style_weight,
                "smoothness": self.settings.smoothness,
                "range": RANGE_WEIGHT,
            }
            total, _ = losses.weighted_sum(parts, weights)
        return total, tape.gradient(total, flat), parts


def _squares(value: "tf.Tensor") -> "tf.Tensor":
    return tf.reduce_sum(value**2)
