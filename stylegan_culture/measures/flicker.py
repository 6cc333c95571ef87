"""How much a video flickers: what changes from frame to frame beyond what the motion explains."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture import images
from stylegan_culture.features.flow import between, warp
from stylegan_culture.restyling.video.frames import is_cut, thumb

if typing.TYPE_CHECKING:
    from stylegan_culture.restyling.video.clips import Clip


def pair_error(
    previous: ArrayLike, current: ArrayLike, flow: ArrayLike, mask: ArrayLike
) -> tuple[float, int]:
    """The sum over visible pixels p of `|warp(previous, w)(p) - current(p)|^2 / 3`, of a frame and
    the one before it, which is warped along the motion w; and the number of these pixels.

    Args:
        previous, current: pictures `[H, W, 3]`.
        flow: `[H, W, 2]`, from the current frame to the one before it.
        mask: `[H, W]`, as `flow.visible` gives it.
    """
    mask = np.asarray(mask, bool)
    difference = warp(previous, flow)[mask] - np.asarray(current, np.float32)[mask]
    return float(np.square(difference).mean(-1).sum(dtype=np.float64)), int(mask.sum())


def excess(source: "Clip", result: "Clip") -> float:
    """The warp error of a result minus that of its source, both along the source's motion, in
    squared units of brightness.

    The warp error is the mean of `pair_error` over visible pixels: Lai et al., "Learning blind
    video temporal consistency", 2018, arXiv 1808.00449, equation 8; there each pair counts equally,
    here each visible pixel. Pairs of frames across a scene cut do not count. Both are clips as
    `clips.open_clip` gives them, of as many frames; the source is brought to the result's size.
    """
    sums, count, before = np.zeros(2), 0, None
    for original, restyled in zip(source.frames(), result.frames(), strict=True):
        original = images.resize(original.pixels, *restyled.pixels.shape[:2])
        now = [frame.astype(np.float32) / 255 for frame in (original, restyled.pixels)]
        if before is not None and not is_cut(thumb(before[0]), thumb(now[0])):
            flow, mask = between(before[0], now[0])
            for place in (0, 1):
                error, seen = pair_error(before[place], now[place], flow, mask)
                sums[place] += error
            count += seen
        before = now
    return float((sums[1] - sums[0]) / count) if count else 0.0
