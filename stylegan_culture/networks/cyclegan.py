"""The networks of CycleGAN: a generator for each direction, and PatchGAN discriminators.

Zhu et al., arXiv 1703.10593, section 4 and appendix 7.2; the generator after Johnson et al., arXiv
1603.08155. Images are `[B, H, W, 3]` in [0, 1], H and W multiples of 4.
"""

import keras
from keras import KerasTensor, ops

from stylegan_culture.config import InputError
from stylegan_culture.networks.blocks import ACTIVATED, Convolution, UpConvolution, leaky_relu
from stylegan_culture.networks.discriminator import SpectralConvolution
from stylegan_culture.networks.sizes import PatchConfig, TranslatorConfig

STRIDE = 4  # pixels that a position of the generator's residual blocks stands for
LEAST_SIZE = 16  # pixels: smaller maps have nothing to mirror at their borders
WIDEST = 8  # times `patch_filters`: channels of a discriminator's widest layers


class InstanceNormalization(keras.layers.Layer):
    """Each channel of each picture to mean 0 and deviation 1, then a learned scale and shift.

    Ulyanov et al., arXiv 1607.08022. Statistics are float32 whatever the policy.
    """

    def build(self, shape: tuple) -> None:
        size = (shape[-1],)
        self.scale = self.add_weight(size, "ones", autocast=False, name="scale")
        self.shift = self.add_weight(size, "zeros", autocast=False, name="shift")

    def call(self, features: KerasTensor) -> KerasTensor:
        mean, variance = ops.moments(ops.cast(features, "float32"), axes=(1, 2), keepdims=True)
        scale = self.scale * ops.rsqrt(variance + 1e-5)
        shift = self.shift - mean * scale
        return features * ops.cast(scale, features.dtype) + ops.cast(shift, features.dtype)


class ResidualBlock(keras.layers.Layer):
    """Two 3x3 convolutions, normalised, that are added to what came in."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.convolutions = [Convolution(channels, **policy) for _ in range(2)]
        self.norms = [InstanceNormalization(**policy) for _ in range(2)]

    def build(self, shape: tuple) -> None:
        for layer in (*self.convolutions, *self.norms):
            layer.build(shape)

    def call(self, features: KerasTensor) -> KerasTensor:
        hidden = ops.relu(self.norms[0](self.convolutions[0](features)))
        return features + self.norms[1](self.convolutions[1](hidden))


class Translator(keras.Model):
    """Pictures of one tradition to pictures of another: `[B, H, W, 3] -> [B, H, W, 3]`.

    7x7 convolution, two that halve, residual blocks at 1/4 resolution, two doublings, 7x7
    convolution. Differs from the paper: doubled by interpolation and a convolution, since a
    transposed convolution leaves a grid; borders are mirrored in every layer; and with
    `config.residual` the last convolution's result is added to the picture before the tanh:

        y = tanh(f(x) + atanh(0.98 x)),   pictures x and y in [-1, 1]
    """

    def __init__(self, config: TranslatorConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        width, policy = config.filters, {"dtype": self.dtype_policy}
        self.residual = config.residual
        self.enter = Convolution(width, kernel=7, **policy)
        self.halve = [Convolution(width * times, stride=2, **policy) for times in (2, 4)]
        self.blocks = [ResidualBlock(width * 4, **policy) for _ in range(config.blocks)]
        self.double = [UpConvolution(width * times, smooth=True, **policy) for times in (2, 1)]
        self.norms = [InstanceNormalization(**policy) for _ in range(5)]
        self.leave = Convolution(3, kernel=7, gain=0.1 if config.residual else 0.3, **policy)

    def call(self, image: KerasTensor) -> KerasTensor:
        hidden = 2.0 * image - 1.0
        for layer, norm in zip((self.enter, *self.halve), self.norms[:3], strict=True):
            hidden = ops.relu(norm(layer(hidden)))
        for block in self.blocks:
            hidden = block(hidden)
        for layer, norm in zip(self.double, self.norms[3:], strict=True):
            hidden = ops.relu(norm(layer(hidden)))
        drawn = ops.cast(self.leave(hidden), "float32")
        if self.residual:
            value = 0.98 * (2.0 * ops.cast(image, "float32") - 1.0)
            drawn += 0.5 * (ops.log(1.0 + value) - ops.log(1.0 - value))
        return 0.5 + 0.5 * ops.tanh(drawn)


class PatchDiscriminator(keras.Model):
    """Picture `[B, H, W, 3]` to logits `[B, h, w, 1]`, each of a patch (arXiv 1611.07004).

    4x4 convolutions, `patch_layers` of which halve. Differs from the paper: borders are mirrored;
    in place of instance normalisation spectral normalisation may be chosen (arXiv 1802.05957).
    """

    def __init__(self, config: PatchConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        policy = {"dtype": self.dtype_policy}
        count, self.norm = config.patch_layers, config.patch_norm
        widths = [config.patch_filters * min(2**i, WIDEST) for i in range(count + 1)]

        def layer(filters, stride, gain):
            if self.norm == "spectral":
                return SpectralConvolution(filters, 4, stride, **policy)
            return Convolution(filters, 4, stride, gain, **policy)

        self.layers_ = [
            layer(width, 2 if i < count else 1, ACTIVATED) for i, width in enumerate(widths)
        ]
        normed = count if self.norm == "instance" else 0  # all but the first
        self.norms = [InstanceNormalization(**policy) for _ in range(normed)]
        self.logits = layer(1, 1, 1.0)

    def call(self, image: KerasTensor, training: bool = False) -> KerasTensor:
        state = {"training": training} if self.norm == "spectral" else {}
        hidden = 2.0 * image - 1.0
        for number, layer in enumerate(self.layers_):
            hidden = layer(hidden, **state)
            if number and self.norms:
                hidden = self.norms[number - 1](hidden)
            hidden = leaky_relu(hidden)
        return ops.cast(self.logits(hidden, **state), "float32")


class CyclePair(keras.Model):
    """Both generators: `forth` from the first of two traditions (`domains`) to the second, `back`
    again."""

    def __init__(self, domains: tuple[str, str], config: TranslatorConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.domains = tuple(domains)
        self.forth = Translator(config, name="forth", dtype=self.dtype_policy)
        self.back = Translator(config, name="back", dtype=self.dtype_policy)

    def call(self, image: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        return self.forth(image), self.back(image)

    def create_weights(self) -> "CyclePair":
        """Creates all variables; returns the model."""
        self(ops.zeros((1, LEAST_SIZE, LEAST_SIZE, 3)))
        return self

    def towards(self, key: str) -> Translator:
        """The generator whose pictures are of tradition `key`."""
        if key not in self.domains:
            raise InputError(
                f"unknown culture {key!r}; this model turns {self.domains[0]} into "
                f"{self.domains[1]} and back"
            )
        return self.forth if key == self.domains[1] else self.back
