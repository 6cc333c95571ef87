"""From networks to files: a SavedModel and TFLite files of each, compared with the networks."""

import contextlib
import io
import pathlib
import shutil
import tempfile

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.deploy import card, tflite
from stylegan_culture.files import (
    file_names,
    read_measures,
    write_json,
    write_result,
    write_text,
    written_whole,
)
from stylegan_culture.models import WEIGHTS, Translation, load_translations

SIGNATURE = "translate"
PRECISIONS = ("float32", "float16")
TOLERANCES = {"saved_model": 1e-3, "float32": 1e-3}  # largest absolute difference from Keras
LEAST_HALF_PSNR = 40.0  # dB against Keras, of float16 files


def write(folder, name: str, run, sizes, precisions, pictures) -> dict:
    """Fills a model folder from a run folder and returns the parity of its files.

    Writes `saved_model` (or `saved_model_PART`), `NAME[_PART]_SIZE_PRECISION.tflite`,
    `model.weights.h5`, `model.json`, `model_card.md` and `samples.jpg`. The caller puts the folder
    in place when this returns.

    Args:
        folder: an empty folder.
        name: of the model, which its files are named by.
        run: the run folder.
        sizes: edges of the TFLite files' pictures in pixels; a SavedModel takes any.
        precisions: of `PRECISIONS`.
        pictures: `pictures(size) -> [N, size, size, 3]`, on which files are compared with Keras.

    Raises:
        InputError: a size or precision that the network cannot have, or files that differ from it.
    """
    folder = pathlib.Path(folder)
    translations, facts = load_translations(run)
    _check(translations, sizes, precisions)
    with (
        written_whole(folder / WEIGHTS) as file,
        open(pathlib.Path(run) / WEIGHTS, "rb") as weights,
    ):
        shutil.copyfileobj(weights, file)
    described = card.described(name, translations, facts, sizes, SIGNATURE, folder)
    write_result(folder / "model.json", described)
    found = {}
    for part, called in zip(translations, _names(translations), strict=True):
        ending = f"_{called}" if called else ""
        saved = folder / f"saved_model{ending}"
        save(part, saved, described)
        for size in sizes:
            files = {p: folder / f"{name}{ending}_{size}_{p}.tflite" for p in precisions}
            for precision, content in convert(part, described, size, precisions).items():
                with written_whole(files[precision]) as file:
                    file.write(content)
            found |= parity(part, pictures(size), saved, files)
    card.write_sheet(translations, pictures(min(sizes)), folder / "samples.jpg")
    text = card.text(described, facts, read_measures(run), found)
    write_text(folder / "model_card.md", text)
    return found


def save(part: Translation, folder, facts: dict, size: int | None = None) -> None:
    """Writes a SavedModel with the signature and `model.json` in its assets.

    `size` fixes height and width in pixels; None leaves them free.
    """
    import keras
    import tensorflow as tf

    spec = tf.TensorSpec((1, size, size, 3), tf.float32, "image")
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        SIGNATURE, lambda image: {"translated": part.network(image)}, input_signature=[spec]
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints every variable
        archive.write_out(str(folder))
    write_json(pathlib.Path(folder) / "assets" / "model.json", {**facts, **part.facts})


def convert(part: Translation, facts: dict, size: int, precisions) -> dict[str, bytes]:
    """TFLite content by precision for pictures of `size` x `size` px, `facts` in its metadata."""
    import tensorflow as tf

    contents = {}
    with tempfile.TemporaryDirectory() as folder:
        save(part, folder, facts, size)
        for precision in precisions:
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
            if precision == "float16":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            described = {**facts, **part.facts, "size": size, "precision": precision}
            contents[precision] = tflite.write_metadata(converter.convert(), described)
    return contents


def parity(part: Translation, pictures, saved_model, files: dict) -> dict:
    """Keras against a SavedModel and TFLite files (by precision) on `[N, H, W, 3]`.

    Returns by file name the largest absolute difference and the PSNR in dB of all pictures. Raises
    `InputError` where a file differs by more than rounding explains: float16 weights are many
    small errors, which PSNR weighs better than one pixel at an edge does.
    """
    import tensorflow as tf

    run = tf.saved_model.load(str(saved_model)).signatures[SIGNATURE]
    sources = {
        pathlib.Path(saved_model): ("saved_model", lambda i: run(tf.constant(i))["translated"])
    }
    for precision, path in files.items():
        runner = tflite.Runner(path)
        sources[path] = (precision, lambda i, r=runner: r(SIGNATURE, image=i)["translated"])
    inputs = [np.asarray(picture, np.float32)[None] for picture in pictures]
    expected = np.stack([np.asarray(part.network(image)) for image in inputs])
    found = {}
    for path, (kind, translate) in sources.items():
        error = np.stack([np.asarray(translate(image)) for image in inputs]) - expected
        largest, square = float(np.abs(error).max()), float(np.mean(np.square(error)))
        psnr = float(-10.0 * np.log10(max(square, 1e-12)))
        # Comparisons are written so that NaN fails them.
        good = largest <= TOLERANCES[kind] if kind in TOLERANCES else psnr >= LEAST_HALF_PSNR
        if not good:
            raise InputError(
                f"{path.name} does not agree with the Keras model (largest difference "
                f"{largest:.2g}, PSNR {psnr:.1f} dB); nothing was exported: leave {kind} out"
            )
        found[path.name] = {"largest_difference": largest, "psnr": psnr}
    return found


def _names(translations) -> list[str]:
    """What the files of each network are named by; "" where there is one without a name."""
    if len(translations) == 1 and not translations[0].name:
        return [""]
    return file_names(part.name for part in translations)


def _check(translations, sizes, precisions) -> None:
    unknown = [precision for precision in precisions if precision not in PRECISIONS]
    if unknown:
        raise InputError(
            f"a network from pictures to pictures has no {unknown[0]} file; "
            f"use --precisions {','.join(PRECISIONS)}"
        )
    for part in translations:
        wrong = [size for size in sizes if size % part.multiple or size < 4 * part.multiple]
        if wrong:
            raise InputError(
                f"--sizes {wrong[0]}: use multiples of {part.multiple} from {4 * part.multiple} on"
            )
