"""Networks whose weights are a NumPy archive of `LAYER/kernel` and `LAYER/bias` entries."""

import numpy as np
from keras import ops

from stylegan_culture.arrays import read_archive
from stylegan_culture.config import InputError
from stylegan_culture.files import reason

LARGEST_KERNEL = 7  # positions a side


def read_layers(path: str, names, network: str) -> dict:
    """`{layer: (kernel, bias)}` of the layers named, as they are in the file.

    Raises `InputError` where the file is missing, damaged, lacks a layer, or holds something else
    than kernels `[h, w, C, filters]`, h and w up to `LARGEST_KERNEL`, with their biases.
    """
    kinds = [(name, (f"{name}/kernel", f"{name}/bias")) for name in names]
    try:
        found = read_archive(path, network, names=[one for _, pair in kinds for one in pair])
    except FileNotFoundError:
        raise InputError(
            f"no backbone weights at {path}; {network} needs the path of an .npz file"
        ) from None
    layers = {name: (found[kernel], found[bias]) for name, (kernel, bias) in kinds}
    for name, (kernel, bias) in layers.items():
        if not _is_layer(kernel, bias):
            raise InputError(
                f"{path} does not hold {network}: {name} has a kernel {kernel.shape} and a bias "
                f"{bias.shape}"
            )
    return layers


def check_runs(path: str, run, network: str) -> None:
    """Raises `InputError` where layers of a file do not fit each other: `run()`, which passes a
    small picture through all of them and returns arrays, fails or gives numbers without end."""
    try:
        good = all(np.isfinite(np.asarray(value, np.float32)).all() for value in run())
    except Exception as error:  # whatever a convolution says of shapes that do not fit
        raise InputError(
            f"{path} does not hold {network}: its layers do not fit each other ({reason(error)})"
        ) from None
    if not good:
        raise InputError(f"{path} does not hold {network}: its numbers overflow")


def _is_layer(kernel, bias) -> bool:
    """Whether arrays are kernel and bias of a convolution; a depthwise one has one filter."""
    if kernel.ndim != 4 or bias.ndim != 1 or kernel.dtype.kind != "f" or bias.dtype.kind != "f":
        return False
    *sides, channels, filters = kernel.shape
    return (
        all(1 <= side <= LARGEST_KERNEL for side in sides)
        and min(channels, filters) >= 1
        and len(bias) in (filters, channels * filters)
    )


def constants(network, layers: dict) -> dict:
    """Gives a Keras model the layers' kernels and biases as weights that are not trained."""
    found = {}
    for name, values in layers.items():
        found[name] = tuple(
            network.add_weight(
                shape=value.shape,
                initializer=lambda shape, dtype=None, value=value: ops.cast(value, dtype),
                trainable=False,
                name=f"{name}_{kind}",
            )
            for kind, value in zip(("kernel", "bias"), values, strict=True)
        )
    return found
