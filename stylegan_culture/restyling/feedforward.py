"""Restyles pictures of any size by one pass of a trained network, big ones in overlapping tiles.

`FeedForward` is what such networks share: the culture generator with a style code, a CycleGAN's
translator, and in `restoration` the restoring network, whose pictures have a fourth channel.

Only the generator's two whitening layers read statistics of the whole picture. So a big picture is
encoded tile by tile into whole feature maps (a sixteenth of the numbers in the decoder's widest
map), their moments are computed once, and the decoder runs tile by tile with these moments, over
tiles wider by its receptive field: tiled and untiled results agree to rounding, without seams.

Pictures are `[H, W, 3]` in [0, 1]; style codes `[1, D]`; strength in [0, 1].
"""

import dataclasses
import typing

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError, option
from stylegan_culture.later import later
from stylegan_culture.restyling.request import Request, culture_weights

if typing.TYPE_CHECKING:  # importing them takes seconds, and --help imports this module
    import tensorflow as tf

    from stylegan_culture.networks.cyclegan import Translator
    from stylegan_culture.networks.generator import CultureModel

models = later("stylegan_culture.models")
CULTURE_MODEL = "culture256"  # shipped: the model where --model names none
STRIDE = 8  # pixels that a position of the coarsest features stands for, of every network here
ENCODER_MARGIN = 2  # positions at 1/8: the receptive field is 7 pixels to a side, plus alignment
# Positions at 1/8 that the decoder sees to each side, rounded up, beside one for each modulated
# block: 12 pixels for the convolutions at 1/4 and finer.
DECODER_MARGIN = 3
TILE = 512  # pixels; 2 cores reach full speed from about 256 on
UNTILED_PIXELS = 1024 * 1024
# Limits of a whole picture: TensorFlow, the network and a tile have the rest of 2 GB.
WHOLE_PIXELS = 18_000_000
# A pixel has 12 of the content, 12 of the result and 32 of features; `pad` adds a hundredth.
WHOLE_BYTES = 1.01 * 56 * WHOLE_PIXELS
EXAMPLE_PIXELS = 512  # longest edge of a style picture as the style encoder sees it
# Rows: luminance Y, chrominance I and Q (NTSC), for RGB columns.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], np.float32)


@dataclasses.dataclass(frozen=True)
class GeneratorSettings:
    """The trained network that restyles."""

    model: str = option(
        CULTURE_MODEL,
        "shipped model, model folder or run folder of a trained network; with --restore restore64 "
        "where none is named",
    )


def build(settings: GeneratorSettings, request: Request) -> typing.Callable:
    """`function(content [H, W, 3], preview) -> [H, W, 3]` by the network that `--model` names."""
    if is_translation(settings.model):
        network = _translation(settings.model, request)
    else:
        model = models.load(settings.model, "culture").network
        network = CultureNetwork(model, style_code(model, request))
    strength = 1.0 if request.strength is None else request.strength
    return lambda content, preview: network(content, strength)


def is_translation(model: str) -> bool:
    """Whether `--model` names the folder of a CycleGAN."""
    return models.kind_of(model) == "cyclegan"


def _translation(model: str, request: Request) -> "TranslatorNetwork":
    """The direction of a CycleGAN whose results are of `--culture`."""
    pair = models.load(model, "cyclegan")
    keys = pair.facts.keys
    does = f"{model} is a CycleGAN, which turns {keys[0]} into {keys[-1]} and back"
    if request.style:
        raise InputError(f"{does}; it follows no --style, so name --culture KEY")
    if request.strength is not None:
        raise InputError(f"{does}, wholly; leave out --strength")
    if request.culture not in keys:
        raise InputError(f"{does}; --culture has to be one of the two, not {request.culture!r}")
    return TranslatorNetwork(pair.network.towards(request.culture))


def style_code(model: "CultureModel", request: Request) -> np.ndarray:
    """The style code `[1, D]` of a culture, a mixture, or the mean code of examples."""
    if request.culture is not None:
        return culture_code(model, request.culture)
    weights = request.style_weights()
    examples = (images.read(path, longest=EXAMPLE_PIXELS) for path in request.style)
    codes = [example_code(model, picture) for picture in examples]
    return sum(weight * code for weight, code in zip(weights, codes, strict=True))


def culture_code(model: "CultureModel", text: str) -> np.ndarray:
    """The style code `[1, D]` of a culture ("ukiyo_e"), of one of its looks ("ukiyo_e:2"), or of a
    mixture ("ukiyo_e:2=0.7,impressionism=0.3"); `InputError` for anything else."""
    codes = model.named_codes()
    weights = culture_weights(text, codes)
    return sum(weight * codes[name] for name, weight in weights.items())[None]


def example_code(model: "CultureModel", picture: np.ndarray) -> np.ndarray:
    """The style code `[1, D]` of an example picture `[H, W, 3]` of any size."""
    scale = min(1.0, EXAMPLE_PIXELS / max(picture.shape[:2]))
    height, width = (max(64, round(size * scale / 8) * 8) for size in picture.shape[:2])
    return np.asarray(model.encode_style(images.resize(picture, height, width)[None]))


class FeedForward:
    """A network that makes a picture from a picture `[H, W, C]`, of any height and width.

    Subclasses define how a batch is drawn (`whole`) and, where `in_tiles`, a big picture (`tiled`).
    """

    in_tiles = True

    def __call__(
        self, picture: np.ndarray, strength: float = 1.0, tile: int | None = None
    ) -> np.ndarray:
        """A picture `[H, W, C]` to float32 `[H, W, 3]` in [0, 1]; strength 0 gives the content.

        tile: edge of a tile in pixels, a multiple of 8; None: whole up to a megapixel, else 512.
        `InputError` where 2 GB of memory are too little.
        """
        height, width = picture.shape[:2]
        check_size(height, width)
        if self.in_tiles and (tile is not None or height * width > UNTILED_PIXELS):
            result = self.tiled(pad(np.asarray(picture, np.float32)), strength, tile or TILE)
        else:
            padded = pad(np.asarray(picture, np.float32))[None]
            drawn = self.whole(padded, np.full((1, 1), strength, np.float32))
            result = np.clip(finite(drawn)[0], 0.0, 1.0)
        return result[:height, :width]

    def whole(self, pictures: np.ndarray, strength: np.ndarray) -> "tf.Tensor | np.ndarray":
        """`[B, H, W, C]`, sides multiples of 8, and strengths `[B, 1]` to `[B, H, W, 3]`."""
        raise NotImplementedError

    def tiled(self, picture: np.ndarray, strength: float, tile: int) -> np.ndarray:
        """A picture `[H, W, C]`, sides multiples of 8, to `[H, W, 3]` in [0, 1]."""
        raise NotImplementedError


class TranslatorNetwork(FeedForward):
    """One direction of a CycleGAN: no strength, and no tiles, since its normalisation reads the
    whole picture."""

    in_tiles = False

    def __init__(self, translator: "Translator"):
        self.translator = translator

    def whole(self, pictures: np.ndarray, strength: np.ndarray) -> "tf.Tensor":
        """As of `FeedForward`."""
        return self.translator(pictures)


class CultureNetwork(FeedForward):
    """The generator of a `CultureModel`, or of a `RestorationModel`, with a code `[1, D]`."""

    def __init__(self, model: "CultureModel", code: np.ndarray):
        self.model, self.code = model, np.asarray(code, np.float32)

    def whole(self, pictures: np.ndarray, strength: np.ndarray) -> "tf.Tensor":
        """As of `FeedForward`."""
        return self.model.generator(pictures, self.code.repeat(len(pictures), 0), strength)

    def tiled(self, picture: np.ndarray, strength: float, tile: int) -> np.ndarray:
        """As of `FeedForward`."""
        features = self.encode(picture, tile)
        del picture  # a picture's memory
        return self.decode(features, self.moments(features), strength, tile)

    def encode(self, picture: np.ndarray, tile: int = TILE) -> dict[str, np.ndarray]:
        """Content features of the whole picture `[H, W, C]`, as `Generator.encode` gives them."""
        rows, columns = picture.shape[0] // STRIDE, picture.shape[1] // STRIDE
        whole = {}
        for core, outer in tiles(rows, columns, tile // STRIDE, ENCODER_MARGIN):
            features = self.model.generator.encode(picture[_scaled(outer, STRIDE)][None])
            if not whole:  # networks differ in how many numbers a position has
                inside = (outer[0].stop - outer[0].start) * (outer[1].stop - outer[1].start)
                numbers = sum(np.prod(value.shape) for value in features.values())
                each = 24 * STRIDE**2 + 4 * numbers / inside
                check_size(*picture.shape[:2], WHOLE_BYTES / each * STRIDE**2)
            for name, value in features.items():
                value = np.asarray(value, np.float32)
                factor = value.shape[1] // (outer[0].stop - outer[0].start)
                if name not in whole:
                    shape = (1, rows * factor, columns * factor, value.shape[-1])
                    whole[name] = np.empty(shape, np.float32)
                inner = _scaled(inside_of(core, outer), factor)
                whole[name][0][_scaled(core, factor)] = value[0][inner]
        return whole

    def moments(self, features: dict) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and covariance of the features that are whitened, see `moments_of`."""
        group = self.model.generator.coarse_colouring.group
        return {name: moments_of(features[name], group) for name in self.model.generator.whitened}

    def decode(
        self, features: dict, moments: dict, strength: float, tile: int = TILE
    ) -> np.ndarray:
        """Feature maps of a whole picture, as `encode` and `moments` give them, to `[H, W, 3]` in
        [0, 1], sides multiples of 8, tile by tile."""
        generator, strength = self.model.generator, np.full((1, 1), strength, np.float32)
        _, rows, columns, _ = features["coarse"].shape
        grain = {
            name: np.asarray(value, np.float32)
            for name, value in generator.grain(rows, columns).items()
        }
        margin = self.model.config.blocks + DECODER_MARGIN
        result = np.empty((rows * STRIDE, columns * STRIDE, 3), np.float32)
        for core, outer in tiles(rows, columns, tile // STRIDE, margin):
            piece, noise = _part(features, outer, rows), _part(grain, outer, rows)
            drawn = generator.decode(piece, self.code, strength, moments, noise)
            inner = _scaled(inside_of(core, outer), STRIDE)
            picture = finite(np.asarray(drawn, np.float32)[0][inner])
            result[_scaled(core, STRIDE)] = np.clip(picture, 0.0, 1.0)
        return result


def fit(picture: np.ndarray, longest: int | None) -> np.ndarray:
    """The picture reduced or enlarged until its longest edge is `longest` pixels; None: as is."""
    if longest is None:
        return picture
    check_size(*images.fitted_size(picture.shape, longest))
    return images.fit_long_side(picture, longest)


def check_size(height: int, width: int, most: float = WHOLE_PIXELS, remedy: str = "") -> None:
    """Raises `InputError` where a picture of more than `most` pixels would not fit into memory.
    remedy: the end of the message, instead of the advice to give `--size`."""
    if height * width > most:
        size = int(max(height, width) * (most / (height * width)) ** 0.5)
        raise InputError(
            f"a picture of {width}x{height} pixels is too large for memory; "
            f"{remedy or f'give --size {max(1, size)} or less'}"
        )


def moments_of(features: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean `[1, G, g]` and covariance `[1, G, g, g]` of features `[1, H, W, G g]`.

    In float64, each position once, in two passes over bands of rows: squares of values far from
    zero would otherwise cancel.
    """
    _, height, width, channels = features.shape
    count = height * width
    bands = [slice(start, start + 64) for start in range(0, height, 64)]
    mean = sum(features[0, band].sum((0, 1), dtype=np.float64) for band in bands) / count
    covariance = np.zeros((channels // group, group, group))
    for band in bands:
        centred = features[0, band].reshape(-1, channels).astype(np.float64) - mean
        grouped = centred.reshape(-1, channels // group, group).transpose(1, 0, 2)
        covariance += grouped.transpose(0, 2, 1) @ grouped
    mean = mean.reshape(1, channels // group, group)
    return mean.astype(np.float32), (covariance / count)[None].astype(np.float32)


def keep_colour(content: np.ndarray, restyled: np.ndarray) -> np.ndarray:
    """The restyled picture's luminance with the content's colours.

        Y' = sigma_c / sigma_r (Y_r - mu_r) + mu_c
        result = RGB(Y', I_c, Q_c)

    in YIQ, where Y is luminance and I, Q chrominance; mu and sigma are the picture's mean and
    standard deviation of luminance. Gatys et al., "Preserving color in neural artistic style
    transfer", 2016, arXiv 1606.05897, section 4. Differs from the paper: luminance is matched
    after the transfer, because a feed-forward generator has no style picture to prepare.
    """
    luminance = restyled @ YIQ[0]
    original = content @ YIQ[0]
    spread = original.std(dtype=np.float64) / max(luminance.std(dtype=np.float64), 1e-6)
    luminance = (luminance - luminance.mean(dtype=np.float64)) * spread
    luminance = luminance + original.mean(dtype=np.float64)
    # Adding the same number to R, G and B moves Y and leaves I and Q.
    shifted = content + (luminance - original)[..., None].astype(np.float32)
    return np.clip(shifted, 0.0, 1.0, out=shifted)


def finite(drawn: "tf.Tensor | np.ndarray") -> np.ndarray:
    """A network's result as float32; `InputError` where numbers overflowed, which show as black."""
    drawn = np.asarray(drawn, np.float32)
    if not np.isfinite(drawn).all():
        raise InputError("the model draws no picture: its numbers overflow; use another model")
    return drawn


def _part(
    maps: dict[str, np.ndarray], outer: tuple[slice, slice], rows: int
) -> dict[str, np.ndarray]:
    """The positions `outer`, counted at 1/8 resolution, of maps at several resolutions."""
    return {name: value[:, *_scaled(outer, value.shape[1] // rows)] for name, value in maps.items()}


def tiles(
    rows: int, columns: int, size: int, margin: int
) -> typing.Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Yields (core, outer), each a pair of slices, that cover a map of rows x columns.

    Cores do not overlap; outers are wider by `margin` except at the picture's borders, so that the
    network pads at these true borders alone.
    """
    if size < 1:
        raise ValueError(f"a tile is at least {STRIDE} pixels wide")
    for top in range(0, rows, size):
        for left in range(0, columns, size):
            core = (slice(top, min(top + size, rows)), slice(left, min(left + size, columns)))
            outer = tuple(
                slice(max(0, part.start - margin), min(limit, part.stop + margin))
                for part, limit in zip(core, (rows, columns), strict=True)
            )
            yield core, outer


def _scaled(parts: tuple[slice, slice], factor: int) -> tuple[slice, ...]:
    return tuple(slice(part.start * factor, part.stop * factor) for part in parts)


def inside_of(core: tuple[slice, slice], outer: tuple[slice, slice]) -> tuple[slice, ...]:
    """Where a tile's core lies, counted from the start of its outer."""
    pairs = zip(core, outer, strict=True)
    return tuple(slice(c.start - o.start, c.stop - o.start) for c, o in pairs)


def pad(image: np.ndarray) -> np.ndarray:
    """Mirrors at the right and the bottom up to a multiple of 8, at least 16 pixels."""
    height, width = image.shape[:2]
    targets = [max(2 * STRIDE, -(-size // STRIDE) * STRIDE) for size in (height, width)]
    if targets == [height, width]:
        return image
    return np.pad(image, [(0, targets[0] - height), (0, targets[1] - width), (0, 0)], "reflect")
