"""The decoder of a backbone's tap: features back to the picture that they came from."""

import keras
from keras import KerasTensor

from stylegan_culture.networks.blocks import ACTIVATED, Convolution, UpConvolution, leaky_relu

MOST_CHANNELS = 4096  # of a tap
WIDTHS = {1: 24, 2: 48, 4: 96, 8: 160, 16: 192, 32: 192}  # channels at each stride


class Decoder(keras.Model):
    """Features `[B, H / stride, W / stride, C]` on the picture's grid to a picture `[B, H, W, 3]`.

    Mirrors the encoder's resolutions: at each a 3x3 convolution, then nearest-neighbour doubling
    with a 3x3 convolution, which leaves no checkerboard; borders are reflected. The picture is
    near [0, 1] but not clipped, so that gradients pass.

    Args:
        stride: of the tap in pixels, a power of two from 1 to 32.
    """

    def __init__(self, stride: int, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.stride = stride
        self.enter = Convolution(WIDTHS[stride], gain=ACTIVATED, **policy)
        self.mix, self.double = [], []
        while stride > 1:
            self.mix.append(Convolution(WIDTHS[stride], gain=ACTIVATED, **policy))
            self.double.append(UpConvolution(WIDTHS[stride // 2], **policy))
            stride //= 2
        self.to_picture = Convolution(3, dtype="float32")

    def build(self, shape: tuple) -> None:
        """Builds every layer from its channels, which is faster than by running."""
        self.enter.build(shape)
        width = self.enter.filters
        for mix, double in zip(self.mix, self.double, strict=True):
            mix.build((*shape[:3], width))
            double.build((*shape[:3], mix.filters))
            width = double.filters
        self.to_picture.build((*shape[:3], width))

    def call(self, features: KerasTensor) -> KerasTensor:
        hidden = leaky_relu(self.enter(features))
        for mix, double in zip(self.mix, self.double, strict=True):
            hidden = leaky_relu(double(leaky_relu(mix(hidden))))
        return 0.5 + 0.25 * self.to_picture(hidden)
