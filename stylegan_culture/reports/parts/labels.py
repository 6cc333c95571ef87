"""Names in charts: how much of one there is room for, and where they go on a map, so that they hide
neither dots nor each other."""

import math

from stylegan_culture.config import visible

LONGEST = 40  # characters


def label(name: str) -> str:
    """A name as it stands in a chart: one line of at most `LONGEST` characters."""
    return visible(name, LONGEST)


def placed(boxes: dict, dots_at: dict, size: tuple) -> dict:
    """Middles of labels beside their dots, each where it covers least of dots and other labels.

    The most crowded choose first, among places around the dot from near to farther off.

    Args:
        boxes: name to half width and half height of its label.
        dots_at: name to the place `(x, y)` of its dot; y grows downwards.
        size: width and height of the map, in the same unit; labels stay inside where they can.
    """
    names = sorted(boxes, key=lambda name: _crowd(name, dots_at))
    taken, middles = [(place, (6.0, 6.0)) for place in dots_at.values()], {}
    for name in names:
        half, high = boxes[name]
        best = None
        for distance in (8, 26, 48, 74, 104):
            for turn in range(24):
                angle = math.radians(90 + 15 * turn)
                x = dots_at[name][0] + (half + distance) * math.cos(angle)
                y = dots_at[name][1] - (high + distance) * math.sin(angle)
                outside = max(0.0, half - x, x + half - size[0])
                outside += max(0.0, high - y, y + high - size[1])
                covered = sum(_overlap(((x, y), boxes[name]), other) for other in taken)
                cost = 50.0 * outside + covered + distance + 0.1 * min(turn, 24 - turn)
                if best is None or cost < best[0]:
                    best = (cost, (x, y))
        middles[name] = best[1]
        taken.append((best[1], boxes[name]))
    return middles


def _crowd(name: str, dots_at: dict) -> float:
    """The distance to the nearest other dot."""
    others = (place for other, place in dots_at.items() if other != name)
    return min((math.dist(dots_at[name], place) for place in others), default=0.0)


def _overlap(one: tuple, other: tuple) -> float:
    """Square pixels that two boxes (middle, half sizes) share."""
    sides = [one[1][k] + other[1][k] - abs(one[0][k] - other[0][k]) for k in (0, 1)]
    return max(0.0, sides[0]) * max(0.0, sides[1])
