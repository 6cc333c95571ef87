"""Fixed feature backbones: picture in [0, 1] to a dictionary of named taps.

A backbone owns its preprocessing. `build_backbone` is the one door; weights are asked for by
name and never replaced silently by others.
"""

import pathlib
import zipfile

import keras
import numpy as np
from keras import ops

from stylegan_culture.config import InputError

WEIGHTS_HELP = "random, imagenet, or a path"
VGG_DEPTHS = (2, 2, 4, 4, 1)  # convolutions before each tap's next pool; the last tap is conv51


class InceptionResNetV2(keras.Model):
    """InceptionResNetV2 (arXiv 1602.07261) up to `block35_10`, with five taps.

    Taps: `stem_3` and `stem_5` (the activations before the two pools), `mixed_5b`, `block35_5`
    and `block35_10`. Pictures `[B, H, W, 3]` in [0, 1], at least 75 px a side. The stem pads
    VALID: 256 px give maps of 125, 60, 29, 29 and 29 px.

    Args:
        weights: "random" (seeded, He-normal kernels), "imagenet" (downloaded by keras), or the
            path of a `.weights.h5` file of this very model.
        seed: of the random weights.
    """

    content_tap = "mixed_5b"
    least_size = 75

    def __init__(self, weights: str = "random", seed: int = 0, **kwargs):
        super().__init__(trainable=False, **kwargs)
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)
        try:
            network = _load_application(weights)
        finally:
            keras.config.set_dtype_policy(policy)
        activations = [x for x in network.layers if isinstance(x, keras.layers.Activation)]
        taps = {"stem_3": activations[2], "stem_5": activations[4]}
        for name in ("mixed_5b", "block35_5_ac", "block35_10_ac"):
            taps[name.removesuffix("_ac")] = network.get_layer(name)
        outputs = {name: layer.output for name, layer in taps.items()}
        self.network = keras.Model(network.input, outputs)
        if weights == "random":
            _seed_kernels(self.network, seed)
        elif weights != "imagenet":
            _load_weights(self.network, weights)

        self.taps = tuple(outputs)

    def call(self, image):
        return self.network(ops.cast(2.0 * image - 1.0, self.compute_dtype), training=False)


def _load_application(weights: str):
    """Keras's own architecture; the offline error says which file is missing and where it goes."""
    source = "imagenet" if weights == "imagenet" else None
    try:
        return keras.applications.InceptionResNetV2(include_top=False, weights=source)
    except Exception as error:
        if source is None:
            raise
        name = "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
        raise InputError(
            f"the ImageNet weights could not be downloaded ({error}); put {name} into "
            f"{pathlib.Path.home() / '.keras' / 'models'}, or choose other weights: {WEIGHTS_HELP}"
        ) from None


def _seed_kernels(network, seed: int) -> None:
    """He-normal kernels from a NumPy generator: the same features on every machine."""
    generator = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            fan_in = int(np.prod(layer.kernel.shape[:3]))
            kernel = generator.normal(0.0, (2.0 / fan_in) ** 0.5, layer.kernel.shape)
            layer.kernel.assign(kernel.astype("float32"))


def _load_weights(network, path: str) -> None:
    if not pathlib.Path(path).is_file():
        raise InputError(f"no backbone weights at {path}; choose among: {WEIGHTS_HELP}")
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} does not fit InceptionResNetV2 to block35_10: {reason}") from None


class DistilledVGG19(keras.Model):
    """VGG-19 with a sixteenth of its parameters, taps relu1_1 to relu5_1.

    Wang et al., Collaborative Distillation, arXiv 2003.08436. The weights are a NumPy archive
    with `NAME/kernel` and `NAME/bias` for conv0 (a 1x1 layer that turns RGB in [0, 1] into VGG's
    mean-free BGR) and conv11 to conv51; every 3x3 convolution pads by reflection.
    """

    content_tap = "relu4_1"
    taps = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    least_size = 64

    def __init__(self, weights: str, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.kernels = {}
        for name, (kernel, bias) in _read_archive(weights).items():
            self.kernels[name] = (
                self._constant(f"{name}_kernel", kernel),
                self._constant(f"{name}_bias", bias),
            )
        self.built = True

    def _constant(self, name, value):
        return self.add_weight(
            shape=value.shape,
            initializer=lambda shape, dtype=None: ops.cast(value, dtype),
            trainable=False,
            name=name,
        )

    def call(self, image):
        """Taps `{name: [B, H / 2^k, W / 2^k, C]}`, k from 0 to 4; H and W multiples of 16."""
        features, taps = self._convolve("conv0", ops.cast(image, self.compute_dtype)), {}
        for block, depth in enumerate(VGG_DEPTHS, start=1):
            if block > 1:
                features = ops.max_pool(features, 2, 2)
            for position in range(1, depth + 1):
                features = ops.relu(self._convolve(f"conv{block}{position}", features))
                if position == 1:
                    taps[f"relu{block}_1"] = features
        return taps

    def _convolve(self, name, features):
        kernel, bias = (ops.cast(x, self.compute_dtype) for x in self.kernels[name])
        if kernel.shape[0] > 1:
            features = ops.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
        return ops.conv(features, kernel, padding="valid") + bias


def _read_archive(path: str) -> dict:
    """`{layer: (kernel [k, k, C, F], bias [F])}` of the layers in use."""
    if not pathlib.Path(path).is_file():
        raise InputError(f"no backbone weights at {path}; vgg19_16x needs the path of an .npz file")
    names = ["conv0"] + [f"conv{b}{i + 1}" for b, n in enumerate(VGG_DEPTHS, 1) for i in range(n)]
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            return {n: (archive[f"{n}/kernel"], archive[f"{n}/bias"]) for n in names}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} does not hold a distilled VGG-19: {error}") from None


BACKBONES = {"inception_resnet_v2": InceptionResNetV2, "vgg19_16x": DistilledVGG19}


def build_backbone(name: str, weights: str, **kwargs):
    """The backbone of that name with those weights; `InputError` where either is unknown."""
    if name not in BACKBONES:
        raise InputError(f"unknown backbone {name!r}; there are {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name](weights=weights, **kwargs)
