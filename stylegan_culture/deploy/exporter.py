"""From a run folder to a model folder: SavedModel, TFLite files, weights, model.json, model card.

All of it is made in a temporary folder beside the target and moved there only when every file
agrees with the Keras network.
"""

import dataclasses
import hashlib
import json
import pathlib
import re
import string
import sys
import typing
from collections.abc import Iterable

import numpy as np

from stylegan_culture import __version__, arrays, config, files, images, models
from stylegan_culture.config import InputError, option
from stylegan_culture.deploy import looks, tflite
from stylegan_culture.deploy.conversion import (
    PRECISIONS,
    Agreement,
    Exportable,
    convert,
    parity,
    save,
)
from stylegan_culture.deploy.markdown import code, json_block, markdown
from stylegan_culture.deploy.signatures import EXPORTED, ExportKind
from stylegan_culture.later import later
from stylegan_culture.model_record import Facts, Origin, read_origin
from stylegan_culture.outputs import Outputs, named
from stylegan_culture.pipelines import cultures

if typing.TYPE_CHECKING:
    from stylegan_culture.networks.generator import CultureModel

data = later("stylegan_culture.pipelines.input")
# All files that an earlier export may have written beside TFLite files; others are the user's.
WRITTEN = (
    r"model\.json|model_card\.md|samples\.jpg|looks\.jpg|weights\.h5|model\.weights\.h5"
    r"|saved_model\w*/(saved_model\.pb|fingerprint\.pb|assets/model\.json"
    r"|variables/variables\.(index|data-[0-9]+-of-[0-9]+))"
)
CARDS = pathlib.Path(__file__).parent / "cards"
LICENCE = "Apache-2.0 (code and weights; the training pictures have their own licences)"
USUAL_SIZE = 256  # pixels a side of a culture model's pictures
KEPT_PIXELS = 1024  # side of the squares of a folder's pictures that are kept in memory
CALIBRATION, CHECKED, SHOWN = 48, 8, 6  # pictures for int8 ranges, for parity, on the sheet
LOOKS_SHOWN = 2  # pictures on the sheet of looks
CALIBRATION_PIXELS = 27 * 512**2  # of all calibration pictures together: it runs without threads


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What is exported, and how."""

    run: str = option("", "run folder made by train")
    out: str = option("", "model folder to make or replace")
    sizes: str = option(
        "",
        "sides of the TFLite files' pictures in pixels, such as 256,512; empty: 256, of a network "
        "from pictures to pictures the run's",
    )
    precisions: str = option(
        "", f"of the TFLite files, of {','.join(PRECISIONS)}; empty: all that the model can have"
    )
    pictures: str = option(
        "",
        "folder of pictures for calibration and comparison; empty: the held-out part of the run's "
        "data",
    )
    half: bool = option(
        False, "round the weights to float16, so that float16 files hold the same numbers"
    )
    samples: str = option(
        "",
        "folder of pictures for the sample sheet, of which two show the looks; empty: some of the "
        "others",
    )
    notes: str = option("", "Markdown files to append to the model card, such as measures,credits")


@dataclasses.dataclass(frozen=True)
class Plan:
    """An export whose settings are checked."""

    config: ExportConfig
    facts: Facts
    origin: Origin
    kind: ExportKind
    sizes: list[int]
    precisions: list[str]
    notes: list[pathlib.Path]

    @property
    def name(self) -> str:
        """Of the model, which its files are named by."""
        return pathlib.Path(self.config.out).name


def export(settings: ExportConfig, overwrite: bool) -> list[pathlib.Path]:
    """Makes the model folder, or replaces an earlier one; returns what is in it. `InputError` for a
    wrong setting, a run that cannot be exported, a target that holds files of the user, and files
    that do not agree with the network."""
    plan = make_plan(settings)
    target = pathlib.Path(settings.out)
    _claim(plan, target, overwrite)
    with files.locked(target, beside=True), files.temporary_folder(target.parent) as temporary:
        folder = temporary / "model"
        folder.mkdir()
        build(plan, folder)
        _claim(plan, target, overwrite)  # again: files may have come meanwhile
        _replace(folder, target, temporary / "old")
    return sorted(target.iterdir())


def make_plan(settings: ExportConfig) -> Plan:
    """The settings with their defaults, checked; `InputError` where one is wrong."""
    for name in ("run", "out"):
        if not getattr(settings, name):
            raise InputError(f"name a folder with --{name} DIR")
    facts = models.read(settings.run)
    if facts.kind not in EXPORTED:
        remedy = "use it where it is"
        if facts.kind == "sampler":
            remedy = f"draw pictures with `stylize --sample 8 --model {settings.run} --out DIR`"
        raise InputError(
            f"{settings.run} is of --trainer {facts.trainer}, which is not exported; {remedy}"
        )
    kind, origin = EXPORTED[facts.kind], read_origin(facts.record, facts.place)
    precisions = _parts(settings.precisions) or list(kind.precisions)
    for precision in precisions:
        if precision not in PRECISIONS:
            raise InputError(f"unknown precision {precision!r}; use {', '.join(PRECISIONS)}")
        if precision not in kind.precisions:
            raise InputError(
                f"a network from pictures to pictures has no {precision} file; "
                f"use --precisions {','.join(kind.precisions)}"
            )
    usual = USUAL_SIZE if facts.kind == "culture" else origin.image_size
    texts = _parts(settings.sizes) or [str(usual)]
    for text in texts:
        if not text.isdigit() or int(text) < kind.least or int(text) % kind.multiple:
            raise InputError(
                f"--sizes {text}: use multiples of {kind.multiple} from {kind.least} on"
            )
    notes = [pathlib.Path(part) for part in _parts(settings.notes)]
    for path in notes:
        if not path.is_file():
            raise InputError(f"--notes {path} does not exist; name Markdown files")
    return Plan(settings, facts, origin, kind, [int(text) for text in texts], precisions, notes)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def build(plan: Plan, folder: pathlib.Path) -> None:
    """Makes the whole model folder in `folder`; raises `InputError` where parity fails."""
    wanted = CHECKED + (CALIBRATION if "int8" in plan.kind.precisions else 0)
    pictures = load_pictures(plan.config.pictures, wanted, plan.facts)
    shown = pictures
    if plan.config.samples:
        shown = load_pictures(plan.config.samples, SHOWN, plan.facts)
    loaded = models.load(plan.config.run)
    if plan.config.half:
        weights = loaded.network.get_weights()
        loaded.network.set_weights([w.astype("float16").astype("float32") for w in weights])
    arrays.save_weights(loaded.network, folder / models.WEIGHTS)
    networks = plan.kind.networks(loaded)
    described = describe(plan, plan.kind.record(loaded, networks), folder)
    files.write_result(folder / "model.json", described)
    rows = []
    endings = [f"_{name}" if name else "" for name in _file_names(networks)]
    for network, ending in zip(networks, endings, strict=True):
        saved_model = folder / f"saved_model{ending}"
        save(network, saved_model, described)
        for size in plan.sizes:
            calibration, checked = _squares(pictures, size)
            contents = convert(network, described, size, plan.precisions, calibration, checked)
            paths = {}
            for precision, content in contents.items():
                paths[precision] = folder / f"{plan.name}{ending}_{size}_{precision}.tflite"
                with files.written_whole(paths[precision]) as file:
                    file.write(content)
            agreements = parity(network, checked, saved_model, paths)
            rows += [_row(path, agreements[path.name]) for path in paths.values()]
    _write_sheet(plan, networks, shown, folder / "samples.jpg")
    if any(culture.looks for culture in plan.facts.cultures):
        images.write(folder / models.LOOKS, _looks_sheet(plan, loaded.network, shown))
    card = [card_of(plan, networks, files.read_measures(plan.config.run), rows)]
    card += [path.read_text(encoding="utf-8") for path in plan.notes]
    files.write_text(folder / "model_card.md", "\n".join(card))


def describe(plan: Plan, of_kind: dict, folder: pathlib.Path) -> dict:
    """What model.json, the SavedModel's assets and the TFLite metadata say."""
    weights = (folder / models.WEIGHTS).read_bytes()
    return {
        "name": plan.name,
        "version": __version__,
        "cultures": plan.facts.record.get("cultures", []),
        **of_kind,
        "image_size": plan.origin.image_size,
        "data": plan.origin.data,
        "tflite_sizes": plan.sizes,
        "signatures": plan.kind.signatures,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "licence": LICENCE,
        "versions": plan.origin.versions,
        "commit": plan.origin.commit,
    }


def _file_names(networks: list[Exportable]) -> list[str]:
    """The part of file names that each network has; "" for a single network without a name."""
    if len(networks) == 1 and not networks[0].name:
        return [""]
    return files.file_names(network.name for network in networks)


def card_of(plan: Plan, networks: list[Exportable], measures: dict, rows: list[str]) -> str:
    """The model card as Markdown; texts of a record are escaped. `measures` are those of the run's
    metrics.json, `rows` those of the table of files."""
    origin = plan.origin
    if plan.facts.kind == "culture":
        lines = [
            f"- {markdown(culture.key)}: "
            + ", ".join(map(markdown, (culture.title, culture.region, culture.period)))
            for culture in plan.facts.cultures
        ]
        lines.append(looks.card(plan.facts.cultures))
    else:
        descriptions = [{"name": network.name, **network.facts} for network in networks]
        lines = [f"- {code(json.dumps(one, ensure_ascii=False))}" for one in descriptions]
    return _template(plan.kind.card).substitute(
        name=markdown(plan.name),
        content="\n".join(lines),
        data=code(origin.data),
        image_size=origin.image_size,
        precision=markdown(origin.precision),
        parameters=markdown(plan.facts.record.get("parameters", "see model.json")),
        commit=markdown(origin.commit),
        command=config.visible(origin.command),
        measures=json_block(measures),
        rows="\n".join(rows),
        notes=notes_on(plan.facts.keys),
    )


def notes_on(keys: Iterable[str]) -> str:
    """The section of a card on the sacred and living traditions among a model's; "" without any."""
    lines = [
        f"- {markdown(title)}: {markdown(note)}" for title, note in cultures.notes(keys).items()
    ]
    return _template("notes.md").substitute(notes="\n".join(lines)) if lines else ""


def _template(card: str) -> string.Template:
    return string.Template((CARDS / card).read_text(encoding="utf-8"))


def load_pictures(folder: str, wanted: int, facts: Facts) -> list[np.ndarray]:
    """The middle squares of a folder's pictures, at most `KEPT_PIXELS` a side; whole pictures of
    the run's data where no folder is given; float32 in [0, 1]."""
    origin = read_origin(facts.record, facts.place)
    pictures = _folder_pictures(folder, wanted) if folder else _run_pictures(origin, wanted, facts)
    if not pictures:
        raise InputError(f"no picture in {folder or origin.data}; give --pictures DIR")
    return pictures


def _run_pictures(origin: Origin, wanted: int, facts: Facts) -> list[np.ndarray]:
    source = data.load_source(origin.data, origin.image_size, "held_out")
    of_model = source.tags[:, [key in facts.keys for key in source.cultures]].any(axis=1)
    source = source.select(np.flatnonzero(of_model)) if of_model.any() else source
    steps = np.linspace(0, len(source) - 1, min(wanted, len(source))).astype(int)
    return [source.read(int(index)).astype(np.float32) / 255 for index in steps]


def _folder_pictures(folder: str, wanted: int) -> list[np.ndarray]:
    pictures = []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and len(pictures) < wanted:
            try:
                pixels = images.read_uint8(path, short_side=KEPT_PIXELS)
                pictures.append(_middle(pixels).astype(np.float32) / 255)
            except InputError as error:
                print(f"skipped: {error}", file=sys.stderr)
    return pictures


def _middle(picture: np.ndarray) -> np.ndarray:
    """The centre square of a picture, a copy."""
    edge = min(picture.shape[:2])
    top, left = ((length - edge) // 2 for length in picture.shape[:2])
    return picture[top : top + edge, left : left + edge].copy()


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """The centre square of a picture, resized to `[size, size, 3]`."""
    return images.resize(_middle(picture), size, size)


def _squares(pictures: list[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares for calibration, and others, if there are enough, for the comparison; the latter are
    spread over the cultures."""
    squares = np.stack([square(picture, size) for picture in pictures])
    every = max(1, len(squares) // CHECKED)
    checked = squares[::every][:CHECKED]
    others = np.delete(squares, np.arange(0, len(squares), every), axis=0)
    calibration = others if len(others) else squares
    most = max(1, CALIBRATION_PIXELS // size**2)
    spread = np.linspace(0, len(calibration) - 1, min(most, len(calibration))).astype(int)
    return calibration[spread], checked


def _row(path: pathlib.Path, agreement: Agreement) -> str:
    """A file's row in the card; `InputError` where a phone could not run it."""
    facts = tflite.analyse(path)
    if not facts["builtin_only"] or "BATCH_MATMUL" in facts["quantised"]:
        raise InputError(
            f"{path.name} has operators that phones lack or whitening in 8 bits; "
            "nothing was exported: report this with the versions in model.json"
        )
    compatible = "looks compatible" in facts["gpu"]
    return (
        f"| {markdown(path.name)} | {facts['bytes'] / 1e6:.2f} "
        f"| {agreement.largest_difference:.1e} "
        f"| {agreement.psnr:.1f} ({agreement.worst_psnr:.1f}) | yes "
        f"| {'looks compatible' if compatible else 'not compatible'} |"
    )


def _write_sheet(
    plan: Plan, networks: list[Exportable], pictures: list[np.ndarray], path: pathlib.Path
) -> None:
    """Contents in the first column, then every culture, or the result of each network."""
    size = min(plan.sizes)
    columns = [column for network in networks for column in network.columns]
    rows = []
    for picture in pictures[:: max(1, len(pictures) // SHOWN)][:SHOWN]:
        content = square(picture, size)
        rows.append([content, *(np.asarray(column(content[None]))[0] for column in columns)])
    height = max(cell.shape[0] for cell in rows[0])
    cells = [images.resize(cell, height, height) for row in rows for cell in row]
    if plan.facts.kind == "culture":
        labels = ["content", *(culture.title or culture.key for culture in plan.facts.cultures)]
    else:
        labels = ["picture", *(network.name.replace("_", " ") or "result" for network in networks)]
    images.write(path, images.grid(cells, len(labels), column_labels=labels))


def _looks_sheet(plan: Plan, network: "CultureModel", pictures: list[np.ndarray]) -> np.ndarray:
    """The sheet that the run has of its looks; drawn of the first pictures where it has none, and
    where `--samples` names pictures."""
    drawn = models.looks_sheet(plan.facts)
    if drawn is not None and not plan.config.samples:
        return images.read(drawn)
    strength = np.ones((1, 1), np.float32)
    size = min(plan.sizes)
    return looks.sheet(
        lambda image, code: network.stylize_with(image, code, strength),
        np.stack([square(picture, size) for picture in pictures[:LOOKS_SHOWN]]),
        [(one.name, network.looks[one.key]) for one in plan.facts.cultures if one.looks],
    )


def _claim(plan: Plan, target: pathlib.Path, overwrite: bool) -> None:
    """Raises `InputError` where the target holds anything but an earlier export, or an input."""
    settings, record = plan.config, plan.facts.record
    texts = () if settings.pictures else (record.get("data", ""), record.get("content", ""))
    inputs = [*named(settings.run, settings.pictures, settings.samples, *texts), *plan.notes]
    name = re.escape(_earlier_name(target))
    written = re.compile(rf"{WRITTEN}|{name}(_\w+)?_[0-9]+_(float32|float16|int8)\.tflite")
    Outputs(inputs, overwrite).claim_whole_folder(target, written)


def _earlier_name(target: pathlib.Path) -> str:
    """The name that an earlier export gave its files; the folder may have been renamed since."""
    try:
        return str(files.read_json(target / "model.json", "").get("name", target.name))
    except (InputError, OSError):  # damaged or missing
        return target.name


def _replace(folder: pathlib.Path, target: pathlib.Path, old: pathlib.Path) -> None:
    """Replaces the folder `target` by another one; where that fails, the first one stays."""
    if not target.exists():
        folder.replace(target)
        return
    target.replace(old)
    try:
        folder.replace(target)
    except OSError:
        old.replace(target)
        raise
