"""Linear maps between features of cultures, and between features and a space that cultures share.

Features are columns x with covariance Ss (source) and Sc (target); a map W takes x to W x, and
covariance Ss to W Ss W'. In the words of the source documents, **DDA** is the alignment by
per-culture and shared means and covariances and a global transform W, and **DDR** the same,
regularised. Products of two covariances are always calculated in float64, since float32 would lose
their small directions; maps have the type of the source.
"""

from __future__ import annotations

import functools
import typing

import keras
import numpy as np
from keras import ops

from stylegan_culture.config import InputError
from stylegan_culture.features import linalg

if typing.TYPE_CHECKING:
    import tensorflow as tf

BARYCENTRE_ITERATIONS = 200
RULES = ("linear", "barycentre")


def dda_as_published(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """`W = Ss^-1/2 Sc Ss^-1/2`, as the source documents have it.

    It does not take Ss to Sc, as `transport` does: `W Ss W' = Ss^-1/2 Sc^2 Ss^-1/2`, which is Sc
    only where Ss = Sc. Kept for comparison. Both `[..., d, d]`.
    """
    inverse = linalg.eigh_roots(ops.cast(source, "float64"))[1]
    return ops.cast(_between(inverse, target), source.dtype)


def transport(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """`W = Ss^-1/2 (Ss^1/2 Sc Ss^1/2)^1/2 Ss^-1/2`: optimal transport between Gaussians.

    The one symmetric positive map with `W Ss W' = Sc`; of all maps that take Ss to Sc it moves
    features least in mean square (Olkin and Pukelsheim, 1982; Peyre and Cuturi, arXiv 1803.00567,
    remark 2.31).

    Args:
        source, target: `[..., d, d]`, positive definite; on empty directions of the source W is 0.
    """
    root, inverse = linalg.eigh_roots(ops.cast(source, "float64"))
    middle = linalg.eigh_roots(_between(root, target))[0]
    return ops.cast(_between(inverse, middle), source.dtype)


def coral(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """`W = Sc^1/2 Ss^-1/2`: whiten, then colour (CORAL, arXiv 1511.05547; WCT, arXiv 1705.08086).

    Takes Ss to Sc as `transport` does, but not by the shortest way. Both `[..., d, d]`.
    """
    return ops.matmul(linalg.eigh_roots(target)[0], linalg.eigh_roots(source)[1])


def ddr(
    source: tf.Tensor, target: tf.Tensor, shrinkage: float = 0.03, identity: float = 0.0
) -> tf.Tensor:
    """`transport` regularised: `W' = i I + (1 - i) W` with W between the shrunk covariances.

    Shrunk is `S' = (1 - l) S + l tr(S)/d I`, l the `shrinkage`. With g = 1 - i this is the
    documents' `W' = (1 - g) I + g W`; `identity` i = 0 aligns fully, i = 1 not at all.
    """
    shrunk = [linalg.shrink(covariance, shrinkage, floor=0.0) for covariance in (source, target)]
    unit = ops.eye(source.shape[-1], dtype=shrunk[0].dtype)
    return identity * unit + (1.0 - identity) * transport(*shrunk)


MAPS = {function.__name__: function for function in (dda_as_published, transport, coral, ddr)}


def barycentre(
    covariances: list[tf.Tensor], weights: np.ndarray, tolerance: float = 1e-6
) -> tf.Tensor:
    """The covariance B with the least weighted sum of squared Bures-Wasserstein distances.

    Fixed-point iteration of Alvarez-Esteban et al. (arXiv 1511.05355, theorem 4.2):

        K(B) = sum_k w_k (B^1/2 S_k B^1/2)^1/2,   B <- B^-1/2 K(B)^2 B^-1/2

    until `|K(B) - B| <= tolerance |B|` (Frobenius norms). B, `[d, d]` float64, is positive definite
    where one of the covariances `[K, d, d]` with a weight is; `weights [K]` are at least 0, of sum
    1. Raises `InputError` where the iteration does not converge.
    """
    weights = np.asarray(weights, np.float64)
    covariances = [ops.cast(covariance, "float64") for covariance in covariances]
    members = [(w, s) for w, s in zip(weights.tolist(), covariances, strict=True) if w > 0.0]
    if len(members) == 1:
        return members[0][1]
    centre = sum(weight * covariance for weight, covariance in members)
    for _ in range(BARYCENTRE_ITERATIONS):
        root, inverse = linalg.eigh_roots(centre)
        mean = sum(
            weight * linalg.eigh_roots(_between(root, covariance))[0]
            for weight, covariance in members
        )
        if float(ops.norm(mean - centre)) <= tolerance * float(ops.norm(centre)):
            return centre
        half = ops.matmul(inverse, mean)
        centre = ops.matmul(half, ops.swapaxes(half, -1, -2))
    raise InputError(
        f"the barycentre did not converge in {BARYCENTRE_ITERATIONS} steps, because covariances "
        "are nearly singular; shrink them more, or mix them linearly"
    )


def mixed_covariance(
    covariances: list[tf.Tensor], weights: np.ndarray, rule: str = "linear"
) -> tf.Tensor:
    """Several covariances as one: `[K, d, d]`, weights `[K]` of sum 1 to `[d, d]`.

    rule: "linear", their weighted mean, or "barycentre". Raises `InputError` for another.
    """
    if rule not in RULES:
        raise InputError(f"unknown rule {rule!r} of mixing; use {' or '.join(RULES)}")
    if rule == "barycentre":
        return barycentre(covariances, weights)
    return sum(weight * one for weight, one in zip(weights, covariances, strict=True))


def _between(outer: tf.Tensor, inner: tf.Tensor) -> tf.Tensor:
    """`A B A`, in float64."""
    return ops.matmul(ops.matmul(outer, ops.cast(inner, "float64")), outer)


@keras.saving.register_keras_serializable(package="stylegan_culture")
class CultureAlignment(keras.layers.Layer):
    """Takes features of K cultures to one shared space and back; nothing in it is trained.

        shared = A_k (x - m_k) + m,   x = A_k^-1 (shared - m) + m_k

    where A_k^-1 is a map of `MAPS` from the shared covariance to that of culture k, and m is the
    mean of the cultures' means. `of` makes the layer from moments; the constructor makes one that
    changes nothing, to load saved weights into.

    Args:
        cultures: K names, in the order of their numbers.
        channels: C.
        map_name: which of `MAPS` its weights were made with.
    """

    def __init__(
        self, cultures: tuple[str, ...], channels: int, map_name: str = "transport", **kwargs
    ):
        if map_name not in MAPS:
            raise InputError(f"unknown map {map_name!r}; there are {', '.join(MAPS)}")
        super().__init__(**{**kwargs, "trainable": False})
        self.cultures, self.channels, self.map_name = tuple(cultures), channels, map_name
        count, square = len(self.cultures), (len(self.cultures), channels, channels)
        unit = np.broadcast_to(np.eye(channels), square)
        self.means = self._constant("means", np.zeros((count, channels)))
        self.shared_mean = self._constant("shared_mean", np.zeros(channels))
        self.forward = self._constant("forward", unit)
        self.backward = self._constant("backward", unit)
        self.built = True

    def _constant(self, name: str, value: np.ndarray) -> keras.Variable:
        return self.add_weight(
            shape=value.shape,
            initializer=lambda shape, dtype=None: ops.cast(value, dtype),
            trainable=False,
            autocast=False,  # in half precision a map's inverse would not undo it
            name=name,
        )

    @classmethod
    def of(
        cls,
        moments: dict,
        map_name: str = "transport",
        parameters: dict | None = None,
        shrinkage: float = 1e-3,
        rule: str = "linear",
    ) -> CultureAlignment:
        """The layer of some cultures at one tap, in float32 and calculated in float64.

        Args:
            moments: culture to `Moments`, all of the same channels.
            map_name: of `MAPS`.
            parameters: of that map by name, for instance `{"identity": 0.2}` of "ddr".
            shrinkage: of every covariance before anything else, 0 to 1 (`linalg.shrink`).
            rule: shared covariance "linear", the mean of the cultures', or their "barycentre".
        """
        means = np.stack([one.mean for one in moments.values()])
        layer = cls(tuple(moments), means.shape[1], map_name)
        covariances = [linalg.shrink(one.covariance, shrinkage) for one in moments.values()]
        shared = mixed_covariance(covariances, np.full(len(means), 1.0 / len(means)), rule)
        function = functools.partial(MAPS[map_name], **(parameters or {}))
        maps = np.stack([np.asarray(function(shared, each)) for each in covariances])
        layer.means.assign(means)
        layer.shared_mean.assign(means.mean(axis=0))
        layer.backward.assign(maps)
        layer.forward.assign(np.linalg.inv(maps))
        return layer

    def call(self, features: tf.Tensor, culture: tf.Tensor) -> tf.Tensor:
        """`to_shared`: `[B, H, W, C]`, `[B]` to `[B, H, W, C]`."""
        return self.to_shared(features, culture)

    def to_shared(self, features: tf.Tensor, culture: tf.Tensor) -> tf.Tensor:
        """Features `[B, H, W, C]` of cultures numbered `[B]` in the shared space, same type."""
        means = ops.take(self.means, culture, axis=0)
        return self._mapped(features, self.forward, culture, means, self.shared_mean[None])

    def from_shared(self, features: tf.Tensor, culture: tf.Tensor) -> tf.Tensor:
        """The inverse: shared features `[B, H, W, C]` as culture `[B]` would have them."""
        means = ops.take(self.means, culture, axis=0)
        return self._mapped(features, self.backward, culture, self.shared_mean[None], means)

    def _mapped(
        self,
        features: tf.Tensor,
        maps: tf.Tensor,
        culture: tf.Tensor,
        before: tf.Tensor,
        after: tf.Tensor,
    ) -> tf.Tensor:
        """`W_k (x - before) + after` in the weights' precision; before and after `[B or 1, C]`."""
        values = ops.cast(features, self.variable_dtype)
        height, width = ops.shape(values)[1], ops.shape(values)[2]
        rows = ops.reshape(values, (-1, height * width, self.channels)) - before[:, None]
        turned = ops.swapaxes(ops.take(maps, culture, axis=0), 1, 2)
        mapped = ops.matmul(rows, turned) + after[:, None]
        mapped = ops.reshape(mapped, (-1, height, width, self.channels))
        return ops.cast(mapped, features.dtype)

    def get_config(self) -> dict:
        return super().get_config() | {
            "cultures": list(self.cultures),
            "channels": self.channels,
            "map_name": self.map_name,
        }
