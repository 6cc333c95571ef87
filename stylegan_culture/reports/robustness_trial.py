"""Attacks and corrupts a tagger's and a stylizer's pictures, and counts what becomes of them."""

import dataclasses
import functools
import hashlib
import pathlib

import numpy as np
import tensorflow as tf
import tqdm

from stylegan_culture import models
from stylegan_culture.config import InputError
from stylegan_culture.measures import attacks, statistics
from stylegan_culture.measures.attacks import Attack, Effort
from stylegan_culture.model_record import keys_of, read_cultures
from stylegan_culture.models import find_tagger, load_tagger
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source

EXAMPLES = 4  # pictures of each kind that the page shows
STYLIZER_LEVELS = (1.0, 4.0)
BATCH = 4  # photographs that are restyled at once
SHOWN_ATTACK = Attack("pgd", "linf", targeted=False)


def measured(config) -> tuple[dict, dict]:
    """Every figure, fit for JSON, and the pictures that the page shows.

    Args:
        config: a `RobustnessConfig`.

    Returns:
        `{"tagger": {...}, "stylizer": {...} or None}`, and `{"tagger": [...], "stylizer": [...]}`
        of examples, dicts with pictures `[S, S, 3]` and what is said of them.
    """
    tagger, shown = _of_tagger(config)
    stylizer, restyled = _of_stylizer(config) if config.model else (None, [])
    return {"tagger": tagger, "stylizer": stylizer}, {"tagger": shown, "stylizer": restyled}


def _of_tagger(config) -> tuple[dict, list]:
    tagger, facts = load_tagger(find_tagger(config.tagger), config.weights)
    cultures, side = read_cultures(facts, config.tagger), facts["side"]
    names = list(keys_of(cultures))
    pictures, labels, ids = _artworks(config, names, side)
    shape = [tf.TensorSpec((None, side, side, 3), tf.float32)]
    logits_of = tf.function(lambda batch: tagger(batch), input_signature=shape)
    effort = Effort(steps=config.steps, seed=config.seed)
    summarised = functools.partial(_by_name, names=names, seed=config.seed)
    curves, shown = [], []
    for attack in tqdm.tqdm(attacks.ATTACKS, "attacks", disable=None):
        goal = attacks.wanted_others(labels, len(names)) if attack.targeted else labels
        gave_way, changed = attacks.attack_curve(
            logits_of, pictures, goal, attack, attacks.LEVELS, effort
        )
        counted = gave_way if attack.targeted else ~gave_way
        curves.append(
            {
                "method": attack.method,
                "norm": attack.norm,
                "targeted": attack.targeted,
                "levels": [0.0, *attacks.LEVELS],
                "shares": [summarised(row, goal) for row in counted],
            }
        )
        if attack == SHOWN_ATTACK:
            shown = _fooled(tagger, (pictures, changed, labels), gave_way, names)
    record = {
        "name": pathlib.Path(config.tagger).name,
        "cultures": {culture.key: culture.name for culture in cultures},
        "side": side,
        "counts": dict(zip(names, np.bincount(labels, minlength=len(names)).tolist(), strict=True)),
        "pictures": ids,
        "attacks": curves,
        "corruptions": {},
    }
    for kind, severities in tqdm.tqdm(attacks.SEVERITIES.items(), "corrupted", disable=None):
        right = attacks.corruption_shares(
            logits_of,
            pictures,
            labels,
            lambda given, severity, kind=kind: attacks.corrupted(
                given, kind, severity, config.seed
            ),
            severities,
        )
        record["corruptions"][kind] = {
            "severities": list(severities),
            "shares": [summarised(row, labels) for row in right],
        }
    return record, shown


def _artworks(config, names: list, side: int):
    """Held-out pictures with just one tag: squares, their numbers among `names`, identifiers."""
    source = load_source(config.data, side, "held_out")
    if unknown := sorted(set(source.cultures) - set(names)):
        raise InputError(f"the tagger has no culture {unknown[0]!r}; leave it out of --data")
    single = source.tags.sum(axis=1) == 1
    chosen = []
    for culture in range(len(source.cultures)):
        own = [number for number in source.of_culture(culture) if single[number]]
        chosen += _first_by_hash(source.ids, own, config.pictures)
    if not chosen or len(source.cultures) < 2:
        raise InputError(
            f"--data {config.data} holds out no picture with a single tag of two cultures or more"
        )
    pictures, labels, ids = evaluation_arrays(source.select(np.array(chosen)), side)
    place = np.array([names.index(culture) for culture in source.cultures])
    return pictures, place[labels], ids


def _of_stylizer(config) -> tuple[dict, list]:
    model, facts = models.load_model(config.model)
    source = load_content(config.content, config.size, "held_out")
    chosen = _first_by_hash(source.ids, range(len(source)), config.photographs)
    if not chosen:
        raise InputError(f"--content {config.content} holds out no photograph; give it more")
    pictures, _, ids = evaluation_arrays(source.select(np.array(chosen)), config.size)
    effort = Effort(config.steps, BATCH, config.seed)
    found = {culture: {"attacked": [], "random": []} for culture in model.cultures}
    shown, places = [], np.linspace(0, len(model.cultures) - 1, EXAMPLES).astype(int)
    for number, culture in enumerate(tqdm.tqdm(model.cultures, "restyled", disable=None)):
        restyle, own = _restyling(model, number, config.size), found[culture]
        for level in STYLIZER_LEVELS:
            changed = {
                "attacked": attacks.largest_changes(restyle, pictures, level, effort),
                "random": attacks.random_changes(pictures, level, config.seed),
            }
            for kind, each in changed.items():
                own[kind].append(attacks.output_changes(restyle, pictures, each, BATCH))
        own["corruptions"] = _corruption_changes(restyle, pictures, config.seed)
        if number in places:
            at = len(shown) % len(pictures)
            shown.append(
                {
                    "culture": culture,
                    "photograph": pictures[at],
                    "restyled": np.asarray(restyle(pictures[at : at + 1]))[0],
                    **{k: np.asarray(restyle(v[at : at + 1]))[0] for k, v in changed.items()},
                }
            )
    summary = {
        kind: [_changes(found, kind, place, config.seed) for place in range(len(STYLIZER_LEVELS))]
        for kind in ("attacked", "random")
    }
    summary["corruptions"] = {
        kind: [
            {"severity": severity, **_changes(found, "corruptions", (kind, place), config.seed)}
            for place, severity in enumerate(severities)
        ]
        for kind, severities in attacks.SEVERITIES.items()
    }
    titles = {culture.key: culture.name for culture in read_cultures(facts, config.model)}
    about = {"name": pathlib.Path(config.model).name, "cultures": titles}
    return about | {"photographs": ids, "levels": list(STYLIZER_LEVELS), **summary}, shown


def _restyling(model, culture: int, size: int):
    """The model at full strength into one culture, compiled."""
    mixture = np.eye(len(model.cultures), dtype=np.float32)[culture]

    def restyle(batch):
        count = tf.shape(batch)[0]
        return model(batch, tf.tile(mixture[None], (count, 1)), tf.ones((count, 1)))

    shape = [tf.TensorSpec((None, size, size, 3), tf.float32)]
    return tf.function(restyle, input_signature=shape)


def _corruption_changes(restyle, pictures, seed: int) -> dict:
    """`output_changes` by (kind, place of the severity)."""
    return {
        (kind, place): attacks.output_changes(
            restyle, pictures, attacks.corrupted(pictures, kind, severity, seed), BATCH
        )
        for kind, severities in attacks.SEVERITIES.items()
        for place, severity in enumerate(severities)
    }


def _changes(found: dict, kind: str, place, seed: int) -> dict:
    """Means over cultures and photographs with intervals, and each culture's own."""
    own = {culture: every[kind][place] for culture, every in found.items()}
    names = [field.name for field in dataclasses.fields(attacks.Changes)]
    interval = functools.partial(statistics.mean_interval, seed=seed, least=0.0)
    return {
        "mean": {name: interval([getattr(each, name) for each in own.values()]) for name in names},
        "cultures": {
            culture: {name: interval(getattr(each, name)) for name in names}
            for culture, each in own.items()
        },
    }


def _fooled(tagger, views, gave_way, names) -> list[dict]:
    """Pictures named rightly that the smallest change misleads, of a culture no more than one."""
    pictures, changed, labels = views
    needed = np.where(gave_way.any(axis=0), gave_way.argmax(axis=0), len(gave_way))
    found, seen = [], set()
    for number in np.argsort(needed, kind="stable"):
        if 0 < needed[number] < len(gave_way) and labels[number] not in seen:
            seen.add(labels[number])
            before, after = (
                np.asarray(tagger.probabilities(view[number][None]))[0]
                for view in (pictures, changed)
            )
            found.append(
                {
                    "before": pictures[number],
                    "after": changed[number],
                    "levels": float(attacks.LEVELS[needed[number] - 1]),
                    "names": [names[before.argmax()], names[after.argmax()]],
                    "probabilities": [float(before.max()), float(after.max())],
                }
            )
    return found[:EXAMPLES]


def _by_name(values, labels, names, seed: int) -> dict:
    found = attacks.shares(values, labels, len(names), seed)
    return {
        "mean": found.mean,
        "cultures": dict(zip(names, found.cultures, strict=True)),
    }


def _first_by_hash(ids, numbers, count: int) -> list[int]:
    return sorted(numbers, key=lambda n: hashlib.sha256(ids[n].encode()).digest())[:count]
