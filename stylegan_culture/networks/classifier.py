"""Culture classifiers: a picture to one logit per culture."""

import keras
from keras import KerasTensor, ops

from stylegan_culture.features import linalg
from stylegan_culture.networks.blocks import ACTIVATED, Convolution

OUTMOST = 5.0  # deviations: hardly used channels lie hundreds away in some picture


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

    def call(self, image: KerasTensor, training: bool = False) -> KerasTensor:
        features = 2.0 * image - 1.0
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            features = ops.relu(norm(convolution(features), training=training))
        return self.logits(ops.mean(ops.cast(features, "float32"), axis=(1, 2)))


class CultureHead(keras.Model):
    """Descriptors of a picture `[B, D]` to logits `[B, K]`: standardise, drop, one linear layer.

    Logits are divided by a temperature, which calibration sets (Guo et al., arXiv 1706.04599).

    Args:
        cultures: K.
        exclusive: whether every picture carries just one tag: `probabilities` then sum to 1.
            Otherwise each tag has a probability by itself.
        dropout: share of the descriptors that training leaves out, 0 to below 1.
        seed: of what is left out.
    """

    def __init__(
        self, cultures: int, exclusive: bool, dropout: float = 0.0, seed: int = 0, **kwargs
    ):
        super().__init__(**kwargs)
        self.exclusive = exclusive
        self.dropout = keras.layers.Dropout(dropout, seed=seed)
        self.logits = keras.layers.Dense(cultures, kernel_initializer="zeros")

    def build(self, shape: tuple) -> None:
        size = shape[-1]
        for name, start in (("mean", "zeros"), ("deviation", "ones")):
            weight = self.add_weight(shape=(size,), initializer=start, trainable=False, name=name)
            setattr(self, name, weight)
        self.temperature = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="temperature"
        )
        self.logits.build(shape)

    def call(self, descriptors: KerasTensor, training: bool = False) -> KerasTensor:
        standard = ops.clip((descriptors - self.mean) / self.deviation, -OUTMOST, OUTMOST)
        return self.logits(self.dropout(standard, training=training)) / self.temperature

    def probabilities(self, logits: KerasTensor) -> KerasTensor:
        """Logits `[B, K]` to the probability of each tag, `[B, K]` in [0, 1]."""
        logits = ops.convert_to_tensor(logits)
        return ops.softmax(logits, axis=-1) if self.exclusive else ops.sigmoid(logits)


class CultureTagger(keras.Model):
    """Picture `[B, H, W, 3]` in [0, 1] to logits `[B, K]`: a fixed backbone and a trained head."""

    def __init__(self, backbone: keras.Model, head: CultureHead | None = None, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.backbone, self.head = backbone, head

    def describe(self, image: KerasTensor) -> KerasTensor:
        """Mean and deviation of every channel of every tap: `[B, D]` float32."""
        return linalg.descriptors(self.backbone(image))

    def call(self, image: KerasTensor) -> KerasTensor:
        return self.head(self.describe(image))

    def probabilities(self, image: KerasTensor) -> KerasTensor:
        """The probability of each tag, `[B, K]`."""
        return self.head.probabilities(self(image))
