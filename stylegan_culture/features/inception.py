"""InceptionResNetV2 up to `block35_10`, with Keras's own architecture and without the other 52 M
parameters: it builds in a fraction of a second and stops at the deepest tap wanted.
"""

import re
from collections.abc import Iterable, Iterator

import keras
import numpy as np
from keras import KerasTensor, ops

from stylegan_culture.features.archived import gather

MIXED_5B = (((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)))
BLOCK35 = (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3)))
BLOCKS = 10
RESIDUAL_SCALE = 0.17
# Where map position i of a tap lies in a picture: pixel `stride * i + first`, since the stem pads
# VALID. `aligned` puts BEFORE and AFTER mirrored pixels around the picture and drops positions.
STRIDES = {"stem_3": 2, "stem_5": 4, "mixed_5b": 8, "block35_5": 8, "block35_10": 8}
FIRST_PIXEL = {"stem_3": 3, "stem_5": 9, "mixed_5b": 13, "block35_5": 13, "block35_10": 13}
BEFORE, AFTER = 9, 10
EPSILON = 1e-3
MULTIPLE = 8  # pixels; what height and width must be a multiple of to have an aligned grid


class ConvolutionNorm(keras.layers.Layer):
    """Convolution without bias, batch normalisation without scale, rectifier.

        relu((K * x - mean) / sqrt(variance + 1e-3) + beta)

    computed as one convolution with the normalisation folded into kernel and bias. Batches never
    change the moments, so features in training and afterwards are the same.
    """

    def __init__(self, filters: int, kernel: int, stride: int = 1, padding: str = "same", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.size, self.stride, self.padding = filters, kernel, stride, padding

    def build(self, shape: tuple) -> None:
        keep = {"autocast": False}  # folded in float32, whatever the policy
        size, fixed = (self.filters,), {"trainable": False, **keep}
        start = "he_normal" if self.trainable else "zeros"  # the others' values are assigned
        self.kernel = self.add_weight(
            (self.size, self.size, shape[-1], self.filters), start, name="kernel", **keep
        )
        self.beta = self.add_weight(size, "zeros", name="beta", **keep)
        self.mean = self.add_weight(size, "zeros", name="mean", **fixed)
        self.variance = self.add_weight(size, "ones", name="variance", **fixed)

    def call(self, features: KerasTensor, calibrate: bool = False) -> KerasTensor:
        if calibrate:
            self._calibrate(features)
        scale = ops.rsqrt(ops.convert_to_tensor(self.variance) + EPSILON)
        bias = ops.cast(self.beta - self.mean * scale, self.compute_dtype)
        return ops.relu(self._convolve(features, self.kernel * scale) + bias)

    def _calibrate(self, features: KerasTensor) -> None:
        """Takes the moments of these features' convolution as the ones to normalise by."""
        convolved = ops.cast(self._convolve(features, self.kernel), "float32")
        mean, variance = ops.moments(convolved, axes=(0, 1, 2))
        self.mean.assign(mean)
        self.variance.assign(variance)

    def _convolve(self, features: KerasTensor, kernel: KerasTensor) -> KerasTensor:
        kernel = ops.cast(kernel, self.compute_dtype)
        return ops.conv(features, kernel, strides=self.stride, padding=self.padding)


class Branches(keras.layers.Layer):
    """Chains of `ConvolutionNorm` side by side, concatenated: `[B, H, W, C] -> [B, H, W, sum]`.

    Args:
        chains: for each branch its (filters, kernel size) pairs.
        pooled: filters of a further branch that averages 3x3 pixels first; 0 leaves it out.
    """

    def __init__(self, chains: tuple, pooled: int = 0, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        self.chains = [[ConvolutionNorm(*size, **policy) for size in chain] for chain in chains]
        self.pooled = ConvolutionNorm(pooled, 1, **policy) if pooled else None

    def build(self, shape: tuple) -> None:
        for chain in self.chains:
            _build_chain(chain, shape)
        if self.pooled is not None:
            self.pooled.build(shape)

    @property
    def filters(self) -> int:
        """Channels of the result."""
        ends = [chain[-1] for chain in self.chains] + ([self.pooled] if self.pooled else [])
        return sum(layer.filters for layer in ends)

    def call(self, features: KerasTensor, calibrate: bool = False) -> KerasTensor:
        results = []
        for chain in self.chains:
            branch = features
            for layer in chain:
                branch = layer(branch, calibrate=calibrate)
            results.append(branch)
        if self.pooled is not None:
            averaged = ops.average_pool(features, 3, 1, padding="same")
            results.append(self.pooled(averaged, calibrate=calibrate))
        return ops.concatenate(results, axis=-1)


def _build_chain(layers: Iterable, shape: tuple) -> None:
    """Builds layers that follow each other, from the first one's input shape."""
    for layer in layers:
        layer.build(shape)
        shape = (*shape[:3], layer.filters)


class Block35(keras.layers.Layer):
    """Residual block `relu(x + 0.17 up(branches(x)))` of 35x35 maps (of 299-pixel pictures)."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.filters = channels
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        self.branches = Branches(BLOCK35, **policy)
        start = "glorot_uniform" if self.trainable else "zeros"
        self.up = keras.layers.Conv2D(channels, 1, kernel_initializer=start, **policy)

    def build(self, shape: tuple) -> None:
        _build_chain((self.branches, self.up), shape)

    def call(self, features: KerasTensor, calibrate: bool = False) -> KerasTensor:
        change = self.up(self.branches(features, calibrate=calibrate))
        return ops.relu(features + RESIDUAL_SCALE * change)


class InceptionResNetV2(keras.Model):
    """InceptionResNetV2 (arXiv 1602.07261) up to `block35_10`: 1.68 M parameters, five taps.

    Taps: `stem_3` and `stem_5` (the activations before the two pools, strides 2 and 4),
    `mixed_5b`, `block35_5` and `block35_10` (stride 8). Pictures `[B, H, W, 3]` in [0, 1], at
    least 75 px a side. The stem pads VALID: 256 px give maps of 125, 60, 29, 29 and 29 px, whose
    first position lies 3 to 13 pixels inside the picture; `aligned` gives 128, 64 and 32.

    Weights are assigned by `backbones.build_backbone`: new kernels are random where `trainable`,
    otherwise zero.
    """

    content_tap = "mixed_5b"
    least_size = 75
    multiple = MULTIPLE
    taps = tuple(STRIDES)
    strides = STRIDES

    def __init__(self, trainable: bool = False, **kwargs):
        super().__init__(trainable=trainable, **kwargs)
        policy = {"dtype": self.dtype_policy, "trainable": trainable}
        self.stem = [
            ConvolutionNorm(32, 3, 2, "valid", **policy),
            ConvolutionNorm(32, 3, 1, "valid", **policy),
            ConvolutionNorm(64, 3, 1, "same", **policy),
            ConvolutionNorm(80, 1, 1, "valid", **policy),
            ConvolutionNorm(192, 3, 1, "valid", **policy),
        ]
        self.mixed = Branches(MIXED_5B, pooled=64, **policy)
        self.blocks = [Block35(320, **policy) for _ in range(BLOCKS)]
        self.build((None, None, None, 3))
        self.trainable = trainable  # again: layers made since the first time follow it

    def build(self, shape: tuple) -> None:
        """Builds every layer from its known channels, which is seconds faster than a call."""
        _build_chain((*self.stem, self.mixed, *self.blocks), shape)

    def call(
        self,
        image: KerasTensor,
        taps: Iterable[str] | None = None,
        calibrate: bool = False,
    ) -> dict:
        """`{tap: [B, h, w, C]}` of the wanted taps (None: all), in the order of `taps`.

        `calibrate` first makes each layer normalise by its moments on these pictures (eagerly).
        """
        return gather(self._walk(image, calibrate), self.taps, taps)

    def _walk(self, image: KerasTensor, calibrate: bool) -> Iterator[tuple[str, KerasTensor]]:
        """Yields (tap, features) from the picture on; the rest is not computed."""
        features = ops.cast(2.0 * image - 1.0, self.compute_dtype)
        for layer in self.stem[:3]:
            features = layer(features, calibrate=calibrate)
        yield "stem_3", features
        features = ops.max_pool(features, 3, 2)
        for layer in self.stem[3:]:
            features = layer(features, calibrate=calibrate)
        yield "stem_5", features
        features = self.mixed(ops.max_pool(features, 3, 2), calibrate=calibrate)
        yield "mixed_5b", features
        for number, block in enumerate(self.blocks, start=1):
            features = block(features, calibrate=calibrate)
            if f"block35_{number}" in STRIDES:
                yield f"block35_{number}", features

    def aligned(self, image: KerasTensor, taps: Iterable[str] | None = None) -> dict:
        """Taps on the picture's grid: `{tap: [B, H / stride, W / stride, C]}`.

        The picture is mirrored outwards, so that maps reach its border, and cut so that position i
        lies within pixels `stride i` to `stride (i + 1)`. H and W are multiples of 8.
        """
        height, width = image.shape[1], image.shape[2]
        if height % MULTIPLE or width % MULTIPLE:
            raise ValueError(f"{height}x{width} is no multiple of {MULTIPLE} pixels")
        margins = [[0, 0], [BEFORE, AFTER], [BEFORE, AFTER], [0, 0]]
        padded = ops.pad(ops.cast(image, "float32"), margins, mode="reflect")
        result = {}
        for name, value in self(padded, taps=taps).items():
            stride = STRIDES[name]
            first = max(0, -((FIRST_PIXEL[name] - BEFORE) // stride))
            rows, columns = height // stride, width // stride
            result[name] = value[:, first : first + rows, first : first + columns]
        return result

    def layers_in_order(self) -> list:
        """Every layer with a kernel, in Keras's order of creation."""
        layers = []
        for part in (*self.stem, self.mixed, *self.blocks):
            if isinstance(part, ConvolutionNorm):
                layers.append(part)
                continue
            branches = part.branches if isinstance(part, Block35) else part
            layers += [layer for chain in branches.chains for layer in chain]
            if branches.pooled is not None:
                layers.append(branches.pooled)
            if isinstance(part, Block35):
                layers.append(part.up)
        return layers

    def named_variables(self) -> dict:
        """Every variable by name: `NNN/kernel`, and `bias` or `beta`, `mean` and `variance`."""
        named = {}
        for number, layer in enumerate(self.layers_in_order()):
            kinds = ("kernel", "beta", "mean", "variance")
            for kind in kinds if isinstance(layer, ConvolutionNorm) else ("kernel", "bias"):
                named[f"{number:03d}/{kind}"] = getattr(layer, kind)
        return named


def arrays_of_application(network: keras.Model, built: InceptionResNetV2) -> dict[str, np.ndarray]:
    """Weights of a `keras.applications.InceptionResNetV2` under the names of `named_variables`.

    Keras numbers its unnamed layers in order of creation, which is the order of `built`.
    """
    convolutions, norms, ups = (
        iter(_numbered(network, name))
        for name in ("conv2d{}", "batch_normalization{}", "block35{}_conv")
    )
    arrays = {}
    for number, layer in enumerate(built.layers_in_order()):
        if isinstance(layer, ConvolutionNorm):
            norm = next(norms)
            values = {
                "kernel": next(convolutions).kernel,
                "beta": norm.beta,
                "mean": norm.moving_mean,
                "variance": norm.moving_variance,
            }
        else:
            up = next(ups)
            values = {"kernel": up.kernel, "bias": up.bias}
        arrays |= {f"{number:03d}/{kind}": np.asarray(value) for kind, value in values.items()}
    return arrays


def _numbered(network: keras.Model, name: str) -> list:
    """Layers whose name has "" or "_N" in the place of `{}`, in the order of N."""
    pattern = re.compile(name.format(r"(?:_(\d+))?"))
    numbers = {layer: pattern.fullmatch(layer.name) for layer in network.layers}
    numbers = {layer: int(match[1] or 0) for layer, match in numbers.items() if match}
    return sorted(numbers, key=numbers.get)
