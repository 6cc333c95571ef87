"""The file of a culture tagger: the trained head, and the backbone that it stands on."""

import json
import pathlib
import zipfile

import numpy as np

from stylegan_culture.config import InputError, shipped_file
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.files import written_whole
from stylegan_culture.networks.classifier import CultureHead, CultureTagger

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
    path = pathlib.Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; train one with --trainer classifier")
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            facts = json.loads(str(archive["facts"]))
            arrays = {name: archive[name] for name in ARRAYS}
        head = CultureHead(len(facts["cultures"]), facts["exclusive"])
        head.build((None, len(arrays["mean"])))
        variables = (head.mean, head.deviation, *head.logits.weights, head.temperature)
        for variable, name in zip(variables, ARRAYS, strict=True):
            variable.assign(arrays[name])
        wanted = (facts["backbone"], weights or facts["weights"], facts["fingerprint"])
        int(facts["side"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no culture tagger: {error}") from None
    backbone = build_backbone(*wanted[:2])
    if backbone.fingerprint != wanted[2]:
        raise InputError(
            f"{path} was trained on other weights of {wanted[0]}; name those with --weights"
        )
    return CultureTagger(backbone, head), facts
