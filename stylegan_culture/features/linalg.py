"""Moments of features, the roots of their covariances, whitening and colouring maps.

Written with keras.ops so that the same lines serve eager analysis, a training graph and an
exported file. Covariances are symmetric positive semi-definite matrices `[..., C, C]` in float32;
every leading dimension is a batch. Lower-case letters beside a formula: `d` channels, `n` samples.
Functions by eigen-decomposition keep float64. On arrays with values they call LAPACK through NumPy,
which no gradient tape sees: differentiate them inside a `tf.function`.
"""

from __future__ import annotations

import types
import typing

import keras
import numpy as np
from keras import ops

if typing.TYPE_CHECKING:
    import tensorflow as tf

# Real covariances are ill-conditioned: after Frobenius normalisation and shrinkage 1e-3 ten
# iterations leave an error of 0.5, twenty leave 3e-4 (tests/features/test_linalg.py).
NEWTON_SCHULZ_ITERATIONS = 20
DEVIATION_FLOOR = 1e-6  # of variances in descriptors: the root of 0 has no slope


def moments(samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean `[..., d]` and covariance `[..., d, d]` (divided by n), float32, of samples
    `[..., n, d]`, n at least 1."""
    samples = ops.cast(samples, "float32")
    count = samples.shape[-2] or ops.cast(ops.shape(samples)[-2], "float32")
    mean = ops.mean(samples, axis=-2, keepdims=True)
    centred = samples - mean
    covariance = ops.matmul(ops.swapaxes(centred, -1, -2), centred) / count
    return ops.squeeze(mean, -2), covariance


def mean_and_deviation(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and deviation of every channel over a picture's positions: `[B, h, w, C]` to two
    `[B, C]` float32; `DEVIATION_FLOOR` is added to variances."""
    mean, variance = ops.moments(ops.cast(features, "float32"), axes=(1, 2))
    return mean, ops.sqrt(variance + DEVIATION_FLOOR)


def descriptors(taps: dict) -> tf.Tensor:
    """A picture as numbers: mean and deviation of every channel of taps `{name: [B, h, w, C]}`,
    tap by tap, `[B, D]` float32."""
    parts = [part for features in taps.values() for part in mean_and_deviation(features)]
    return ops.concatenate(parts, axis=1)


def shrink(covariance: tf.Tensor, amount: float, floor: float = 1e-8) -> tf.Tensor:
    """Shrinkage towards a scaled identity: `(1 - l) S + l tr(S)/d I + floor I`.

    `amount` is l in [0, 1]; below the variance `floor` a direction counts as empty, so that
    whitening does not turn the rounding noise of a plain sky into texture. The result is positive
    definite even where n < d or a channel is constant (Ledoit and Wolf, 2004, with a given l).
    """
    size = covariance.shape[-1]
    identity = ops.eye(size, dtype=covariance.dtype)
    scale = ops.sum(covariance * identity, axis=(-1, -2), keepdims=True) / size
    return (1.0 - amount) * covariance + (amount * scale + floor) * identity


def eigh(covariance: tf.Tensor) -> tuple:
    """Eigenvalues, ascending, `[..., d]` and vectors in columns `[..., d, d]`.

    Outside a graph NumPy arrays by LAPACK, calculated in float64 and faster even so: TensorFlow's
    takes 1.2 to 1.3 times as long at 256 to 512 channels on a processor.
    """
    covariance = ops.convert_to_tensor(covariance)
    if not hasattr(covariance, "numpy"):  # symbolic: has no values yet
        return ops.eigh(covariance)
    return np.linalg.eigh(covariance.numpy())


def eigh_root(covariance: tf.Tensor, power: float) -> tf.Tensor:
    """`S ** power` by eigen-decomposition: exact; for analysis (it does not convert to TFLite).

    Eigenvalues below 1e-10 of the largest are raised to that floor before a negative power.
    """
    values, vectors = eigh(covariance)
    # All in one library: the threads of two on the same cores wait for each other.
    library = np if isinstance(values, np.ndarray) else ops
    floor = 1e-10 * library.max(values, axis=-1, keepdims=True)
    powered = library.power(library.maximum(values, floor + 1e-30), power)
    return ops.convert_to_tensor(_scaled(vectors, powered, library))


def _scaled(vectors: tf.Tensor, values: tf.Tensor, library: types.ModuleType) -> tf.Tensor:
    """`V diag(values) V'` of values that are not negative, as a product that is symmetric."""
    scaled = vectors * library.expand_dims(library.sqrt(values), -2)
    return library.matmul(scaled, library.swapaxes(scaled, -1, -2))


def newton_schulz_roots(
    covariance: tf.Tensor, iterations: int = NEWTON_SCHULZ_ITERATIONS
) -> tuple[tf.Tensor, tf.Tensor]:
    """Square root and inverse square root by matrix products alone: the form that is exported.

    The coupled Newton-Schulz iteration `Y <- Y T, Z <- T Z, T = (3 I - Z Y) / 2` from
    `Y = S / |S|, Z = I` converges to `Y -> (S/|S|)^1/2, Z -> (S/|S|)^-1/2`
    (Higham, Functions of Matrices, 2008, section 6.4), where |.| is the Frobenius norm.

    The covariance `[..., d, d]` is positive definite (see `shrink`); both roots are float32.
    """
    covariance = ops.cast(covariance, "float32")
    identity = ops.eye(covariance.shape[-1], dtype="float32")
    norm = ops.sqrt(ops.sum(covariance * covariance, axis=(-1, -2), keepdims=True))
    root, inverse = covariance / norm, ops.zeros_like(covariance) + identity
    for _ in range(iterations):
        step = 1.5 * identity - 0.5 * ops.matmul(inverse, root)
        root, inverse = ops.matmul(root, step), ops.matmul(step, inverse)
    return root * ops.sqrt(norm), inverse / ops.sqrt(norm)


def eigh_roots(covariance: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """`S^1/2` and `S^-1/2` from one eigen-decomposition, in the covariance's precision.

    Directions whose eigenvalue is below the rounding of the largest (10 units of the last place)
    are empty in both, so that the rounding noise of a dead channel is never enlarged: of a singular
    covariance the second is the root of the pseudo-inverse. Rows of zeros stay exactly zero, where
    a decomposition would leave a little of other channels.
    """
    values, vectors = eigh(covariance)
    library = np if isinstance(values, np.ndarray) else ops
    rounding = float(np.finfo(keras.backend.standardize_dtype(values.dtype)).eps)
    full = values > 10.0 * rounding * library.max(values, axis=-1, keepdims=True)
    roots = library.sqrt(library.where(full, values, library.ones_like(values)))
    empty = library.zeros_like(values)
    alive = library.expand_dims(library.any(library.not_equal(covariance, 0.0), axis=-1), -1)
    vectors = library.where(alive, vectors, library.zeros_like(vectors))
    return tuple(
        ops.convert_to_tensor(_scaled(vectors, library.where(full, scale, empty), library))
        for scale in (roots, 1.0 / roots)
    )


def ledoit_wolf_amount(samples: tf.Tensor, group: int = 1) -> float:
    """The shrinkage towards `tr(S)/d I` that is least wrong on average, from 0 to 1.

        l = min(1, b / a),  a = |S - tr(S)/d I|^2,  b = sum_g |S_g - S|^2 / G^2

    (Frobenius norms) where S_g is the second moment, about the common mean, of group g of the G
    groups. With groups of one sample it is the estimate of Ledoit and Wolf (A well-conditioned
    estimator for large-dimensional covariance matrices, 2004).

    Differs from the paper: samples of one group may depend on each other, as the positions of one
    picture do; only the groups are taken as independent. Calculated in float64.

    Args:
        samples: `[n, d]`; successive `group` rows belong together.
        group: rows in a group; divides n.
    """
    samples = ops.cast(samples, "float64")
    count, size = samples.shape
    centred = samples - ops.mean(samples, axis=0, keepdims=True)
    covariance = ops.matmul(ops.transpose(centred), centred) / count
    scale = ops.trace(covariance) / size
    spread = ops.sum(covariance**2) - size * scale**2
    members = ops.reshape(centred, (count // group, group, size))
    # |S_g|^2 is that of the products among the group's rows, which are fewer than the channels.
    products = ops.matmul(members, ops.swapaxes(members, 1, 2)) / group
    groups = count // group
    error = (ops.sum(products**2) / groups - ops.sum(covariance**2)) / groups
    error, spread = float(error), float(spread)
    return min(max(error, 0.0), spread) / spread if spread > 0.0 else 0.0
