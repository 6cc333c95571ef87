"""Motion between two frames: optical flow by OpenCV (extra `video`), loaded when it is used."""

import importlib.util

import numpy as np

from stylegan_culture import images
from stylegan_culture.analysis.temporal import visible, warp
from stylegan_culture.config import InputError

CARRIER_PIXELS = 320  # longest edge that motion is looked for at where feature maps follow it


def need_opencv() -> None:
    """Raises `InputError` where OpenCV is missing."""
    if importlib.util.find_spec("cv2") is None:
        raise InputError(
            "motion is found by OpenCV; install it: pip install 'stylegan_culture[video]'"
        )


def estimate(start, end) -> np.ndarray:
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


def between(previous, current):
    """The flow from a frame to the one before it, and where that one shows the same.

    Returns:
        flow `[H, W, 2]` as `temporal.warp` takes it, and `temporal.visible` of it, bool `[H, W]`.
    """
    flow = estimate(current, previous)
    return flow, visible(flow, estimate(previous, current))


def carrier(previous, current):
    """A function that carries maps of the previous frame to where things are in the current one.

    The motion is found on frames reduced to 320 pixels: feature maps are coarser still.

    Args:
        previous: uint8 `[H, W, 3]`, as `current`.

    Returns:
        `carry(map [h, w, C]) -> (map [h, w, C], seen [h, w] in [0, 1])`, for any h and w.
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
