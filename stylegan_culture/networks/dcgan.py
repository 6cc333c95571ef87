"""Pictures from noise: the generator that the DCGAN, the conditional GAN and the VAE share."""

import dataclasses

import keras
from keras import ops

from stylegan_culture.config import option
from stylegan_culture.networks.blocks import (
    ACTIVATED,
    Convolution,
    ModulatedBlock,
    Modulation,
    UpConvolution,
    leaky_relu,
)
from stylegan_culture.networks.generator import MappingNetwork, least_mapping_weights

START = 4  # pixels a side of the smallest map
PLACE_GAIN = 4.0  # learned places move so much faster than kernels, which every picture shares
LARGEST = 1024  # pixels a side of a picture
MOST_WIDENING = 8  # channels of the smallest maps, in channels at full resolution


@dataclasses.dataclass(frozen=True)
class SamplerConfig:
    """Size of the generator of pictures from noise."""

    width: int = option(
        32, "channels at full resolution, twice as many at each lower one up to 8x", low=1, high=256
    )
    noise_size: int = option(64, "numbers of noise that a picture is made from", low=1, high=4096)
    code_size: int = option(
        64, "numbers of the code that noise and culture are mapped to", low=1, high=1024
    )
    conditional: bool = option(True, "pictures of the culture asked for; else of all, unasked")

    def widths(self, size: int) -> list[int]:
        """Channels of each map of a network for pictures of `size` px, the smallest map first."""
        sides = (START, *stage_sizes(size))
        return [self.width * min(MOST_WIDENING, size // side) for side in sides]

    def least_weights(self, cultures: int, size: int) -> int:
        """Fewer numbers than a `NoiseGenerator` of this size has."""
        first, *others = widths = self.widths(size)
        start = START**2 * first * (self.noise_size + self.code_size)
        doublings = sum(9 * before * width for before, width in zip(widths, others, strict=False))
        places = sum(side**2 * width for side, width in zip(stage_sizes(size), others, strict=True))
        mapping = least_mapping_weights(cultures, self.noise_size, self.code_size)
        return start + doublings + places + mapping


class NoiseGenerator(keras.Model):
    """Noise `[B, Z]` and culture weights `[B, K]` to pictures `[B, S, S, 3]` in [0, 1].

    A dense layer makes a map of 4 x 4 px, which is doubled until it has S; culture and noise also
    modulate every map through a mapping network (StyleGAN, arXiv 1812.04948), which is how a
    conditional GAN (arXiv 1411.1784) receives its label here. With K = 1, the weight being 1, it
    is the unconditional generator of the DCGAN (arXiv 1511.06434).

    To every map a learned constant is added, as the first map of StyleGAN is one: convolutions that
    reflect at the border cannot tell places apart, and ornaments stand in places.

    Differs from the DCGAN: doubling by interpolation and a convolution instead of a transposed
    convolution, which leaves a checkerboard; features are normalised per picture and channel
    (arXiv 1703.06868) instead of over the batch, so that a picture does not depend on others;
    leaky rectifiers; a sigmoid, since pictures lie in [0, 1].

    Args:
        cultures: K, at least 1.
        size: S, 4 times a power of two, from 8 to `LARGEST`.
        config: `SamplerConfig`.
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

    def code(self, noise, mixture):
        """What modulates every map, `[B, D]`."""
        # A label is as long as noise is on average, else it would hardly be heard beside it.
        return self.mapping(noise, mixture * self.config.noise_size**0.5)

    def call(self, noise, mixture):
        code = self.code(noise, mixture)
        hidden = self.start(ops.concatenate([noise, code], axis=-1))
        hidden = leaky_relu(ops.reshape(hidden, (-1, START, START, self._first)))
        hidden, code = (ops.cast(value, self.compute_dtype) for value in (hidden, code))
        for number, doubling in enumerate(self.doublings):
            place = ops.cast(ops.convert_to_tensor(self.places[number]), self.compute_dtype)
            hidden = standardised(doubling(hidden)) + PLACE_GAIN * place
            hidden = leaky_relu(self.modulations[number](hidden, code))
            if number < len(self.blocks):
                hidden = self.blocks[number](hidden, code)
        return ops.sigmoid(ops.cast(self.to_rgb(hidden), "float32"))

    @property
    def _first(self) -> int:
        return self.start.units // START**2

    def create_weights(self) -> "NoiseGenerator":
        """Builds every part by one picture, so that weights can be loaded."""
        self(ops.zeros((1, self.config.noise_size)), ops.ones((1, self.cultures)))
        return self


def stage_sizes(size: int) -> list[int]:
    """The sides of all maps after the first: 8, 16, ... to `size`; ValueError for another one."""
    sizes = [START]
    while sizes[-1] < size:
        sizes.append(2 * sizes[-1])
    if sizes[-1] != size or not START < size <= LARGEST:
        raise ValueError(f"{size} is not 4 times a power of two from 8 to {LARGEST}")
    return sizes[1:]


def standardised(features):
    """Features `[B, H, W, C]` with mean 0 and deviation 1 per picture and channel."""
    whole = ops.cast(features, "float32")
    mean, variance = ops.moments(whole, axes=(1, 2), keepdims=True)
    return ops.cast((whole - mean) * ops.rsqrt(variance + 1e-5), features.dtype)
