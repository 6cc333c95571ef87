"""Losses as pure functions of tensors; each returns a float32 scalar.

Logits are `[B, ...]`, images `[B, H, W, 3]` in [0, 1], features `[B, H, W, C]`, codes `[B, D]`.
A sum of losses returns `total, parts`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable

from keras import ops

if typing.TYPE_CHECKING:
    import tensorflow as tf


def weighted_sum(parts: dict, weights: dict) -> tuple[tf.Tensor, dict]:
    """`total = sum_i w_i part_i` and the parts unweighted, for the log.

    Raises KeyError where a part has no weight: a loss that nobody weighted is a mistake.
    """
    total = ops.zeros(())
    for name, value in parts.items():
        total = total + weights[name] * value
    return total, parts


@dataclasses.dataclass(frozen=True)
class Adversarial:
    """An adversarial loss, by what a single logit d of the discriminator costs.

    made: of a made picture, in the generator's loss. true, false: of a picture that is of the
    tradition and of one that is not, in the discriminator's.
    """

    made: Callable
    true: Callable
    false: Callable

    def generator(self, logits: tf.Tensor) -> tf.Tensor:
        """The generator's loss on its pictures: `E made(D(G))`."""
        return ops.mean(self.made(ops.cast(logits, "float32")))

    def real(self, logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss on pictures of the tradition: `E true(D(x))`."""
        return ops.mean(self.true(ops.cast(logits, "float32")))

    def fake(self, logits: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
        """The discriminator's on pictures that are not: `E false(D(x))`; `weights [B]` leaves
        samples out."""
        return _mean_of_samples(self.false(ops.cast(logits, "float32")), weights)


# Each lambda has a line of its own, else AutoGraph cannot tell them apart, and warns.
ADVERSARIAL = {
    # Mao et al., arXiv 1611.04076
    "least_squares": Adversarial(
        made=lambda d: ops.square(d - 1.0),
        true=lambda d: ops.square(d - 1.0),
        false=ops.square,
    ),
    # Goodfellow et al., arXiv 1406.2661
    "non_saturating": Adversarial(
        made=lambda d: ops.softplus(-d),
        true=lambda d: ops.softplus(-d),
        false=ops.softplus,
    ),
    # Lim and Ye, arXiv 1705.02894
    "hinge": Adversarial(
        made=lambda d: -d,
        true=lambda d: ops.relu(1.0 - d),
        false=lambda d: ops.relu(1.0 + d),
    ),
}


def naming(logits: tf.Tensor, culture: tf.Tensor) -> tf.Tensor:
    """`E -log softmax(P D(x))_k`: cross-entropy of the culture k `[B]` against all others.

    `logits [B, h, w, K]` are a discriminator's maps, one per culture, of which P takes the mean
    over positions.
    """
    pooled = ops.mean(ops.cast(logits, "float32"), axis=(1, 2))
    chosen = ops.one_hot(culture, pooled.shape[-1])
    return -ops.mean(ops.sum(chosen * ops.log_softmax(pooled), axis=-1))


def feature_matching(features: list[tf.Tensor], reference: list[tf.Tensor]) -> tf.Tensor:
    """`mean_l E|P f_l(a) - P f_l(b)|`, where P takes the mean over positions (arXiv 1905.01723).

    `features` and `reference` are a discriminator's feature maps `[B, h, w, C]`, one per layer, of
    restyled pictures and of real ones. Without P (pix2pixHD, arXiv 1711.11585) things would have to
    be where they are in the real picture, which has another content.
    """
    total = ops.zeros(())
    for pair in zip(features, reference, strict=True):
        means = [ops.mean(ops.cast(x, "float32"), axis=(1, 2)) for x in pair]
        total = total + absolute_difference(*means)
    return total / len(features)


def gradient_penalty(gradients: tf.Tensor) -> tf.Tensor:
    """R1: `E[|dD(x)/dx|^2] / 2` of gradients `[B, ...]` (Mescheder et al., arXiv 1801.04406)."""
    gradients = ops.cast(gradients, "float32")
    axes = tuple(range(1, len(gradients.shape)))
    return 0.5 * ops.mean(ops.sum(gradients * gradients, axis=axes))


def absolute_difference(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """`E|a - b|`: cycle, identity and style reconstruction."""
    return ops.mean(ops.abs(ops.cast(first, "float32") - ops.cast(second, "float32")))


def diversity(first: tf.Tensor, second: tf.Tensor, limit: float = 0.2) -> tf.Tensor:
    """`-E min(|G(x, s1) - G(x, s2)|, limit)` per picture (StarGAN v2, arXiv 1912.01865).

    Differs from the paper: bounded by `limit`, in units of brightness, so that it may stay on to
    the end instead of decaying to zero.
    """
    difference = ops.abs(ops.cast(first, "float32") - ops.cast(second, "float32"))
    return -ops.mean(ops.minimum(ops.mean(difference, axis=(1, 2, 3)), limit))


def style_prior(mean: tf.Tensor, log_variance: tf.Tensor, prior_mean: tf.Tensor) -> tf.Tensor:
    """`KL(N(mean, exp(log_variance)) || N(prior_mean, I))`, mean over batch and dimensions.

    The prior of a culture's style codes is a unit Gaussian about its default code
    (Kingma and Welling, arXiv 1312.6114, with a mean that depends on the culture).
    """
    squared = (mean - prior_mean) ** 2
    return 0.5 * ops.mean(ops.exp(log_variance) + squared - 1.0 - log_variance)


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """`E|x[i+1] - x[i]|` over both directions."""
    image = ops.cast(image, "float32")
    return ops.mean(ops.abs(image[:, 1:] - image[:, :-1])) + ops.mean(
        ops.abs(image[:, :, 1:] - image[:, :, :-1])
    )


def plain(image: tf.Tensor, content: tf.Tensor, reach: int = 9, faint: float = 0.015) -> tf.Tensor:
    """Total variation of a picture where its content is plain: `E w |x[i+1] - x[i]|`.

        w = exp(-(g / faint)^2),  g: mean step between neighbours of the content over reach x reach

    so that a sky stays a sky: a discriminator of local features accepts rows of marks on it, since
    each mark alone might be in an artwork.
    """
    image, content = ops.cast(image, "float32"), ops.cast(content, "float32")
    steps = [ops.mean(step, axis=-1, keepdims=True) for step in _steps(content)]
    near = ops.average_pool(sum(steps), reach, 1, padding="same")
    weight = ops.exp(-ops.square(near / faint))
    return sum(ops.mean(weight * step) for step in _steps(image))


def _steps(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Absolute differences to the neighbour below and to the right, 0 at the last."""
    down = ops.abs(image[:, 1:] - image[:, :-1])
    right = ops.abs(image[:, :, 1:] - image[:, :, :-1])
    return (
        ops.pad(down, ((0, 0), (0, 1), (0, 0), (0, 0))),
        ops.pad(right, ((0, 0), (0, 0), (0, 1), (0, 0))),
    )


def coarse_colour(image: tf.Tensor, reference: tf.Tensor, cell: int = 8) -> tf.Tensor:
    """`E|P(a) - P(b)|` where P takes the mean of each square of `cell` pixels.

    Keeps each colour in its place, and leaves line, texture and ornament free.
    """
    pooled = (ops.average_pool(ops.cast(x, "float32"), cell, cell) for x in (image, reference))
    return absolute_difference(*pooled)


def normalised(features: tf.Tensor) -> tf.Tensor:
    """Features with mean 0 and deviation 1 per picture and channel: colour and contrast gone."""
    features = ops.cast(features, "float32")
    mean = ops.mean(features, axis=(1, 2), keepdims=True)
    variance = ops.mean((features - mean) ** 2, axis=(1, 2), keepdims=True)
    return (features - mean) / ops.sqrt(variance + 1e-4)


def content(features: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """`E (n(a) - n(b))^2` of features that `normalised` n has freed of the style's statistics.

    Differs from the paper (Gatys et al., arXiv 1508.06576), which does not normalise: each
    channel's mean and contrast belong to the style and may change.
    """
    return ops.mean((normalised(features) - normalised(reference)) ** 2)


def gram(features: tf.Tensor) -> tf.Tensor:
    """Gram matrix `F'F / (H W)`: `[B, H, W, C] -> [B, C, C]`."""
    features = ops.cast(features, "float32")
    height, width = ops.shape(features)[1], ops.shape(features)[2]
    rows = ops.reshape(features, (-1, height * width, features.shape[-1]))
    count = ops.cast(height * width, "float32")
    return ops.matmul(ops.swapaxes(rows, 1, 2), rows) / count


def style(features: dict, reference: dict, weights: tf.Tensor) -> tf.Tensor:
    """Gram style loss, relative per tap: `mean_taps |G(a) - G(b)|_1 / (|G(a)|_1 + |G(b)|_1)`.

    0 for equal, at most 1. Gatys et al. (arXiv 1508.06576) square the difference; relative absolute
    values put every tap and every style on one scale without a weight per tap. Relative to both:
    against the reference's Gram matrix alone, one plain crop of nearly no features outweighs a
    thousand others. `weights [B]` leaves samples out.
    """
    total = ops.zeros(())
    for tap, value in features.items():
        matrix, target = gram(value), gram(reference[tap])
        error, size = (
            ops.mean(ops.abs(x), axis=(1, 2))
            for x in (matrix - target, ops.abs(matrix) + ops.abs(target))
        )
        total = total + ops.sum(weights * error / (size + 1e-6))
    return total / (len(features) * ops.maximum(ops.sum(weights), 1.0))


def style_distances(features: dict) -> tf.Tensor:
    """Distances between the styles of a batch's pictures: `{tap: [B, h, w, C]} -> [B, B]`.

    `mean_taps |G_i - G_j|_F / m`, where G are Gram matrices and m is the tap's mean distance over
    all pairs of two, so that every tap counts alike. At least two pictures.
    """
    total = 0.0
    for value in features.values():
        grams = gram(value)
        flat = ops.reshape(grams, (grams.shape[0], -1))
        squares = ops.sum(flat * flat, axis=1)
        products = ops.matmul(flat, ops.transpose(flat))
        squared = squares[:, None] + squares[None] - 2.0 * products
        apart = 1.0 - ops.eye(flat.shape[0])
        distance = apart * ops.sqrt(ops.maximum(squared, 1e-8 * ops.mean(squares)))
        count = flat.shape[0] * (flat.shape[0] - 1)
        total = total + distance / (ops.sum(distance) / count)
    return total / len(features)


def focal(
    logits: tf.Tensor, tags: tf.Tensor, focus: float = 2.0, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """Focal loss of logits against multi-hot tags `[B, K]` (Lin et al., arXiv 1708.02002).

        E sum_k -(1 - p_k)^focus log p_k,   p_k: probability of what tag k is, 0 or 1

    `focus` 0 is binary cross-entropy; the greater it is, the less easy tags count. `weights [B]` of
    pictures are those of `class_balanced`. Differs from the paper: no alpha for positive tags.
    """
    tags = ops.cast(tags, "float32")
    signed = ops.cast(logits, "float32") * (2.0 * tags - 1.0)
    terms = ops.exp(-focus * ops.softplus(signed)) * ops.softplus(-signed)
    per_picture = ops.sum(terms, axis=-1)
    return ops.mean(per_picture if weights is None else per_picture * weights)


def class_balanced(tags: tf.Tensor, decay: float) -> tf.Tensor:
    """Weights of pictures `[B]` by the effective number of their tags (arXiv 1901.05555).

        w_k ~ (1 - decay) / (1 - decay^n_k),   n_k: pictures with tag k of `[B, K]`

    A picture has the mean weight of its tags, scaled so that the mean over pictures is 1. With
    `decay` 0 all pictures count alike, near 1 all tags. A picture without a tag weighs 1.
    """
    tags = ops.cast(tags, "float32")
    counts = ops.maximum(ops.sum(tags, axis=0), 1.0)
    per_tag = (1.0 - decay) / (1.0 - ops.power(decay, counts))
    carried = ops.sum(tags, axis=1)
    weights = ops.matmul(tags, per_tag) / ops.maximum(carried, 1.0)
    tagged = ops.cast(carried > 0.0, "float32")
    mean = ops.sum(weights * tagged) / ops.maximum(ops.sum(tagged), 1.0)
    return ops.where(carried > 0.0, weights / mean, 1.0)


def _mean_of_samples(values: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Mean of `[B, ...]` over samples, each with its weight."""
    samples = ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)
    if weights is None:
        return ops.mean(samples)
    return ops.sum(samples * weights) / ops.maximum(ops.sum(weights), 1.0)
