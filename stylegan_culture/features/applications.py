"""VGG19 and ResNet50 of keras.applications as named taps; preprocessing inside."""

import functools

import keras
import numpy as np
from keras import ops

# Means of ImageNet in blue, green, red order, 0 to 255: what both networks were trained to get.
IMAGENET_BGR = (103.939, 116.779, 123.68)
VGG19_TAPS = {f"relu{block}_1": f"block{block}_conv1" for block in range(1, 6)}
RESNET50_TAPS = {
    "conv1": "conv1_relu",
    "conv2": "conv2_block3_out",
    "conv3": "conv3_block4_out",
    "conv4": "conv4_block6_out",
    "conv5": "conv5_block3_out",
}
EMBEDDING = 128


class Application(keras.Model):
    """A network of keras.applications as a fixed extractor of named taps.

    Pictures `[B, H, W, 3]` in [0, 1], at least `least_size` px a side; taps `{name: [B, h, w, C]}`
    in order of depth, computed no deeper than the deepest that is asked for.

    Args:
        network: functional, without its top.
        layers: tap to layer name, in order of depth.
        strides: pixels between two positions of each tap.
    """

    least_size = 75

    def __init__(self, network, layers: dict, strides: dict, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.network = network
        self.outputs_by_tap = {tap: network.get_layer(name).output for tap, name in layers.items()}
        self.taps, self.strides = tuple(layers), strides
        self.multiple = max(strides.values())  # pixels; heights and widths of `aligned`
        self.cuts = {}
        self.built = True

    def call(self, image, taps=None):
        wanted = self.taps if taps is None else tuple(taps)
        unknown = [tap for tap in wanted if tap not in self.taps]
        if unknown:
            raise ValueError(f"taps are {', '.join(self.taps)}, not {', '.join(unknown)}")
        if wanted not in self.cuts:
            outputs = {tap: self.outputs_by_tap[tap] for tap in self.taps if tap in wanted}
            self.cuts[wanted] = keras.Model(self.network.input, outputs)
        colours = 255.0 * image[..., ::-1] - np.array(IMAGENET_BGR, np.float32)
        return self.cuts[wanted](ops.cast(colours, self.compute_dtype), training=False)

    def aligned(self, image, taps=None):
        """The same: maps lie on the picture's grid where H and W are multiples of `multiple`."""
        return self(image, taps=taps)

    def named_variables(self) -> dict:
        """Every variable by `layer/kind`, for instance `block1_conv1/kernel`."""
        return {f"{x.name}/{v.name}": v for x in self.network.layers for v in x.variables}


class VGG19(Application):
    """VGG19 (arXiv 1409.1556), taps relu1_1 to relu5_1 with strides 1 to 16."""

    content_tap = "relu4_1"

    def __init__(self, source=None, **kwargs):
        network = _build(keras.applications.VGG19, source, kwargs.get("dtype"))
        strides = {tap: 2**level for level, tap in enumerate(VGG19_TAPS)}
        super().__init__(network, VGG19_TAPS, strides, **kwargs)

    def calibrate(self, pictures) -> None:
        """Scales kernels and biases, first to last, so that each channel's pre-activation has
        mean 0 and deviation 1 on these pictures (LSUV, arXiv 1511.06422, per channel)."""
        features = 255.0 * pictures[..., ::-1] - np.array(IMAGENET_BGR, np.float32)
        for layer in self.network.layers[1:]:
            if isinstance(layer, keras.layers.Conv2D):
                before = ops.conv(features, layer.kernel, padding="same")
                mean, variance = ops.moments(before, axes=(0, 1, 2))
                deviation = ops.sqrt(variance + 1e-6)
                layer.kernel.assign(layer.kernel / deviation)
                layer.bias.assign(-mean / deviation)
            features = layer(features)


class ResNet50(Application):
    """ResNet50 (arXiv 1512.03385), taps conv1 to conv5 (after each stage) with strides 2 to 32."""

    content_tap = "conv4"

    def __init__(self, source=None, **kwargs):
        network = _build(keras.applications.ResNet50, source, kwargs.get("dtype"))
        strides = {tap: 2 ** (level + 1) for level, tap in enumerate(RESNET50_TAPS)}
        super().__init__(network, RESNET50_TAPS, strides, **kwargs)

    def calibrate(self, pictures) -> None:
        """Makes every batch normalisation use its moments on these pictures."""
        norms = [x for x in self.network.layers if isinstance(x, keras.layers.BatchNormalization)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum, norm.trainable = 0.0, True
        colours = 255.0 * pictures[..., ::-1] - np.array(IMAGENET_BGR, np.float32)
        self.network(colours, training=True)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum, norm.trainable = momentum, False

    def embedding(self, image):
        """The picture as 128 numbers of length 1: `[B, H, W, 3] -> [B, 128]`.

        The mean of the last stage through a fixed orthonormal projection (seeded), which keeps
        distances as well as 128 dimensions can without training (Johnson and Lindenstrauss, 1984).
        """
        last = ops.cast(self(image, taps=("conv5",))["conv5"], "float32")
        pooled = ops.mean(last, axis=(1, 2))
        return ops.normalize(ops.matmul(pooled, _projection(pooled.shape[-1])), axis=-1)


@functools.cache
def _projection(channels: int) -> np.ndarray:
    """`[channels, 128]` with orthonormal columns."""
    gaussian = np.random.default_rng(EMBEDDING).normal(size=(channels, EMBEDDING))
    return np.linalg.qr(gaussian)[0].astype("float32")


def _build(application, source, dtype):
    """A new network without its top; layers of keras.applications take the global policy."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype or policy)
    try:
        return application(include_top=False, weights=source)
    finally:
        keras.config.set_dtype_policy(policy)
