"""How much a video flickers: what changes from frame to frame beyond what the motion explains."""

import numpy as np

from stylegan_culture import images
from stylegan_culture.features.flow import between, warp
from stylegan_culture.restyling.video.frames import is_cut, thumb


def pair_error(previous, current, flow, mask) -> tuple[float, int]:
    """Sum over visible pixels of the mean square over channels, and how many those are."""
    mask = np.asarray(mask, bool)
    difference = warp(previous, flow)[mask] - np.asarray(current, np.float32)[mask]
    return float(np.square(difference).mean(-1).sum(dtype=np.float64)), int(mask.sum())


def warp_error(frames, flows, masks) -> float:
    """Mean squared difference of each frame and the one before it carried along the motion.

        E = sum_t sum_p m_t(p) |warp(o_(t-1), w_t)(p) - o_t(p)|^2 / 3 / sum_t sum_p m_t(p)

    in squared units of brightness. Lai et al., "Learning blind video temporal consistency", 2018,
    arXiv 1808.00449, equation 8; there each pair counts equally, here each visible pixel.

    A restyled video is judged by what it has in excess of its source, with the source's flows.

    Args:
        frames: T pictures `[H, W, 3]`; any iterable, read once.
        flows: T - 1 flows, each from a frame to the one before it.
        masks: T - 1 masks `[H, W]`, as `visible` gives them.

    Raises:
        ValueError: where the numbers do not fit or nothing is visible.
    """
    frames = iter(frames)
    previous = next(frames, None)
    total, count = 0.0, 0
    for current, flow, mask in zip(frames, flows, masks, strict=True):
        error, seen = pair_error(previous, current, flow, mask)
        total, count, previous = total + error, count + seen, current
    if not count:
        raise ValueError("no pixel is seen in two frames")
    return total / count


def excess(source, result) -> float:
    """The warp error of a result minus its source's own, with the source's motion.

    Both are clips as `clips.open_clip` gives them, of as many frames; the source is brought to the
    result's size. Pairs of frames across a scene cut do not count. See `warp_error`.
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
