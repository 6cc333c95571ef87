"""VGG-19 distilled to a sixteenth of its parameters: a small, strong perceptual network."""

import keras
from keras import ops

from stylegan_culture.features.archive import constants, read_layers
from stylegan_culture.features.taps import gather

VGG_DEPTHS = (2, 2, 4, 4, 1)  # convolutions before each tap's next pool; the last tap is conv51


class DistilledVGG19(keras.Model):
    """VGG-19 with a sixteenth of its parameters, taps relu1_1 to relu5_1.

    Wang et al., Collaborative Distillation, arXiv 2003.08436. The weights are a NumPy archive
    with `NAME/kernel` and `NAME/bias` for conv0 (a 1x1 layer that turns RGB in [0, 1] into VGG's
    mean-free BGR) and conv11 to conv51; every 3x3 convolution pads by reflection.
    """

    content_tap = "relu4_1"
    strides = {"relu1_1": 1, "relu2_1": 2, "relu3_1": 4, "relu4_1": 8, "relu5_1": 16}
    taps = tuple(strides)
    least_size = 64
    multiple = 16  # pixels; heights and widths of `aligned`

    def __init__(self, weights: str, **kwargs):
        super().__init__(trainable=False, **kwargs)
        names = ["conv0"]
        names += [f"conv{b}{i + 1}" for b, n in enumerate(VGG_DEPTHS, 1) for i in range(n)]
        self.kernels = constants(self, read_layers(weights, names, "a distilled VGG-19"))
        self.built = True

    def call(self, image, taps=None):
        """Taps `{name: [B, H / 2^k, W / 2^k, C]}`, k from 0 to 4 (sizes rounded down)."""
        return gather(self._walk(image), self.taps, taps)

    def aligned(self, image, taps=None):
        """The same: every map lies on the picture's grid where H and W are multiples of 16."""
        return self(image, taps=taps)

    def _walk(self, image):
        features = self._convolve("conv0", ops.cast(image, self.compute_dtype))
        for block, depth in enumerate(VGG_DEPTHS, start=1):
            if block > 1:
                features = ops.max_pool(features, 2, 2)
            for position in range(1, depth + 1):
                features = ops.relu(self._convolve(f"conv{block}{position}", features))
                if position == 1:
                    yield f"relu{block}_1", features

    def _convolve(self, name, features):
        kernel, bias = (ops.cast(x, self.compute_dtype) for x in self.kernels[name])
        if kernel.shape[0] > 1:
            features = ops.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
        return ops.conv(features, kernel, padding="valid") + bias
