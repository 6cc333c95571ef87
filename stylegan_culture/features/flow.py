"""Motion between two frames: optical flow by OpenCV (extra `video`), loaded at first use."""

import importlib.util
from collections.abc import Callable

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError

CARRIER_PIXELS = 320  # longest edge of the frames whose motion feature maps follow


def need_opencv() -> None:
    """Raises `InputError` where OpenCV is missing."""
    if importlib.util.find_spec("cv2") is None:
        raise InputError(
            "motion is found by OpenCV; install it: pip install 'stylegan_culture[video]'"
        )


def estimate(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The flow `[H, W, 2]` in pixels from a frame `start` to a frame `end`, `[H, W, 3]` in [0, 1].

    Dense inverse search on luminance at full resolution (Kroeger et al., 2016, arXiv 1603.03590),
    in OpenCV's finest preset, whose patches are compared without their means, so that a change of
    exposure is no motion.
    """
    need_opencv()
    import cv2

    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setUseMeanNormalization(True)
    grey = [cv2.cvtColor(images.to_uint8(frame), cv2.COLOR_RGB2GRAY) for frame in (start, end)]
    return search.calc(*grey, None)


def between(previous: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The flow `[H, W, 2]` from a frame to the one before it, and where it is `visible` there."""
    flow = estimate(current, previous)
    return flow, visible(flow, estimate(previous, current))


def carrier(previous: np.ndarray, current: np.ndarray) -> Callable:
    """A function that moves maps of the previous frame to the places of the current one.

    `carry(map [h, w, C]) -> (map [h, w, C], seen [h, w] in [0, 1])`, for any h and w. Frames are
    uint8 `[H, W, 3]`; motion is estimated at 320 pixels, since feature maps are coarser still.
    """
    need_opencv()
    import cv2

    height, width = current.shape[:2]
    scale = min(1.0, CARRIER_PIXELS / max(height, width))
    size = [max(16, round(length * scale)) for length in (height, width)]
    flow, seen = between(*(images.resize(frame, *size) for frame in (previous, current)))

    def carry(values):
        rows, columns = values.shape[:2]
        fitted = cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA)
        fitted *= np.array([columns / size[1], rows / size[0]], np.float32)
        share = cv2.resize(seen.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        return warp(values, fitted), share

    return carry


def warp(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A picture `[H, W, C]` moved along a flow `[H, W, 2]`, bilinear, its border repeated; float32.

        result[y, x] = picture[y + v, x + u],  (u, v) = flow[y, x]

    Not by `cv2.remap`: OpenCV 4 rounds places to 1/32 pixel, and so does 5.0 for maps of other
    than 1, 3 or 4 channels, where noise came out wrong by 0.1.
    """
    picture = np.asarray(picture, np.float32)
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x = np.clip(columns + flow[..., 0], 0, width - 1)
    y = np.clip(rows + flow[..., 1], 0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    along, down = (x - left)[..., None], (y - top)[..., None]
    upper = picture[top, left] * (1 - along) + picture[top, right] * along
    lower = picture[bottom, left] * (1 - along) + picture[bottom, right] * along
    return upper * (1 - down) + lower * down


def visible(flow: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Where a pixel of the current frame was seen in the previous one: bool `[H, W]`.

    With w the flow, u its two parts and w' the forward flow carried along w, a pixel is left out
    where

        |w' + w|^2 > 0.01 (|w'|^2 + |w|^2) + 0.5       the two flows disagree: it was hidden
        |grad u1|^2 + |grad u2|^2 > 0.01 |w|^2 + 0.002   the flow breaks: a border of motion
        (x, y) + w lies outside the frame

    Ruder et al., "Artistic style transfer for videos", 2016, arXiv 1604.08610, section 4.2; the
    third is not in the paper.

    Args:
        flow: from the current frame to the previous one, `[H, W, 2]`.
        forward: from the previous frame to the current one, `[H, W, 2]`.
    """
    flow = np.asarray(flow, np.float32)
    height, width = flow.shape[:2]
    back = warp(forward, flow)
    length = np.square(flow).sum(-1)
    apart = np.square(back + flow).sum(-1)
    hidden = apart > 0.01 * (np.square(back).sum(-1) + length) + 0.5
    steps = np.gradient(flow, axis=(0, 1))
    broken = sum(np.square(step).sum(-1) for step in steps) > 0.01 * length + 0.002
    rows, columns = np.mgrid[:height, :width]
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    within = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return within & ~hidden & ~broken
