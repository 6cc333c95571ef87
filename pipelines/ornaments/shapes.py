"""The silhouettes of a scene: polygons for sky, hills, water, tree, house and figure.

Everything is placed by a seeded generator in the unit square, x to the right, y down, and listed
from the back to the front. No tradition is known here.
"""

from dataclasses import dataclass

import numpy as np

ROLES = (
    "sky", "sun", "far_hills", "hills", "ground", "water", "trunk", "crown", "wall", "roof",
    "door", "figure", "head",
)  # fmt: skip

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Shape:
    """A filled polygon: its role, one of `ROLES`, and its corners in the unit square."""

    role: str
    points: Points

    def scaled(self, side: int) -> list[float]:
        """Corners for a picture of `side` pixels, as the flat list x0, y0, x1, y1, ..."""
        return [coordinate * side for point in self.points for coordinate in point]


def _shape(role: str, x: np.ndarray, y: np.ndarray) -> Shape:
    return Shape(role, tuple(zip(map(float, x), map(float, y), strict=True)))


def _ellipse(role: str, x: float, y: float, width: float, height: float) -> Shape:
    """An ellipse of the given half axes."""
    turn = np.linspace(0.0, 2 * np.pi, 29)[:-1]
    return _shape(role, x + width * np.cos(turn), y + height * np.sin(turn))


def _box(role: str, left: float, top: float, right: float, bottom: float) -> Shape:
    return Shape(role, ((left, top), (right, top), (right, bottom), (left, bottom)))


def _below(role: str, x: np.ndarray, y: np.ndarray, floor: float) -> Shape:
    """Everything between a skyline y(x) and a lower level, with margins outside the picture."""
    return _shape(role, np.r_[-0.1, x, 1.1, 1.1, -0.1], np.r_[y[0], y, y[-1], floor, floor])


def _ridge(generator: np.random.Generator, role: str, horizon: float, height: float) -> Shape:
    """A range of hills: rounded, or peaked like mountains."""
    if generator.random() < 0.5:
        x = np.linspace(0.0, 1.0, 25)
        waves = generator.uniform(0.7, 2.2)
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * (waves * x + generator.random()))
        return _below(role, x, horizon - height * (0.15 + 0.85 * swell), 1.1)
    count = int(generator.integers(2, 5)) * 2 + 1
    x = np.linspace(0.0, 1.0, count) + generator.uniform(-0.3, 0.3, count) / count
    rise = np.where(np.arange(count) % 2 == generator.integers(2), 1.0, 0.2)
    return _below(role, x, horizon - height * rise * generator.uniform(0.7, 1.0, count), 1.1)


def _water(generator: np.random.Generator, horizon: float) -> list[Shape]:
    """A sea along the bottom, a sea along the horizon, a lake, a river, or none."""
    kind = int(generator.integers(5))
    room = 1.0 - horizon
    x = np.linspace(0.0, 1.0, 17)
    if kind == 0:
        shore = horizon + room * generator.uniform(0.35, 0.6)
        bend = 0.04 * np.sin(2 * np.pi * (x * generator.uniform(0.6, 1.4) + generator.random()))
        return [_below("water", x, shore + bend, 1.1)]
    if kind == 1:
        shore = horizon + room * generator.uniform(0.35, 0.6)
        return [_below("water", x, np.full(17, horizon), shore)]
    if kind == 2:
        centre = generator.uniform(0.25, 0.75)
        middle = horizon + room * generator.uniform(0.4, 0.65)
        return [_ellipse("water", centre, middle, generator.uniform(0.2, 0.36), 0.28 * room)]
    if kind == 3:
        down = np.linspace(0.0, 1.0, 13)
        phase, drift = generator.random(), generator.uniform(-0.4, 0.4)
        middle = generator.uniform(0.3, 0.7) + drift * down
        middle = middle + 0.1 * np.sin(2 * np.pi * (down + phase)) * down
        half = 0.02 + generator.uniform(0.12, 0.2) * down
        y = horizon + down * room * 1.1
        return [_shape("water", np.r_[middle - half, (middle + half)[::-1]], np.r_[y, y[::-1]])]
    return []


def _tree(generator: np.random.Generator, horizon: float) -> list[Shape]:
    """A trunk with a round, a pointed or a three-lobed crown."""
    x, size = generator.uniform(0.08, 0.92), generator.uniform(0.24, 0.44)
    foot = horizon + (1.0 - horizon) * generator.uniform(0.15, 0.75)
    half = 0.045 * size
    shapes = [_box("trunk", x - half, foot - 0.6 * size, x + half, foot)]
    kind, top = int(generator.integers(3)), foot - size
    if kind == 0:
        shapes.append(_ellipse("crown", x, top + 0.3 * size, 0.27 * size, 0.33 * size))
    elif kind == 1:
        width = 0.27 * size
        shapes.append(Shape("crown", ((x, top - 0.1 * size), (x + width, foot - 0.25 * size),
                                      (x - width, foot - 0.25 * size))))  # fmt: skip
    else:
        for shift, drop in ((-0.2, 0.42), (0.2, 0.42), (0.0, 0.22)):
            shapes.append(_ellipse("crown", x + shift * size, top + drop * size,
                                   0.24 * size, 0.2 * size))  # fmt: skip
    return shapes


def _house(generator: np.random.Generator, horizon: float) -> list[Shape]:
    """A wall with a gabled, a hipped or a domed roof, and a door."""
    x, width = generator.uniform(0.18, 0.82), generator.uniform(0.12, 0.22)
    foot = horizon + (1.0 - horizon) * generator.uniform(0.2, 0.6)
    eaves = foot - width * generator.uniform(0.7, 1.3)
    left, right, over = x - width / 2, x + width / 2, 0.18 * width
    top = eaves - width * generator.uniform(0.45, 0.8)
    shapes = [_box("wall", left, eaves, right, foot)]
    kind = int(generator.integers(3))
    if kind == 0:
        roof = Shape("roof", ((left - over, eaves), (x, top), (right + over, eaves)))
    elif kind == 1:
        roof = Shape("roof", ((left - over, eaves), (left + over, top), (right - over, top),
                              (right + over, eaves)))  # fmt: skip
    else:
        turn = np.linspace(np.pi, 2 * np.pi, 15)
        roof = _shape("roof", x + (width / 2 + over / 2) * np.cos(turn),
                      eaves + (eaves - top) * np.sin(turn))  # fmt: skip
    door = _box("door", x - 0.14 * width, foot - 0.55 * (foot - eaves), x + 0.14 * width, foot)
    return [*shapes, roof, door]


def _figure(generator: np.random.Generator, horizon: float) -> list[Shape]:
    """A robed figure with a round head, in the foreground."""
    x, height = generator.uniform(0.12, 0.88), generator.uniform(0.16, 0.28)
    foot = horizon + (1.0 - horizon) * generator.uniform(0.6, 0.95)
    half, neck = 0.24 * height, foot - 0.74 * height
    robe = Shape("figure", ((x - 0.35 * half, neck), (x + 0.35 * half, neck), (x + half, foot),
                            (x - half, foot)))  # fmt: skip
    radius = 0.15 * height
    return [robe, _ellipse("head", x, neck - 0.7 * radius, radius, radius)]


def _sun(generator: np.random.Generator, horizon: float) -> list[Shape]:
    """A full disc, or a crescent moon."""
    radius = generator.uniform(0.06, 0.11)
    x, y = generator.uniform(0.12, 0.88), generator.uniform(0.1, max(0.14, horizon - 0.2))
    if generator.random() < 0.7:
        return [_ellipse("sun", x, y, radius, radius)]
    turn = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 13)
    outer, inner = np.cos(turn), 0.45 * np.cos(turn[::-1])
    height = np.r_[np.sin(turn), np.sin(turn[::-1])]
    return [_shape("sun", x + radius * (np.r_[outer, inner] - 0.4), y + radius * height)]


def scene_shapes(generator: np.random.Generator) -> tuple[Shape, ...]:
    """Draw the silhouettes of a scene, from the back to the front."""
    horizon = generator.uniform(0.36, 0.66)
    shapes = [_box("sky", -0.1, -0.1, 1.1, 1.1), *_sun(generator, horizon)]
    if generator.random() < 0.75:
        shapes.append(_ridge(generator, "far_hills", horizon, generator.uniform(0.16, 0.32)))
    if generator.random() < 0.75:
        shapes.append(_ridge(generator, "hills", horizon, generator.uniform(0.08, 0.2)))
    shapes.append(_box("ground", -0.1, horizon, 1.1, 1.1))
    shapes.extend(_water(generator, horizon))
    things = [_house(generator, horizon)] if generator.random() < 0.75 else []
    things.extend(_tree(generator, horizon) for _ in range(int(generator.integers(0, 4))))
    things.sort(key=lambda thing: thing[0].points[-1][1])  # what stands lower is nearer
    for thing in things:
        shapes.extend(thing)
    if generator.random() < 0.7:
        shapes.extend(_figure(generator, horizon))
    return tuple(shapes)
