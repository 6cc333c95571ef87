"""Networks whose weights are a NumPy archive: the distilled VGG-19 and MobileNetV1."""

from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
from keras import KerasTensor, ops

from stylegan_culture.arrays import read_archive
from stylegan_culture.config import InputError, reason

LARGEST_KERNEL = 7  # positions a side


def read_layers(path: str, names: list[str], network: str) -> dict:
    """`{layer: (kernel, bias)}` of the layers named, as they are in the file.

    Raises `InputError` where the file is missing, damaged, lacks a layer, or holds something else
    than kernels `[h, w, C, filters]`, h and w up to `LARGEST_KERNEL`, with their biases.
    """
    kinds = [(name, (f"{name}/kernel", f"{name}/bias")) for name in names]
    try:
        arrays = read_archive(path, network, names=[one for _, pair in kinds for one in pair])
    except FileNotFoundError:
        raise InputError(
            f"no backbone weights at {path}; {network} needs the path of an .npz file"
        ) from None
    layers = {name: (arrays[kernel], arrays[bias]) for name, (kernel, bias) in kinds}
    for name, (kernel, bias) in layers.items():
        if not _is_layer(kernel, bias):
            raise InputError(
                f"{path} does not hold {network}: {name} has a kernel {kernel.shape} and a bias "
                f"{bias.shape}"
            )
    return layers


def check_runs(path: str, run: Callable, network: str) -> None:
    """Raises `InputError` where the layers of a file do not fit each other: where `run()`, which
    passes a small picture through all of them, fails or returns arrays that are not finite."""
    try:
        good = all(np.isfinite(np.asarray(value, np.float32)).all() for value in run())
    except Exception as error:  # convolutions raise errors of many types
        raise InputError(
            f"{path} does not hold {network}: its layers do not fit each other ({reason(error)})"
        ) from None
    if not good:
        raise InputError(f"{path} does not hold {network}: its numbers overflow")


def _is_layer(kernel: np.ndarray, bias: np.ndarray) -> bool:
    """Whether arrays are kernel and bias of a convolution; a depthwise one has one filter."""
    if kernel.ndim != 4 or bias.ndim != 1 or kernel.dtype.kind != "f" or bias.dtype.kind != "f":
        return False
    *sides, channels, filters = kernel.shape
    return (
        all(1 <= side <= LARGEST_KERNEL for side in sides)
        and min(channels, filters) >= 1
        and len(bias) in (filters, channels * filters)
    )


def gather(walk: Iterable, known: tuple, wanted: tuple | None = None) -> dict:
    """`{tap: features}` of the taps `wanted`, in any order (None: all); no deeper tap is computed.

    `walk` yields (tap, features `[B, h, w, C]`) in the order of the names `known`. Raises
    ValueError for a tap that is not among them.
    """
    wanted, features = tuple(known) if wanted is None else tuple(wanted), {}
    for name, value in walk:
        if name in wanted:
            features[name] = value
        if len(features) == len(wanted):
            return features
    raise ValueError(f"taps are {', '.join(known)}, not {', '.join(wanted)}")


class Archived(keras.Model):
    """A fixed network of the layers `names`, whose kernels and biases are in the archive `weights`.

    `_walk` yields its taps; messages call it `network`.
    """

    def __init__(self, weights: str, names: list[str], network: str, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.kernels = {
            name: tuple(
                self.add_weight(
                    shape=value.shape,
                    initializer=lambda shape, dtype=None, value=value: ops.cast(value, dtype),
                    trainable=False,
                    name=f"{name}_{kind}",
                )
                for kind, value in zip(("kernel", "bias"), values, strict=True)
            )
            for name, values in read_layers(weights, names, network).items()
        }
        self.built = True

    def call(self, image: KerasTensor, taps: Iterable[str] | None = None) -> dict:
        """Taps `{name: [B, h, w, C]}` of pictures `[B, H, W, 3]` in [0, 1]."""
        return gather(self._walk(image), self.taps, taps)

    def aligned(self, image: KerasTensor, taps: Iterable[str] | None = None) -> dict:
        """The same: maps lie on the picture's grid where H and W are multiples of `multiple`."""
        return self(image, taps=taps)


VGG_DEPTHS = (2, 2, 4, 4, 1)  # convolutions before each tap's next pool; the last tap is conv51


class DistilledVGG19(Archived):
    """VGG-19 with a sixteenth of its parameters, taps relu1_1 to relu5_1.

    Wang et al., Collaborative Distillation, arXiv 2003.08436. The weights are a NumPy archive
    with `NAME/kernel` and `NAME/bias` for conv0 (a 1x1 layer that turns RGB in [0, 1] into VGG's
    mean-free BGR) and conv11 to conv51; every 3x3 convolution pads by reflection. Sizes of maps
    are rounded down.
    """

    content_tap = "relu4_1"
    strides = {"relu1_1": 1, "relu2_1": 2, "relu3_1": 4, "relu4_1": 8, "relu5_1": 16}
    taps = tuple(strides)
    least_size = 64
    multiple = 16  # pixels

    def __init__(self, weights: str, **kwargs):
        names = ["conv0"]
        names += [f"conv{b}{i + 1}" for b, n in enumerate(VGG_DEPTHS, 1) for i in range(n)]
        super().__init__(weights, names, "a distilled VGG-19", **kwargs)

    def _walk(self, image: KerasTensor) -> Iterator[tuple[str, KerasTensor]]:
        features = self._convolve("conv0", ops.cast(image, self.compute_dtype))
        for block, depth in enumerate(VGG_DEPTHS, start=1):
            if block > 1:
                features = ops.max_pool(features, 2, 2)
            for position in range(1, depth + 1):
                features = ops.relu(self._convolve(f"conv{block}{position}", features))
                if position == 1:
                    yield f"relu{block}_1", features

    def _convolve(self, name: str, features: KerasTensor) -> KerasTensor:
        kernel, bias = (ops.cast(x, self.compute_dtype) for x in self.kernels[name])
        if kernel.shape[0] > 1:
            features = ops.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
        return ops.conv(features, kernel, padding="valid") + bias


STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the depthwise convolution of each block
TAPS = {"block_3": 4, "block_5": 8, "block_9": 16, "block_13": 32}


class MobileNetV1(Archived):
    """MobileNetV1 1.0 (arXiv 1704.04861) up to its last block, taps after blocks 3, 5, 9 and 13.

    Pictures `[B, H, W, 3]` in [0, 1]. The weights are an archive with `NAME/kernel` and
    `NAME/bias` of conv0 and of convN_dw and convN_pw, N from 1 to 13, normalisation folded in;
    depthwise kernels are `[3, 3, C, 1]`. Zero padding and ReLU6, as the network was
    trained. Sizes of maps are rounded up.
    """

    content_tap = "block_5"
    strides = TAPS
    taps = tuple(TAPS)
    least_size = 32
    multiple = 32  # pixels

    def __init__(self, weights: str, **kwargs):
        names = ["conv0"]
        names += [f"conv{n}_{kind}" for n in range(1, len(STRIDES) + 1) for kind in ("dw", "pw")]
        super().__init__(weights, names, "a MobileNetV1", **kwargs)

    def _walk(self, image: KerasTensor) -> Iterator[tuple[str, KerasTensor]]:
        features = ops.cast(2.0 * image - 1.0, self.compute_dtype)
        features = self._convolve("conv0", features, ops.conv, 2)
        for block, stride in enumerate(STRIDES, start=1):
            features = self._convolve(f"conv{block}_dw", features, ops.depthwise_conv, stride)
            features = self._convolve(f"conv{block}_pw", features, ops.conv, 1)
            if f"block_{block}" in TAPS:
                yield f"block_{block}", features

    def _convolve(
        self, name: str, features: KerasTensor, convolution: Callable, stride: int
    ) -> KerasTensor:
        kernel, bias = (ops.cast(x, self.compute_dtype) for x in self.kernels[name])
        return ops.relu6(convolution(features, kernel, strides=stride, padding="same") + bias)
