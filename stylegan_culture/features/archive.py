"""Networks whose weights are a NumPy archive of `LAYER/kernel` and `LAYER/bias` entries."""

import pathlib
import zipfile

import numpy as np
from keras import ops

from stylegan_culture.config import InputError


def read_layers(path: str, names, network: str) -> dict:
    """`{layer: (kernel, bias)}` of the layers named, as they are in the file.

    Raises `InputError` where the file is missing, damaged, or lacks a layer.
    """
    if not pathlib.Path(path).is_file():
        raise InputError(f"no backbone weights at {path}; {network} needs the path of an .npz file")
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            return {name: (archive[f"{name}/kernel"], archive[f"{name}/bias"]) for name in names}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} does not hold {network}: {error}") from None


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
