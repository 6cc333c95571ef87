"""Whether results by example follow that example: nearer to it than to another of its tradition.

A network that paints the mean of a tradition whatever example it is given is named as the tradition
and yet does not obey: of its results, half are nearer to the other example.
"""

import keras
import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture.measures.restyled import mean_grams

Grams = dict[str, np.ndarray]  # tap to Gram matrix `[C, C]`


def gram_distance(first: Grams, second: Grams) -> float:
    """`mean_taps |G - G'|_1 / (|G|_1 + |G'|_1)`: 0 for equal styles, at most 1.

    Relative to both, as `losses.style`: against one alone, the style of the weaker features would
    seem the farther one.
    """
    return float(
        np.mean(
            [
                np.abs(first[tap] - second[tap]).sum()
                / max(np.abs(first[tap]).sum() + np.abs(second[tap]).sum(), 1e-12)
                for tap in first
            ]
        )
    )


def obeyed(
    backbone: keras.Model,
    results: ArrayLike,
    examples: dict[int, np.ndarray],
    given: ArrayLike,
    others: ArrayLike,
) -> np.ndarray:
    """Whether each result is nearer in style to its example than to another one: 0 or 1, `[N]`.

    Args:
        backbone: whose Gram matrices are compared.
        results: `[N, S, S, 3]` in [0, 1].
        examples: number to picture `[H, W, 3]` in [0, 1].
        given: `[N]`, the number of the example that each result was restyled like.
        others: `[N]`, the number of another example; where it is the same one, NaN is given.
    """
    styles = {number: mean_grams(backbone, [picture]) for number, picture in examples.items()}
    nearer = []
    for result, mine, other in zip(results, given, others, strict=True):
        grams = mean_grams(backbone, [np.asarray(result, np.float32)])
        distances = (gram_distance(grams, styles[int(number)]) for number in (mine, other))
        nearer.append(np.nan if mine == other else float(np.less(*distances)))
    return np.array(nearer)
