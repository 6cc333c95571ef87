"""Restyles a trial's contents by every method into every culture, and measures the results."""

import dataclasses

import numpy as np
import tqdm

from stylegan_culture import images
from stylegan_culture.measures import content as content_measures
from stylegan_culture.measures import looks, restyled, sets, statistics
from stylegan_culture.measures.restyled import Signs
from stylegan_culture.reports.tools import Tools, reduced

STRIP = 6  # best, middle and worst results that are shown


def measure(config, trial, tools: Tools, method) -> tuple[dict, dict]:
    """Every figure of one method, and the pictures that a report shows of it.

    Returns:
        A record fit for JSON, and `{"results": uint8 [K, N, S, S, 3] of the shown contents,
        "strips": {name: [(culture, content, picture uint8)]}}`.
    """
    bar = tqdm.tqdm(range(len(trial.cultures)), f"restyled by {method.name}", disable=None)
    results = np.stack([method.restyle(trial.contents, culture) for culture in bar])
    small = np.stack([reduced(own) for own in results])
    recognition = restyled.recognised(trial.judge, small, tools.known)
    probabilities = recognition.probabilities
    values = {
        "content_distance": recognition.content_distance,
        "nearest": recognition.nearest,
    }
    # An artwork as content is among the artworks: only photographs can be asked this.
    photographs = trial.sources == len(trial.cultures)
    values["artwork_nearer"] = np.where(photographs, recognition.artwork_nearer, np.nan)
    for name, measured in MEASURES.items():
        if (value := measured(trial, tools, results, small)) is not None:
            values[name] = value
    perceived, features = content_measures.compared(tools.backbone, small, tools.perceived)
    values["perceptual_distance"] = perceived
    summary = restyled.summary(
        probabilities, values, trial.classes, trial.sources, config.trial.seed
    )
    found = summary.figures | {"cultures": summary.cultures, "pairs": summary.pairs}
    named = probabilities.argmax(axis=-1)
    found["confusion"] = restyled.confusion(named, trial.asked, len(trial.classes)).tolist()
    found |= _variety(trial, tools, features, config.trial.seed)
    _add_sets(trial, tools, features, found, config.trial.seed)
    found["kind"] = method.kind
    found["verdicts"] = _verdicts(trial, tools, found)
    chosen = ranked(trial, probabilities, values["content_distance"])
    found["strips"] = {name: [_told(trial, *pair) for pair in own] for name, own in chosen.items()}
    return found, _pictures(trial, results, chosen)


def ranked(trial, probabilities, content_distances) -> dict:
    """The best, the middle and the worst results: pairs (culture, content).

    By `sqrt(p s)`: p the judge's probability of the asked culture, `s = 1 - d / 2` what is left of
    the content. At most one result of a content on each strip.
    """
    cultures = np.arange(len(trial.cultures))
    asked = np.asarray(probabilities)[cultures, :, cultures]
    kept = np.clip(1.0 - np.asarray(content_distances) / 2.0, 0.0, 1.0)
    scores = np.where(trial.asked, np.sqrt(asked * kept), np.nan)
    places = np.argwhere(np.isfinite(scores))
    order = places[np.argsort(-scores[tuple(places.T)], kind="stable")]
    middle = order[np.argsort(np.abs(np.arange(len(order)) - len(order) // 2), kind="stable")]
    return {
        "best": _distinct(order),
        "middle": _distinct(middle),
        "worst": _distinct(order[::-1]),
    }


def _distinct(places) -> list[tuple[int, int]]:
    found, seen = [], set()
    for culture, content in places.tolist():
        if content not in seen and len(found) < STRIP:
            seen.add(content)
            found.append((culture, content))
    return found


def _structure(trial, tools: Tools, results, small) -> np.ndarray:
    return np.stack([content_measures.structure_similarity(each, tools.small) for each in small])


def _lines(trial, tools: Tools, results, small) -> np.ndarray:
    return looks.lines(results, tools.ordinary)


def _style_distance(trial, tools: Tools, results, small) -> np.ndarray | None:
    if not tools.style:
        return None
    backbone, grams = tools.style
    pairs = zip(results, grams, strict=True)
    return np.stack([restyled.style_distances(backbone, each, target) for each, target in pairs])


def _error(trial, tools: Tools, results, small) -> np.ndarray | None:
    if not trial.rendered:
        return None
    return np.sqrt(np.mean((results - trial.truth) ** 2, axis=(2, 3, 4)))


# Measures of each result by name: `(trial, tools, results [K, N, S, S, 3], small) -> [K, N]`, or
# None where the trial has not what they need; `small` are the results at the probe's side. How a
# measure is called and printed stands in `evaluation_figures`.
MEASURES = {
    "structure": _structure,
    "lines": _lines,
    "style_distance": _style_distance,
    "error": _error,
}


def _variety(trial, tools: Tools, features, seed: int) -> dict:
    contents = tools.perceived.pooled
    found = {"diversity": content_measures.diversity(features, contents, seed)}
    if len(trial.cultures) > 1:
        found["style_diversity"] = content_measures.style_diversity(features, contents, seed)
    return found


def _add_sets(trial, tools: Tools, features, found: dict, seed: int) -> None:
    """FID, KID and their like, of each culture against its artworks and the mean over cultures.
    Their names hold the backbone's, since those of another are other measures."""
    weights = statistics.resampled(trial.sources, statistics.REPLICATES, seed)
    every, measured = [], []
    for number, culture in enumerate(trial.cultures):
        asked, known = trial.asked[number], tools.artworks[culture]
        own = features[number, asked]
        every.append(sets.replicates(own, known, weights[:, asked], seed))
        measured.append(sets.SetMeasures.of(every[-1], sets.few(own, known)))
        found["cultures"][culture] |= _named(tools.backbone, measured[-1])
    mean = sets.SetMeasures.of(sets.mean_of(every), any(each.few for each in measured))
    found |= _named(tools.backbone, mean)
    if mean.fid:
        pairs = zip(found["perceptual_distance"], mean.fid, strict=True)
        found[sets.name_of("artfid", tools.backbone)] = [
            sets.artfid(distance, fid) for distance, fid in pairs
        ]


def _named(backbone, measured: sets.SetMeasures) -> dict:
    return {
        sets.name_of(name, backbone): value for name, value in dataclasses.asdict(measured).items()
    }


def _verdicts(trial, tools: Tools, found: dict) -> dict:
    unchanged = trial.judge.named(tools.small)
    cultures = np.arange(len(trial.cultures))[:, None]
    signs = Signs(
        change=found["perceptual_distance"][0] / tools.apart,
        diversity=found["diversity"][0],
        styles=found["style_diversity"][0] if "style_diversity" in found else None,
        named=found["named"][0],
        unchanged_named=float(np.mean((unchanged == cultures)[trial.asked])),
    )
    return {
        "signs": dataclasses.asdict(signs),
        "found": {name: FAULTS[name](signs) for name in signs.faults()},
    }


FAULTS = {
    "collapsed": lambda signs: (
        f"Results of different pictures hardly differ: {signs.diversity:.2f} of what the "
        "pictures themselves differ by. The model paints one picture whatever it is given."
    ),
    "copies": lambda signs: (
        f"Results hardly differ from the pictures that went in: {signs.change:.2f} of what two "
        "of those pictures differ by. The model gives back what it gets."
    ),
    "one_look": lambda signs: (
        f"One picture looks alike in all cultures: results differ by {signs.styles:.2f} of "
        "what the pictures differ by. The model does not heed the culture that is asked for."
    ),
    "unnamed": lambda signs: (
        f"Results are named as asked in {signs.named:.0%}, the untouched pictures in "
        f"{signs.unchanged_named:.0%}: the judge sees nothing of the culture."
    ),
}


def _told(trial, culture: int, content: int) -> dict:
    return {"culture": trial.cultures[culture], "content": trial.ids[content]}


def _pictures(trial, results, chosen: dict) -> dict:
    shown = shown_contents(trial)
    return {
        "results": images.to_uint8(results[:, shown]),
        "strips": {
            name: [
                (trial.cultures[culture], content, images.to_uint8(results[culture, content]))
                for culture, content in pairs
            ]
            for name, pairs in chosen.items()
        },
    }


def shown_contents(trial, count: int = 12) -> np.ndarray:
    """Numbers of the contents on a sheet, evenly over them."""
    return np.linspace(0, len(trial.contents) - 1, min(count, len(trial.contents))).astype(int)
