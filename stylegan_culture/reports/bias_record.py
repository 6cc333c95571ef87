"""From what the trials gave to the numbers of the bias report, fit for JSON."""

import dataclasses
import math

import numpy as np

from stylegan_culture.measures import fairness, restyled, statistics
from stylegan_culture.measures.probes import PHOTOGRAPH
from stylegan_culture.model_record import read_cultures

REPLICATES = 1000
TOLD = ("named", "content_distance")  # measured content by content, so that they can be paired
# What each measure is stands in `bias_words.MEASURES`.
MEASURES = ("named", "above", "content_distance", "kid", "covered")


def judge_of(trial, artworks: dict, seed: int) -> tuple[dict, fairness.Estimates | None]:
    """What the judge makes of artworks that did not teach it.

    Args:
        artworks: culture to the descriptors `[A, D]` of its artworks, the held-out ones last.

    Returns:
        The record, and how often each culture's artworks are named rightly; None instead where a
        culture has no held-out artwork.
    """
    counts = dict(trial.held_out)
    record = {
        "backbone": trial.judge.backbone.name,
        "weights": trial.judge.backbone.fingerprint,
        "held_out": counts,
        "confusion": [],
        "named": None,
    }
    right = []
    for number, (name, own) in enumerate(artworks.items()):
        shares = np.zeros(len(trial.classes))
        if counts[name]:
            named = trial.judge.classifier.predict(own[-counts[name] :])
            shares = np.bincount(named, minlength=len(shares)) / counts[name]
        record["confusion"].append(shares.tolist())
        right.append(round(shares[number] * counts[name]))
    if min(counts.values()) == 0:
        return record, None
    found = fairness.proportions(right, list(counts.values()), REPLICATES, seed)
    record["named"] = dict(zip(trial.cultures, found.intervals(), strict=True))
    return record, found


def quality_of(trial, served: dict, sources, artworks: dict, recall, seed: int) -> dict:
    """How each culture is served, who worst, and what of it chance would give.

    Args:
        served: of `bias_trials.into_every_culture`.
        sources: descriptors `[N, D]` of the contents.
        artworks: culture to the descriptors `[A, D]` of its artworks.
        recall: of `judge_of`, or None.
    """
    scale = _scale(list(artworks.values()))
    real = [scale(own) for own in artworks.values()]
    weights = statistics.resampled(trial.sources, REPLICATES, seed)
    asked, cultures = trial.asked, np.arange(len(trial.cultures))
    named = served["probabilities"].argmax(axis=2) == cultures[:, None]
    known = {
        "named": fairness.means(named, asked, weights, True, (0.0, 1.0)),
        "content_distance": fairness.means(served["distance"], asked, weights, False, (0.0, 4.0)),
        "kid": fairness.kids(scale(served["features"]), real, asked, weights),
    }
    before = fairness.kids(scale(sources)[None], real, asked, weights)
    if recall is not None:
        known["above"] = fairness.less(known["named"], recall)
    if (covered := fairness.covered(known["kid"], before)) is not None:
        known["covered"] = covered
    known = {name: known[name] for name in MEASURES if name in known}
    single = {"named": named, "content_distance": served["distance"]}

    def by_culture(measure):
        return dict(zip(trial.cultures, measure.intervals(), strict=True))

    return {
        "figures": {name: by_culture(measure) for name, measure in known.items()},
        "untouched_kid": by_culture(before),
        "worst": {name: _worst(trial.cultures, measure) for name, measure in known.items()},
        "worst_to_best": {name: fairness.worst_to_best(measure) for name, measure in known.items()},
        "by_chance": {
            name: dataclasses.asdict(fairness.spread_by_chance(single[name], asked, seed))
            for name in TOLD
        },
        "paired": {name: _paired(fairness.paired(single[name], asked, weights)) for name in TOLD},
        "confusion": restyled.confusion(
            served["probabilities"].argmax(axis=2), asked, len(trial.classes)
        ).tolist(),
    }


def representation_of(trial, quality: dict, facts: dict, seed: int) -> dict:
    """Training pictures against quality, by ranks."""
    known = read_cultures(facts, "the model's record", least=0)
    own = {culture.key: culture.pictures for culture in known}
    told = all(own.get(culture) for culture in trial.cultures)
    counts = {
        name: int(own[name] if told else trial.training_counts[name]) for name in trial.cultures
    }
    correlations = {}
    for name, figures in quality["figures"].items():
        row = [figures[culture][0] for culture in trial.cultures]
        found = statistics.rank_correlation(list(counts.values()), row, seed)
        correlations[name] = {k: _plain(value) for k, value in dataclasses.asdict(found).items()}
    return {"counts": counts, "told_by_model": told, "correlations": correlations}


def drift_of(trial, chosen, found: dict, seed: int) -> dict:
    """Means over contents and cultures after each restyling, and distances of each culture."""
    asked, weights = trial.asked[:, chosen], _weights(trial, chosen, seed)
    record = {
        name: [_overall(row, asked, weights) for row in np.moveaxis(found[name], 1, 0)]
        for name in ("distance", "before", "named")
    }
    each = np.stack([_each(row, asked) for row in np.moveaxis(found["distance"], 1, 0)], axis=1)
    return record | {"cultures": dict(zip(trial.cultures, each.tolist(), strict=True))}


def round_trips_of(trial, chosen, found: dict, seed: int) -> dict:
    """How far a content is from itself after one restyling, after the way back, and after being
    restyled into its own style at once; for each way back over the contents that have it."""
    asked, ways = trial.asked[:, chosen], {}
    rows = {"example": np.arange(len(chosen)), "name": np.flatnonzero(found["artworks"])}
    for way, own in rows.items():
        if not len(own):
            continue
        weights, part = _weights(trial, np.asarray(chosen)[own], seed), asked[:, own]
        ways[way] = {"contents": len(own)}
        for kind in ("content", "pixels"):
            values = found[kind]
            once, back = (values[name][:, own] for name in ("once", f"back_{way}"))
            direct = np.broadcast_to(values[f"own_{way}"][own], once.shape)
            ways[way][kind] = {
                "once": _overall(once, part, weights),
                "back": _overall(back, part, weights),
                "own": _overall(direct, part, weights),
                "gain": _overall(once - back, part, weights),
                "cultures": {
                    name: [float(one), float(other)]
                    for name, one, other in zip(
                        trial.cultures, _each(once, part), _each(back, part), strict=True
                    )
                    if math.isfinite(one)
                },
            }
    return ways


def leaning_of(trial, found: dict, seed: int) -> dict:
    """Shares of classes where no culture is asked for."""
    record = {"contents": len(found["chosen"]), "photographs": PHOTOGRAPH in trial.classes}
    for name in ("untouched", "mixture", "zeros"):
        named = fairness.leaning(found[name], len(trial.classes), REPLICATES, seed)
        record[name] = {
            "shares": dict(zip(trial.classes, named.shares, strict=True)),
            "effective": named.effective,
        }
    return record


def _scale(artworks: list):
    """Brings every descriptor to mean 0 and deviation 1 over artworks, cultures counting alike, so
    that the loudest channel does not rule the kernel."""
    labels = np.repeat(np.arange(len(artworks)), [len(each) for each in artworks])
    mean, deviation = statistics.balanced_moments(np.concatenate(artworks), labels)
    return lambda rows: (rows - mean) / deviation


def _worst(cultures, measure) -> dict:
    worst = fairness.worst(measure)
    return dataclasses.asdict(worst) | {
        "culture": cultures[worst.culture],
        "shares": dict(zip(cultures, worst.shares, strict=True)),
        "best": cultures[worst.best],
    }


def _paired(found: fairness.Paired) -> dict:
    return {
        name: [[_plain(value) for value in row] for row in values.tolist()]
        for name, values in dataclasses.asdict(found).items()
    }


def _weights(trial, chosen, seed: int) -> np.ndarray:
    """Resamples photographs and artworks apart; single artworks of many cultures are one group."""
    artworks = trial.sources[np.asarray(chosen)] < len(trial.cultures)
    return statistics.resampled(artworks.astype(int), REPLICATES, seed)


def _overall(values, asked, weights) -> list:
    """The mean over contents of each one's mean over the cultures asked of it, `[value, low,
    high]`: `[K, n]` to one figure."""
    own = np.where(asked, values, 0.0).sum(axis=0) / asked.sum(axis=0)
    measure = fairness.means(own[None], np.ones((1, len(own)), bool), weights, False)
    return measure.intervals()[0]


def _each(values, asked) -> np.ndarray:
    """The mean of each culture, `[K]`; NaN where none of the contents was asked of it."""
    counts = asked.sum(axis=1)
    sums = np.where(asked, values, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _plain(value):
    """None for NaN, which JSON has no word for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
