"""Improves a style code by the gradient of what its results show; the network stays as it is.

Minimised over the code c, from a start c0:

    - E log P(culture) - e edges - o order + m max(marks - quiet, 0) + t |1 - tone|
    + l max(pale - lights, 0) / 100 + HOLD max(least - tone, 0) + NEAR |c - c0|^2

with the names and weights of `training.codes`. The figures are those of `measures.lightness`, here
as functions that gradients pass through.
"""

import typing

import numpy as np
import tensorflow as tf
from scipy.optimize import minimize

from stylegan_culture.features import linalg
from stylegan_culture.measures import colour, lightness, probes
from stylegan_culture.training import codes

if typing.TYPE_CHECKING:
    from stylegan_culture.networks.generator import CultureModel

HOLD = 5.0  # weight of a tone that is too low
NEAR = 0.02  # weight of the squared distance from the start
LEAST = 1e-6  # under roots, whose slope is endless at 0


class Descent:
    """Finds better codes near given ones.

    Args:
        network: that restyles.
        probe: linear, whose classes hold the network's cultures.
        contents: photographs to restyle; one of them at least has plain places.
        weights: of the score.
        steps: most iterations of a descent.
    """

    def __init__(
        self,
        network: "CultureModel",
        probe: probes.CultureProbe,
        contents: codes.Contents,
        weights: codes.ScoreConfig,
        steps: int,
    ):
        self.network, self.probe, self.weights, self.steps = network, probe, weights, steps
        self.pictures = tf.constant(contents.pictures)
        self.kernel, self.bias = (tf.constant(one, tf.float32) for one in probe.linear())
        before = tf.constant(contents.lightness)
        self.before = {"edges": _slope(before), "places": _places(before)}
        masks = np.stack([lightness.plain(one) for one in contents.lightness])
        masks &= (masks.sum(axis=(1, 2)) >= lightness.LEAST_PLAIN)[:, None, None]
        self.masks = tf.constant(masks, tf.float32)
        self.loss = tf.function(self._loss)

    def refined(
        self, start: np.ndarray, culture: str, aims: codes.Aims, least: float
    ) -> np.ndarray:
        """The best code `[D]` that was met on the way from `start`.

        Args:
            start: a code `[D]`.
            culture: a class of the probe.
            aims: of the culture's artworks.
            least: tone below which `HOLD` counts.
        """
        column = tf.constant(self.probe.classes.index(culture))
        given = [tf.constant(one, tf.float32) for one in (start, *aims, least)]

        def loss(code: np.ndarray) -> tuple[float, np.ndarray]:
            code = tf.constant(code, tf.float32)
            value, gradient = self.loss(code, column, *given)
            return float(value), np.asarray(gradient, np.float64)

        options = {"maxiter": self.steps, "maxfun": self.steps}
        return minimize(
            loss, np.asarray(start, np.float64), jac=True, method="L-BFGS-B", options=options
        ).x.astype(np.float32)

    def figures(self, code: tf.Tensor, column: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scalars of a code `[D]`: log_named for the class `column`, edges, order, marks, tone and
        lights. Marks are a mean over photographs with plain places, not their median."""
        count = self.pictures.shape[0]
        codes = tf.repeat(code[None], count, axis=0)
        results = self.network.stylize_with(self.pictures, codes, tf.ones((count, 1)))
        small = tf.image.resize(results, (probes.SIDE, probes.SIDE), antialias=True)
        logits = linalg.descriptors(self.probe.backbone(small)) @ self.kernel + self.bias
        side = (lightness.SIDE, lightness.SIDE)
        after = _lightness(tf.image.resize(results, side, antialias=True))
        places, before = _places(after), self.before["places"]
        centred = before - tf.reduce_mean(before)
        return {
            "log_named": tf.reduce_mean(tf.nn.log_softmax(logits)[:, column]),
            "edges": tf.reduce_mean(_correlation(self.before["edges"], _slope(after))),
            "order": tf.reduce_mean(_correlation(before, places)),
            "marks": self._marks(after),
            "tone": tf.reduce_sum(centred * places) / tf.reduce_sum(centred**2),
            "lights": _lights(places),
        }

    def _marks(self, after: tf.Tensor) -> tf.Tensor:
        band = _blurred(after, lightness.MARKS[0]) - _blurred(after, lightness.MARKS[1])
        axes = lightness.ROWS_COLUMNS
        counts = tf.reduce_sum(self.masks, axes, keepdims=True)
        share = self.masks / tf.maximum(counts, 1.0)
        mean = tf.reduce_sum(band * share, axes, keepdims=True)
        variance = tf.reduce_sum((band - mean) ** 2 * share, axes)
        plain = tf.cast(counts[:, 0, 0] > 0.0, tf.float32)
        return tf.reduce_sum(tf.sqrt(variance + LEAST) * plain) / tf.reduce_sum(plain)

    def _loss(
        self,
        code: tf.Tensor,
        column: tf.Tensor,
        start: tf.Tensor,
        quiet: tf.Tensor,
        pale: tf.Tensor,
        least: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        weights = self.weights
        with tf.GradientTape() as tape:
            tape.watch(code)
            shown = self.figures(code, column)
            loss = (
                -shown["log_named"]
                - weights.edges * shown["edges"]
                - weights.order * shown["order"]
                + weights.marks * tf.nn.relu(shown["marks"] - quiet)
                + weights.tone * tf.abs(1.0 - shown["tone"])
                + weights.lights * tf.nn.relu(pale - shown["lights"]) / 100.0
                + HOLD * tf.nn.relu(least - shown["tone"])
                + NEAR * tf.reduce_sum((code - start) ** 2)
            )
        return loss, tape.gradient(loss, code)


def _lightness(pictures: tf.Tensor) -> tf.Tensor:
    """`colour.lightness` of `[..., 3]`; one value below 0 counts as 0."""
    encoded = tf.maximum(pictures, 0.0)
    linear = tf.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    relative = tf.reduce_sum(linear * tf.constant(colour.TO_XYZ[1], tf.float32), axis=-1)
    root = tf.maximum(relative, colour.EPSILON) ** (1 / 3)
    line = (colour.KAPPA * relative + 16) / 116
    return 116 * tf.where(relative > colour.EPSILON, root, line) - 16


def _blurred(values: tf.Tensor, deviation: float) -> tf.Tensor:
    """`lightness.blurred` of `[N, H, W]`."""
    radius = int(4.0 * deviation + 0.5)  # of scipy.ndimage.gaussian_filter
    places = np.arange(-radius, radius + 1)
    kernel = np.exp(-(places**2) / (2.0 * deviation**2))
    kernel = tf.constant(kernel / kernel.sum(), tf.float32)
    edge = [radius, radius]
    padded = tf.pad(values[..., None], [[0, 0], edge, edge, [0, 0]], "SYMMETRIC")
    rows = tf.nn.conv2d(padded, kernel[:, None, None, None], 1, "VALID")
    return tf.nn.conv2d(rows, kernel[None, :, None, None], 1, "VALID")[..., 0]


def _slope(values: tf.Tensor) -> tf.Tensor:
    """Length of the gradient, after a blur, of lightness `[N, H, W]`, as `lightness.edges` has
    it."""
    values = _blurred(values, lightness.EDGE_BLUR)
    down = _differences(values)
    across = tf.transpose(_differences(tf.transpose(values, [0, 2, 1])), [0, 2, 1])
    return tf.sqrt(down**2 + across**2 + LEAST)


def _differences(values: tf.Tensor) -> tf.Tensor:
    """`np.gradient` of `[N, H, W]` along H."""
    inner = (values[:, 2:] - values[:, :-2]) / 2.0
    ends = (values[:, 1:2] - values[:, :1], values[:, -1:] - values[:, -2:-1])
    return tf.concat([ends[0], inner, ends[1]], axis=1)


def _places(values: tf.Tensor) -> tf.Tensor:
    """Lightness `[N, H, W]` of large shapes, of `codes.places`."""
    return _blurred(values, lightness.ORDER_BLUR)[:, :: codes.GRID, :: codes.GRID]


def _lights(places: tf.Tensor) -> tf.Tensor:
    """Mean of `codes.lights` of `[N, h, w]`."""
    flat = tf.reshape(places, [places.shape[0], -1])
    return tf.reduce_mean(tf.math.top_k(flat, codes.lightest(flat.shape[1])).values)


def _correlation(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """`lightness.correlation` of `[N, H, W]`: `[N]`, 0 for a constant."""
    axes = lightness.ROWS_COLUMNS
    first, second = (one - tf.reduce_mean(one, axes, keepdims=True) for one in (first, second))
    shared = tf.reduce_mean(first * second, axes)
    return shared / tf.sqrt(
        tf.reduce_mean(first**2, axes) * tf.reduce_mean(second**2, axes) + LEAST
    )
