"""The file of a culture tagger: the trained head, and the backbone that it stands on."""

import json
import pathlib

import numpy as np

from stylegan_culture import model_record
from stylegan_culture.arrays import one_text, read_archive
from stylegan_culture.config import InputError, shipped_file
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.files import parse_json, written_whole
from stylegan_culture.networks.classifier import CultureHead, CultureTagger

SIDES = (16, 1024)  # pixels of the squares that a tagger may ask for
ARRAYS = ("mean", "deviation", "kernel", "bias", "temperature")


def save_tagger(path, tagger: CultureTagger, facts: dict) -> None:
    """Writes the head as an .npz file, with facts as JSON in it.

    Args:
        path: of the file, which appears whole or not at all.
        tagger: with its head.
        facts: `cultures` in the order of the logits, `backbone` and `weights` as
            `build_backbone` takes them, `side` of the squares in pixels; further ones are kept.
    """
    head = tagger.head
    values = (head.mean, head.deviation, *head.logits.weights, head.temperature)
    arrays = {name: np.asarray(value) for name, value in zip(ARRAYS, values, strict=True)}
    facts = {**facts, "exclusive": head.exclusive, "fingerprint": tagger.backbone.fingerprint}
    with written_whole(path) as file:
        np.savez_compressed(file, facts=json.dumps(facts), **arrays)


def find_tagger(reference: str) -> pathlib.Path:
    """The file of a tagger: an .npz file itself, a run folder's, or that of a shipped model.

    Raises `InputError` for a name that is neither.
    """
    given = pathlib.Path(reference)
    if given.suffix == ".npz":
        return given
    if given.is_dir():
        return given / "classifier.npz"
    shipped = shipped_file(reference, "classifier.npz")
    if shipped is None:
        raise InputError(
            f"no tagger {reference!r}; train one with `python -m stylegan_culture.train --trainer "
            "classifier --data folder:PATH --run DIR` and name that folder"
        )
    return shipped


def load_tagger(path, weights: str = "") -> tuple[CultureTagger, dict]:
    """A tagger and its facts, as `save_tagger` wrote them.

    Args:
        path: of the .npz file.
        weights: of the backbone, where they are no longer where the file says.

    Raises:
        InputError: no such file, a damaged one, or a backbone of other weights.
    """
    try:
        values = read_archive(path, "a culture tagger", names=("facts", *ARRAYS))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; train one with --trainer classifier") from None
    try:
        facts = parse_json(one_text(values["facts"]).encode("utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no culture tagger: {error}") from None
    cultures = model_record.read_cultures(facts, path)
    model_record.read_number(facts, "side", path, *SIDES)
    if not isinstance(facts.get("exclusive"), bool):
        raise InputError(f"{path} is no culture tagger: it does not say how many tags there are")
    name, known, fingerprint = (
        model_record.read_text(facts, key, path) for key in ("backbone", "weights", "fingerprint")
    )
    backbone = build_backbone(name, weights or known)
    if backbone.fingerprint != fingerprint:
        raise InputError(
            f"{path} was trained on other weights of {name}; name those with --weights"
        )
    tagger = CultureTagger(backbone)
    channels = tagger.describe(np.zeros((1, *2 * (backbone.least_size,), 3), np.float32)).shape[-1]
    tagger.head = _head(values, channels, len(cultures), facts["exclusive"], path)
    return tagger, facts


def _head(values: dict, channels: int, cultures: int, exclusive: bool, path) -> CultureHead:
    """The head with the arrays of a file, for descriptors `[B, channels]`."""
    shapes = ((channels,), (channels,), (channels, cultures), (cultures,), ())
    for name, shape in zip(ARRAYS, shapes, strict=True):
        if values[name].shape != shape or values[name].dtype.kind != "f":
            raise InputError(
                f"{path} is no culture tagger: its {name} has the shape {values[name].shape} and "
                f"has to have {shape}"
            )
    if values["deviation"].min() <= 0.0 or values["temperature"] <= 0.0:
        raise InputError(f"{path} is no culture tagger: it divides by numbers that are not above 0")
    head = CultureHead(cultures, exclusive)
    head.build((None, channels))
    variables = (head.mean, head.deviation, *head.logits.weights, head.temperature)
    for variable, name in zip(variables, ARRAYS, strict=True):
        variable.assign(values[name])
    return head
