"""The flags that all methods share, and mixtures of cultures as people write them."""

import dataclasses
import difflib
import typing

import numpy as np

from stylegan_culture.config import InputError, flag_of, option


@dataclasses.dataclass(frozen=True)
class Request:
    """Which style, how strong, how large."""

    culture: str | None = option(
        None, 'a culture, a look of it such as "a:2", or a mixture such as "a=0.7,b=0.3"'
    )
    style: tuple = option((), "a picture file whose style is taken over; may be repeated")
    weights: str | None = option(
        None, "of several --style, such as 0.7,0.3; equal where none are given"
    )
    mask: tuple = option(
        (),
        "a picture file, white where its style goes, one for each --style (alpha, adain, wct, "
        "match, moments), or white in the holes (--restore inpaint)",
    )
    strength: float | None = option(
        None,
        "0 keeps the content, 1 is the full style; generator 1, alpha 0.4, adain 1, wct 0.8, "
        "match 1, moments 0.6 where none is given; gatys takes weights instead",
        low=0.0,
        high=1.0,
    )
    keep_colour: bool = option(False, "keep the content's colours, restyle its luminance alone")
    size: int | None = option(
        None,
        "longest edge of the result in pixels; the picture's where none is given, at most 512 for "
        "gatys and 1024 for the other training-free methods",
        low=1,
    )

    def refuse(self, sentence: str, *names: str) -> None:
        """Raises `InputError`, `sentence` with the flag, where one of these options is given."""
        for name in names:
            if getattr(self, name):
                raise InputError(sentence.format(flag_of(name)))

    def style_weights(self) -> list[float]:
        """Weights of the styles, sum 1; `InputError` where --weights does not fit them."""
        try:
            weights = None if self.weights is None else [float(w) for w in self.weights.split(",")]
        except ValueError:
            raise InputError(
                f"--weights {self.weights!r} are no numbers; write e.g. 0.7,0.3"
            ) from None
        return normalised_weights(weights, len(self.style))


def normalised_weights(weights: typing.Sequence[float] | None, count: int) -> list[float]:
    """Weights of sum 1 for `count` styles, equal ones for None; else `InputError`."""
    if weights is None:
        return [1.0 / max(1, count)] * count
    weights = np.asarray(weights, np.float64)
    if len(weights) != count:
        raise InputError(f"{len(weights)} weights for {count} styles; give one for each")
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise InputError("weights of styles have to be non-negative and must not sum to zero")
    return list(weights / weights.sum())


def culture_weights(text: str, cultures: typing.Iterable[str]) -> dict[str, float]:
    """`"a"` or `"a=0.7,b=0.3"` to weights by culture that sum to 1; else `InputError`."""
    cultures = list(cultures)
    weights = {}
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
        weights[key] = weights.get(key, 0.0) + weight
    total = sum(weights.values())
    if total <= 0:
        raise InputError(f"the weights in {text!r} sum to zero; give one culture a weight")
    return {key: weight / total for key, weight in weights.items()}


def mixture_of(text: str, cultures: typing.Iterable[str]) -> np.ndarray:
    """The same as mixture weights `[1, K]` in the order of `cultures`."""
    weights = culture_weights(text, cultures)
    return np.array([[weights.get(key, 0.0) for key in cultures]], np.float32)
