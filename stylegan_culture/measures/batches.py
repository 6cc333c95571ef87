"""Rows through a network in batches, so that memory does not grow with their number."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike


def in_batches(function: Callable, *arrays: ArrayLike, size: int = 16) -> Any:
    """Calls a function of tensors with `size` rows of the `arrays [N, ...]` at a time, and joins
    what it returns: an array `[N, ...]`, or a tuple or dictionary of such arrays."""
    parts = []
    for start in range(0, len(arrays[0]), size):
        rows = (tf.constant(np.asarray(each[start : start + size])) for each in arrays)
        parts.append(tf.nest.map_structure(np.asarray, function(*rows)))
    return tf.nest.map_structure(lambda *each: np.concatenate(each), *parts)
