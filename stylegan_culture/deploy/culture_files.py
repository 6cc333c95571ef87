"""From a trained model to files: load it, write a SavedModel and TFLite files, check parity.

Every file has the signatures `stylize(image, mixture, strength) -> stylized`,
`encode_style(image) -> style` and `stylize_with(image, style, strength) -> stylized`, batch 1.
"""

import collections
import contextlib
import io
import pathlib
import re
import tempfile

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.deploy import tflite
from stylegan_culture.files import write_json
from stylegan_culture.networks.generator import CultureModel

SIGNATURES = ("stylize", "encode_style", "stylize_with")
PRECISIONS = ("float32", "float16", "int8")
TOLERANCES = {"float32": 1e-3, "float16": 1e-2}  # largest absolute difference from Keras
ENCODER_ACTIVATIONS, STYLED_ACTIVATIONS = 2, 4  # of the generator's own, from the first on
# What stays in float in int8 files besides the least, where less does not reach the PSNR wanted.
FLOAT_LAYERS = ((), ("fine_modulation", "detail_modulation"), ("fine_block",))
LEAST_INT8_PSNR, WANTED_INT8_PSNR = 30.0, 31.5  # dB against float32: refused below, aimed at
CULTURES_A_PICTURE = 3  # that each picture is calibrated and compared in


def save_model(model: CultureModel, folder, facts: dict, size: int | None = None) -> None:
    """Writes a SavedModel with the three signatures and `model.json` in its assets.

    `size` fixes height and width in pixels; None leaves them free (multiples of 8).
    """
    import keras
    import tensorflow as tf

    picture = tf.TensorSpec((1, size, size, 3), tf.float32, "image")
    mixture = tf.TensorSpec((1, len(model.cultures)), tf.float32, "mixture")
    style = tf.TensorSpec((1, model.config.code_size), tf.float32, "style")
    strength = tf.TensorSpec((1, 1), tf.float32, "strength")
    codes = np.asarray(model.fusion.codes())  # constant, so the mapping network need not travel

    def stylize(image, mixture, strength):
        return {"stylized": model.stylize_with(image, model.fusion(mixture, codes), strength)}

    endpoints = {
        "stylize": (stylize, [picture, mixture, strength]),
        "encode_style": (lambda i: {"style": model.encode_style(i)}, [picture]),
        "stylize_with": (
            lambda i, c, s: {"stylized": model.stylize_with(i, c, s)},
            [picture, style, strength],
        ),
    }
    archive = keras.export.ExportArchive()  # tracks what endpoints use; `track` writes it twice
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=signature)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints every variable
        archive.write_out(str(folder))
    write_json(pathlib.Path(folder) / "assets" / "model.json", facts)


def convert(
    model: CultureModel, facts: dict, size: int, precisions, pictures, checked=None
) -> dict[str, bytes]:
    """TFLite content per precision, all signatures in each, `facts` in its metadata.

    Args:
        pictures: `[N, size, size, 3]`, for the ranges of int8; a few dozen are enough.
        checked: `[M, size, size, 3]`, on which int8 is compared with the model to decide how much
            stays in float; None takes `pictures`.
    """
    with tempfile.TemporaryDirectory() as folder:
        save_model(model, folder, facts, size)
        contents = {}
        for precision in precisions:
            if precision == "int8":
                content = _convert_int8(folder, model, pictures, checked)
            else:
                content = _converter(folder, precision).convert()
            described = {**facts, "size": size, "precision": precision}
            contents[precision] = tflite.write_metadata(content, described)
    return contents


def float_operations(calibrated: bytes, level: int = 0) -> list[str]:
    """Names of the operations that int8 files keep in float.

    The whitening layers (roots of covariances do not survive 8 bits), the content encoder's second
    convolution with the activations around it (whitening magnifies what they lose; its other
    convolutions cost 0.1 dB and save time), what makes the style code out of a mixture, and the
    style encoder from its first mean on (channel statistics): little work, and the places where
    most of the error would arise. From level 1 on also the modulations at 1/4 and 1/2 resolution,
    with the sums before and the activations after them; from level 2 on the block at 1/4.
    """
    names, statistics_reached, activations = [], set(), collections.Counter()
    layers = [name for part in FLOAT_LAYERS[: level + 1] for name in part]
    for graph, operator, tensor in tflite.operations(calibrated):
        if operator == "MEAN" and "style_encoder" in tensor:
            statistics_reached.add(graph)
        # The codes' large matrices are quantised: in float they would take 0.5 MB for 0.03 dB.
        whitening = "colouring" in tensor and operator != "FULLY_CONNECTED"
        kept = "/content_quarter" in tensor or any(f"/{layer}" in tensor for layer in layers)
        if re.match(r"generator[^/]*/[^/]*$", tensor):  # between layers
            if operator == "LEAKY_RELU":
                activations[graph] += 1
                most = STYLED_ACTIVATIONS if level else ENCODER_ACTIVATIONS
                kept = activations[graph] <= most
            kept |= operator == "ADD" and level > 0
        if kept or whitening or "fusion" in tensor or graph in statistics_reached:
            names.append(tensor)
    return names


def parity(model: CultureModel, pictures, saved_model, files: dict[str, pathlib.Path]) -> dict:
    """Keras against a SavedModel against TFLite files (by precision) on `[N, H, W, 3]`.

    Returns the largest absolute differences from Keras (float) and the PSNR in dB against Keras
    float32 over all pictures and of the worst (int8). Raises `InputError` past a tolerance.
    """
    import tensorflow as tf

    expected = _outputs(model, pictures, _runs_of(model))
    signatures = tf.saved_model.load(str(saved_model)).signatures
    found = {
        "saved_model": _outputs(
            model,
            pictures,
            lambda name, **inputs: {
                key: value.numpy()
                for key, value in signatures[name](
                    **{k: tf.constant(v) for k, v in inputs.items()}
                ).items()
            },
        )
    }
    found |= {name: _outputs(model, pictures, tflite.Runner(path)) for name, path in files.items()}
    measures = {}
    for name, outputs in found.items():
        squares = _squares(outputs, expected)
        measures[name] = {
            "largest_difference": max(
                float(np.max(np.abs(a - b)))
                for key in ("pictures", "styles")
                for a, b in zip(outputs[key], expected[key], strict=True)
            ),
            "psnr": _psnr(squares.mean()),
            "worst_psnr": _psnr(squares.max()),
        }
        _check_parity(name, measures[name], files.get(name, saved_model))
    return measures


def _check_parity(name: str, measure: dict, path) -> None:
    # Comparisons are written so that NaN fails them.
    if name == "int8":
        good = measure["psnr"] >= LEAST_INT8_PSNR
        reason = f"PSNR {measure['psnr']:.1f} dB, at least {LEAST_INT8_PSNR:.0f} dB wanted"
    else:
        limit = TOLERANCES.get(name, TOLERANCES["float32"])
        good = measure["largest_difference"] <= limit
        reason = f"difference {measure['largest_difference']:.2g}, at most {limit:.0e} wanted"
    if not good:
        raise InputError(
            f"{pathlib.Path(path).name} does not agree with the Keras model ({reason}); nothing "
            "was exported: train longer, give --pictures like those to restyle, or leave it out"
        )


def _runs_of(model):
    """The signatures of a Keras model, as `_outputs` calls them."""
    return lambda name, **inputs: {"any": np.asarray(getattr(model, name)(*inputs.values()))}


def _squares(outputs, expected) -> np.ndarray:
    """The mean squared difference of each restyled picture."""
    pairs = zip(outputs["pictures"], expected["pictures"], strict=True)
    return np.array([np.mean(np.square(a - b)) for a, b in pairs])


def _outputs(model, pictures, run) -> dict[str, list]:
    """Restyled pictures (by mixture and by style, each in some cultures) and style codes of one
    implementation."""
    result = {"pictures": [], "styles": []}
    strength = np.ones((1, 1), np.float32)
    for index, picture in enumerate(pictures):
        image = np.asarray(picture, np.float32)[None]
        for mixture in _mixtures(model, index):
            style = np.asarray(model.fusion(mixture))
            for name, inputs in (
                ("stylize", {"image": image, "mixture": mixture, "strength": strength}),
                ("stylize_with", {"image": image, "style": style, "strength": strength}),
            ):
                result["pictures"].append(next(iter(run(name, **inputs).values())))
        result["styles"].append(next(iter(run("encode_style", image=image).values())))
    return result


def _mixtures(model, index: int) -> list:
    """The cultures that picture number `index` is calibrated and compared in, `[1, K]` each."""
    count = len(model.cultures)
    every = np.eye(count, dtype=np.float32)
    numbers = np.arange(min(CULTURES_A_PICTURE, count)) + CULTURES_A_PICTURE * index
    return [every[[number]] for number in numbers % count]


def _convert_int8(folder, model, pictures, checked) -> bytes:
    """Calibrates a float file on pictures, then quantises all but `float_operations`, of the first
    level that reaches the PSNR; the last, where none does.

    QuantizationDebugger offers the same choice but knows a single signature; these are its steps.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    converter = _converter(folder, "int8")
    converter.representative_dataset = lambda: _calibration(model, pictures)
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    checked = pictures if checked is None else checked
    expected = _outputs(model, checked, _runs_of(model))
    file = pathlib.Path(folder) / "int8.tflite"
    for level in range(len(FLOAT_LAYERS)):
        content = mlir_quantize(calibrated, denylisted_nodes=float_operations(calibrated, level))
        file.write_bytes(tflite.made_here(content))
        squares = _squares(_outputs(model, checked, tflite.Runner(file)), expected)
        if _psnr(squares.mean()) >= WANTED_INT8_PSNR:
            break
    return content


def _calibration(model, pictures):
    """Every signature on pictures: each with some cultures, an example's style, and no style."""
    for index, picture in enumerate(pictures):
        image = np.asarray(picture, np.float32)[None]
        strength = np.full((1, 1), 0.0 if index % 8 == 7 else 1.0, np.float32)
        styles = [np.asarray(model.encode_style(image))]
        for mixture in _mixtures(model, index):
            yield "stylize", {"image": image, "mixture": mixture, "strength": strength}
            styles.append(np.asarray(model.fusion(mixture)))
        yield "encode_style", {"image": image}
        for style in styles:
            yield "stylize_with", {"image": image, "style": style, "strength": strength}


def _converter(folder, precision: str):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder), signature_keys=list(SIGNATURES)
    )
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter


def _psnr(mean_square: float) -> float:
    return float(-10.0 * np.log10(max(mean_square, 1e-12)))
