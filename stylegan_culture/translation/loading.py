"""From a folder to its networks: what a run, or an exported model, turns pictures into."""

import dataclasses
import functools
import json
import pathlib
import typing

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.files import read_run
from stylegan_culture.networks import cyclegan
from stylegan_culture.networks.generator import STRIDE
from stylegan_culture.networks.holes import known
from stylegan_culture.networks.restoration import RestorationModel, load_restorer

WEIGHTS = "model.weights.h5"  # of run folders and of the folders that `files` writes


@dataclasses.dataclass(frozen=True, eq=False)
class Translation:
    """A network from pictures to pictures, and what is said of it.

    name: of what it does, part of its files' names, such as "photo_to_ukiyo_e"; "" where the
    folder holds one network. network: `[1, H, W, 3]` to `[1, H', W', 3]` in [0, 1], in float32.
    multiple: of H and W, pixels. facts: for model.json, such as source and target.
    """

    name: str
    network: typing.Callable
    multiple: int
    facts: dict


def load(folder) -> tuple[list[Translation], dict]:
    """The networks of a run folder or a folder that `write` made, and its run.json or model.json.

    Raises `InputError` where it is of another trainer, damaged or missing.
    """
    folder = pathlib.Path(folder)
    facts = read_facts(folder)
    if facts.get("trainer") not in LOADERS:
        raise InputError(f"{folder} holds no network from pictures to pictures")
    try:
        return LOADERS[facts["trainer"]](folder, facts), facts
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder} is damaged ({error} is missing); make it anew") from None


def read_facts(folder) -> dict:
    """The folder's run.json or, where it has none, model.json; {} where it has neither."""
    folder = pathlib.Path(folder)
    if (folder / "run.json").is_file() or not (folder / "model.json").is_file():
        return read_run(folder) if (folder / "run.json").is_file() else {}
    try:
        return json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{folder}/model.json is damaged ({error}); export it again") from None


def _of_cyclegan(folder: pathlib.Path, facts: dict) -> list[Translation]:
    """Both directions of a CycleGAN, from a run folder or a model folder."""
    titles = {culture["key"]: culture.get("title", "") for culture in facts["cultures"]}
    first, second = titles
    pair = cyclegan.load_pair(folder / WEIGHTS, tuple(titles), facts["config"]["translator"])
    return [
        Translation(
            f"{source}_to_{target}",
            pair.towards(target),
            cyclegan.STRIDE,
            {
                "source": source,
                "target": target,
                "source_title": titles[source],
                "target_title": titles[target],
            },
        )
        for source, target in ((first, second), (second, first))
    ]


def load_restoration(folder, facts: dict) -> RestorationModel:
    """The model of a folder of `train --trainer restore`, or exported from one."""
    config_of = facts["config"]
    kinds = [name.strip() for name in config_of["damage"]["damage"].split(",")]
    return load_restorer(pathlib.Path(folder) / WEIGHTS, kinds, config_of["sizes"])


def _of_restoration(folder: pathlib.Path, facts: dict) -> list[Translation]:
    """One network for each kind of damage. Holes need a mask, which the signature has not, so
    inpainting is left to Keras; an enlargement takes the picture already enlarged."""
    model = load_restoration(folder, facts)
    return [
        Translation(
            kind,
            functools.partial(_restored, model, number),
            STRIDE,
            {"damage": kind, "note": "what is restored is likely, not certain: no evidence"},
        )
        for number, kind in enumerate(model.kinds)
        if kind != "inpaint"
    ]


def _restored(model: RestorationModel, number: int, image):
    return model.restore(known(image), np.array([number]))


LOADERS = {"cyclegan": _of_cyclegan, "restore": _of_restoration}
