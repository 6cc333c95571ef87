"""The decoder of a backbone's tap: features back to the picture that they came from."""

import keras

from stylegan_culture.networks.blocks import ACTIVATED, Convolution, UpConvolution, leaky_relu

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
        self.steps = []
        while stride > 1:
            mix = Convolution(WIDTHS[stride], gain=ACTIVATED, **policy)
            self.steps.append((mix, UpConvolution(WIDTHS[stride // 2], **policy)))
            stride //= 2
        self.to_picture = Convolution(3, dtype="float32")

    def call(self, features):
        hidden = leaky_relu(self.enter(features))
        for mix, double in self.steps:
            hidden = leaky_relu(double(leaky_relu(mix(hidden))))
        return 0.5 + 0.25 * self.to_picture(hidden)
