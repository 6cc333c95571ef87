"""Layers that several networks share: padding, convolutions, whitening and colouring, modulation.

Written with keras.ops, so that weights load under any Keras backend. Feature maps are
`[B, H, W, C]`; style codes `[B, D]`; `strength` is `[B, 1]` in [0, 1].
"""

import keras
import numpy as np
from keras import KerasTensor, ops

from stylegan_culture.features import linalg

ACTIVATED = (2.0 / (1.0 + 0.2**2)) ** 0.5  # keeps variance through the rectifier below


def leaky_relu(features: KerasTensor) -> KerasTensor:
    """Leaky rectifier with slope 0.2: the activation of every network here."""
    return ops.leaky_relu(features, negative_slope=0.2)


def reflect_pad(features: KerasTensor, border: int = 1) -> KerasTensor:
    """Mirrors `border` pixels at each border: zeros would show as a frame in the picture.

    By slices and concatenations: TFLite's MIRROR_PAD takes four times as long as the convolution
    after it.
    """
    before, after = range(border, 0, -1), range(1, border + 1)
    rows = [features[:, i : i + 1] for i in before]
    rows += [features, *(features[:, -1 - i : -i] for i in after)]
    rows = ops.concatenate(rows, axis=1)
    columns = [rows[:, :, i : i + 1] for i in before]
    columns += [rows, *(rows[:, :, -1 - i : -i] for i in after)]
    return ops.concatenate(columns, axis=2)


def edge_pad(features: KerasTensor) -> KerasTensor:
    """Repeats the outermost pixel at each border."""
    rows = ops.concatenate([features[:, :1], features, features[:, -1:]], axis=1)
    return ops.concatenate([rows[:, :, :1], rows, rows[:, :, -1:]], axis=2)


class Convolution(keras.layers.Layer):
    """Reflection-padded convolution `[B, H, W, C] -> [B, H/stride, W/stride, filters]`.

    Args:
        filters: output channels.
        kernel: kernel size in pixels; an even one makes the map one smaller where stride is 1.
        stride: subsampling factor; height and width must be multiples of it.
        gain: deviation that the initial kernel gives to outputs of unit-variance inputs:
            `ACTIVATED` where a rectifier follows, 1 where none does, less at the end of a branch.
        depthwise: one filter per channel; `filters` must then equal the input's channels.
    """

    def __init__(
        self,
        filters: int,
        kernel: int = 3,
        stride: int = 1,
        gain: float = 1.0,
        depthwise: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel, self.stride = filters, kernel, stride
        self.gain, self.depthwise = gain, depthwise
        start = keras.initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")
        shared = {"strides": stride, "padding": "valid", "dtype": self.dtype_policy}
        if depthwise:
            start = keras.initializers.RandomNormal(stddev=gain / kernel)
            self.layer = keras.layers.DepthwiseConv2D(kernel, depthwise_initializer=start, **shared)
        else:
            self.layer = keras.layers.Conv2D(filters, kernel, kernel_initializer=start, **shared)

    def build(self, shape: tuple) -> None:
        self.layer.build(shape)

    def call(self, features: KerasTensor) -> KerasTensor:
        border = (self.kernel - 1) // 2
        return self.layer(reflect_pad(features, border) if border else features)


class UpConvolution(keras.layers.Layer):
    """Doubling and a 3x3 convolution: `[B, H, W, C] -> [B, 2H, 2W, filters]`.

    Computed at the low resolution: there each of the four output pixels of a pixel is a 3x3
    convolution whose taps are sums of the kernel's, so one convolution to `4 filters` channels and
    a depth-to-space give the same picture from a quarter of the pixels. Repeating the border equals
    reflecting it after doubling. Training the sums freely (a sub-pixel convolution) reconstructs no
    better and leaves a grid of dots in skies.

    Args:
        filters: output channels.
        smooth: double by bilinear interpolation, at no further cost, instead of by repeating
            pixels, whose edges adversarial training turns into lines.
        lowpass: filter the result by the binomial kernel 1, 2, 1, which removes the lines of the
            doubling's period that a rectifier makes of interpolated pixels.
    """

    def __init__(self, filters: int, smooth: bool = False, lowpass: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.smooth, self.lowpass = filters, smooth, lowpass

    def build(self, shape: tuple) -> None:
        self.kernel = self.add_weight(
            shape=(3, 3, shape[-1], self.filters),
            initializer=keras.initializers.VarianceScaling(
                ACTIVATED**2, "fan_in", "untruncated_normal"
            ),
            autocast=False,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.filters,), initializer="zeros", autocast=False, name="bias"
        )

    def folded_kernel(self) -> KerasTensor:
        """The kernel seen from low resolution, `[3, 3, C, 4 filters]`."""
        kernel = ops.convert_to_tensor(self.kernel)
        taps = DOUBLING[self.smooth]
        folded = ops.einsum("pak,qbl,klio->abipqo", taps, taps, kernel)
        return ops.reshape(folded, (3, 3, kernel.shape[2], 4 * self.filters))

    def call(self, features: KerasTensor) -> KerasTensor:
        kernel = ops.cast(self.folded_kernel(), self.compute_dtype)
        bias = ops.cast(ops.tile(ops.convert_to_tensor(self.bias), (4,)), self.compute_dtype)
        convolved = ops.conv(edge_pad(features), kernel, padding="valid") + bias
        doubled = ops.depth_to_space(convolved, 2)
        if not self.lowpass:
            return doubled
        binomial = ops.cast(np.tile(BINOMIAL, (1, 1, self.filters, 1)), self.compute_dtype)
        return ops.depthwise_conv(reflect_pad(doubled), binomial, padding="valid")


def _doubling_taps(smooth: bool) -> np.ndarray:
    """`[p, a, k]`: how much of low-resolution pixel a - 1 tap k of output pixel p reads."""
    taps = np.zeros((2, 3, 3), "float32")
    for pixel in range(2):
        for tap in range(3):
            place = pixel + tap - 1  # in pixels of the doubled map
            nearest = place // 2 + 1
            beside = nearest + (1 if place % 2 else -1)
            taps[pixel, nearest, tap] += 0.75 if smooth else 1.0
            taps[pixel, beside, tap] += 0.25 if smooth else 0.0
    return taps


BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]).astype("float32")[:, :, None, None] / 16
DOUBLING = {smooth: _doubling_taps(smooth) for smooth in (False, True)}


class StyleDense(keras.layers.Dense):
    """Style code `[B, D]` to parameters `[B, units]`, without bias and with a small start.

    No bias: a code scaled by strength 0 then asks for nothing, so that the content comes back.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(
            units,
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.05),
            **kwargs,
        )


class Modulation(keras.layers.Layer):
    """`features * (1 + scale(code)) + shift(code)`; the identity where the code is zero."""

    def build(self, features_shape: tuple, code_shape: tuple) -> None:
        self.channels = features_shape[-1]
        self.affine = StyleDense(2 * self.channels, dtype=self.dtype_policy)
        self.affine.build(code_shape)

    def call(self, features: KerasTensor, code: KerasTensor) -> KerasTensor:
        scale, shift = ops.split(self.affine(code)[:, None, None, :], 2, axis=-1)
        return features * (1.0 + scale) + shift


class Grain(keras.layers.Layer):
    """`features + amount(code) noise`: one number for each position, an amount for each channel.

    On a plain area a convolutional network can only enlarge faint traces, which gives a regular
    weave; from noise it can draw irregular strokes (StyleGAN, arXiv 1812.04948, section 3.2).
    Differs from the paper: the style sets the amount, and outside training the noise is fixed in
    place, a pattern repeated every `period` positions, so that equal pictures give equal results
    on every device.
    """

    def __init__(self, period: int, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.period = period
        draw = np.random.default_rng(seed).standard_normal((1, period, period, 1))
        self.noise = self.add_weight(
            name="noise",
            shape=draw.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(draw, dtype),
            dtype="float32",
            trainable=False,
        )

    def build(self, features_shape: tuple, code_shape: tuple, noise_shape: tuple) -> None:
        self.amount = StyleDense(features_shape[-1], dtype=self.dtype_policy)
        self.amount.build(code_shape)

    def pattern(self, rows: int, columns: int) -> KerasTensor:
        """The fixed noise over `rows` x `columns` positions, `[1, rows, columns, 1]`."""
        noise = ops.take(self.noise, ops.arange(rows) % self.period, axis=1)
        return ops.take(noise, ops.arange(columns) % self.period, axis=2)

    def call(self, features: KerasTensor, code: KerasTensor, noise: KerasTensor) -> KerasTensor:
        amount = self.amount(code)[:, None, None, :]
        return features + amount * ops.cast(noise, features.dtype)


class ModulatedBlock(keras.layers.Layer):
    """Residual block: depthwise 3x3, widen by `expansion`, modulate by style, narrow.

    Reads no picture-wide statistics, so that a large picture may be processed in tiles.
    """

    def __init__(self, channels: int, expansion: int = 2, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.spread = Convolution(channels, depthwise=True, **policy)
        self.widen = Convolution(channels * expansion, kernel=1, gain=ACTIVATED, **policy)
        self.modulation = Modulation(**policy)
        self.narrow = Convolution(channels, kernel=1, gain=0.3, **policy)  # near the identity

    def call(self, features: KerasTensor, code: KerasTensor) -> KerasTensor:
        hidden = self.modulation(self.widen(self.spread(features)), code)
        return features + self.narrow(leaky_relu(hidden))


class WhiteningColouring(keras.layers.Layer):
    """Group-wise whitening of a picture's features and colouring by a style code.

        whitened = S^-1/2 (x - m)                 m, S: moments of the picture, per channel group
        coloured = A whitened + b                 A = I + A(code), b = b(code)
        result   = (1 - a) x + a coloured         a = strength sigmoid(a(code))

    computed as one affine map per group. The covariance root is Newton-Schulz in float32 (GDWCT,
    arXiv 1812.09912). Differs from the paper: the colouring matrix is a free linear function of the
    code, which needs no eigen-decomposition and no penalty, instead of an orthogonal matrix times a
    norm; and a style learns for each group how much of the picture's statistics it replaces (a),
    since a picture's colours are partly its content.

    Args:
        group: channels in a group; must divide the number of channels.
        shrinkage, floor: of the covariance, see `linalg.shrink`.
    """

    def __init__(self, group: int = 16, shrinkage: float = 1e-2, floor: float = 1e-3, **kwargs):
        # float32 whatever the policy: roots of ill-conditioned matrices do not survive bfloat16.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.group, self.shrinkage, self.floor = group, shrinkage, floor

    def build(self, features_shape: tuple, code_shape: tuple) -> None:
        self.channels = features_shape[-1]
        if self.channels % self.group:
            raise ValueError(f"{self.channels} channels do not divide into groups of {self.group}")
        self.groups = self.channels // self.group
        self.matrix = StyleDense(self.channels * self.group, dtype="float32")
        self.shift = StyleDense(self.channels, dtype="float32")
        self.amount = StyleDense(self.groups, dtype="float32")
        for layer in (self.matrix, self.shift, self.amount):
            layer.build(code_shape)

    def moments(self, features: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """Mean `[B, G, g]` and covariance `[B, G, g, g]` of features `[B, H, W, G g]`."""
        return linalg.moments(self._to_groups(ops.cast(features, "float32")))

    def call(
        self,
        features: KerasTensor,
        code: KerasTensor,
        strength: KerasTensor,
        moments: tuple[KerasTensor, KerasTensor] | None = None,
    ) -> KerasTensor:
        grouped = self._to_groups(features)
        mean, covariance = linalg.moments(grouped) if moments is None else moments
        _, whiten = linalg.newton_schulz_roots(
            linalg.shrink(covariance, self.shrinkage, self.floor)
        )
        identity = ops.eye(self.group, dtype="float32")
        shape = (-1, self.groups, self.group, self.group)
        colour = identity + ops.reshape(self.matrix(code), shape)
        shift = ops.reshape(self.shift(code), (-1, self.groups, 1, self.group))
        amount = ops.sigmoid(self.amount(code)) * ops.reshape(strength, (-1, 1))
        amount = ops.reshape(amount, (-1, self.groups, 1, 1))
        # Rows are samples, so the maps stand on the right and transposed.
        transform = ops.matmul(whiten, ops.swapaxes(colour, -1, -2))
        blend = (1.0 - amount) * identity + amount * transform
        mean = ops.expand_dims(mean, -2)
        offset = amount * (shift - ops.matmul(mean, transform))
        return self._from_groups(ops.matmul(grouped, blend) + offset, ops.shape(features))

    def _to_groups(self, features: KerasTensor) -> KerasTensor:
        """`[B, H, W, G g] -> [B, G, H W, g]`."""
        _, height, width, _ = features.shape
        area = -1 if height is None or width is None else height * width
        split = ops.reshape(features, (ops.shape(features)[0], area, self.groups, self.group))
        return ops.transpose(split, (0, 2, 1, 3))

    def _from_groups(self, grouped: KerasTensor, shape: tuple) -> KerasTensor:
        return ops.reshape(ops.transpose(grouped, (0, 2, 1, 3)), shape)
