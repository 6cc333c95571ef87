"""Restyles pictures of any size with a trained generator, big ones in overlapping tiles.

Only the two whitening layers read picture-wide statistics. So a big picture is encoded tile by
tile into its whole feature maps (a sixteenth of the numbers that the decoder's widest map takes),
their moments are computed once, and the decoder runs tile by tile with these moments over tiles
wider by its receptive field: tiled and untiled results agree to rounding, and there are no seams.

Pictures are `[H, W, 3]` in [0, 1]; style codes `[1, D]`; strength in [0, 1].
"""

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.networks.generator import STRIDE, CultureModel

ENCODER_MARGIN = 2  # positions at 1/8: the receptive field is 7 pixels to a side, plus alignment
TILE = 512  # pixels; 2 cores reach full speed from about 256 on
UNTILED_PIXELS = 1024 * 1024
# What a whole picture may take: TensorFlow, the network and a tile have the rest of 2 GB.
WHOLE_PIXELS = 18_000_000
# Of content and result, 12 each a pixel, and features: 32; and what `pad` adds.
WHOLE_BYTES = 1.01 * 56 * WHOLE_PIXELS
EXAMPLE_PIXELS = 512  # longest edge of a style picture as the style encoder sees it
# Rows: luminance Y, chrominance I and Q (NTSC), for RGB columns.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], np.float32)


def decoder_margin(model: CultureModel) -> int:
    """Positions at 1/8 resolution that the decoder sees to each side, rounded up.

    One for each modulated block, and 12 pixels for the convolutions at 1/4 and finer.
    """
    return model.config.blocks + 3


def restyle(model: CultureModel, image, code, strength: float = 1.0, tile: int | None = None):
    """Restyles one picture by a style code.

    Args:
        model: with its weights.
        image: `[H, W, 3]`, any height and width from 1 on.
        code: `[1, D]`.
        strength: 0 gives the content back, 1 the full style.
        tile: edge of a tile in pixels, a multiple of 8; None: whole up to a megapixel, else 512.

    Returns:
        float32 `[H, W, 3]` in [0, 1].

    Raises:
        InputError: the picture is too large to be restyled within 2 GB of memory.
    """
    height, width = image.shape[:2]
    check_size(height, width)
    padded = pad(np.asarray(image, np.float32))
    strength = np.full((1, 1), strength, np.float32)
    code = np.asarray(code, np.float32)
    if tile is None and height * width <= UNTILED_PIXELS:
        drawn = model.generator(padded[None], code, strength)
        result = np.clip(finite(_array(drawn)[0]), 0.0, 1.0)
    else:
        features = encode_tiled(model, padded, tile or TILE)
        del padded  # a picture's memory
        moments = {name: moments_of(features[name], model) for name in model.generator.whitened}
        result = decode_tiled(model, features, moments, (code, strength), tile or TILE)
    return result[:height, :width]


def check_size(height: int, width: int, most: float = WHOLE_PIXELS, remedy: str = "") -> None:
    """Raises `InputError` where a picture of that size is too large to be made whole.

    Args:
        height, width: in pixels.
        most: pixels that it may have.
        remedy: the end of the sentence, instead of the advice to give `--size`.
    """
    if height * width > most:
        size = int(max(height, width) * (most / (height * width)) ** 0.5)
        raise InputError(
            f"a picture of {width}x{height} pixels is too large for memory; "
            f"{remedy or f'give --size {max(1, size)} or less'}"
        )


def example_code(model: CultureModel, picture) -> np.ndarray:
    """The style code `[1, D]` of an example picture `[H, W, 3]` of any size."""
    scale = min(1.0, EXAMPLE_PIXELS / max(picture.shape[:2]))
    height, width = (max(64, round(size * scale / 8) * 8) for size in picture.shape[:2])
    return np.asarray(model.encode_style(images.resize(picture, height, width)[None]))


def encode_tiled(model: CultureModel, image, tile: int) -> dict[str, np.ndarray]:
    """Content features of the whole picture `[H, W, 3]`, as `Generator.encode` gives them."""
    rows, columns = image.shape[0] // STRIDE, image.shape[1] // STRIDE
    whole = {}
    for core, outer in tiles(rows, columns, tile // STRIDE, ENCODER_MARGIN):
        piece = image[_scaled(outer[0], STRIDE), _scaled(outer[1], STRIDE)]
        found = model.generator.encode(piece[None])
        if not whole:  # networks differ in how many numbers a position has
            inside = (outer[0].stop - outer[0].start) * (outer[1].stop - outer[1].start)
            each = 24 * STRIDE**2 + sum(4 * np.prod(v.shape) for v in found.values()) / inside
            check_size(*image.shape[:2], WHOLE_BYTES / each * STRIDE**2)
        for name, value in found.items():
            value = _array(value)
            factor = value.shape[1] // (outer[0].stop - outer[0].start)
            if name not in whole:
                shape = (1, rows * factor, columns * factor, value.shape[-1])
                whole[name] = np.empty(shape, np.float32)
            inner = [_scaled(_inside(c, o), factor) for c, o in zip(core, outer, strict=True)]
            target = [_scaled(part, factor) for part in core]
            whole[name][:, target[0], target[1]] = value[:, inner[0], inner[1]]
    return whole


def moments_of(features, model: CultureModel):
    """Mean `[1, G, g]` and covariance `[1, G, g, g]` of features `[1, H, W, G g]`.

    In float64, each position once, in two passes over bands of rows: squares of values far from
    zero would otherwise cancel.
    """
    group = model.generator.coarse_colouring.group
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


def keep_colour(content, restyled, match: bool = True):
    """The restyled picture's luminance with the content's colours.

        Y' = sigma_c / sigma_r (Y_r - mu_r) + mu_c      when `match`, else Y' = Y_r
        result = RGB(Y', I_c, Q_c)

    in YIQ, where Y is luminance and I, Q chrominance; mu and sigma are the picture's mean and
    standard deviation of luminance. Gatys et al., "Preserving color in neural artistic style
    transfer", 2016, arXiv 1606.05897, section 4. Differs from the paper: luminance is matched
    after the transfer, because a feed-forward generator has no style picture to prepare.
    """
    luminance = restyled @ YIQ[0]
    original = content @ YIQ[0]
    if match:
        spread = original.std(dtype=np.float64) / max(luminance.std(dtype=np.float64), 1e-6)
        luminance = (luminance - luminance.mean(dtype=np.float64)) * spread
        luminance = luminance + original.mean(dtype=np.float64)
    # Adding the same number to R, G and B moves Y and leaves I and Q.
    shifted = content + (luminance - original)[..., None].astype(np.float32)
    return np.clip(shifted, 0.0, 1.0, out=shifted)


def decode_tiled(model, features, moments, style, tile):
    """Decodes whole feature maps, as `encode_tiled` gives them, tile by tile.

    Args:
        model: with its weights.
        features: `{name: [1, h, w, C]}` of the whole picture.
        moments: `{name: (mean, covariance)}` of those that are whitened.
        style: code `[1, D]` and strength `[1, 1]`.
        tile: edge of a tile in pixels, a multiple of 8.

    Returns:
        float32 `[H, W, 3]` in [0, 1], sides multiples of 8.
    """
    code, strength = style
    _, rows, columns, _ = features["coarse"].shape
    grain = {name: _array(value) for name, value in model.generator.grain(rows, columns).items()}
    result = np.empty((rows * STRIDE, columns * STRIDE, 3), np.float32)
    for core, outer in tiles(rows, columns, tile // STRIDE, decoder_margin(model)):
        piece, noise = _part(features, outer, rows), _part(grain, outer, rows)
        picture = _array(model.generator.decode(piece, code, strength, moments, noise))[0]
        inner = [_scaled(_inside(c, o), STRIDE) for c, o in zip(core, outer, strict=True)]
        target = [_scaled(part, STRIDE) for part in core]
        result[target[0], target[1]] = np.clip(finite(picture[inner[0], inner[1]]), 0.0, 1.0)
    return result


def finite(drawn) -> np.ndarray:
    """What a network drew; `InputError` where its numbers overflowed, which would be black."""
    drawn = np.asarray(drawn, np.float32)
    if not np.isfinite(drawn).all():
        raise InputError("the model draws no picture: its numbers overflow; use another model")
    return drawn


def _part(maps, outer, rows: int) -> dict[str, np.ndarray]:
    """The places `outer`, counted at 1/8 resolution, of maps at several resolutions."""
    part = {}
    for name, value in maps.items():
        factor = value.shape[1] // rows
        part[name] = value[:, _scaled(outer[0], factor), _scaled(outer[1], factor)]
    return part


def tiles(rows: int, columns: int, size: int, margin: int):
    """Yields (core, outer), each a pair of slices, that cover a map of rows x columns.

    Cores do not overlap; outers are wider by `margin` where the picture goes on, so that the
    network's own border padding acts at the picture's true borders alone.
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


def _scaled(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)


def _inside(core: slice, outer: slice) -> slice:
    return slice(core.start - outer.start, core.stop - outer.start)


def pad(image):
    """Mirrors at the right and the bottom up to a multiple of 8, at least 16 pixels."""
    height, width = image.shape[:2]
    targets = [max(2 * STRIDE, -(-size // STRIDE) * STRIDE) for size in (height, width)]
    if targets == [height, width]:
        return image
    return np.pad(image, [(0, targets[0] - height), (0, targets[1] - width), (0, 0)], "reflect")


def _array(value):
    return np.asarray(value, np.float32)
