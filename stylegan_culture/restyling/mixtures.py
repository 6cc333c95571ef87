"""Mixtures of cultures as people write them: `"ukiyo_e"`, `"ukiyo_e=0.7,impressionism=0.3"`."""

import difflib

import numpy as np

from stylegan_culture.config import InputError


def culture_weights(text: str, cultures) -> dict[str, float]:
    """`"a"` or `"a=0.7,b=0.3"` to weights by culture that sum to 1; else `InputError`."""
    cultures = list(cultures)
    found = {}
    for part in text.split(","):
        key, _, number = (piece.strip() for piece in part.partition("="))
        if key not in cultures:
            near = difflib.get_close_matches(key, cultures, 3, 0.4) or cultures
            raise InputError(f"unknown culture {key!r}; did you mean {' or '.join(near)}?")
        try:
            weight = float(number) if number else 1.0
        except ValueError:
            weight = -1.0
        if not 0.0 <= weight < float("inf"):
            raise InputError(f"{number!r} is no weight for {key}; write e.g. {key}=0.7")
        found[key] = found.get(key, 0.0) + weight
    total = sum(found.values())
    if total <= 0:
        raise InputError(f"the weights in {text!r} sum to zero; give one culture a weight")
    return {key: weight / total for key, weight in found.items()}


def mixture_of(text: str, cultures) -> np.ndarray:
    """The same as mixture weights `[1, K]` in the order of `cultures`."""
    found = culture_weights(text, cultures)
    return np.array([[found.get(key, 0.0) for key in cultures]], np.float32)
