"""Optimisers of one picture's pixels, for `gatys`: the objective may change from step to step."""

import collections
import math
import typing

import keras
import numpy as np
import tensorflow as tf

Objective = typing.Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]  # [n] to loss and gradient
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
