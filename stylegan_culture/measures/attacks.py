"""Small changes of pictures that mislead a network (FGSM, PGD), and common corruptions.

Pictures are `[B, H, W, 3]` in [0, 1] and stay there. An attack makes an objective, which maps
pictures to one number each `[B]`, as large as it can: `misnamed`, `named_as`, `restyled_apart`.
"""

import dataclasses
import io
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from PIL import Image
from scipy.ndimage import gaussian_filter

from stylegan_culture.measures import statistics
from stylegan_culture.measures.batches import in_batches
from stylegan_culture.measures.statistics import Interval

NORMS = ("linf", "l2")


@dataclasses.dataclass(frozen=True)
class Ball:
    """What changes are allowed: at most `radius` in the norm "linf" (the largest change of a value)
    or "l2" (the root of the sum of squares over the picture)."""

    norm: str
    radius: float

    def steepest(self, gradient: tf.Tensor) -> tf.Tensor:
        """The change of length 1 that follows `gradient [B, H, W, 3]` best; 0 where that is 0."""
        if self.norm == "linf":
            return tf.sign(gradient)
        return gradient / tf.maximum(_length(gradient), 1e-12)

    def project(self, change: tf.Tensor) -> tf.Tensor:
        """The nearest change within the ball."""
        if self.norm == "linf":
            return tf.clip_by_value(change, -self.radius, self.radius)
        return change * tf.minimum(1.0, self.radius / tf.maximum(_length(change), 1e-12))


def fgsm(objective: Callable, pictures: ArrayLike, ball: Ball) -> tf.Tensor:
    """One step to the ball's edge along the steepest rise (Goodfellow et al., arXiv 1412.6572).

    In the norm "linf" `x + radius sign(gradient)`; values are kept in [0, 1].
    """
    pictures = tf.convert_to_tensor(pictures, tf.float32)
    step = ball.radius * ball.steepest(_gradient(objective, pictures))
    return tf.clip_by_value(pictures + step, 0.0, 1.0)


def pgd(
    objective: Callable,
    pictures: ArrayLike,
    ball: Ball,
    steps: int = 20,
    rate: float = 0.0,
    seed: int | None = None,
) -> tf.Tensor:
    """Steps of steepest rise, each projected back (Madry et al., arXiv 1706.06083).

    `rate` is the length of a step, 0 takes 2.5 radius / steps; `seed` is of a random start within
    the ball, None starts at the pictures. Of all that was passed through, for each picture the one
    of the greatest objective is returned.
    """
    pictures = tf.convert_to_tensor(pictures, tf.float32)
    rate = rate or 2.5 * ball.radius / steps
    current = pictures if seed is None else _somewhere(pictures, ball, seed)
    best, highest = current, objective(current)
    for _ in range(steps):
        change = current + rate * ball.steepest(_gradient(objective, current)) - pictures
        # Clipping to [0, 1] only moves values towards the picture: never out of the ball.
        current = tf.clip_by_value(pictures + ball.project(change), 0.0, 1.0)
        value = objective(current)
        better = value > highest
        highest = tf.where(better, value, highest)
        best = tf.where(better[:, None, None, None], current, best)
    return best


def misnamed(logits_of: Callable, tags: ArrayLike) -> Callable:
    """Untargeted: cross-entropy of the true culture, `tags [B]`, under `logits_of(pictures)`."""
    return lambda pictures: tf.nn.sparse_softmax_cross_entropy_with_logits(
        tags, logits_of(pictures)
    )


def named_as(logits_of: Callable, wanted: ArrayLike) -> Callable:
    """Targeted: how probable culture `wanted [B]` is."""
    worse = misnamed(logits_of, wanted)
    return lambda pictures: -worse(pictures)


def restyled_apart(restyle: Callable, pictures: ArrayLike) -> Callable:
    """The mean squared change of `restyle(pictures)` from that of the pictures themselves.

    At the pictures themselves its gradient is 0: start `pgd` with a seed.
    """
    reference = tf.stop_gradient(restyle(tf.convert_to_tensor(pictures, tf.float32)))
    return lambda changed: tf.reduce_mean((restyle(changed) - reference) ** 2, axis=(1, 2, 3))


def _gradient(objective: Callable, pictures: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        value = objective(pictures)
    return tape.gradient(value, pictures)


def _length(change: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(change * change, axis=(1, 2, 3), keepdims=True))


def _somewhere(pictures: tf.Tensor, ball: Ball, seed: int) -> tf.Tensor:
    """A random start: uniform in the "linf" ball; in the "l2" ball of random direction, length."""
    generator = np.random.default_rng(seed)
    if ball.norm == "linf":
        change = generator.uniform(-ball.radius, ball.radius, pictures.shape)
    else:
        noise = generator.normal(size=pictures.shape)
        length = np.sqrt((noise * noise).sum(axis=(1, 2, 3), keepdims=True))
        change = ball.radius * generator.uniform(size=(len(noise), 1, 1, 1)) * noise / length
    return tf.clip_by_value(pictures + tf.constant(change, tf.float32), 0.0, 1.0)


LEVELS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of an attack
METHODS = ("fgsm", "pgd")
DRAWS = 20000  # of shares; fewer would make equal shares' intervals differ on a page


@dataclasses.dataclass(frozen=True)
class Attack:
    """By which method, in which norm, and to what end: any wrong name, or a wanted one."""

    method: str
    norm: str
    targeted: bool


@dataclasses.dataclass(frozen=True)
class Effort:
    """How hard attacks try: steps of PGD, pictures at once, seed of its random starts."""

    steps: int = 20
    batch: int = 8
    seed: int = 0


ATTACKS = tuple(
    Attack(method, norm, targeted)
    for targeted in (False, True)
    for norm in NORMS
    for method in METHODS
)


def ball(norm: str, levels: float, size: int) -> Ball:
    """What changes of a picture of `size` values are within a number of levels."""
    return Ball(norm, levels / 255.0 * (1.0 if norm == "linf" else size**0.5))


def wanted_others(labels: ArrayLike, count: int) -> np.ndarray:
    """For each picture a culture that it is not of, `[N]`, the others in turn.

    `labels [N]` are numbers from 0 to `count - 1`; at least two cultures.
    """
    labels = np.asarray(labels)
    turn = np.zeros(len(labels), int)
    for culture in np.unique(labels):
        members = labels == culture
        turn[members] = np.arange(members.sum()) % (count - 1)
    return (labels + 1 + turn) % count


def named(logits_of: Callable, pictures: ArrayLike, batch: int = 8) -> np.ndarray:
    """The first guess for each picture, `[N]`; `logits_of` maps `[B, S, S, 3]` to `[B, K]`."""
    return in_batches(logits_of, pictures, size=batch).argmax(axis=1)


def attack_curve(
    logits_of: Callable,
    pictures: ArrayLike,
    labels: ArrayLike,
    attack: Attack,
    levels: ArrayLike,
    effort: Effort = Effort(),
) -> tuple[np.ndarray, np.ndarray]:
    """Which pictures an attack misleads, by its size.

    FGSM takes one step of each of the L sizes, which increase. PGD goes on from size to size with
    the pictures that were not misled yet: a larger bound allows every smaller change too.
    `labels [N]` are the true cultures, or the wanted ones of a targeted attack.

    Returns:
        `[1 + L, N]` bool, row 0 without a change: named otherwise than the label, or, targeted, as
        the label; and the changed pictures as they were last attacked, `[N, S, S, 3]`.
    """
    labels = np.asarray(labels)

    def gives_way(which: np.ndarray) -> np.ndarray:
        return (named(logits_of, current[which], effort.batch) == labels[which]) == attack.targeted

    current = np.array(pictures, np.float32)
    everyone = np.arange(len(labels))
    rows = [gives_way(everyone)]
    for level in levels:
        left = everyone if attack.method == "fgsm" else np.flatnonzero(~rows[-1])
        for start in range(0, len(left), effort.batch):
            part = left[start : start + effort.batch]
            objective = (named_as if attack.targeted else misnamed)(logits_of, labels[part])
            bound = ball(attack.norm, level, pictures[0].size)
            if attack.method == "fgsm":
                current[part] = fgsm(objective, pictures[part], bound)
            else:
                current[part] = pgd(
                    objective, pictures[part], bound, effort.steps, seed=effort.seed
                )
        row = np.ones(len(labels), bool)
        if len(left):
            row[left] = gives_way(left)
        rows.append(row)
    return np.stack(rows), current


@dataclasses.dataclass(frozen=True)
class Shares:
    """Shares of pictures with 95 % intervals: the mean in which every culture counts alike, and
    each culture's share, None where it has no picture."""

    mean: Interval
    cultures: dict[str, Interval | None]


def shares(values: ArrayLike, labels: ArrayLike, cultures: Sequence[str], seed: int = 0) -> Shares:
    """Shares of `values [N]` bool by culture; `labels [N]` are numbers of `cultures`.

    Intervals are of the Bayesian bootstrap (Rubin, 1981) with half a picture added on either side,
    Beta(s + 1/2, n - s + 1/2): of few pictures that are all alike a plain bootstrap has no width.
    """
    values, labels, count = np.asarray(values, bool), np.asarray(labels), len(cultures)
    totals = np.bincount(labels, minlength=count)
    right = np.bincount(labels, weights=values, minlength=count)
    generator, present = np.random.default_rng(seed), totals > 0
    draws = generator.beta(right + 0.5, totals - right + 0.5, size=(DRAWS, count))
    share, each = right / np.maximum(totals, 1), statistics.with_interval
    return Shares(
        each(share[present].mean(), draws[:, present].mean(axis=1), 0.0, 1.0),
        {
            name: each(share[culture], draws[:, culture], 0.0, 1.0) if present[culture] else None
            for culture, name in enumerate(cultures)
        },
    )


def largest_changes(
    restyle: Callable, pictures: ArrayLike, levels: float, effort: Effort = Effort()
) -> np.ndarray:
    """Pictures changed, within "linf", so that their restyling changes most: `[N, S, S, 3]`.

    PGD from a random start. `restyle` maps `[B, S, S, 3]` to the same shape, differentiable.
    """
    bound = ball("linf", levels, 1)

    def attack(part: tf.Tensor) -> tf.Tensor:
        return pgd(restyled_apart(restyle, part), part, bound, effort.steps, seed=effort.seed)

    return in_batches(attack, pictures, size=effort.batch)


def random_changes(pictures: ArrayLike, levels: float, seed: int) -> np.ndarray:
    """Pictures each of whose values went up or down by so many levels, by chance."""
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), np.shape(pictures))
    return np.clip(pictures + levels / 255.0 * signs, 0.0, 1.0).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Changes:
    """Root mean squares over each of N pictures, in levels, `[N]`."""

    input: np.ndarray  # of a change of the picture
    output: np.ndarray  # of what it changes in the restyled picture
    amplification: np.ndarray  # the second over the first: 1 for a network that returns its input


def output_changes(
    restyle: Callable, pictures: ArrayLike, changed: ArrayLike, batch: int = 8
) -> Changes:
    """How much `restyle(pictures)` changes where `pictures [N, S, S, 3]` become `changed`."""
    pair = (np.asarray(each, np.float32) for each in (pictures, changed))
    change, output = in_batches(
        lambda one, two: (_rms(one, two), _rms(restyle(one), restyle(two))), *pair, size=batch
    )
    return Changes(change, output, output / np.maximum(change, 1e-9))


def _rms(first: tf.Tensor, second: tf.Tensor) -> np.ndarray:
    """Root mean square difference of each picture `[N]`, in levels."""
    change = np.asarray(first, np.float64) - np.asarray(second)
    return 255.0 * np.sqrt((change * change).mean(axis=(1, 2, 3)))


# Deviation of the noise in units of brightness; that of the blur in pixels; JPEG quality.
SEVERITIES = {
    "noise": (0.02, 0.05, 0.1, 0.2),
    "blur": (0.5, 1.0, 2.0, 4.0),
    "jpeg": (75, 40, 20, 10),
}


def corrupted(pictures: ArrayLike, kind: str, severity: float, seed: int = 0) -> np.ndarray:
    """Pictures under one of `SEVERITIES`; equal seeds give equal noise, the others draw nothing."""
    if kind == "noise":
        return noisy(pictures, severity, seed)
    return {"blur": blurred, "jpeg": compressed}[kind](pictures, severity)


def noisy(pictures: ArrayLike, deviation: float, seed: int) -> np.ndarray:
    """Independent Gaussian noise on every value: `clip(x + deviation n)`."""
    noise = np.random.default_rng(seed).normal(0.0, deviation, np.shape(pictures))
    return np.clip(pictures + noise, 0.0, 1.0).astype(np.float32)


def blurred(pictures: ArrayLike, deviation: float) -> np.ndarray:
    """Convolution with a Gaussian of a deviation in pixels, the picture mirrored at its edges."""
    # Mirrored with the edge repeated, 4 deviations to either side.
    deviations = (0.0, deviation, deviation, 0.0)
    blurred = gaussian_filter(np.asarray(pictures, np.float64), deviations, mode="reflect")
    return np.clip(blurred, 0.0, 1.0).astype(np.float32)


def compressed(pictures: ArrayLike, quality: int) -> np.ndarray:
    """Saved as JPEG of a quality from 1 to 95 (colours at half resolution) and read again."""
    reread = []
    for picture in np.asarray(pictures):
        file = io.BytesIO()
        pixels = np.rint(255.0 * picture).astype(np.uint8)
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        reread.append(np.asarray(Image.open(file)))
    return np.stack(reread).astype(np.float32) / 255
