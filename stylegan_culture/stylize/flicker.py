"""Measures how much more a restyled clip flickers than its source: `stylize --flicker`."""

import numpy as np

from stylegan_culture import images
from stylegan_culture.analysis.flow import between
from stylegan_culture.analysis.temporal import pair_error
from stylegan_culture.stylization.video import is_cut, thumb


def excess(source, result) -> float:
    """The warp error of a result minus its source's own, with the source's motion.

    Both are clips as `clips.open_clip` gives them, of as many frames; the source is brought to the
    result's size. Pairs of frames across a scene cut do not count. See `temporal.warp_error`.
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
