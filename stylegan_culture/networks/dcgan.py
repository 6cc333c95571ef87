"""Pictures from noise: the generator that the DCGAN, the conditional GAN and the VAE share."""

import keras
from keras import KerasTensor, ops

from stylegan_culture.networks.blocks import (
    ACTIVATED,
    Convolution,
    ModulatedBlock,
    Modulation,
    UpConvolution,
    leaky_relu,
)
from stylegan_culture.networks.generator import MappingNetwork
from stylegan_culture.networks.sizes import (
    START,
    SamplerConfig,
    stage_sizes,
)

PLACE_GAIN = 4.0  # learned constants of places change this much faster than kernels


class NoiseGenerator(keras.Model):
    """Noise `[B, Z]` and culture weights `[B, K]` to pictures `[B, S, S, 3]` in [0, 1].

    A dense layer makes a map of 4 x 4 px, which is doubled up to S; through a mapping network
    culture and noise also modulate every map (StyleGAN, arXiv 1812.04948), which gives the label to
    a conditional GAN (arXiv 1411.1784). With K = 1 and the weight 1 it is the unconditional
    generator of the DCGAN (arXiv 1511.06434).

    A learned constant is added to every map, as StyleGAN's first map is one: convolutions that
    reflect at the border cannot tell places apart, and ornaments have fixed places.

    Differs from the DCGAN: doubling by interpolation and a convolution instead of a transposed
    convolution, which leaves a checkerboard; features are normalised per picture and channel
    (arXiv 1703.06868) instead of over the batch, so that a picture does not depend on others;
    leaky rectifiers; a sigmoid, since pictures lie in [0, 1].

    Args:
        cultures: K, at least 1.
        size: S, 4 times a power of two, from 8 to `LARGEST`.
        config: its other sizes.
    """

    def __init__(self, cultures: int, size: int, config: SamplerConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.cultures, self.size, self.config = cultures, size, config
        policy = {"dtype": self.dtype_policy}
        sizes = stage_sizes(size)
        widths = config.widths(size)
        self.mapping = MappingNetwork(cultures, config)
        self.start = keras.layers.Dense(START * START * widths[0], dtype="float32")
        self.doublings = [UpConvolution(width, smooth=True, **policy) for width in widths[1:]]
        self.places = [
            self.add_weight(shape=(1, side, side, width), initializer="random_normal", name="place")
            for side, width in zip(sizes, widths[1:], strict=True)
        ]
        self.modulations = [Modulation(**policy) for _ in sizes]
        self.blocks = [ModulatedBlock(width, **policy) for width in widths[1:-1]]
        self.to_rgb = Convolution(3, gain=ACTIVATED, **policy)

    def code(self, noise: KerasTensor, mixture: KerasTensor) -> KerasTensor:
        """What modulates every map, `[B, D]`."""
        # As long as noise is on average: a shorter label would hardly count beside it.
        return self.mapping(noise, mixture * self.config.noise_size**0.5)

    def call(self, noise: KerasTensor, mixture: KerasTensor) -> KerasTensor:
        code = self.code(noise, mixture)
        hidden = self.start(ops.concatenate([noise, code], axis=-1))
        hidden = leaky_relu(ops.reshape(hidden, (-1, START, START, hidden.shape[-1] // START**2)))
        hidden, code = (ops.cast(value, self.compute_dtype) for value in (hidden, code))
        for number, doubling in enumerate(self.doublings):
            place = ops.cast(ops.convert_to_tensor(self.places[number]), self.compute_dtype)
            hidden = standardised(doubling(hidden)) + PLACE_GAIN * place
            hidden = leaky_relu(self.modulations[number](hidden, code))
            if number < len(self.blocks):
                hidden = self.blocks[number](hidden, code)
        return ops.sigmoid(ops.cast(self.to_rgb(hidden), "float32"))

    def create_weights(self) -> "NoiseGenerator":
        """Builds every part by one picture, so that weights can be loaded."""
        self(ops.zeros((1, self.config.noise_size)), ops.ones((1, self.cultures)))
        return self


def standardised(features: KerasTensor) -> KerasTensor:
    """Features `[B, H, W, C]` with mean 0 and deviation 1 per picture and channel."""
    whole = ops.cast(features, "float32")
    mean, variance = ops.moments(whole, axes=(1, 2), keepdims=True)
    return ops.cast((whole - mean) * ops.rsqrt(variance + 1e-5), features.dtype)
