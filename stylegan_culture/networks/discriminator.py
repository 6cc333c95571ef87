"""Discriminators with one logit map per culture: on pictures and on backbone features."""

import functools

import keras
from keras import KerasTensor, ops

from stylegan_culture.networks.blocks import ACTIVATED, Convolution, leaky_relu, reflect_pad
from stylegan_culture.networks.sizes import DiscriminatorConfig, TrunkConfig


class SpectralConvolution(keras.layers.Layer):
    """Convolution whose kernel is divided by its largest singular value (arXiv 1802.05957).

    The kernel `[k, k, C, F]` is taken as a matrix `[k k C, F]`; each training call makes one power
    iteration. Keras's `SpectralNormalization` overwrites the kernel, so that the gradient lacks the
    norm, which the paper keeps.
    """

    def __init__(self, filters: int, kernel: int = 3, stride: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.size, self.stride = filters, kernel, stride

    def build(self, shape: tuple) -> None:
        self.kernel = self.add_weight(
            shape=(self.size, self.size, shape[-1], self.filters),
            initializer=keras.initializers.HeNormal(),
            autocast=False,  # normalised in float32 first, cast afterwards
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.left = self.add_weight(
            shape=(1, self.filters),
            initializer=keras.initializers.RandomNormal(),
            trainable=False,
            dtype="float32",
            autocast=False,
            aggregation="mean",  # replicas that share a batch keep one estimate
            name="left",
        )

    def spectral_kernel(self, update: bool) -> KerasTensor:
        """The kernel divided by its estimated spectral norm; `update` iterates the estimate."""
        kernel = ops.convert_to_tensor(self.kernel)
        matrix = ops.reshape(kernel, (-1, self.filters))
        fixed = ops.stop_gradient(matrix)
        left = ops.convert_to_tensor(self.left)
        right = _unit(ops.matmul(left, ops.transpose(fixed)))
        left = _unit(ops.matmul(right, fixed))
        if update:
            self.left.assign(left)
        norm = ops.sum(ops.matmul(right, matrix) * left)
        return kernel / norm

    def call(self, features: KerasTensor, training: bool = False) -> KerasTensor:
        kernel = ops.cast(self.spectral_kernel(training), self.compute_dtype)
        if self.size > 1:
            features = reflect_pad(features)
        convolved = ops.conv(features, kernel, strides=self.stride, padding="valid")
        return convolved + ops.cast(self.bias, self.compute_dtype)


def _unit(vector: KerasTensor) -> KerasTensor:
    return vector / (ops.sqrt(ops.sum(vector * vector)) + 1e-12)


class RunningScale(keras.layers.Layer):
    """Divides features by a running estimate of their root mean square."""

    def build(self, shape: tuple) -> None:
        kept = {"trainable": False, "aggregation": "mean"}  # over replicas that share a batch
        self.mean_square = self.add_weight(shape=(), initializer="ones", **kept)
        self.weight = self.add_weight(shape=(), initializer="zeros", **kept)

    def call(self, features: KerasTensor, training: bool = False) -> KerasTensor:
        if training:
            square = ops.mean(ops.square(ops.stop_gradient(features)))
            # The weight tells how far the average is filled, so that it starts unbiased.
            weight = 0.99 * self.weight + 0.01
            self.mean_square.assign(self.mean_square + 0.01 / weight * (square - self.mean_square))
            self.weight.assign(weight)
        return features / ops.sqrt(self.mean_square + 1e-6)


class Discriminator(keras.Model):
    """Picture `[B, H, W, 3]` in [0, 1] to logit maps `[B, h, w, K]`, one per culture.

    One trunk of convolutions, spectrally normalised or plain, that all cultures share (StarGAN v2,
    arXiv 1912.01865), judged on patches (PatchGAN, arXiv 1611.07004).
    """

    def __init__(self, cultures: int, config: TrunkConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        policy = {"dtype": self.dtype_policy}
        widths = [min(config.trunk_width * 2**i, 256) for i in range(config.trunk_layers)]
        plain = functools.partial(Convolution, gain=ACTIVATED)
        convolution = SpectralConvolution if config.spectral_norm else plain
        self.trunk = [
            convolution(width, stride=2 if i < len(widths) - 1 else 1, **policy)
            for i, width in enumerate(widths)
        ]
        self.logits = convolution(cultures, kernel=1, **policy)
        self.shared = convolution(1, kernel=1, **policy) if config.shared_verdict else None

    def call(self, image: KerasTensor, training: bool = False) -> KerasTensor:
        return self.with_features(image, training)[0]

    def with_features(self, image: KerasTensor, training: bool = False) -> tuple[KerasTensor, list]:
        """The logit maps, and the trunk's feature maps `[B, h, w, C]`, one per layer.

        With a shared verdict `D_k(x) = u(x) + v_k(x)`, u learns from all cultures what makes
        any picture real, and v_k what a culture adds (projection discriminator, arXiv
        1802.05637).
        """
        features, hidden = 2.0 * image - 1.0, []
        for layer in self.trunk:
            features = leaky_relu(layer(features, training=training))
            hidden.append(features)
        logits = self.logits(features, training=training)
        if self.shared is not None:
            logits = logits + self.shared(features, training=training)
        return logits, hidden


class FeatureDiscriminator(keras.Model):
    """Backbone taps `{name: [B, h, w, C]}` to logit maps `{name: [B, h', w', K]}`.

    One small head per tap; the backbone's features are fixed, so the heads learn from few
    pictures (Projected GAN, arXiv 2111.01007). Features are divided by the running RMS of their
    tap, since backbones differ in scale by orders of magnitude. Differs from the paper: no random
    projections between taps.
    """

    def __init__(self, taps: tuple[str, ...], cultures: int, config: DiscriminatorConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        policy = {"dtype": self.dtype_policy}
        width = config.head_width
        self.heads = {
            tap: [
                SpectralConvolution(width, stride=2, **policy),
                SpectralConvolution(width, **policy),
                SpectralConvolution(cultures, kernel=1, **policy),
            ]
            for tap in taps
        }
        self.scales = {tap: RunningScale(dtype="float32") for tap in taps}

    def call(self, features: dict, training: bool = False) -> dict:
        return self.with_features(features, training)[0]

    def with_features(self, features: dict, training: bool = False) -> tuple[dict, list]:
        """The logit maps by tap, and the heads' feature maps `[B, h, w, C]`, one per layer."""
        logits, hidden = {}, []
        for tap, layers in self.heads.items():
            value = self.scales[tap](features[tap], training=training)
            for layer in layers[:-1]:
                value = leaky_relu(layer(value, training=training))
                hidden.append(value)
            logits[tap] = layers[-1](value, training=training)
        return logits, hidden


def of_culture(logits: KerasTensor, culture: KerasTensor) -> KerasTensor:
    """The logit map of each sample's culture: `[B, h, w, K], [B] -> [B, h, w]`."""
    chosen = ops.one_hot(culture, logits.shape[-1], dtype=logits.dtype)
    return ops.sum(logits * chosen[:, None, None, :], axis=-1)
