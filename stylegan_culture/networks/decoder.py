"""The decoder of a backbone's tap: features back to the picture that they came from."""

import keras
import numpy as np

from stylegan_culture.arrays import one_text, read_archive
from stylegan_culture.config import InputError, shortened
from stylegan_culture.files import written_whole
from stylegan_culture.networks.blocks import ACTIVATED, Convolution, UpConvolution, leaky_relu

MOST_CHANNELS = 4096  # of a tap
WIDTHS = {1: 24, 2: 48, 4: 96, 8: 160, 16: 192, 32: 192}  # channels at each stride


class Decoder(keras.Model):
    """Features `[B, H / stride, W / stride, C]` on the picture's grid to a picture `[B, H, W, 3]`.

    Mirrors the encoder's resolutions: at each a 3x3 convolution, then nearest-neighbour doubling
    with a 3x3 convolution, which leaves no checkerboard; borders are reflected. The picture is
    near [0, 1] but not clipped, so that gradients pass.

    Args:
        stride: of the tap in pixels, a power of two from 1 to 32.
    """

    def __init__(self, stride: int, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.stride = stride
        self.enter = Convolution(WIDTHS[stride], gain=ACTIVATED, **policy)
        self.mix, self.double = [], []
        while stride > 1:
            self.mix.append(Convolution(WIDTHS[stride], gain=ACTIVATED, **policy))
            self.double.append(UpConvolution(WIDTHS[stride // 2], **policy))
            stride //= 2
        self.to_picture = Convolution(3, dtype="float32")

    def build(self, shape):
        """Every layer from its known channels; found out by running, it would take longer."""
        self.enter.build(shape)
        width = self.enter.filters
        for mix, double in zip(self.mix, self.double, strict=True):
            mix.build((*shape[:3], width))
            double.build((*shape[:3], mix.filters))
            width = double.filters
        self.to_picture.build((*shape[:3], width))

    def call(self, features):
        hidden = leaky_relu(self.enter(features))
        for mix, double in zip(self.mix, self.double, strict=True):
            hidden = leaky_relu(double(leaky_relu(mix(hidden))))
        return 0.5 + 0.25 * self.to_picture(hidden)


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
