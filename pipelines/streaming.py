"""Batches straight from picture files: of a JPEG only the window that its crop shows is decoded.

Nothing is kept in memory, and TensorFlow does all the work outside Python. A window is whole
pixels, decoded at the reduced scale (1/2, 1/4, 1/8) that is still large enough, and reduced to the
crop by the mean over areas: the sampling is that of `preprocess.random_crop`, the filter another.
"""

import functools
import os

import numpy as np
from PIL import JpegImagePlugin

from stylegan_culture import images
from stylegan_culture.pipelines.preprocess import DETAIL

RATIOS = (1, 2, 4, 8)
# Chroma of a JPEG is interpolated between columns: at a window's edge they need their neighbours.
MARGIN = 2
ORIENTATION = 274  # EXIF's tag
# TensorFlow decodes a window of a file in as many threads as crops are made: others are decoded by
# `images`, few at a time.
STREAMED_BYTES = 32 * 2**20
STREAMED_PIXELS = 200_000_000  # of all scans of a progressive file: half a second


def batches(config, draw, files, first_step: int = 0):
    """The dataset of `input.make_dataset` for `config.stream`.

    `draw` takes a step to what its batch shows (`input.drawn`); `files` are all those of
    its sources, whose headers are read at once.
    Grey, rotated or CMYK files and other formats are decoded whole, and cropped alike.
    """
    import tensorflow as tf

    size, count = config.image_size, config.batch_size
    kinds = {"file": tf.string, "whole": tf.bool, "ratio": tf.int32, "window": tf.int32}
    kinds |= {"mirror": tf.bool, "culture": tf.int32}

    headers = {file: header(file) for file in files}

    def plan(step):
        def make(number):
            found = _planned(draw(number), headers, count, size, config.least_scale)
            return [found[name] for name in kinds]

        values = tf.numpy_function(make, [step], list(kinds.values()))
        shapes = {name: [2 * count, 4] if name == "window" else [2 * count] for name in kinds}
        return {
            name: tf.ensure_shape(value, shapes[name])
            for name, value in zip(kinds, values, strict=True)
        }

    def split(pixels, cultures):
        pixels = tf.cast(pixels, tf.float32) / 255
        return {
            "content": pixels[:count],
            "content_culture": cultures[:count],
            "style": pixels[count:],
            "culture": cultures[count:],
        }

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max).map(plan).prefetch(2)
    crops = steps.unbatch().map(
        functools.partial(_crop, size=size), num_parallel_calls=2 * count, deterministic=True
    )
    return crops.batch(2 * count, drop_remainder=True).map(split).prefetch(4)


def window(shape, size: int, draw, least_scale: float = 0.0, ratios=RATIOS) -> tuple:
    """Ratio, top, left and side (int), in whole pixels of the picture reduced by the ratio.

    shape: (height, width) of the file's picture, pixels. `draw` and `least_scale` are those of
    `preprocess.random_crop`, which sees the picture reduced to `DETAIL` times the crop. The ratio
    is the largest of `ratios` that leaves as many pixels as the crop has.
    """
    scale_draw, x_draw, y_draw, _ = (float(value) for value in draw)
    short = min(shape)
    seen = min(short, DETAIL * size)
    lowest = min(1.0, max(size / seen, least_scale))
    side = min(size / lowest ** (1 - scale_draw), seen) * short / seen
    ratio = max(one for one in ratios if one == 1 or side >= one * size)
    height, width = (-(-length // ratio) for length in shape)
    side = min(max(1, round(side / ratio)), height, width)
    return ratio, int(y_draw * (height - side + 1)), int(x_draw * (width - side + 1)), side


def header(file: str) -> tuple[int, int, bool]:
    """Height, width, and whether a file is a JPEG that TensorFlow decodes as Pillow does, fast."""
    with images.opened(file) as (picture, found):
        width, height = picture.size
        plain = (
            picture.format == "JPEG"
            and os.path.getsize(file) <= STREAMED_BYTES
            and (found.scans == 1 or found.scans * width * height <= STREAMED_PIXELS)
            and picture.mode == "RGB"
            and JpegImagePlugin.get_sampling(picture) >= 0
            and picture.getexif().get(ORIENTATION, 1) == 1
        )
    if not plain:
        height, width = images.read_uint8(file).shape[:2]  # which a rotation exchanges
    return height, width, plain


def _planned(drawn: dict, headers: dict, count: int, size: int, least_scale: float) -> dict:
    """Files and windows of a batch's contents and then its styles, arrays [2 B, ...]."""
    found = {
        "file": np.zeros(2 * count, object),
        "whole": np.zeros(2 * count, bool),
        "ratio": np.zeros(2 * count, np.int32),
        "window": np.zeros((2 * count, 4), np.int32),
        "mirror": np.zeros(2 * count, bool),
        "culture": np.zeros(2 * count, np.int32),
    }
    for offset, parts in ((0, drawn["content"]), (count, drawn["style"])):
        for part in parts:
            for place, picture, culture, noise in zip(
                offset + part.places, part.pictures, part.cultures, part.noise[:, 0], strict=True
            ):
                file = part.source.files[picture]
                height, width, plain = headers[file]
                ratios = RATIOS if plain else (1,)
                ratio, *box = window((height, width), size, noise, least_scale, ratios)
                found["file"][place] = file.encode("utf-8")
                found["whole"][place] = not plain
                found["ratio"][place] = ratio
                found["window"][place] = *box, -(-width // ratio)
                found["mirror"][place] = noise[3] < 0.5
                found["culture"][place] = culture
    return found


def _crop(planned: dict, size: int) -> tuple:
    """uint8 [S, S, 3] of one planned picture, and its culture."""
    import tensorflow as tf

    top, left, side, width = tf.unstack(planned["window"])
    pixels = tf.cond(
        planned["whole"],
        lambda: tf.numpy_function(_read_window, [planned["file"], planned["window"]], tf.uint8),
        lambda: _decode_window(planned["file"], planned["ratio"], top, left, side, width),
    )
    pixels = tf.reshape(pixels, [1, side, side, 3])
    pixels = tf.cond(side == size, lambda: pixels, lambda: _resize(pixels, side, size))
    pixels = tf.cond(planned["mirror"], lambda: tf.reverse(pixels, [2]), lambda: pixels)
    return tf.reshape(pixels, [size, size, 3]), planned["culture"]


def _resize(pixels, side, size: int):
    """uint8 [1, side, side, 3] to [1, S, S, 3]: reduced by area, or enlarged."""
    import tensorflow as tf

    resized = tf.cond(
        side > size,
        lambda: tf.raw_ops.ResizeArea(images=pixels, size=[size, size]),
        lambda: tf.raw_ops.ResizeBicubic(images=pixels, size=[size, size], half_pixel_centers=True),
    )
    return tf.saturate_cast(tf.round(resized), tf.uint8)


def _decode_window(file, ratio, top, left, side, width):
    """uint8 [side, side, 3] of a JPEG at a reduced scale, as if it were decoded whole."""
    import tensorflow as tf

    first, last = tf.maximum(left - MARGIN, 0), tf.minimum(left + side + MARGIN, width)
    box = tf.stack([top, first, side, last - first])
    content = tf.io.read_file(file)
    decode = functools.partial(
        tf.io.decode_and_crop_jpeg,
        content,
        box,
        channels=3,
        dct_method="INTEGER_ACCURATE",  # bit for bit what Pillow decodes
    )
    decoded = tf.switch_case(
        tf.argmax(tf.equal(ratio, RATIOS), output_type=tf.int32),
        [functools.partial(decode, ratio=one) for one in RATIOS],
    )
    return decoded[:, left - first : left - first + side]


def _read_window(file: bytes, box: np.ndarray) -> np.ndarray:
    top, left, side, _ = box.tolist()
    whole = images.read_uint8(file.decode("utf-8"))
    return whole[top : top + side, left : left + side].copy()  # the whole goes at once
