"""Ships a run: `python -m stylegan_culture.export --run DIR --out saved_models/NAME`.

Writes a model folder: SavedModel, TFLite files, Keras weights, model.json, model_card.md and a
sample sheet; of a CycleGAN, both directions. All of it is made in a temporary folder beside the
target and moved there only when every file agrees with the Keras model.
"""

import argparse
import hashlib
import pathlib
import re
import sys

import numpy as np

from stylegan_culture import __version__, arrays, config, images, models
from stylegan_culture.config import InputError, run_command
from stylegan_culture.deploy import culture_files, tflite, translations
from stylegan_culture.deploy.markdown import code, json_block, markdown
from stylegan_culture.files import (
    locked,
    read_measures,
    temporary_folder,
    write_result,
    write_text,
    written_whole,
)
from stylegan_culture.model_record import check_told, keys_of, read_cultures
from stylegan_culture.networks.generator import STRIDE
from stylegan_culture.outputs import Outputs, add_flag, named

# All that an earlier export may have left beside TFLite files; the rest is the user's.
WRITTEN = (
    r"model\.json|model_card\.md|samples\.jpg|weights\.h5|model\.weights\.h5"
    r"|saved_model\w*/(saved_model\.pb|fingerprint\.pb|assets/model\.json"
    r"|variables/variables\.(index|data-[0-9]+-of-[0-9]+))"
)
KEPT_PIXELS = 1024  # side of the squares of a folder's pictures that are kept in memory
CALIBRATION, CHECKED, SHOWN = 48, 8, 6  # pictures for int8 ranges, for parity, on the sheet
CALIBRATION_PIXELS = 27 * 512**2  # of all calibration pictures together: it runs without threads


def parse(arguments) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.export", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--run", required=True, help="run folder made by train")
    parser.add_argument("--out", required=True, help="model folder to make or replace")
    parser.add_argument(
        "--sizes",
        help="TFLite picture edges in px (default: 256; of a network from pictures to pictures the "
        "run's)",
    )
    parser.add_argument("--precisions", help="of TFLite files (default: all that the model has)")
    parser.add_argument(
        "--pictures",
        help="folder of pictures for calibration and parity "
        "(default: the held-out part of the run's data)",
    )
    parser.add_argument(
        "--half",
        action="store_true",
        help="round the weights to float16, so that float16 files hold the same numbers",
    )
    parser.add_argument("--samples", help="folder of pictures for the sample sheet (default: some)")
    parser.add_argument(
        "--notes", default="", help="Markdown files to append to the model card: measures, credits"
    )
    add_flag(parser)
    options = parser.parse_args(arguments)
    _complete(options)
    options.precisions = [part.strip() for part in options.precisions.split(",")]
    unknown = sorted(set(options.precisions) - set(culture_files.PRECISIONS))
    if unknown:
        raise InputError(
            f"unknown precision {unknown[0]!r}; use {', '.join(culture_files.PRECISIONS)}"
        )
    sizes = [part.strip() for part in options.sizes.split(",")]
    options.sizes = [int(part) if part.isdigit() else 0 for part in sizes]
    if not all(size >= 16 and size % STRIDE == 0 for size in options.sizes):
        raise InputError(f"--sizes {','.join(sizes)}: use multiples of 8 from 16 px on")
    options.notes = [
        pathlib.Path(part.strip()) for part in options.notes.split(",") if part.strip()
    ]
    for path in options.notes:
        if not path.is_file():
            raise InputError(f"--notes {path} does not exist; name Markdown files")
    return options


def _complete(options) -> None:
    """What was not asked for, by the kind of the run."""
    facts = models.read_facts(options.run)
    if facts.get("trainer") in models.SAMPLERS:
        raise InputError(
            f"{options.run} draws pictures from noise, which is not exported; use its run folder: "
            f"python -m stylegan_culture.stylize --sample 8 --model {options.run} --out sheet.png"
        )
    if facts:
        check_told(facts, options.run)
    options.translates = facts.get("trainer") in models.LOADERS
    precisions, size = culture_files.PRECISIONS, 256
    if options.translates:
        precisions, size = translations.PRECISIONS, facts["image_size"]
        if options.half or options.samples or options.notes:
            raise InputError("--half, --samples and --notes are for models of several cultures")
    options.precisions = options.precisions or ",".join(precisions)
    options.sizes = options.sizes or str(size)


def load_pictures(folder, wanted: int, facts: dict) -> list[np.ndarray]:
    """The middle squares of a folder's pictures, at most `KEPT_PIXELS` a side; whole pictures of
    the run's data where no folder is given; float32 in [0, 1]."""
    if folder is None:
        from stylegan_culture.pipelines.input import load_source

        source = load_source(facts["data"], facts["image_size"], "held_out")
        keys = keys_of(read_cultures(facts, "run.json", least=0))
        own = source.tags[:, [key in keys for key in source.cultures]].any(axis=1)
        source = source.select(np.flatnonzero(own)) if own.any() else source
        steps = np.linspace(0, len(source) - 1, min(wanted, len(source))).astype(int)
        found = [source.read(int(index)).astype(np.float32) / 255 for index in steps]
    else:
        found = []
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file() and len(found) < wanted:
                try:
                    pixels = images.read_uint8(path, short_side=KEPT_PIXELS)
                    found.append(_middle(pixels).astype(np.float32) / 255)
                except InputError as error:
                    print(f"skipped: {error}", file=sys.stderr)
    if not found:
        raise InputError(f"no picture in {folder or facts['data']}; give --pictures DIR")
    return found


def _middle(picture: np.ndarray) -> np.ndarray:
    """The centre square of a picture, a copy."""
    edge = min(picture.shape[:2])
    top, left = ((length - edge) // 2 for length in picture.shape[:2])
    return picture[top : top + edge, left : left + edge].copy()


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """The centre square of a picture, resized to `[size, size, 3]`."""
    return images.resize(_middle(picture), size, size)


def build(options: argparse.Namespace, folder: pathlib.Path) -> None:
    """Makes the whole model folder in `folder`; raises `InputError` where parity fails."""
    model, facts = models.load_run(options.run)
    name = pathlib.Path(options.out).name
    if options.half:
        model.set_weights([w.astype("float16").astype("float32") for w in model.get_weights()])
    arrays.save_weights(model, folder / "weights.h5")
    described = describe(name, model, facts, options, folder)
    write_result(folder / "model.json", described)
    pictures = load_pictures(options.pictures, CALIBRATION + CHECKED, facts)
    shown = load_pictures(options.samples, SHOWN, facts) if options.samples else pictures
    culture_files.save_model(model, folder / "saved_model", described)
    rows = []
    for size in options.sizes:
        squares = np.stack([square(picture, size) for picture in pictures])
        # Spread over the cultures: parity on pictures that calibration has not seen, if possible.
        every = max(1, len(squares) // CHECKED)
        checked = squares[::every][:CHECKED]
        kept = np.delete(squares, np.arange(0, len(squares), every), axis=0)
        calibration = kept if len(kept) else squares
        most = max(1, CALIBRATION_PIXELS // size**2)
        spread = np.linspace(0, len(calibration) - 1, min(most, len(calibration))).astype(int)
        calibration = calibration[spread]
        files = {}
        contents = culture_files.convert(
            model, described, size, options.precisions, calibration, checked
        )
        for precision, content in contents.items():
            files[precision] = folder / f"{name}_{size}_{precision}.tflite"
            with written_whole(files[precision]) as file:
                file.write(content)
        measures = culture_files.parity(model, checked, folder / "saved_model", files)
        rows += [_row(path, measures[precision]) for precision, path in files.items()]
    _sheet(model, facts, shown, min(options.sizes), folder / "samples.jpg")
    card = [model_card(described, facts, read_measures(options.run), rows)]
    card += [path.read_text(encoding="utf-8") for path in options.notes]
    write_text(folder / "model_card.md", "\n".join(card))


def build_translations(options: argparse.Namespace, folder: pathlib.Path) -> None:
    """The same for a run whose networks turn pictures into pictures and know no styles."""
    found = load_pictures(options.pictures, CHECKED, models.read_facts(options.run))
    translations.write(
        folder,
        pathlib.Path(options.out).name,
        options.run,
        options.sizes,
        options.precisions,
        lambda size: np.stack([square(picture, size) for picture in found]),
    )


def describe(name, model, facts, options, folder) -> dict:
    """What model.json, the SavedModel's assets and the TFLite metadata say."""
    return {
        "name": name,
        "version": __version__,
        "cultures": facts["cultures"],
        "generator": facts["config"]["generator"],
        "image_size": facts["image_size"],
        "data": facts["data"],
        "tflite_sizes": options.sizes,
        "signatures": {
            "stylize": ["image [1,H,W,3] in [0,1]", "mixture [1,K]", "strength [1,1]"],
            "encode_style": ["image [1,H,W,3] in [0,1]"],
            "stylize_with": ["image [1,H,W,3] in [0,1]", "style [1,D]", "strength [1,1]"],
        },
        "style_size": model.config.code_size,
        "weights_sha256": hashlib.sha256((folder / "weights.h5").read_bytes()).hexdigest(),
        "backbone": facts["config"].get("backbone"),
        "licence": "Apache-2.0 (code and weights; the training pictures have their own licences)",
        "versions": facts.get("versions", config.package_versions()),
        "commit": facts.get("commit", "unknown"),
    }


def model_card(described: dict, facts: dict, measures: dict, rows: list[str]) -> str:
    """The model card: what it is, from what, how good, how dear, and where it ends."""
    cultures = [
        f"- {markdown(c['key'])}: "
        + ", ".join(markdown(c.get(part, "")) for part in ("title", "region", "period"))
        for c in described["cultures"]
    ]
    parameters = facts.get("parameters", "see model.json")
    command = "python -m stylegan_culture.train; config in model.json"
    return "\n".join(
        [
            f"# {markdown(described['name'])}",
            "",
            "Restyles pictures into the idiom of a tradition, a mixture, or an example picture.",
            "",
            "## Cultures, in the order of every mixture",
            *cultures,
            "",
            "## How it was made",
            f"Data: {code(described['data'])}, {markdown(described['image_size'])} px. "
            f"Precision: {markdown(facts.get('precision', 'unknown'))}. "
            f"Parameters: {markdown(parameters)}. Commit: {markdown(described['commit'])}.",
            "",
            f"    {config.visible(str(facts.get('command', command)))}",
            "",
            "## Measures of the run (metrics.json)",
            json_block(measures),
            "",
            "## Files and their agreement with the Keras model",
            "| file | MB | largest difference | PSNR dB (worst picture) | builtin operators only "
            "| GPU delegate |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "GPU delegate: what TensorFlow's analyser thinks of the file, which guarantees nothing "
            "by its own words. Speed on your machine: "
            "`python -m stylegan_culture.benchmark *.tflite`.",
            "",
            "## Limits",
            "A tradition here is what the training pictures show of it: a small, uneven selection "
            "that speaks for no people and no period. Pictures far from the training data are "
            "restyled less well, faces and writing above all. TFLite files take one fixed "
            "picture size.",
            "",
        ]
    )


def main(arguments=None) -> None:
    """Builds beside the target, then replaces the target in one step."""
    options = parse(arguments)
    target = pathlib.Path(options.out)
    _claim(options, target)
    with locked(target, beside=True), temporary_folder(target.parent) as temporary:
        folder = temporary / "model"
        folder.mkdir()
        (build_translations if options.translates else build)(options, folder)
        _claim(options, target)  # what came meanwhile
        _replace(folder, target, temporary / "old")
    for path in sorted(target.iterdir()):
        print(path)


def _claim(options: argparse.Namespace, target: pathlib.Path) -> None:
    """Raises `InputError` where the target holds anything but an earlier export, or an input."""
    facts = models.read_facts(options.run)
    texts = (facts.get("data", ""), facts.get("content", "")) if not options.pictures else ()
    inputs = [*named(options.run, options.pictures, options.samples, *texts), *options.notes]
    name = re.escape(_name_of(target))
    written = re.compile(rf"{WRITTEN}|{name}(_\w+)?_[0-9]+_(float32|float16|int8)\.tflite")
    Outputs(inputs, options.overwrite).claim_whole_folder(target, written)


def _name_of(target: pathlib.Path) -> str:
    """The name that an earlier export gave its files; the folder may have been renamed since."""
    try:
        return str(models.read_facts(target).get("name", target.name))
    except InputError:  # of a damaged model.json
        return target.name


def _replace(folder: pathlib.Path, target: pathlib.Path, old: pathlib.Path) -> None:
    """Puts a folder into the place of another; where that fails, the other stays."""
    if not target.exists():
        folder.replace(target)
        return
    target.replace(old)
    try:
        folder.replace(target)
    except OSError:
        old.replace(target)
        raise


def _row(path: pathlib.Path, measure: dict) -> str:
    facts = tflite.analyse(path)
    if not facts["builtin_only"] or "BATCH_MATMUL" in facts["quantised"]:
        raise InputError(
            f"{path.name} has operators that phones lack or whitening in 8 bits; "
            "nothing was exported: report this with the versions in model.json"
        )
    compatible = "looks compatible" in tflite.gpu_verdict(path)
    return (
        f"| {markdown(path.name)} | {facts['bytes'] / 1e6:.2f} "
        f"| {measure['largest_difference']:.1e} "
        f"| {measure['psnr']:.1f} ({measure['worst_psnr']:.1f}) | yes "
        f"| {'looks compatible' if compatible else 'not compatible'} |"
    )


def _sheet(model, facts, pictures, size: int, path) -> None:
    """Contents in the first column, then every culture."""
    cells = []
    strength = np.ones((1, 1), np.float32)
    for picture in pictures[:: max(1, len(pictures) // SHOWN)][:SHOWN]:
        content = square(picture, size)
        cells.append(content)
        for mixture in np.eye(len(model.cultures), dtype=np.float32):
            restyled = model.stylize(content[None], mixture[None], strength)
            cells.append(np.asarray(restyled)[0])
    titles = (culture.title or culture.key for culture in read_cultures(facts, path))
    labels = ["content", *titles]
    images.write(path, images.grid(cells, len(labels), None, labels))


if __name__ == "__main__":
    sys.exit(run_command(main))
