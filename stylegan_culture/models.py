"""The one door to a model: what a name, a model folder or a run folder holds, checked."""

import dataclasses
import functools
import importlib.resources
import json
import pathlib
import typing

import numpy as np

from stylegan_culture import arrays, model_record
from stylegan_culture.arrays import one_text, read_archive
from stylegan_culture.config import InputError, shipped_file, shortened
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.files import parse_json, read_json, read_run, written_whole
from stylegan_culture.networks import cyclegan
from stylegan_culture.networks.classifier import CultureHead, CultureTagger
from stylegan_culture.networks.cyclegan import CyclePair
from stylegan_culture.networks.dcgan import NoiseGenerator
from stylegan_culture.networks.decoder import MOST_CHANNELS, WIDTHS, Decoder
from stylegan_culture.networks.generator import STRIDE, CultureModel
from stylegan_culture.networks.holes import known
from stylegan_culture.networks.restoration import RestorationModel
from stylegan_culture.networks.sizes import (
    LARGEST,
    START,
    DamageConfig,
    GeneratorConfig,
    RestorationConfig,
    SamplerConfig,
    TranslatorConfig,
    parse_kinds,
)


def load_run(folder) -> tuple[CultureModel, dict]:
    """The averaged model of a run folder, and its run.json; `InputError` where either is bad."""
    facts = read_run(folder)
    settings = facts.get("config")
    if not isinstance(settings, dict) or "generator" not in settings or "cultures" not in facts:
        raise InputError(
            f"{folder} holds no model that restyles into any of its cultures; name another folder"
        )
    folder = pathlib.Path(folder)
    return _load(folder / "run.json", facts, settings["generator"], "model.weights.h5"), facts


def load_model(reference) -> tuple[CultureModel, dict]:
    """A model by run folder, model folder, or the name of a shipped model; and its facts."""
    folder = pathlib.Path(reference)
    if (folder / "run.json").is_file():
        return load_run(folder)
    if not (folder / "model.json").is_file():
        folder = _find_shipped(str(reference))
    facts = read_json(folder / "model.json", "export it again")
    sizes = model_record.read_group(facts, "generator", folder / "model.json")
    return _load(folder / "model.json", facts, sizes, "weights.h5"), facts


def _load(record: pathlib.Path, facts: dict, sizes, weights: str) -> CultureModel:
    """The model that a record describes, with the weights beside it."""
    model_record.read_backbone(facts, record)  # now, and not when evaluation is almost done
    keys = model_record.keys_of(model_record.read_cultures(facts, record))
    checked = model_record.read_settings(GeneratorConfig, sizes, record)
    return arrays.load_weights(
        record.with_name(weights),
        checked.least_model_weights(len(keys)),
        lambda: CultureModel(keys, checked).create_weights(),
        "train or export the model anew",
    )


def _find_shipped(name: str) -> pathlib.Path:
    package = pathlib.Path(str(importlib.resources.files("stylegan_culture")))
    places = (package.parent / "saved_models", package / "saved_models")
    for place in places:
        if (place / name / "model.json").is_file():
            return place / name
    known = sorted({path.parent.name for place in places for path in place.glob("*/model.json")})
    raise InputError(
        f"{name} is no run folder, no model folder and no shipped model "
        f"({', '.join(known) or 'none is shipped'}); train one or give its folder"
    )


SAMPLERS = ("dcgan", "vae")
SAMPLER_WEIGHTS = (
    "model.weights.h5"  # of a run folder: those of the generator, for a VAE the decoder's
)


def is_sampler(folder) -> bool:
    """Whether a path is the run folder of one of `TRAINERS`."""
    if not (pathlib.Path(folder) / "run.json").is_file():
        return False
    return read_run(folder).get("trainer") in SAMPLERS


def load_sampler(folder) -> tuple[NoiseGenerator, dict]:
    """The averaged generator of a run folder, and its run.json; `InputError` where either is bad.

    The cultures that it can be asked for are `facts["cultures"]`, in the order of its labels; an
    unconditional one (`generator.config.conditional`) has a single label and draws any of them.
    """
    facts = read_run(folder)
    if facts.get("trainer") not in SAMPLERS:
        raise InputError(
            f"{folder} is no run that draws pictures from noise; make one with "
            "`python -m stylegan_culture.train --trainer dcgan --run DIR`"
        )
    record = pathlib.Path(folder) / "run.json"
    settings = model_record.read_group(facts, "config", record)
    sizes = model_record.read_group(settings, "sampler", record)
    sampler = model_record.read_settings(SamplerConfig, sizes, record)
    cultures = model_record.read_cultures(facts, record)
    count = len(cultures) if sampler.conditional else 1
    size = model_record.read_number(facts, "image_size", record, 2 * START, LARGEST)
    try:
        least = sampler.least_weights(count, size)
    except ValueError as error:
        raise model_record.damaged(record, f"its image_size is {error}") from None
    generator = arrays.load_weights(
        record.with_name(SAMPLER_WEIGHTS),
        least,
        lambda: NoiseGenerator(count, size, sampler).create_weights(),
        "finish the run with --resume, or train anew",
    )
    return generator, facts


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


def load_translations(folder) -> tuple[list[Translation], dict]:
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
    sizes = model_record.read_settings(TranslatorConfig, translator, folder)
    pair = load_pair(folder / WEIGHTS, keys, sizes)
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


def load_pair(path, domains, sizes: TranslatorConfig) -> CyclePair:
    """A pair in float32 with the weights of a file; `InputError` where they do not fit."""
    return arrays.load_weights(
        path,
        sizes.least_weights(),
        lambda: CyclePair(domains, sizes).create_weights(),
        "train the run to its end, or anew",
    )


def load_restorer(path, kinds, sizes: RestorationConfig) -> RestorationModel:
    """A model in float32 with the weights of a file; `InputError` where they do not fit."""
    return arrays.load_weights(
        path,
        sizes.least_weights(),
        lambda: RestorationModel(kinds, sizes).create_weights(),
        "train the run to its end, or anew",
    )


def save_decoders(path, decoders: dict, fingerprint: str) -> None:
    """Writes `{tap: Decoder}` as float16 to one .npz file, with the backbone's fingerprint."""
    arrays = {"fingerprint": np.array(fingerprint)}
    for tap, decoder in decoders.items():
        for number, variable in enumerate(decoder.variables):
            arrays[f"{tap}/{number:03d}"] = np.asarray(variable, np.float16)
    with written_whole(path) as file:
        np.savez_compressed(file, **arrays)


def load_decoders(path, backbone, taps=None) -> dict:
    """The decoders of a file for a backbone, all or of some taps: `{tap: Decoder}`.

    Raises `InputError` where the file is missing or damaged, belongs to other weights of the
    backbone, or lacks a tap.
    """
    try:
        values = read_archive(path, "decoders")
    except FileNotFoundError:
        raise InputError(
            f"no decoders at {path}; train them with `python -m stylegan_culture.train --trainer "
            "decoder`"
        ) from None
    try:
        fingerprint = one_text(values.pop("fingerprint"))
    except (KeyError, ValueError):
        raise InputError(
            f"{path} does not hold decoders: it has no fingerprint of a backbone"
        ) from None
    if fingerprint != backbone.fingerprint:
        raise InputError(
            f"the decoders in {path} were trained for other weights of {backbone.name} "
            f"({shortened(fingerprint)}, not {backbone.fingerprint}); train decoders for these"
        )
    found = {name.rpartition("/")[0] for name in values}
    wanted = [tap for tap in backbone.taps if tap in (found if taps is None else taps)]
    missing = sorted(set(taps or ()) - found)
    if missing:
        known = ", ".join(tap for tap in backbone.taps if tap in found)
        raise InputError(f"{path} has no decoder for {missing[0]}; it has {known}")
    decoders = {}
    for tap in wanted:
        own = [values[name] for name in sorted(values) if name.rpartition("/")[0] == tap]
        try:
            decoders[tap] = _decoder_of(own, backbone.strides[tap])
        except (ValueError, IndexError):
            raise InputError(
                f"the decoder for {tap} in {path} is of another size; train it anew"
            ) from None
    return decoders


def _decoder_of(values: list, stride: int) -> Decoder:
    """A decoder with these weights; ValueError or IndexError where they do not fit it."""
    height, width, channels, filters = values[0].shape
    if (height, width, filters) != (3, 3, WIDTHS[stride]) or not 1 <= channels <= MOST_CHANNELS:
        raise ValueError
    decoder = Decoder(stride)
    decoder.build((None, None, None, channels))
    decoder.set_weights([value.astype(np.float32) for value in values])
    return decoder


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
