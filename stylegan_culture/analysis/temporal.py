"""How much a video flickers: what changes from frame to frame beyond what the motion explains.

The previous frame is carried along the motion to where the current frame shows the same things,
and the two are compared where both see them. Frames are `[H, W, 3]` in [0, 1]. A flow `[H, W, 2]`
goes from the current frame to the previous one: pixel (x, y) of the current frame is pixel
(x + flow[..., 0], y + flow[..., 1]) of the previous one, in pixels, x to the right and y down.
"""

import numpy as np


def warp(picture, flow) -> np.ndarray:
    """The picture carried along a flow, bilinear, its border repeated: float32 `[H, W, C]`.

        result[y, x] = picture[y + v, x + u],  (u, v) = flow[y, x]

    Args:
        picture: `[H, W, C]`, any range.
        flow: `[H, W, 2]`.
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


def visible(flow, forward) -> np.ndarray:
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
