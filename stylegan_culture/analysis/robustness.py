"""How much a small change of a picture changes what a network makes of it.

Two questions: how often a classifier keeps to the right name (or takes on a wanted one) when its
pictures are attacked or corrupted, and how much more than its input the output of a stylizer
changes. Pictures are `[N, S, S, 3]` float32 in [0, 1]. The size of a change is in levels, steps of
an 8-bit value (1/255), so that both norms and all sizes of pictures compare: "linf" allows every
value that many levels, "l2" that many in the root mean square over the picture.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from stylegan_culture.analysis import attacks, distances
from stylegan_culture.analysis.attacks import Ball

LEVELS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of an attack
METHODS = ("fgsm", "pgd")
REPLICATES = 400  # of the bootstrap
DRAWS = 20000  # of shares; fewer would make equal shares' intervals differ on a page


@dataclasses.dataclass(frozen=True)
class Attack:
    """By which method, in which norm, and to what end: any wrong name, or a wanted one."""

    method: str
    norm: str
    targeted: bool


@dataclasses.dataclass(frozen=True)
class Effort:
    """How hard attacks try: steps of PGD, pictures at once, seed of its random starts."""

    steps: int = 20
    batch: int = 8
    seed: int = 0


ATTACKS = tuple(
    Attack(method, norm, targeted)
    for targeted in (False, True)
    for norm in attacks.NORMS
    for method in METHODS
)


def ball(norm: str, levels: float, size: int) -> Ball:
    """What changes of a picture of `size` values are within a number of levels."""
    return Ball(norm, levels / 255.0 * (1.0 if norm == "linf" else size**0.5))


def wanted_others(labels, count: int) -> np.ndarray:
    """For each picture another culture than its own, `[N]`: those of a culture take turns.

    `labels [N]` are numbers from 0 to `count - 1`; at least two cultures.
    """
    labels = np.asarray(labels)
    turn = np.zeros(len(labels), int)
    for culture in np.unique(labels):
        own = labels == culture
        turn[own] = np.arange(own.sum()) % (count - 1)
    return (labels + 1 + turn) % count


def named(logits_of, pictures, batch: int = 8) -> np.ndarray:
    """The first guess for each picture, `[N]`; `logits_of` maps `[B, S, S, 3]` to `[B, K]`."""
    starts = range(0, len(pictures), batch)
    found = [np.asarray(logits_of(tf.constant(pictures[s : s + batch]))) for s in starts]
    return np.concatenate(found).argmax(axis=1)


def attack_curve(logits_of, pictures, labels, attack: Attack, levels, effort=Effort()):
    """Which pictures give way to an attack, by its size.

    FGSM takes one step of each size. PGD goes on from size to size with the pictures that have not
    given way: what a smaller change does, a larger bound allows as well.

    Args:
        logits_of: pictures to logits, differentiable.
        pictures: `[N, S, S, 3]`.
        labels: `[N]`, the true cultures, or the wanted ones of a targeted attack.
        attack, effort: as above.
        levels: L sizes in increasing order.

    Returns:
        `[1 + L, N]` bool, row 0 without a change: named otherwise than the label, or, targeted, as
        the label; and the changed pictures as they were last attacked, `[N, S, S, 3]`.
    """
    labels = np.asarray(labels)

    def gives_way(which):
        return (named(logits_of, current[which], effort.batch) == labels[which]) == attack.targeted

    current = np.array(pictures, np.float32)
    everyone = np.arange(len(labels))
    found = [gives_way(everyone)]
    for level in levels:
        left = everyone if attack.method == "fgsm" else np.flatnonzero(~found[-1])
        for start in range(0, len(left), effort.batch):
            part = left[start : start + effort.batch]
            current[part] = _attacked(
                logits_of, pictures[part], labels[part], attack, level, effort
            )
        row = np.ones(len(labels), bool)
        if len(left):
            row[left] = gives_way(left)
        found.append(row)
    return np.stack(found), current


def corruption_shares(logits_of, pictures, labels, corrupt, severities, batch: int = 8):
    """Which pictures are still named rightly under `corrupt(pictures, severity)`: `[L, N]` bool."""
    found = [named(logits_of, corrupt(pictures, each), batch) for each in severities]
    return np.stack(found) == np.asarray(labels)


def shares(values, labels, count: int, seed: int = 0) -> dict:
    """Shares of `values [N]` bool by culture, and their mean, each with its 95 % interval.

    Intervals are of the Bayesian bootstrap (Rubin, 1981) with half a picture added on either side,
    Beta(s + 1/2, n - s + 1/2): of few pictures that are all alike a plain bootstrap has no width.

    Returns:
        {"mean": [value, low, high] where every culture counts alike, "cultures": one such list
        for each of `count` cultures, None where it has no picture}.
    """
    values, labels = np.asarray(values, bool), np.asarray(labels)
    totals = np.bincount(labels, minlength=count)
    right = np.bincount(labels, weights=values, minlength=count)
    generator, has = np.random.default_rng(seed), totals > 0
    draws = generator.beta(right + 0.5, totals - right + 0.5, size=(DRAWS, count))
    own = right / np.maximum(totals, 1)
    return {
        "mean": _with_ends(own[has].mean(), draws[:, has].mean(axis=1)),
        "cultures": [
            _with_ends(own[culture], draws[:, culture]) if has[culture] else None
            for culture in range(count)
        ],
    }


def largest_changes(restyle, pictures, levels: float, effort=Effort()) -> np.ndarray:
    """Pictures changed, within "linf", so that their restyling changes most: `[N, S, S, 3]`.

    PGD from a random start. `restyle` maps `[B, S, S, 3]` to the same shape, differentiable.
    """
    bound, found = ball("linf", levels, 1), []
    for start in range(0, len(pictures), effort.batch):
        part = pictures[start : start + effort.batch]
        objective = attacks.restyled_apart(restyle, part)
        found.append(attacks.pgd(objective, part, bound, effort.steps, seed=effort.seed))
    return np.concatenate(found)


def random_changes(pictures, levels: float, seed: int) -> np.ndarray:
    """Pictures each of whose values went up or down by so many levels, by chance."""
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), np.shape(pictures))
    return np.clip(pictures + levels / 255.0 * signs, 0.0, 1.0).astype(np.float32)


def output_changes(restyle, pictures, changed, batch: int = 8) -> dict:
    """What becomes of a change: root mean squares over each picture, in levels, `[N]`.

    Returns:
        `input` of the change itself, `output` of the restyled pictures, and `amplification`, the
        second over the first: 1 for a network that returns its input.
    """
    found = {"input": [], "output": []}
    for start in range(0, len(pictures), batch):
        pair = [np.asarray(each[start : start + batch], np.float32) for each in (pictures, changed)]
        found["input"].append(_rms(*pair))
        found["output"].append(_rms(*(np.asarray(restyle(tf.constant(each))) for each in pair)))
    found = {name: np.concatenate(values) for name, values in found.items()}
    return found | {"amplification": found["output"] / np.maximum(found["input"], 1e-9)}


def mean_with_interval(values, seed: int = 0) -> list[float]:
    """Mean of `[..., N]` and its 95 % bootstrap interval over the N contents."""
    per_content = np.asarray(values).reshape(-1, np.shape(values)[-1]).mean(axis=0)
    weights = distances.resampled(np.zeros(len(per_content), int), REPLICATES, seed)
    return _with_ends(per_content.mean(), weights @ per_content / len(per_content), np.inf)


def _attacked(logits_of, pictures, labels, attack: Attack, level: float, effort: Effort):
    objective = (attacks.named_as if attack.targeted else attacks.misnamed)(logits_of, labels)
    bound = ball(attack.norm, level, pictures[0].size)
    if attack.method == "fgsm":
        return attacks.fgsm(objective, pictures, bound)
    return attacks.pgd(objective, pictures, bound, effort.steps, seed=effort.seed)


def _rms(first, second) -> np.ndarray:
    change = first.astype(np.float64) - second
    return 255.0 * np.sqrt((change * change).mean(axis=(1, 2, 3)))


def _with_ends(value, replicates, most: float = 1.0) -> list[float]:
    ends = distances.interval(value, replicates, 0.0, most)
    return [float(value), *(float(end) for end in ends)]
