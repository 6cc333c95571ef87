"""Optimises the pixels of one picture for `gatys`: the objective of neural style transfer at one
size, and optimisers whose objective may change from step to step."""

import collections
import math
import typing

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.features.operators import smooth, spread
from stylegan_culture.restyling.classical import fit_grid

if typing.TYPE_CHECKING:
    from stylegan_culture.restyling.gatys import GatysSettings

Features = dict[str, tf.Tensor]  # by tap, [1, h, w, C]
Objective = typing.Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]  # [n] to loss and gradient
RANGE_WEIGHT = 100.0  # of squared excess beyond [0, 1]
FLOOR = 0.01  # share of a style's size below which its distance to the content is not divided


class Scale:
    """The objective at one size (height, width): targets of content and style, and the loss of a
    picture. The other parameters are those of `gatys.restyle`, with weights of sum 1."""

    def __init__(
        self,
        backbone: keras.Model,
        content: np.ndarray,
        styles: list[np.ndarray],
        weights: list[float],
        size: tuple[int, int],
        settings: "GatysSettings",
    ):
        self.backbone, self.size, self.settings = backbone, size, settings
        self.content = fit_grid(images.resize(content, *size), backbone.multiple)
        self.temperatures = {}
        described = [self._features(self._style(style, max(size))[None]) for style in styles]
        if settings.smoothing:
            for tap in backbone.taps:
                spreads = [float(spread(features[tap])[0]) for features in described]
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
        optimiser = LBFGS(start) if settings.optimiser == "lbfgs" else Adam(start, settings.rate)
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

    def _features(self, picture: tf.Tensor | np.ndarray) -> Features:
        features = self.backbone.aligned(picture, taps=self.backbone.taps)
        return {tap: tf.cast(value, tf.float32) for tap, value in features.items()}

    def _smooth(self, features: Features) -> Features:
        if not self.settings.smoothing:
            return features
        return {tap: smooth(value, self.temperatures[tap]) for tap, value in features.items()}

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

    def _shifted(self, picture: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        reach = self.settings.jitter
        if not reach:
            return picture[None]
        padded = tf.pad(picture, [[reach, reach], [reach, reach], [0, 0]], "REFLECT")
        return tf.slice(padded, [offset[0], offset[1], 0], picture.shape)[None]

    def _content(self, offset: tf.Tensor) -> tf.Tensor:
        """The features of the shifted content at the backbone's content tap."""
        shifted = self._shifted(tf.constant(self.content, tf.float32), offset)
        return self._smooth(self._features(shifted))[self.backbone.content_tap]

    def _evaluate(
        self, flat: tf.Tensor, offset: tf.Tensor, content: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
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


def _squares(value: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(value**2)


DECREASE = 1e-4  # c1 of the Wolfe conditions: share of the predicted fall that suffices
FLATTENING = 0.9  # c2: share of the slope that may be left
TRIALS = 20  # evaluations in one line search
LEAST_CURVATURE = 1e-8  # s'y / (|s| |y|) below which a pair is not remembered


class LBFGS:
    """Limited-memory BFGS with a weak Wolfe line search (Liu and Nocedal, 1989).

        optimiser = LBFGS(start)
        for _ in range(100):
            loss = optimiser.step(objective)

    The line search brackets and bisects (Lewis and Overton, "Nonsmooth optimization via
    quasi-Newton methods", 2013, algorithm 2.6): it needs no third derivative, works with kinks such
    as an absolute value's, and each accepted point has positive curvature. A direction that does
    not descend, or along which no point is lower, clears the memory: the next direction is then
    the steepest.

    start: `[n]` float32 or float64. history: pairs of differences that are remembered. first_move:
    root mean square change of a variable in the very first trial, when the curvature is unknown.
    """

    def __init__(self, start: tf.Tensor, history: int = 10, first_move: float = 0.01):
        self.position = tf.convert_to_tensor(start)
        self.first_move = first_move
        self.pairs = collections.deque(maxlen=history)
        self.known = None  # loss and gradient at the position

    def step(self, objective: Objective) -> float:
        """One iteration; returns the loss at the new position.

        Where no point is lower even along the steepest descent, the position stays: it is a minimum
        to rounding.
        """
        if self.known is None:
            self.known = objective(self.position)
        loss, gradient = self.known
        direction = self._direction(gradient)
        slope = _dot(direction, gradient)
        if not slope < 0.0:  # also where it is not a number
            self.pairs.clear()
            direction, slope = -gradient, -_dot(gradient, gradient)
        if slope == 0.0:
            return float(loss)
        lower = self._search(objective, direction, slope)
        if lower is None:
            self.pairs.clear()
            return float(loss)
        position, loss, new_gradient = lower
        self._remember(position - self.position, new_gradient - gradient)
        self.position, self.known = position, (loss, new_gradient)
        return float(loss)

    def function_changed(self) -> None:
        """To be called where the next step's objective differs: the loss here is forgotten, the
        curvature, which changes less, is kept."""
        self.known = None

    def _direction(self, gradient: tf.Tensor) -> tf.Tensor:
        """`-H g` by the two loops over the pairs, H_0 = (s'y / y'y) I of the newest pair."""
        if not self.pairs:
            return -gradient
        vector, factors = gradient, []
        for s, y, curvature in reversed(self.pairs):
            factors.append(_dot(s, vector) / curvature)
            vector = vector - factors[-1] * y
        _, y, curvature = self.pairs[-1]
        vector = vector * (curvature / _dot(y, y))
        for (s, y, curvature), factor in zip(self.pairs, reversed(factors), strict=True):
            vector = vector + (factor - _dot(y, vector) / curvature) * s
        return -vector

    def _search(
        self, objective: Objective, direction: tf.Tensor, slope: float
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor] | None:
        """`(position, loss, gradient)` of a point that satisfies the Wolfe conditions, or of the
        lowest one that was tried; None where none was lower."""
        start = float(self.known[0])
        rounding = 4.0 * abs(start) * np.finfo(self.position.dtype.as_numpy_dtype).eps
        low, high, best = 0.0, math.inf, None
        length = 1.0 if self.pairs else self._first_length(direction)
        for _ in range(TRIALS):
            position = self.position + length * direction
            loss, gradient = objective(position)
            value = float(loss)
            if not value <= start + DECREASE * length * slope + rounding:
                high = length
            else:
                if best is None or value < float(best[1]):
                    best = (position, loss, gradient)
                if _dot(gradient, direction) >= FLATTENING * slope:
                    return position, loss, gradient
                low = length
            length = 2.0 * low if math.isinf(high) else 0.5 * (low + high)
        return best

    def _first_length(self, direction: tf.Tensor) -> float:
        size = math.sqrt(_dot(direction, direction) / max(1, int(tf.size(direction))))
        return self.first_move / size if size > 0.0 else 1.0

    def _remember(self, s: tf.Tensor, y: tf.Tensor) -> None:
        """Keeps a pair whose curvature is positive beyond rounding."""
        curvature = _dot(s, y)
        if curvature > LEAST_CURVATURE * math.sqrt(_dot(s, s) * _dot(y, y)):
            self.pairs.append((s, y, curvature))


class Adam:
    """Keras's Adam with the same `position`, `step` and `function_changed`. start: `[n]` float32.
    rate: learning rate, in units of the variables."""

    def __init__(self, start: tf.Tensor, rate: float = 0.02):
        self._variable = tf.Variable(start)
        self._optimizer = keras.optimizers.Adam(rate)

    @property
    def position(self) -> tf.Tensor:
        """`[n]`."""
        return self._variable.value()

    def step(self, objective: Objective) -> float:
        """One step; returns the loss before it."""
        loss, gradient = objective(self._variable.value())
        self._optimizer.apply([gradient], [self._variable])
        return float(loss)

    def function_changed(self) -> None:
        """Nothing to forget: Adam remembers only gradients, which may vary."""


def _dot(first: tf.Tensor, second: tf.Tensor) -> float:
    return float(tf.tensordot(first, second, 1))
