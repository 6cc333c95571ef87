"""The one door to a model: a shipped name, a model folder or a run folder -> network and facts.

`find` tells where a model is, `kind_of` and `read` what it is, `looks_sheet` where its looks are
shown, and `load` builds its network.
"""

import dataclasses
import json
import pathlib
import typing

import numpy as np

from stylegan_culture import arrays, model_record, tables
from stylegan_culture.arrays import one_text, read_archive
from stylegan_culture.config import InputError, saved_models, shortened
from stylegan_culture.files import Place, parse_json, read_json, read_run, written_whole
from stylegan_culture.later import later
from stylegan_culture.model_record import Facts
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
from stylegan_culture.pipelines.sampling import identifier

if typing.TYPE_CHECKING:
    import keras

    from stylegan_culture.networks.classifier import CultureHead, CultureTagger
    from stylegan_culture.networks.cyclegan import CyclePair
    from stylegan_culture.networks.dcgan import NoiseGenerator
    from stylegan_culture.networks.decoder import Decoder
    from stylegan_culture.networks.generator import CultureModel
    from stylegan_culture.networks.restoration import RestorationModel

backbones = later("stylegan_culture.features.backbones")
classifier = later("stylegan_culture.networks.classifier")
cyclegan = later("stylegan_culture.networks.cyclegan")
dcgan = later("stylegan_culture.networks.dcgan")
decoder = later("stylegan_culture.networks.decoder")
generator = later("stylegan_culture.networks.generator")
restoration = later("stylegan_culture.networks.restoration")
WEIGHTS = "model.weights.h5"  # of every run folder and model folder
OLDER_WEIGHTS = "weights.h5"  # of model folders that were exported earlier
TAGGER = "classifier.npz"
PICTURES = "pictures.csv"
LOOKS, LOOKS_OF_RUN = "looks.jpg", "samples/looks.png"  # the sheet in a model folder, in a run's
BACKBONE = "culture_backbone"  # the shipped one, of `--weights culture`
RECORDS = ("run.json", "model.json", TAGGER)  # a folder with one of them is a model
PARTS = (*RECORDS, "weights.npz")  # a folder of saved_models with one of them is shipped
REMEDY = "train the run to its end, or train or export the model again"
TAGGER_SIDES = (16, 1024)  # pixels of the squares that a tagger takes
TAGGER_ARRAYS = ("mean", "deviation", "kernel", "bias", "temperature")


@dataclasses.dataclass(frozen=True, eq=False)
class Loaded:
    """A model: its network (see `KINDS`; float32, with the averaged weights), what its record says,
    and the folder that holds it."""

    network: typing.Any
    facts: Facts
    folder: pathlib.Path


def shipped() -> dict[str, pathlib.Path]:
    """The folders of the models that come with the program, by name."""
    return {
        folder.name: folder
        for folder in sorted(saved_models().glob("*"))
        if any((folder / name).is_file() for name in PARTS)
    }


def find(reference: Place) -> pathlib.Path:
    """The folder of a run, of a model or of a shipped model's name, or the .npz file of a tagger;
    `InputError` where `reference` is none of them."""
    path = pathlib.Path(reference)
    if path.suffix == ".npz" or any((path / name).is_file() for name in RECORDS):
        return path
    known = shipped()
    if str(reference) not in known:
        raise InputError(
            f"{reference} is no run folder, no model folder and no shipped model "
            f"({', '.join(known) or 'none is shipped'}); train one or give its folder"
        )
    return known[str(reference)]


def training_pictures(reference: Place) -> frozenset[str]:
    """Identifiers `<culture>/<file stem>` of the data that a model was trained on.

    Empty where the model has no `pictures_table`. Raises `InputError` as `find`.
    """
    table = pictures_table(reference)
    if table is None:
        return frozenset()
    header, rows = tables.read(table)
    if not {"path", "culture"} <= set(header):
        raise InputError(f"{table} has no header path,culture; restore it from the repository")
    path, culture = header.index("path"), header.index("culture")
    return frozenset(
        identifier(row[culture].partition(";")[0], pathlib.PurePosixPath(row[path]).stem)
        for row in rows
        if len(row) > max(path, culture)
    )


def pictures_table(reference: Place) -> pathlib.Path | None:
    """The table (`path,culture`) of the pictures that a model was trained on: `NAME_pictures.csv`
    beside its folder NAME, as for shipped models, or `pictures.csv` in it; None where there is
    none. Raises `InputError` as `find`."""
    folder = find(reference).resolve()
    tables_of_model = (folder.with_name(f"{folder.name}_{PICTURES}"), folder / PICTURES)
    return next((table for table in tables_of_model if table.is_file()), None)


def backbone_pictures(weights: str) -> frozenset[str]:
    """`training_pictures` of the shipped backbone where `weights` names it, as `build_backbone`
    takes them; of others nothing is known."""
    return training_pictures(BACKBONE) if weights == "culture" else frozenset()


def kind_of(reference: Place) -> str:
    """The kind of a model, a key of `KINDS`; "" where there is none, or of another trainer."""
    try:
        path = find(reference)
    except InputError:
        return ""
    return _open(path)[0]


def read(reference: Place) -> Facts:
    """What the record of a model says; `InputError` where it is missing or damaged."""
    return _facts(*_open(find(reference)))


def looks_sheet(facts: Facts) -> pathlib.Path | None:
    """The picture that shows the looks of a model; None where it has no looks or no picture."""
    folder = facts.place.parent
    if not any(culture.looks for culture in facts.cultures):
        return None
    sheets = (folder / name for name in (LOOKS, LOOKS_OF_RUN))
    return next((sheet for sheet in sheets if sheet.is_file()), None)


def load(reference: Place, kind: str | None = None, backbone_weights: str = "") -> Loaded:
    """A model with its network; `reference` as for `find`.

    kind: the key of `KINDS` that it has to be; None takes any. backbone_weights: of a tagger's
    backbone, where they are not where its file says. `InputError` where the model is missing,
    damaged or of another kind.
    """
    opened = _open(find(reference))
    is_kind = opened[0]
    if not is_kind or kind not in (None, is_kind):
        wanted = KINDS[kind].missing if kind else "no model that can be loaded; name another"
        raise InputError(f"{reference} holds {wanted}")
    facts = _facts(*opened)
    more = (backbone_weights,) if is_kind == "classifier" else ()
    return Loaded(KINDS[is_kind].load(facts, *more), facts, facts.place.parent)


def _open(path: pathlib.Path) -> tuple[str, str, pathlib.Path, dict]:
    """Kind, trainer, file and content of the record of a path from `find`."""
    trainer, place, record = "classifier", path, {}
    if path.suffix != ".npz":
        places = (path / name for name in RECORDS if (path / name).is_file())
        place = next(places, path / "model.json")
    if place.name == "run.json":
        record = read_run(path)
    elif place.name == "model.json":
        record = read_json(place, "export it again") if place.is_file() else {"trainer": "backbone"}
    if place.name in RECORDS[:2]:
        trainer = model_record.read_text(record, "trainer", place, "culture")
    if trainer == "classifier":
        place = place if place.suffix == ".npz" else place.with_name(TAGGER)
        record = _read_tagger(place, ("facts",))[1]
    kinds = (kind for kind, known in KINDS.items() if trainer in known.trainers)
    return next(kinds, ""), trainer, place, record


def _facts(kind: str, trainer: str, place: pathlib.Path, record: dict) -> Facts:
    least = KINDS[kind].cultures if kind else 0
    return Facts(kind, trainer, model_record.read_cultures(record, place, least), place, record)


def culture_sizes(facts: Facts) -> GeneratorConfig:
    """Sizes of a culture model's networks."""
    return _read_sizes(GeneratorConfig, facts.settings, "generator", facts)


def _load_culture(facts: Facts) -> "CultureModel":
    model_record.read_backbone(facts.record, facts.place)  # before evaluation needs it
    sizes = culture_sizes(facts)
    looks = {culture.key: [look.code for look in culture.looks] for culture in facts.cultures}
    for key, codes in looks.items():
        if any(len(code) != sizes.code_size for code in codes):
            raise model_record.damaged(
                facts.place, f"a look of {key} is no code of {sizes.code_size} numbers"
            )
    looks = {key: np.array(codes) for key, codes in looks.items() if codes}
    least = sizes.least_model_weights(len(facts.cultures))
    return _load_weights(facts, least, lambda: generator.CultureModel(facts.keys, sizes, looks))


def _load_pair(facts: Facts) -> "CyclePair":
    if len(facts.cultures) != 2:
        raise model_record.damaged(
            facts.place, f"a CycleGAN has 2 cultures, not {len(facts.cultures)}"
        )
    sizes = _read_sizes(TranslatorConfig, _config_of(facts), "translator", facts)
    return _load_weights(
        facts, sizes.least_weights(), lambda: cyclegan.CyclePair(facts.keys, sizes)
    )


def _load_restoration(facts: Facts) -> "RestorationModel":
    damage = _read_sizes(DamageConfig, _config_of(facts), "damage", facts)
    sizes = _read_sizes(RestorationConfig, _config_of(facts), "sizes", facts)
    try:
        kinds = parse_kinds(damage.damage)
    except InputError as error:
        raise model_record.damaged(facts.place, str(error)) from None
    return _load_weights(
        facts, sizes.least_weights(), lambda: restoration.RestorationModel(kinds, sizes)
    )


def _load_sampler(facts: Facts) -> "NoiseGenerator":
    """Its labels are the cultures in order; an unconditional one has a single label."""
    sizes = _read_sizes(SamplerConfig, _config_of(facts), "sampler", facts)
    labels = len(facts.cultures) if sizes.conditional else 1
    side = model_record.read_number(facts.record, "image_size", facts.place, 2 * START, LARGEST)
    try:
        least = sizes.least_weights(labels, side)
    except ValueError as error:
        raise model_record.damaged(facts.place, f"its image_size is {error}") from None
    return _load_weights(facts, least, lambda: dcgan.NoiseGenerator(labels, side, sizes))


def _config_of(facts: Facts) -> dict:
    return model_record.read_group(facts.record, "config", facts.place)


def _read_sizes(settings_class: type, group: dict, name: str, facts: Facts) -> typing.Any:
    values = model_record.read_group(group, name, facts.place)
    return model_record.read_settings(settings_class, values, facts.place)


def _load_weights(
    facts: Facts, least: int, build: typing.Callable[[], "keras.Model"]
) -> typing.Any:
    """The network that `build` gives, with the weights beside the record."""
    path = facts.place.with_name(WEIGHTS)
    if not path.exists() and facts.place.with_name(OLDER_WEIGHTS).exists():
        path = facts.place.with_name(OLDER_WEIGHTS)
    return arrays.load_weights(path, least, lambda: build().create_weights(), REMEDY)


def save_decoders(path: Place, decoders: "dict[str, Decoder]", fingerprint: str) -> None:
    """Writes `{tap: Decoder}` as float16 to one .npz file, with the backbone's fingerprint."""
    values = {"fingerprint": np.array(fingerprint)}
    for tap, one in decoders.items():
        for number, variable in enumerate(one.variables):
            values[f"{tap}/{number:03d}"] = np.asarray(variable, np.float16)
    with written_whole(path) as file:
        np.savez_compressed(file, **values)


def load_decoders(
    path: Place, backbone: "keras.Model", taps: typing.Iterable[str] | None = None
) -> "dict[str, Decoder]":
    """The decoders of a file for a backbone, by tap: all, or those of `taps`.

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
    of_tap = {}
    for name in sorted(values):
        of_tap.setdefault(name.rpartition("/")[0], []).append(values[name])
    missing = sorted(set(taps or ()) - set(of_tap))
    if missing:
        known = ", ".join(tap for tap in backbone.taps if tap in of_tap)
        raise InputError(f"{path} has no decoder for {missing[0]}; it has {known}")
    decoders = {}
    for tap in backbone.taps:
        if tap in (of_tap if taps is None else taps):
            try:
                decoders[tap] = _build_decoder(of_tap[tap], backbone.strides[tap])
            except (ValueError, IndexError):
                raise InputError(
                    f"the decoder for {tap} in {path} is of another size; train it again"
                ) from None
    return decoders


def _build_decoder(weights: list[np.ndarray], stride: int) -> "Decoder":
    """A decoder with these weights; ValueError or IndexError where they do not fit it."""
    height, width, channels, filters = weights[0].shape
    right = (height, width, filters) == (3, 3, decoder.WIDTHS[stride])
    if not right or not 1 <= channels <= decoder.MOST_CHANNELS:
        raise ValueError
    built = decoder.Decoder(stride)
    built.build((None, None, None, channels))
    built.set_weights([value.astype(np.float32) for value in weights])
    return built


def save_tagger(path: Place, tagger: "CultureTagger", facts: dict) -> None:
    """Writes the tagger's head as an .npz file, whole or not at all, with facts as JSON in it.

    facts: `cultures` in the order of the logits, `backbone` and `weights` as `build_backbone` takes
    them, `side` of the squares in pixels; others are kept too.
    """
    head = tagger.head
    weights = (head.mean, head.deviation, *head.logits.weights, head.temperature)
    values = {name: np.asarray(one) for name, one in zip(TAGGER_ARRAYS, weights, strict=True)}
    facts = {**facts, "exclusive": head.exclusive, "fingerprint": tagger.backbone.fingerprint}
    with written_whole(path) as file:
        np.savez_compressed(file, facts=json.dumps(facts), **values)


def _read_tagger(path: pathlib.Path, names: tuple[str, ...]) -> tuple[dict, dict]:
    """Arrays of a tagger's file, and the facts among them."""
    try:
        values = read_archive(path, "a culture tagger", names=names)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; train one with --trainer classifier") from None
    try:
        return values, parse_json(one_text(values["facts"]).encode("utf-8"))
    except ValueError as error:
        raise _no_tagger(path, str(error)) from None


def _no_tagger(path: pathlib.Path, reason: str) -> InputError:
    return InputError(f"{path} is no culture tagger: {reason}")


def _load_tagger(facts: Facts, backbone_weights: str) -> "CultureTagger":
    path = facts.place
    values, record = _read_tagger(path, ("facts", *TAGGER_ARRAYS))
    model_record.read_number(record, "side", path, *TAGGER_SIDES)
    if not isinstance(record.get("exclusive"), bool):
        raise _no_tagger(path, "it does not say how many tags there are")
    name, weights, fingerprint = (
        model_record.read_text(record, key, path) for key in ("backbone", "weights", "fingerprint")
    )
    backbone = backbones.build_backbone(name, backbone_weights or weights)
    if backbone.fingerprint != fingerprint:
        raise InputError(
            f"{path} was trained on other weights of {name}; name those with --weights"
        )
    tagger = classifier.CultureTagger(backbone)
    channels = tagger.describe(np.zeros((1, *2 * (backbone.least_size,), 3), np.float32)).shape[-1]
    tagger.head = _build_head(values, channels, len(facts.cultures), record["exclusive"], path)
    return tagger


def _build_head(
    values: dict, channels: int, cultures: int, exclusive: bool, path: pathlib.Path
) -> "CultureHead":
    """The head with the arrays of a file, for descriptors `[B, channels]`."""
    shapes = ((channels,), (channels,), (channels, cultures), (cultures,), ())
    for name, shape in zip(TAGGER_ARRAYS, shapes, strict=True):
        if values[name].shape != shape or values[name].dtype.kind != "f":
            raise _no_tagger(
                path, f"its {name} has the shape {values[name].shape} and has to have {shape}"
            )
    if values["deviation"].min() <= 0.0 or values["temperature"] <= 0.0:
        raise _no_tagger(path, "it divides by numbers that are not above 0")
    head = classifier.CultureHead(cultures, exclusive)
    head.build((None, channels))
    variables = (head.mean, head.deviation, *head.logits.weights, head.temperature)
    for variable, name in zip(variables, TAGGER_ARRAYS, strict=True):
        variable.assign(values[name])
    return head


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of network: the trainers that make it, the fewest cultures that it has, the end of the
    message "FOLDER holds ..." about a folder of another kind, and how `Facts` become a network."""

    trainers: tuple[str, ...]
    cultures: int
    missing: str
    load: typing.Callable[..., typing.Any]


_TRAIN = "`python -m stylegan_culture.train --trainer"
_PAIR = f"no network from pictures of one culture to another's; train one with {_TRAIN} cyclegan`"
_CULTURE = "no model that restyles into any of its cultures; name another folder"
_RESTORE = f"no model that restores; train one with {_TRAIN} restore --run DIR`"
_SAMPLER = f"no run that draws pictures from noise; make one with {_TRAIN} dcgan --run DIR`"
_TAGGER = (
    f"no tagger; train one with {_TRAIN} classifier --data folder:PATH --run DIR` and name that "
    "folder"
)
KINDS = {
    "culture": Kind(("culture", "codes"), 2, _CULTURE, _load_culture),
    "cyclegan": Kind(("cyclegan",), 2, _PAIR, _load_pair),
    "restore": Kind(("restore",), 0, _RESTORE, _load_restoration),
    "sampler": Kind(("dcgan", "vae"), 2, _SAMPLER, _load_sampler),
    "classifier": Kind(("classifier",), 2, _TAGGER, _load_tagger),
}
