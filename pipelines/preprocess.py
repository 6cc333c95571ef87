"""Square crops of pictures for training and for judging; uint8 in, uint8 out.

Pictures whose short side is below the crop are enlarged just to fit, not padded: reflected borders
would put mirror symmetries into a tradition's look, which a discriminator learns at once. An image
may also be one whose parts are decoded on demand; see `sampling.Source.parts`.
"""

import typing

import numpy as np
from PIL import Image

from stylegan_culture.config import bounded

DRAWS = 4
# Pictures are kept at this many times the crop's size: a training crop then shows at least a
# quarter of the short side, and a museum's 5000-pixel scan does not fill the memory.
DETAIL = 4
LARGEST = 8192  # side of a crop, pixels


def random_crop(
    image: np.ndarray, size: int, draw: typing.Sequence[float], least_scale: float = 0.0
) -> np.ndarray:
    """A random square uint8 [size, size, 3] of uint8 [H, W, 3], reduced and mirrored at random.

    The scale factor is log-uniform between the one that makes the short side `size` (but not less
    than `least_scale`) and 1.0, the picture's own pixels. `draw` holds four numbers in [0, 1):
    for scale, x, y and mirroring; equal draws give equal crops.
    """
    _check_size(size)
    height, width = image.shape[:2]
    scale_draw, x_draw, y_draw, mirror_draw = (float(value) for value in draw)
    lowest = size / min(height, width)
    if lowest < 1:
        lowest = min(1.0, max(lowest, least_scale))
        scale = lowest ** (1 - scale_draw)
    else:
        scale = lowest
    side = min(size / scale, float(min(height, width)))
    if side == size:  # whole pixels: the crop is then a copy and nothing is blurred
        left, top = int(x_draw * (width - size + 1)), int(y_draw * (height - size + 1))
    else:
        left, top = x_draw * (width - side), y_draw * (height - side)
    return _square(image, (left, top, side), size, mirror_draw < 0.5)


def colourful_crop(
    image: np.ndarray, size: int, draws: np.ndarray, least_scale: float = 0.0
) -> np.ndarray:
    """Of the random crops by the rows of `draws` `[n, 4]`, the most colourful one.

    Manuscript pages are half text and margin: their crops would teach lines of script on paper.
    """
    if len(draws) == 1:
        return random_crop(image, size, draws[0], least_scale)
    whole = image[:, :]  # decoded once, where `image` decodes its parts
    return max((random_crop(whole, size, draw, least_scale) for draw in draws), key=colourfulness)


def colourfulness(image: np.ndarray) -> float:
    """How colourful a picture uint8 [H, W, 3] is; 0 for grey, about 110 at most in photographs.

        sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2)

    where m and s are mean and standard deviation of R - G and (R + G) / 2 - B. Hasler and
    Suesstrunk, "Measuring colourfulness in natural images", 2003.
    """
    red, green, blue = np.moveaxis(image.astype(np.float32), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    spread, mean = opponents.std(axis=(1, 2)), opponents.mean(axis=(1, 2))
    return float(np.linalg.norm(spread) + 0.3 * np.linalg.norm(mean))


def center_crop(image: np.ndarray, size: int) -> np.ndarray:
    """The middle square of uint8 [H, W, 3], whole short side, as uint8 [size, size, 3]."""
    _check_size(size)
    height, width = image.shape[:2]
    side = min(height, width)
    return _square(image, ((width - side) / 2, (height - side) / 2, float(side)), size, False)


def _square(
    image: np.ndarray, box: tuple[float, float, float], size: int, mirror: bool
) -> np.ndarray:
    """The square (left, top, side) of an image, antialiased to `size` pixels."""
    left, top, side = box
    # Pillow copies its whole input, so it gets only the pixels under the square.
    first_row, first_column = int(top), int(left)
    last_row = min(image.shape[0], int(np.ceil(top + side)))
    last_column = min(image.shape[1], int(np.ceil(left + side)))
    part = image[first_row:last_row, first_column:last_column]
    if part.shape[:2] != (size, size):
        x, y = left - first_column, top - first_row
        right, bottom = min(x + side, part.shape[1]), min(y + side, part.shape[0])
        part = Image.fromarray(np.ascontiguousarray(part)).resize(
            (size, size), Image.Resampling.BICUBIC, box=(x, y, right, bottom), reducing_gap=2.0
        )
    part = np.asarray(part)
    return np.ascontiguousarray(part[:, ::-1] if mirror else part)


def _check_size(size: int) -> None:
    bounded("the side of a crop", size, low=1, high=LARGEST)
