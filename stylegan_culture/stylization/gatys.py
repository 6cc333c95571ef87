"""Neural style transfer by optimising the picture itself, coarse to fine (Gatys et al.).

It needs no training: only a backbone, whose features say what is in a picture (content) and how it
is painted (statistics of style).
"""

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.config import InputError, option
from stylegan_culture.features.backbones import check_size
from stylegan_culture.features.smoothing import smooth, spread
from stylegan_culture.stylization.feedforward import keep_colour
from stylegan_culture.stylization.lbfgs import LBFGS

RANGE_WEIGHT = 100.0


@dataclasses.dataclass(frozen=True)
class GatysConfig:
    """What is weighed against what, how long, and from where."""

    steps: int = option(150, "optimiser steps per scale")
    scales: int = option(3, "sizes, each half of the next; the last is the picture's own")
    content: float = option(1.0, "weight of the content's features")
    style: float = option(1.0, "weight of the style's statistics")
    smoothness: float = option(0.1, "weight of total variation")
    statistics: str = option("gram", "of style", choices=("gram", "moments", "both"))
    optimiser: str = option("lbfgs", "how the picture follows", choices=("lbfgs", "adam"))
    rate: float = option(0.02, "learning rate of adam, in units of brightness")
    noise: float = option(0.0, "share of seeded noise in the start")
    seed: int = option(0, "seed of noise and jitter")
    smoothing: str = option("auto", "smooth activations", choices=("auto", "on", "off"))
    temperature: float = option(2.0, "of activation smoothing, in deviations")
    jitter: int = option(4, "largest shift in pixels")
    jitter_interval: int = option(5, "steps between shifts")
    keep_colour: bool = option(False, "keep the content's colours")
    floor: float = option(0.01, "share")
    taps: str = option("", "taps")
    precondition: float = option(0.0, "x")
    content_tap: str = option("", "tap")


@dataclasses.dataclass(frozen=True)
class Iterate:
    picture: np.ndarray
    step: int
    steps: int
    losses: dict


def restyle(backbone, content, styles, config=None, weights=None):
    config = config or GatysConfig()
    weights = style_weights(len(styles), weights)
    check_size(backbone, *content.shape[:2])
    for style in styles:
        check_size(backbone, *style.shape[:2])
    return _iterates(backbone, content, styles, weights, config)


def style_weights(count, weights):
    if weights is None:
        weights = np.ones(count)
    weights = np.asarray(weights, np.float64)
    if not weights.sum() > 0 or (weights < 0).any():
        raise InputError("bad weights")
    return weights / weights.sum()


def _iterates(backbone, content, styles, weights, config):
    sizes = _sizes(content.shape[:2], config.scales, backbone.least_size)
    total, number = len(sizes) * config.steps, 0
    generator = np.random.default_rng(config.seed)
    picture = content + config.noise * (generator.normal(0.5, 0.2, content.shape) - content)
    picture = picture.astype(np.float32)
    for size in sizes:
        scale = Scale(backbone, content, styles, weights, size, config)
        for picture, values in scale.run(picture, config, generator):
            number += 1
            shown = np.clip(images.resize(picture, *content.shape[:2]), 0, 1)
            if config.keep_colour:
                shown = keep_colour(content, shown)
            yield Iterate(shown, number, total, values)


def _sizes(size, scales, least):
    found = []
    for level in reversed(range(scales)):
        scaled = tuple(max(1, round(x / 2**level)) for x in size)
        if min(scaled) >= least or level == 0:
            found.append(scaled)
    return found


class Scale:
    def __init__(self, backbone, content, styles, weights, size, config):
        self.backbone, self.size, self.config = backbone, size, config
        self.taps = tuple(config.taps.split(",")) if config.taps else backbone.taps
        self.content_tap = config.content_tap or backbone.content_tap
        self.smoothing = {"auto": backbone.residual, "on": True, "off": False}[config.smoothing]
        self.content = _pad(images.resize(content, *size), backbone.multiple)
        longest = max(size)
        self.temperatures = None
        found = [self._features(self._style(style, longest)[None]) for style in styles]
        if self.smoothing:
            self.temperatures = {
                tap: config.temperature
                * sum(float(w) * float(spread(f[tap])[0]) for w, f in zip(weights, found))
                for tap in found[0]
            }
            found = [self._smooth(f) for f in found]
        parts = [self._statistics(f) for f in found]
        self.target = {k: sum(float(w) * p[k] for w, p in zip(weights, parts)) for k in parts[0]}
        start = self._statistics(self._smooth(self._features(self.content[None])))
        self.scales = {
            k: 1.0 / (tf.reduce_sum((start[k] - t) ** 2) + config.floor * tf.reduce_sum(t**2) + 1e-12)
            for k, t in self.target.items()
        }
        self.compiled = tf.function(self._loss_and_gradient, reduce_retracing=False)

    def _style(self, style, longest):
        factor = min(1.0, longest / max(style.shape[:2]))
        factor = max(factor, self.backbone.least_size / min(style.shape[:2]))
        m = self.backbone.multiple
        h, w = (max(m * math.ceil(self.backbone.least_size / m), m * round(x * factor / m)) for x in style.shape[:2])
        return images.resize(style, h, w)

    def _features(self, picture):
        wanted = tuple(t for t in self.backbone.taps if t in self.taps or t == self.content_tap)
        return {k: tf.cast(v, tf.float32) for k, v in self.backbone.aligned(picture, taps=wanted).items()}

    def _smooth(self, features):
        if not self.temperatures:
            return features
        return {t: smooth(f, self.temperatures[t]) for t, f in features.items()}

    def _statistics(self, features):
        found = {}
        for tap in self.taps:
            v = features[tap]
            if self.config.statistics in ("gram", "both"):
                found[tap, "gram"] = losses.gram(v)
            if self.config.statistics in ("moments", "both"):
                m, var = tf.nn.moments(v, (1, 2))
                found[tap, "moments"] = tf.concat([m, tf.sqrt(var + 1e-6)], -1)
        return found

    def _shifted(self, picture, offset):
        j = self.config.jitter
        if not j:
            return picture[None]
        padded = tf.pad(picture, [[j, j], [j, j], [0, 0]], "REFLECT")
        h, w = self.content.shape[:2]
        return tf.slice(padded, [offset[0], offset[1], 0], [h, w, 3])[None]

    def _loss_and_gradient(self, flat, offset, content_target):
        with tf.GradientTape() as tape:
            tape.watch(flat)
            picture = self.decode(flat)
            features = self._smooth(self._features(self._shifted(picture, offset)))
            stats = self._statistics(features)
            style = sum(self.scales[k] * tf.reduce_sum((v - self.target[k]) ** 2) for k, v in stats.items()) / len(stats)
            outside = picture - tf.clip_by_value(picture, 0.0, 1.0)
            parts = {
                "content": losses.content(features[self.content_tap], content_target),
                "style": style,
                "smoothness": losses.total_variation(picture[None]),
                "range": tf.reduce_mean(outside**2),
            }
            c = self.config
            total, _ = losses.weighted_sum(
                parts, {"content": c.content, "style": c.style, "smoothness": c.smoothness, "range": RANGE_WEIGHT}
            )
        return total, tape.gradient(total, flat), parts

    def decode(self, flat):
        z = tf.reshape(flat, self.content.shape)
        return _filter(z, self.config.precondition, 1.0) if self.config.precondition else z

    def encode(self, picture):
        if self.config.precondition:
            picture = _filter(tf.constant(picture), self.config.precondition, -1.0)
        return tf.reshape(tf.convert_to_tensor(picture), [-1])

    def run(self, picture, config, generator):
        start = _pad(images.resize(picture, *self.size), self.backbone.multiple)
        opt = LBFGS(self.encode(start)) if config.optimiser == "lbfgs" else Adam(self.encode(start), config.rate)
        last = {}
        for step in range(config.steps):
            if step % config.jitter_interval == 0 and (config.jitter or step == 0):
                offset = tf.constant(generator.integers(0, 2 * config.jitter + 1, 2), tf.int32)
                target = self._smooth(self._features(self._shifted(tf.constant(self.content), offset)))[self.content_tap]
                opt.function_changed()

            def objective(flat):
                total, gradient, parts = self.compiled(flat, offset, target)
                last["v"] = parts
                return total, gradient

            loss = opt.step(objective)
            values = {k: float(v) for k, v in last["v"].items()} | {"total": loss}
            h, w = self.size
            yield np.asarray(self.decode(opt.position))[:h, :w], values


def _filter(z, strength, power):
    h, w = z.shape[:2]
    fy = np.fft.fftfreq(h)[:, None]
    fx = np.fft.rfftfreq(w)[None]
    s = ((1 + (np.hypot(fy, fx) / strength) ** 2) ** (-0.5 * power)).astype(np.float32)
    sp = tf.signal.rfft2d(tf.transpose(z, (2, 0, 1)))
    out = tf.signal.irfft2d(sp * tf.cast(s, tf.complex64), [h, w])
    return tf.transpose(out, (1, 2, 0))


class Adam:
    def __init__(self, start, rate):
        self.variable = tf.Variable(start)
        self.optimiser = keras.optimizers.Adam(rate)

    @property
    def position(self):
        return self.variable.value()

    def function_changed(self):
        pass

    def step(self, objective):
        loss, gradient = objective(self.variable.value())
        self.optimiser.apply([gradient], [self.variable])
        return float(loss)


def _pad(image, multiple):
    h, w = image.shape[:2]
    return np.pad(image, [(0, -h % multiple), (0, -w % multiple), (0, 0)], "reflect").astype(np.float32)
