"""MobileNetV1 with folded normalisation: an independent network to judge pictures by."""

import keras
from keras import ops

from stylegan_culture.features.archive import constants, read_layers
from stylegan_culture.features.taps import gather

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the depthwise convolution of each block
TAPS = {"block_3": 4, "block_5": 8, "block_9": 16, "block_13": 32}


class MobileNetV1(keras.Model):
    """MobileNetV1 1.0 (arXiv 1704.04861) up to its last block, taps after blocks 3, 5, 9 and 13.

    Pictures `[B, H, W, 3]` in [0, 1]. The weights are an archive with `NAME/kernel` and
    `NAME/bias` of conv0 and of convN_dw and convN_pw, N from 1 to 13, normalisation folded in;
    depthwise kernels are `[3, 3, C, 1]`. Zero padding and ReLU6, as the network was trained.
    """

    content_tap = "block_5"
    strides = TAPS
    taps = tuple(TAPS)
    least_size = 32
    multiple = 32  # pixels; heights and widths of `aligned`

    def __init__(self, weights: str, **kwargs):
        super().__init__(trainable=False, **kwargs)
        names = ["conv0"]
        names += [f"conv{n}_{kind}" for n in range(1, len(STRIDES) + 1) for kind in ("dw", "pw")]
        self.kernels = constants(self, read_layers(weights, names, "a MobileNetV1"))
        self.built = True

    def call(self, image, taps=None):
        """Taps `{name: [B, H / stride, W / stride, C]}`, sizes rounded up."""
        return gather(self._walk(image), self.taps, taps)

    def aligned(self, image, taps=None):
        """The same: every map lies on the picture's grid where H and W are multiples of 32."""
        return self(image, taps=taps)

    def _walk(self, image):
        features = ops.cast(2.0 * image - 1.0, self.compute_dtype)
        features = self._convolve("conv0", features, ops.conv, 2)
        for block, stride in enumerate(STRIDES, start=1):
            features = self._convolve(f"conv{block}_dw", features, ops.depthwise_conv, stride)
            features = self._convolve(f"conv{block}_pw", features, ops.conv, 1)
            if f"block_{block}" in TAPS:
                yield f"block_{block}", features

    def _convolve(self, name, features, convolution, stride):
        kernel, bias = (ops.cast(x, self.compute_dtype) for x in self.kernels[name])
        return ops.relu6(convolution(features, kernel, strides=stride, padding="same") + bias)
