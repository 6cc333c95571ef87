"""The one door to feature backbones: by name and weights, never replaced silently.

A backbone turns pictures `[B, H, W, 3]` in [0, 1] into named taps `{name: [B, h, w, C]}`:
`backbone(image, taps=None)` as its architecture pads, `backbone.aligned(image, taps=None)` on the
picture's own grid (height and width multiples of `backbone.multiple`). Preprocessing is inside.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import typing
import warnings
from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from stylegan_culture.arrays import read_archive
from stylegan_culture.config import WEIGHTS_HELP, InputError, reason, shipped_file
from stylegan_culture.features.archived import DistilledVGG19, MobileNetV1, check_runs
from stylegan_culture.features.inception import InceptionResNetV2, arrays_of_application
from stylegan_culture.files import written_whole

if typing.TYPE_CHECKING:
    import tensorflow as tf

# ImageNet means in blue, green, red order, 0 to 255; VGG19 and ResNet50 expect pictures less them.
IMAGENET_BGR = (103.939, 116.779, 123.68)
EMBEDDING = 128


class Application(keras.Model):
    """A network of keras.applications as a fixed extractor of named taps.

    Pictures `[B, H, W, 3]` in [0, 1], at least `least_size` px a side; taps `{name: [B, h, w, C]}`
    in order of depth, computed no deeper than the deepest wanted.

    A subclass names the `application`, the layer of each tap in order of depth (`layer_of`), and
    the pixels between two positions of the first tap (`finest`), which double from tap to tap.
    `source` of the weights: None for new ones, or "imagenet".
    """

    least_size = 75

    def __init__(self, source: str | None = None, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.network = network = _without_top(self.application, source, kwargs.get("dtype"))
        self.outputs_by_tap = {t: network.get_layer(n).output for t, n in self.layer_of.items()}
        self.taps = tuple(self.layer_of)
        self.strides = {tap: self.finest * 2**level for level, tap in enumerate(self.taps)}
        self.multiple = max(self.strides.values())  # pixels; heights and widths of `aligned`
        self.cuts = {}
        self.built = True

    def call(self, image: tf.Tensor, taps: Iterable[str] | None = None) -> dict:
        wanted = self.taps if taps is None else tuple(taps)
        unknown = [tap for tap in wanted if tap not in self.taps]
        if unknown:
            raise ValueError(f"taps are {', '.join(self.taps)}, not {', '.join(unknown)}")
        if wanted not in self.cuts:
            outputs = {tap: self.outputs_by_tap[tap] for tap in self.taps if tap in wanted}
            self.cuts[wanted] = keras.Model(self.network.input, outputs)
        colours = ops.cast(self.prepared(image), self.compute_dtype)
        return self.cuts[wanted](colours, training=False)

    @staticmethod
    def prepared(image: tf.Tensor) -> tf.Tensor:
        """Pictures in [0, 1] as the network was trained to get them."""
        return 255.0 * image[..., ::-1] - np.array(IMAGENET_BGR, np.float32)

    def aligned(self, image: tf.Tensor, taps: Iterable[str] | None = None) -> dict:
        """The same: maps lie on the picture's grid where H and W are multiples of `multiple`."""
        return self(image, taps=taps)

    def calibrate(self, pictures: np.ndarray) -> None:
        """Makes every batch normalisation use its moments on these pictures."""
        norms = [x for x in self.network.layers if isinstance(x, keras.layers.BatchNormalization)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum, norm.trainable = 0.0, True
        self.network(self.prepared(pictures), training=True)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum, norm.trainable = momentum, False

    def named_variables(self) -> dict:
        """Every variable by `layer/kind`, for instance `block1_conv1/kernel`."""
        return {f"{x.name}/{v.name}": v for x in self.network.layers for v in x.variables}


class VGG19(Application):
    """VGG19 (arXiv 1409.1556), taps relu1_1 to relu5_1 with strides 1 to 16."""

    application = staticmethod(lambda **given: keras.applications.VGG19(**given))
    layer_of = {f"relu{block}_1": f"block{block}_conv1" for block in range(1, 6)}
    finest, content_tap = 1, "relu4_1"

    def calibrate(self, pictures: np.ndarray) -> None:
        """Scales kernels and biases, first to last, so that each channel's pre-activation has
        mean 0 and deviation 1 on these pictures (LSUV, arXiv 1511.06422, per channel)."""
        features = self.prepared(pictures)
        for layer in self.network.layers[1:]:
            if isinstance(layer, keras.layers.Conv2D):
                before = ops.conv(features, layer.kernel, padding="same")
                mean, variance = ops.moments(before, axes=(0, 1, 2))
                deviation = ops.sqrt(variance + 1e-6)
                layer.kernel.assign(layer.kernel / deviation)
                layer.bias.assign(-mean / deviation)
            features = layer(features)


class ResNet50(Application):
    """ResNet50 (arXiv 1512.03385), taps conv1 to conv5 (after each stage) with strides 2 to 32."""

    application = staticmethod(lambda **given: keras.applications.ResNet50(**given))
    layer_of = {
        "conv1": "conv1_relu",
        "conv2": "conv2_block3_out",
        "conv3": "conv3_block4_out",
        "conv4": "conv4_block6_out",
        "conv5": "conv5_block3_out",
    }
    finest, content_tap = 2, "conv4"

    def embedding(self, image: tf.Tensor) -> tf.Tensor:
        """The picture as 128 numbers of length 1: `[B, H, W, 3] -> [B, 128]`.

        The mean of the last stage through a fixed, seeded orthonormal projection, which keeps
        distances approximately (Johnson and Lindenstrauss, 1984).
        """
        last = ops.cast(self(image, taps=("conv5",))["conv5"], "float32")
        pooled = ops.mean(last, axis=(1, 2))
        return ops.normalize(ops.matmul(pooled, _projection(pooled.shape[-1])), axis=-1)


class MobileNetV2(Application):
    """MobileNetV2 1.0 (arXiv 1801.04381), taps with strides 4 to 32, named by them."""

    application = staticmethod(lambda **given: keras.applications.MobileNetV2(**given))
    layer_of = {
        "stage_4": "block_2_add",
        "stage_8": "block_5_add",
        "stage_16": "block_12_add",
        "stage_32": "out_relu",
    }
    finest, content_tap, least_size = 4, "stage_8", 32

    def __init__(self, source: str | None = None, **kwargs):
        with warnings.catch_warnings():  # of any size, so Keras says that it takes those of 224 px
            warnings.simplefilter("ignore", UserWarning)
            super().__init__(source, **kwargs)

    @staticmethod
    def prepared(image: tf.Tensor) -> tf.Tensor:
        """Red, green and blue from -1 to 1."""
        return 2.0 * image - 1.0


@functools.cache
def _projection(channels: int) -> np.ndarray:
    """`[channels, 128]` with orthonormal columns."""
    gaussian = np.random.default_rng(EMBEDDING).normal(size=(channels, EMBEDDING))
    return np.linalg.qr(gaussian)[0].astype("float32")


def _without_top(
    application: typing.Callable, source: str | None, dtype: str | keras.DTypePolicy | None
) -> keras.Model:
    """A new network without its top; layers of keras.applications take the global policy."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype or policy)
    try:
        return application(include_top=False, weights=source)
    finally:
        keras.config.set_dtype_policy(policy)


BACKBONES = {
    "inception_resnet_v2": InceptionResNetV2,
    "vgg19": VGG19,
    "resnet50": ResNet50,
    "vgg19_16x": DistilledVGG19,
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v2": MobileNetV2,
}
ARCHIVED = ("vgg19_16x", "mobilenet_v1")  # whose weights are always the path of a file
MARGIN = 32  # pixels, a multiple of every stride
CULTURE_WEIGHTS = ("culture_backbone", "weights.npz")
IMAGENET_FILES = {
    "inception_resnet_v2": "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "vgg19": "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "resnet50": "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "mobilenet_v2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
}


def build_backbone(
    name: str, weights: str = "culture", seed: int = 0, dtype: str | keras.DTypePolicy | None = None
) -> keras.Model:
    """A backbone with its weights.

    Args:
        name: one of `BACKBONES`.
        weights: "culture", this project's pretrained InceptionResNetV2; "imagenet", which keras
            downloads once; "random", seeded He-normal kernels whose layers are then calibrated to
            variance 1 on seeded noise with the spectrum of natural pictures; or a path.
        seed: of the random weights.
        dtype: Keras dtype policy.

    Returns:
        The backbone, with `fingerprint`, which is another for other weights.

    Raises:
        InputError: unknown name, weights that this backbone has not, or a bad file.
    """
    if name not in BACKBONES:
        raise InputError(f"unknown backbone {name!r}; there are {', '.join(sorted(BACKBONES))}")
    if name in ARCHIVED:
        if weights in ("culture", "random", "imagenet"):
            raise InputError(f"{name} has no weights {weights!r}; give the path of its .npz file")
        backbone = BACKBONES[name](weights, dtype=dtype, name=name)
        grey = np.full((1, *2 * (backbone.least_size,), 3), 0.5, np.float32)
        check_runs(weights, lambda: backbone(grey).values(), f"weights of {name}")
    elif weights == "imagenet":
        backbone = _with_imagenet(name, dtype)
    elif weights == "random":
        backbone = BACKBONES[name](dtype=dtype, name=name)
        _randomise(backbone, seed)
    else:
        backbone = _with_file(name, _path_of(name, weights), dtype)
    backbone.fingerprint = fingerprint(backbone) if weights != "random" else f"random-{seed}"
    return backbone


def fingerprint(backbone: keras.Model) -> str:
    """Sixteen hexadecimal digits that name a backbone's weights (SHA-256 of their values)."""
    digest = hashlib.sha256()
    for variable in backbone.variables:
        digest.update(np.ascontiguousarray(np.asarray(variable, np.float32)).tobytes())
    return digest.hexdigest()[:16]


def check_size(backbone: keras.Model, height: int, width: int) -> None:
    """Raises `InputError` for a picture that is too small for the backbone."""
    if min(height, width) < backbone.least_size:
        raise InputError(
            f"a picture of {width}x{height} pixels is too small for {backbone.name}, which needs "
            f"{backbone.least_size} a side; enlarge it first"
        )


def features_inside(backbone: keras.Model, image: tf.Tensor, taps: Iterable[str]) -> dict:
    """The features that a picture would have in the middle of a larger one.

    `[B, H, W, 3]` in [0, 1], H and W multiples of `backbone.multiple`, to
    `{tap: [B, H / stride, W / stride, C]}` float32. The picture is mirrored outwards by `MARGIN`
    pixels, and the maps are cut back: the zeros that a backbone pads with change features many
    positions inwards, which restyled pictures would show as a frame.
    """
    sides = [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)]
    features = backbone.aligned(np.pad(image, sides, "reflect"), taps=tuple(taps))
    inside = {}
    for tap, value in features.items():
        cut = MARGIN // backbone.strides[tap]
        inside[tap] = ops.cast(value[:, cut:-cut, cut:-cut], "float32")
    return inside


def noise_pictures(seed: int, count: int = 4, size: int = 96) -> np.ndarray:
    """Pictures `[count, size, size, 3]` of noise whose amplitude falls with 1/frequency, as that
    of natural pictures does; mean 0.5, deviation 0.2, clipped to [0, 1]."""
    generator = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    falling = 1.0 / np.maximum(np.hypot(rows, columns), 1.0 / size)
    white = generator.normal(size=(count, 3, size, size))
    noise = np.fft.irfft2(np.fft.rfft2(white) * falling, (size, size))
    noise -= noise.mean(axis=(2, 3), keepdims=True)
    noise *= 0.2 / noise.std(axis=(2, 3), keepdims=True)
    return np.clip(0.5 + noise, 0.0, 1.0).transpose(0, 2, 3, 1).astype(np.float32)


def _randomise(backbone: keras.Model, seed: int) -> None:
    """He-normal kernels from a NumPy generator, then a calibration, without which the deep layers
    hardly tell pictures apart."""
    if backbone.compute_dtype != "float32":
        # Drawn and calibrated in float32, so that a seed has the same weights in any precision.
        single = type(backbone)(dtype="float32")
        _randomise(single, seed)
        _assign(backbone, single.named_variables())
        return
    generator = np.random.default_rng(seed)
    for name, variable in backbone.named_variables().items():
        if name.endswith("/kernel"):
            deviation = (2.0 / np.prod(variable.shape[:3])) ** 0.5
            values = generator.normal(0.0, deviation, variable.shape)
            variable.assign(values.astype(np.float32))
    pictures = noise_pictures(seed)
    if isinstance(backbone, InceptionResNetV2):
        backbone(pictures, calibrate=True)
    else:
        backbone.calibrate(pictures)


def _with_imagenet(name: str, dtype: str | keras.DTypePolicy | None) -> keras.Model:
    try:
        if name != "inception_resnet_v2":
            return BACKBONES[name](source="imagenet", dtype=dtype, name=name)
        application = keras.applications.InceptionResNetV2(include_top=False, weights="imagenet")
    except Exception as error:  # urllib, h5py and keras each raise their own
        # where keras.utils.get_file looks for weights
        home = pathlib.Path(os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras")) / "models"
        raise InputError(
            f"the ImageNet weights could not be downloaded or read ({reason(error)}); put "
            f"{IMAGENET_FILES[name]} into {home}, or choose other weights: {WEIGHTS_HELP}"
        ) from None
    backbone = InceptionResNetV2(dtype=dtype, name=name)
    _assign(backbone, arrays_of_application(application, backbone))
    return backbone


def _path_of(name: str, weights: str) -> pathlib.Path:
    if weights != "culture":
        return pathlib.Path(weights)
    if name != "inception_resnet_v2":
        raise InputError(
            f"there are no culture weights for {name}, only for inception_resnet_v2; "
            f"choose among: {WEIGHTS_HELP}"
        )
    path = shipped_file(*CULTURE_WEIGHTS)
    if path is None:
        raise InputError(
            f"{'/'.join(CULTURE_WEIGHTS)} is missing from saved_models; restore it from the "
            f"repository, or choose other weights: {WEIGHTS_HELP}"
        )
    return path


def _with_file(name: str, path: pathlib.Path, dtype: str | keras.DTypePolicy | None) -> keras.Model:
    try:
        values = read_archive(path, f"weights of {name}")
    except FileNotFoundError:
        raise InputError(f"no backbone weights at {path}; choose among: {WEIGHTS_HELP}") from None
    backbone = BACKBONES[name](dtype=dtype, name=name)
    try:
        _assign(backbone, values)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} does not hold weights of {name}: {reason(error)}") from None
    return backbone


def save_weights(path: pathlib.Path, backbone: keras.Model) -> None:
    """Writes a backbone's weights for `build_backbone(name, path)`: an .npz file in float16, but
    for variances, which may not fit. The file appears whole or not at all."""
    arrays = {
        name: np.asarray(variable, np.float32 if name.endswith("variance") else np.float16)
        for name, variable in backbone.named_variables().items()
    }
    with written_whole(path) as file:
        np.savez_compressed(file, **arrays)


def _assign(backbone: keras.Model, arrays: dict) -> None:
    """Sets every variable, after all have been compared; KeyError or ValueError otherwise."""
    named = backbone.named_variables()
    values = {name: np.asarray(arrays[name], np.float32) for name in named}
    for name, variable in named.items():
        if values[name].shape != tuple(variable.shape):
            raise ValueError(f"{name} is {values[name].shape}, not {tuple(variable.shape)}")
        if name.endswith("variance") and values[name].min() < 0.0:
            raise ValueError(f"{name} is below 0")
    for name, variable in named.items():
        variable.assign(values[name])
