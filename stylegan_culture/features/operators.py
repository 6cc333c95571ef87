"""Restyling operators over a fixed encoder: features of a content towards those of a target.

Each is `operator(features, target, strength, mask=None) -> features` on features `[B, H, W, C]` of
one tap, float32. `strength` 0 returns the features unchanged, 1 the full style. `mask`
`[B, H, W, 1]` in [0, 1] marks the positions that the content's moments are taken from; the operator
still changes all positions, and `regions` puts the results together.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf
from keras import ops

from stylegan_culture.config import InputError
from stylegan_culture.features import alignment, linalg

SHRINKAGE = 1e-3  # of both covariances, unless another is given
PATCH = 3  # positions a side in matching
MATCH_VALUES = 2**25  # similarities held at a time, 128 MiB


@dataclasses.dataclass(frozen=True)
class Target:
    """The style that features of one tap are brought to.

    mean `[B, C]` and covariance `[B, C, C]` (B may be 1) and, of an example picture, its features
    `[B, h, w, C]`, which matching and alpha fusion need.
    """

    mean: tf.Tensor
    covariance: tf.Tensor
    features: tf.Tensor | None = None

    @classmethod
    def of_features(cls, features: tf.Tensor) -> Target:
        """The target that an example's features `[B, h, w, C]` give."""
        features = ops.cast(features, "float32")
        return cls(*linalg.moments(_rows(features)), features)

    @classmethod
    def of_moments(cls, mean: tf.Tensor, covariance: tf.Tensor) -> Target:
        """The target that moments `[C]` and `[C, C]` give, for instance of a whole culture."""
        return cls(ops.cast(mean, "float32")[None], ops.cast(covariance, "float32")[None])


def alpha_fusion(
    features: tf.Tensor, target: Target, strength: float | tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """`(1 - s) content + s style`, position by position, the style's map resized to the content's.

    The source documents' case over InceptionResNetV2: objects of the style picture keep their
    places, and higher strengths show them through the content.
    """
    style = _features_of(target, "alpha")
    height, width = ops.shape(features)[1], ops.shape(features)[2]
    return _blend(features, tf.image.resize(style, (height, width), antialias=True), strength)


def adain(
    features: tf.Tensor, target: Target, strength: float | tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """Adaptive instance normalisation: each channel takes the target's mean and deviation.

    `s_t (x - m) / s + m_t`, Huang and Belongie, arXiv 1703.06868.
    """
    mean, variance = _channel_moments(features, mask)
    wanted = ops.diagonal(target.covariance, axis1=-2, axis2=-1)[:, None, None]
    scale = ops.sqrt((wanted + 1e-8) / (variance + 1e-8 + 1e-5 * ops.mean(variance)))
    return _blend(features, (features - mean) * scale + target.mean[:, None, None], strength)


def linear(
    features: tf.Tensor,
    target: Target,
    strength: float | tf.Tensor,
    mask: tf.Tensor | None = None,
    kind: str = "coral",
    shrinkage: float = SHRINKAGE,
) -> tf.Tensor:
    """`W (x - m) + m_t`, where W maps the content's covariance to the target's.

    kind: one of `alignment.MAPS`. "coral" is whitening and colouring (WCT, Li et al., arXiv
    1705.08086); "transport" moves features least. Differs from the paper: covariances are shrunk
    instead of cut off at small eigenvalues.
    """
    mean, covariance = _moments(features, mask)
    source = linalg.shrink(covariance, shrinkage)
    wanted = linalg.shrink(target.covariance, shrinkage)
    matrix = alignment.MAPS[kind](source, wanted)
    # Rows are samples, so the map stands on the right and transposed.
    mapped = ops.matmul(_rows(features) - mean[:, None], ops.swapaxes(matrix, -1, -2))
    mapped = ops.reshape(mapped + target.mean[:, None], ops.shape(features))
    return _blend(features, mapped, strength)


wct = functools.partial(linear, kind="coral")


def match(
    features: tf.Tensor, target: Target, strength: float | tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """Each 3x3 patch replaced by the style's most similar one, overlaps averaged (style swap).

    Similarity is the cosine of patches whose channels were brought to mean 0 and deviation 1 in
    either picture, so that brightness does not decide. Chen and Schmidt, arXiv 1612.04337.
    Differs from the paper: the similarity of patches is summed from that of positions, a ninth of
    the multiplications. `features` `[1, H, W, C]`, at least 2 positions a side.
    """
    style = _features_of(target, "match")
    mean, variance = _channel_moments(features, mask)
    spread = ops.sqrt(variance + 1e-8 + 1e-5 * ops.mean(variance))
    style_mean, style_variance = _channel_moments(style, None)
    style_spread = ops.sqrt(style_variance + 1e-8 + 1e-5 * ops.mean(style_variance))
    rows, columns = nearest_patches(
        ((features - mean) / spread)[0], ((style - style_mean) / style_spread)[0]
    )
    return _blend(features, _assemble(style[0], rows, columns)[None], strength)


def nearest_patches(content: tf.Tensor, style: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Row and column `[H, W]` int32 of the centre of the style patch `[h, w, C]` most similar to
    every content patch `[H, W, C]`, by cosine over the style's norm; borders are mirrored."""
    (height, width), places = content.shape[:2], style.shape[:2]
    content, style = _mirror(content), _mirror(style)
    squares = tf.reduce_sum(style * style, axis=-1)[None, ..., None]
    norms = tf.sqrt(tf.nn.avg_pool2d(squares, PATCH, 1, "VALID")[0, ..., 0] * PATCH**2 + 1e-12)
    band = max(1, MATCH_VALUES // (width * style.shape[0] * style.shape[1]))
    best = []
    for top in range(0, height, band):
        part = content[top : min(top + band, height) + PATCH - 1]
        count = part.shape[0] - PATCH + 1
        products = tf.einsum("yxc,jkc->yxjk", part, style)
        summed = tf.add_n([products[d : d + count, :, d : d + places[0]] for d in range(PATCH)])
        summed = tf.add_n([summed[:, d : d + width, :, d : d + places[1]] for d in range(PATCH)])
        flat = tf.reshape(summed / norms, (count * width, -1))
        best.append(tf.argmax(flat, axis=1, output_type=tf.int32))
    best = tf.reshape(tf.concat(best, 0), (height, width))
    return best // places[1], best % places[1]


def _mirror(features: tf.Tensor) -> tf.Tensor:
    return tf.pad(features, [[1, 1], [1, 1], [0, 0]], mode="REFLECT")


def _assemble(style: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Lays the chosen patches over each other and averages: `[H, W, C]`."""
    height, width = rows.shape
    style = _mirror(style)
    total = tf.zeros((height, width, style.shape[-1]))
    count = tf.zeros((height, width, 1))
    for down in range(PATCH):
        for right in range(PATCH):
            values = tf.gather_nd(style, tf.stack([rows + down, columns + right], -1))
            total += _shift(values, down - 1, right - 1)
            count += _shift(tf.ones((height, width, 1)), down - 1, right - 1)
    return total / count


def _shift(values: tf.Tensor, down: int, right: int) -> tf.Tensor:
    """Moves a map by at most one position; zeros come in."""
    height, width = values.shape[0], values.shape[1]
    padded = tf.pad(values, [[1, 1], [1, 1], [0, 0]])
    return padded[1 - down : 1 - down + height, 1 - right : 1 - right + width]


def spread(features: tf.Tensor) -> tf.Tensor:
    """Root mean square deviation of all values of each map `[B, H, W, C]` from its mean: `[B]`."""
    return ops.std(ops.cast(features, "float32"), axis=(1, 2, 3))


def smooth(features: tf.Tensor, temperature: float | tf.Tensor) -> tf.Tensor:
    """Softmax over a whole map, in units of its mean: `[B, H, W, C]` -> the same, float32.

        n exp(f / T) / sum exp(f / T)      n = H W C, the sum over positions and channels

    Sums of residual blocks have few, high peaks (low entropy), which dominate a Gram matrix. After
    the softmax every position counts. Wang, Li and Vasconcelos, "Rethinking and improving the
    robustness of image style transfer" (SWAG), arXiv 2104.05623.

    Differs from the paper: multiplied by n, so that maps of any size have mean 1 and can be
    compared; and with a temperature `T > 0` (one, or one for each picture `[B]`) in units of the
    features' spread, since backbones' features differ in scale by orders of magnitude.
    """
    features = ops.cast(features, "float32")
    shape = ops.shape(features)
    temperature = ops.reshape(ops.convert_to_tensor(temperature, "float32"), (-1, 1))
    flat = ops.reshape(features, (shape[0], -1)) / temperature
    count = ops.cast(ops.shape(flat)[1], "float32")
    return ops.reshape(count * ops.softmax(flat, axis=-1), shape)


def fuse(
    operator: Callable,
    features: tf.Tensor,
    targets: list[Target],
    weights: list[float],
    strength: float | tf.Tensor,
) -> tf.Tensor:
    """Several targets at once: the operator's results, averaged by `weights` (of sum 1)."""
    total = ops.zeros_like(features)
    for target, weight in zip(targets, weights, strict=True):
        if weight:
            total = total + weight * operator(features, target, strength)
    return total


def regions(
    operator: Callable,
    features: tf.Tensor,
    targets: list[Target],
    masks: tf.Tensor,
    strength: float | tf.Tensor,
) -> tf.Tensor:
    """A target for each region: `masks` `[K, H, W]` on the features' grid, their sum at most 1.

    Each region is restyled by its moments; the share that masks leave keeps the content.
    """
    total, rest = ops.zeros_like(features), ops.ones_like(features[..., :1])
    for target, mask in zip(targets, masks, strict=True):
        mask = ops.cast(mask, "float32")[None, ..., None]
        if float(ops.sum(mask)) < 1.0:  # less than one position: nothing to restyle
            continue
        total = total + mask * operator(features, target, strength, mask)
        rest = rest - mask
    return total + rest * features


def _features_of(target: Target, method: str) -> tf.Tensor:
    if target.features is None:
        raise InputError(f"the method {method} needs an example picture, not a culture's moments")
    return target.features


def _blend(features: tf.Tensor, restyled: tf.Tensor, strength: float | tf.Tensor) -> tf.Tensor:
    return (1.0 - strength) * features + strength * restyled


def _rows(features: tf.Tensor) -> tf.Tensor:
    """`[B, H, W, C] -> [B, H W, C]`."""
    shape = ops.shape(features)
    return ops.reshape(features, (shape[0], shape[1] * shape[2], features.shape[-1]))


def _moments(features: tf.Tensor, mask: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean `[B, C]` and covariance `[B, C, C]` of the positions that the mask names."""
    if mask is None:
        return linalg.moments(_rows(features))
    rows, weights = _rows(features), _rows(mask)
    weights = weights / ops.sum(weights, axis=1, keepdims=True)
    mean = ops.sum(weights * rows, axis=1)
    centred = rows - mean[:, None]
    return mean, ops.matmul(ops.swapaxes(weights * centred, -1, -2), centred)


def _channel_moments(features: tf.Tensor, mask: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance of each channel, `[B, 1, 1, C]`."""
    weights = ops.ones_like(features[..., :1]) if mask is None else mask
    weights = weights / ops.sum(weights, axis=(1, 2), keepdims=True)
    mean = ops.sum(weights * features, axis=(1, 2), keepdims=True)
    return mean, ops.sum(weights * (features - mean) ** 2, axis=(1, 2), keepdims=True)
