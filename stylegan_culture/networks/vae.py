"""The encoder of a variational autoencoder; its decoder is the generator of `networks.dcgan`."""

import keras
from keras import KerasTensor, ops

from stylegan_culture.networks.blocks import ACTIVATED, Convolution, leaky_relu
from stylegan_culture.networks.dcgan import NoiseGenerator
from stylegan_culture.networks.sizes import MOST_WIDENING, START, SamplerConfig, stage_sizes


class PictureEncoder(keras.Model):
    """Pictures `[B, S, S, 3]` in [0, 1] to a Gaussian over noise: mean and log-variance `[B, Z]`.

    Halving convolutions down to 4 x 4 px, as wide as the generator's maps, and one dense layer
    (Kingma and Welling, arXiv 1312.6114). The log-variance is kept within [-10, 4].
    """

    def __init__(self, size: int, config: SamplerConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.size, policy = size, {"dtype": self.dtype_policy}
        sides = [START, *stage_sizes(size)[:-1]]
        self.convolutions = [
            Convolution(
                config.width * min(MOST_WIDENING, size // side), stride=2, gain=ACTIVATED, **policy
            )
            for side in reversed(sides)
        ]
        self.code = keras.layers.Dense(2 * config.noise_size, dtype="float32")

    def call(self, image: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        features = 2.0 * image - 1.0
        for convolution in self.convolutions:
            features = leaky_relu(convolution(features))
        features = ops.cast(features, "float32")
        flat = ops.reshape(features, (-1, START * START * features.shape[-1]))
        mean, log_variance = ops.split(self.code(flat), 2, axis=-1)
        return mean, ops.clip(log_variance, -10.0, 4.0)


class Vae(keras.Model):
    """Encoder and decoder, which are trained and averaged together; see `NoiseGenerator`."""

    def __init__(self, cultures: int, size: int, config: SamplerConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.encoder = PictureEncoder(size, config, dtype=self.dtype_policy)
        self.decoder = NoiseGenerator(cultures, size, config, dtype=self.dtype_policy)
        self.built = True  # the parts build themselves when they are first called

    def call(self, image: KerasTensor, mixture: KerasTensor) -> KerasTensor:
        return self.decoder(self.encoder(image)[0], mixture)

    def create_weights(self) -> "Vae":
        """Builds every part by one grey picture, so that weights can be loaded."""
        size = self.encoder.size
        self(ops.zeros((1, size, size, 3)) + 0.5, ops.ones((1, self.decoder.cultures)))
        return self
