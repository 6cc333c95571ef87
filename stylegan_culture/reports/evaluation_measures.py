"""Restyles a trial's contents by every method into every culture, and measures the results."""

import dataclasses

import numpy as np
import tqdm

from stylegan_culture import images
from stylegan_culture.measures import gaps, perceptual, restyled, sets
from stylegan_culture.measures.restyled import Signs, verdicts
from stylegan_culture.reports import trial as trials
from stylegan_culture.reports.tools import Tools

STRIP = 6  # best, middle and worst results that are shown


def measure(config, trial, tools: Tools, method) -> tuple[dict, dict]:
    """Every figure of one method, and the pictures that a report shows of it.

    Returns:
        A record fit for JSON, and `{"results": uint8 [K, N, S, S, 3] of the shown contents,
        "strips": {name: [(culture, content, picture uint8)]}}`.
    """
    bar = tqdm.tqdm(range(len(trial.cultures)), f"restyled by {method.name}", disable=None)
    results = np.stack([method.restyle(trial.contents, culture) for culture in bar])
    small = np.stack([trials.reduced(own) for own in results])
    probabilities, content = restyled.judged(trial.probe, small, tools.known)
    values = content | _values(trial, tools, results, small)
    # An artwork as content is among the artworks: only photographs can be asked this.
    photographs = trial.sources == len(trial.cultures)
    values["artwork_nearer"] = np.where(photographs, content["artwork_nearer"], np.nan)
    perceived, features = perceptual.compared(tools.backbone, small, tools.perceived)
    values["perceptual_distance"] = perceived
    found = restyled.summary(probabilities, values, trial.classes, trial.sources, config.trial.seed)
    named = probabilities.argmax(axis=-1)
    found["confusion"] = restyled.confusion(named, trial.to_change, len(trial.classes)).tolist()
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
    scores = np.where(trial.to_change, np.sqrt(asked * kept), np.nan)
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


def _values(trial, tools: Tools, results, small) -> dict:
    """Measures of each result, `[K, N]`, that need no judge."""
    values = {
        "structure": np.stack([perceptual.structure_similarity(own, tools.small) for own in small]),
        "lines": restyled.lines(results, tools.ordinary),
    }
    if tools.style:
        values["style_distance"] = restyled.style_distances(tools.style[0], results, tools.style[1])
    if trial.rendered:
        squares = np.mean((results - trial.truth) ** 2, axis=(2, 3, 4))
        values["error"] = np.sqrt(squares)
    return values


def _variety(trial, tools: Tools, features, seed: int) -> dict:
    contents = tools.perceived.pooled
    found = {"diversity": perceptual.diversity(features, contents, seed)}
    if len(trial.cultures) > 1:
        found["style_diversity"] = perceptual.style_diversity(features, contents, seed)
    return found


def _add_sets(trial, tools: Tools, features, found: dict, seed: int) -> None:
    """FID, KID and their like, of each culture against its artworks and the mean over cultures.
    Their names hold the backbone's, since those of another are other measures."""
    weights = gaps.resampled(trial.sources, sets.REPLICATES, seed)
    every = []
    for number, culture in enumerate(trial.cultures):
        asked, known = trial.to_change[number], tools.artworks[culture]
        own = features[number, asked]
        every.append(sets.set_replicates(own, known, weights[:, asked], seed))
        measured = sets.with_intervals(every[-1]) | {"few": sets.few(own, known)}
        found["cultures"][culture] |= _named(tools.backbone, measured)
    measured = sets.with_intervals(sets.mean_of(every))
    measured["few"] = any(
        own[sets.name_of("few", tools.backbone)] for own in found["cultures"].values()
    )
    if measured["fid"]:
        pairs = zip(found["perceptual_distance"], measured["fid"], strict=True)
        measured["artfid"] = [sets.artfid(content, fid) for content, fid in pairs]
    found |= _named(tools.backbone, measured)


def _named(backbone, measured: dict) -> dict:
    return {sets.name_of(name, backbone): value for name, value in measured.items()}


def _verdicts(trial, tools: Tools, found: dict) -> dict:
    unchanged = trial.probe.named(tools.small)
    cultures = np.arange(len(trial.cultures))[:, None]
    signs = Signs(
        change=found["perceptual_distance"][0] / tools.apart,
        diversity=found["diversity"][0],
        styles=found["style_diversity"][0] if "style_diversity" in found else None,
        named=found["named"][0],
        unchanged_named=float(np.mean((unchanged == cultures)[trial.to_change])),
    )
    return {"signs": dataclasses.asdict(signs), "found": verdicts(signs)}


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
