"""From a network to its files: SavedModel, TFLite in every precision, and whether they agree."""

import contextlib
import dataclasses
import io
import math
import pathlib
import tempfile
import typing

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.deploy import tflite
from stylegan_culture.files import write_json
from stylegan_culture.later import later

keras, tf = later("keras"), later("tensorflow")
PRECISIONS = ("float32", "float16", "int8")
LARGEST_DIFFERENCE = 1e-3  # of SavedModel and float32 files from Keras
WANTED_INT8_PSNR = 31.5  # dB against Keras: more stays in float until it is reached

Call = tuple[str, dict[str, np.ndarray]]  # a signature's name and its inputs


@dataclasses.dataclass(frozen=True, eq=False)
class Signature:
    """An entry point of a network's files: a function of the inputs in order to `{name: tensor}`,
    and the inputs' shapes by name, where None stands for the sides of a picture."""

    function: typing.Callable[..., dict[str, "tf.Tensor"]]
    inputs: dict[str, tuple[int | None, ...]]


@dataclasses.dataclass(frozen=True)
class Limits:
    """How far files may differ from the Keras network: values in [0, 1], PSNR in dB."""

    largest_half: float = math.inf  # difference of one value, of float16 files
    least_half_psnr: float = 0.0
    least_int8_psnr: float = 30.0


@dataclasses.dataclass(frozen=True, eq=False)
class Exportable:
    """What differs between networks that become files.

    Fields:
        name: part of its files' names; "" for the only network of a folder.
        signatures: by name.
        run: the Keras network itself: `run(signature, **inputs)` to an array.
        calls: the calls to compare: `calls(number, picture [1, H, W, 3])` of a test picture.
        limits: how far files may differ.
        facts: for model.json and the files' metadata, such as source and target.
        calibration: the calls that set the ranges of int8, of pictures `[N, S, S, 3]`.
        float_layers: `float_layers(calibrated file, level)` names operations that int8 keeps in
            float; each higher level, up to `levels`, names more.
        columns: functions `[1, H, W, 3] -> [1, H', W', 3]` of the sample sheet.
    """

    name: str
    signatures: dict[str, Signature]
    run: typing.Callable[..., np.ndarray]
    calls: typing.Callable[[int, np.ndarray], typing.Iterable[Call]]
    limits: Limits = Limits()
    facts: dict = dataclasses.field(default_factory=dict)
    calibration: typing.Callable[[np.ndarray], typing.Iterable[Call]] | None = None
    float_layers: typing.Callable[[bytes, int], list[str]] | None = None
    levels: int = 1
    columns: typing.Sequence[typing.Callable] = ()


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How a file agrees with the Keras network: PSNR in dB of its pictures, and of the worst."""

    largest_difference: float
    psnr: float
    worst_psnr: float


def save(
    network: Exportable, folder: str | pathlib.Path, facts: dict, size: int | None = None
) -> None:
    """Writes a SavedModel with the network's signatures and `model.json` in its assets.
    `size` fixes height and width in pixels; None leaves them free."""
    archive = keras.export.ExportArchive()  # tracks what endpoints use; `track` writes it twice
    for name, signature in network.signatures.items():
        specifications = [
            tf.TensorSpec([size if side is None else side for side in shape], tf.float32, key)
            for key, shape in signature.inputs.items()
        ]
        archive.add_endpoint(name, signature.function, input_signature=specifications)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints every variable
        archive.write_out(str(folder))
    write_json(pathlib.Path(folder) / "assets" / "model.json", {**facts, **network.facts})


def convert(
    network: Exportable,
    facts: dict,
    size: int,
    precisions: typing.Iterable[str],
    pictures: np.ndarray,
    checked: np.ndarray | None = None,
) -> dict[str, bytes]:
    """TFLite content by precision, all signatures in each, `facts` in its metadata.

    size: of the pictures that the files take, pixels a side. pictures: `[N, size, size, 3]`, for
    the ranges of int8; a few dozen are enough. checked: `[M, size, size, 3]`, on which int8 is
    compared with the network to decide how much stays in float; None takes `pictures`.
    """
    contents = {}
    with tempfile.TemporaryDirectory() as folder:
        save(network, folder, facts, size)
        for precision in precisions:
            converter = _converter(network, folder, precision)
            if precision == "int8":
                checked = pictures if checked is None else checked
                content = _quantise(network, converter, pictures, checked)
            else:
                content = converter.convert()
            described = {**facts, **network.facts, "size": size, "precision": precision}
            contents[precision] = tflite.write_metadata(content, described)
    return contents


def parity(
    network: Exportable,
    pictures: np.ndarray,
    saved_model: pathlib.Path,
    files: dict[str, pathlib.Path],
) -> dict[str, Agreement]:
    """Compares a SavedModel and TFLite files (by precision) with Keras on `[N, H, W, 3]`: the
    agreement by file name; `InputError` where it is too small."""
    signatures = tf.saved_model.load(str(saved_model)).signatures

    def run_saved(name: str, **inputs: np.ndarray) -> np.ndarray:
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        return next(iter(signatures[name](**tensors).values())).numpy()

    expected = _outputs(network, pictures, network.run)
    runs = {"saved_model": (saved_model, run_saved)}
    runs |= {precision: (path, _runner(path)) for precision, path in files.items()}
    agreements = {}
    for precision, (path, run) in runs.items():
        outputs = _outputs(network, pictures, run)
        squares = _squares(outputs, expected)
        agreement = Agreement(
            max(float(np.max(np.abs(a - b))) for a, b in zip(outputs, expected, strict=True)),
            _psnr(squares.mean()),
            _psnr(squares.max()),
        )
        _check(agreement, precision, network.limits, path)
        agreements[path.name] = agreement
    return agreements


def _check(agreement: Agreement, precision: str, limits: Limits, path: pathlib.Path) -> None:
    """Raises `InputError` where a file differs too much."""
    largest, psnr = {
        "float16": (limits.largest_half, limits.least_half_psnr),
        "int8": (math.inf, limits.least_int8_psnr),
    }.get(precision, (LARGEST_DIFFERENCE, 0.0))
    # Written so that NaN fails.
    if not (agreement.largest_difference <= largest and agreement.psnr >= psnr):
        wanted = f"at most {largest:g}" if largest < math.inf else f"at least {psnr:.0f} dB"
        raise InputError(
            f"{path.name} does not agree with the Keras model (largest difference "
            f"{agreement.largest_difference:.2g}, PSNR {agreement.psnr:.1f} dB, {wanted} wanted); "
            "nothing was exported: train longer, give --pictures like those to restyle, or leave "
            f"{precision} out"
        )


def _runner(path: pathlib.Path) -> typing.Callable[..., np.ndarray]:
    runner = tflite.Runner(path)
    return lambda name, **inputs: next(iter(runner(name, **inputs).values()))


def _outputs(network: Exportable, pictures: np.ndarray, run: typing.Callable) -> list[np.ndarray]:
    """The result of every call of the comparison."""
    return [
        run(name, **inputs)
        for number, picture in enumerate(pictures)
        for name, inputs in network.calls(number, np.asarray(picture, np.float32)[None])
    ]


def _squares(outputs: list[np.ndarray], expected: list[np.ndarray]) -> np.ndarray:
    """The mean squared difference of each picture; style codes are left out."""
    pairs = zip(outputs, expected, strict=True)
    return np.array([np.mean(np.square(a - b)) for a, b in pairs if b.ndim == 4])


def _psnr(mean_square: float) -> float:
    return float(-10.0 * np.log10(max(mean_square, 1e-12)))


def _quantise(
    network: Exportable,
    converter: "tf.lite.TFLiteConverter",
    pictures: np.ndarray,
    checked: np.ndarray,
) -> bytes:
    """Calibrates a float file on pictures, then quantises all but the network's float layers: those
    of the first level that reaches the PSNR, or else of the last level.

    QuantizationDebugger offers the same choice but knows a single signature; these are its steps.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    converter.representative_dataset = lambda: network.calibration(pictures)
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    expected = _outputs(network, checked, network.run)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "int8.tflite"
        for level in range(network.levels):
            content = mlir_quantize(
                calibrated, denylisted_nodes=network.float_layers(calibrated, level)
            )
            file.write_bytes(tflite.made_here(content))
            squares = _squares(_outputs(network, checked, _runner(file)), expected)
            if _psnr(squares.mean()) >= WANTED_INT8_PSNR:
                break
    return content


def _converter(network: Exportable, folder: str, precision: str) -> "tf.lite.TFLiteConverter":
    converter = tf.lite.TFLiteConverter.from_saved_model(
        folder, signature_keys=list(network.signatures)
    )
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter
