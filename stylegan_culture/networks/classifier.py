"""The culture classifier: picture to one logit per culture."""

import keras
from keras import ops

from stylegan_culture.networks.blocks import ACTIVATED, Convolution


class CultureClassifier(keras.Model):
    """Picture `[B, H, W, 3]` in [0, 1] to logits `[B, K]`.

    Four halving convolutions with batch normalisation and a global average; one logit per culture,
    so that it serves one tag a picture (softmax) or several (sigmoid).
    """

    def __init__(self, cultures: int, width: int = 32, **kwargs):
        super().__init__(**kwargs, autocast=False)
        policy = {"dtype": self.dtype_policy}
        widths = (width, 2 * width, 4 * width, 4 * width)
        self.convolutions = [Convolution(w, stride=2, gain=ACTIVATED, **policy) for w in widths]
        self.norms = [keras.layers.BatchNormalization(momentum=0.9, **policy) for _ in widths]
        self.logits = keras.layers.Dense(cultures, dtype="float32")

    def call(self, image, training=False):
        features = 2.0 * image - 1.0
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            features = ops.relu(norm(convolution(features), training=training))
        return self.logits(ops.mean(ops.cast(features, "float32"), axis=(1, 2)))
