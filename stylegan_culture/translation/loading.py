"""From a folder to its networks: what a run, or an exported model, turns pictures into."""

import dataclasses
import functools
import pathlib
import typing

import numpy as np

from stylegan_culture import model_record
from stylegan_culture.config import InputError
from stylegan_culture.files import read_json, read_run
from stylegan_culture.networks import cyclegan
from stylegan_culture.networks.generator import STRIDE
from stylegan_culture.networks.holes import known
from stylegan_culture.networks.restoration import RestorationConfig, RestorationModel, load_restorer
from stylegan_culture.training.degradations import DamageConfig, parse_kinds

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
    return LOADERS[facts["trainer"]](folder, facts), facts


def read_facts(folder) -> dict:
    """The folder's run.json or, where it has none, model.json; {} where it has neither."""
    folder = pathlib.Path(folder)
    if (folder / "run.json").is_file():
        facts = read_run(folder)
    elif (folder / "model.json").is_file():
        facts = read_json(folder / "model.json", "export it again")
    else:
        return {}
    model_record.read_text(facts, "trainer", folder, "")
    return facts


def _of_cyclegan(folder: pathlib.Path, facts: dict) -> list[Translation]:
    """Both directions of a CycleGAN, from a run folder or a model folder."""
    cultures = model_record.read_cultures(facts, folder)
    if len(cultures) != 2:
        raise model_record.damaged(folder, f"a CycleGAN has 2 cultures, not {len(cultures)}")
    settings = model_record.read_group(facts, "config", folder)
    keys = model_record.keys_of(cultures)
    translator = model_record.read_group(settings, "translator", folder)
    sizes = model_record.read_settings(cyclegan.TranslatorConfig, translator, folder)
    pair = cyclegan.load_pair(folder / WEIGHTS, keys, sizes)
    return [
        Translation(
            f"{source.key}_to_{target.key}",
            pair.towards(target.key),
            cyclegan.STRIDE,
            {
                "source": source.key,
                "target": target.key,
                "source_title": source.title,
                "target_title": target.title,
            },
        )
        for source, target in (cultures, cultures[::-1])
    ]


def load_restoration(folder, facts: dict) -> RestorationModel:
    """The model of a folder of `train --trainer restore`, or exported from one."""
    settings = model_record.read_group(facts, "config", folder)
    damage, sizes = (
        model_record.read_settings(kind, model_record.read_group(settings, name, folder), folder)
        for name, kind in (("damage", DamageConfig), ("sizes", RestorationConfig))
    )
    try:
        kinds = parse_kinds(damage.damage)
    except InputError as error:
        raise model_record.damaged(folder, str(error)) from None
    return load_restorer(pathlib.Path(folder) / WEIGHTS, kinds, sizes)


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
