"""The eight ornament motifs as periodic tiles.

A motif is a pure function of plane coordinates (x to the right, y down, period 1 in both) that
returns two boolean masks: `shade`, where darker ink lies, and `light`, where lighter ink lies; no
point is in both. `tile` samples a motif at 8 x 8 points a pixel and averages, which antialiases it.
How each motif is built, and from what sources, stands in `stylegan_culture.pipelines.cultures`.
"""

from functools import lru_cache

import numpy as np

SUPERSAMPLING = 8

Masks = tuple[np.ndarray, np.ndarray]


def _segment_distance(x: np.ndarray, y: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Distance of every point to the nearest of `segments` [N, 2, 2] (x, y) on the unit torus.

    Both coordinates of a segment's ends lie in [-1, 1].
    """
    x, y = x % 1.0, y % 1.0
    nearest = np.full(x.shape, np.inf)
    shifts = [(i, j) for i in (-1, 0, 1, 2) for j in (-1, 0, 1, 2)]
    for (ax, ay), (bx, by) in segments:
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        for i, j in shifts:
            px, py = x - ax - i, y - ay - j
            along = np.clip((px * dx + py * dy) / length, 0.0, 1.0)
            np.minimum(nearest, np.hypot(px - along * dx, py - along * dy), out=nearest)
    return nearest


def _polyline(points: list[tuple[float, float]], closed: bool = False) -> np.ndarray:
    """Segments [N, 2, 2] that join `points` in order."""
    vertices = np.asarray(points + points[:1] if closed else points, dtype=float)
    return np.stack([vertices[:-1], vertices[1:]], axis=1)


def _grid(rows: tuple[str, ...], mark: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where a motif given on a square grid of characters carries `mark`."""
    cells = np.array([[character == mark for character in row] for row in rows])
    height, width = cells.shape
    return cells[(y * height).astype(int) % height, (x * width).astype(int) % width]


def seigaiha(x: np.ndarray, y: np.ndarray) -> Masks:
    """Overlapping rows of concentric circles, radius 1/2, rows 1/4 apart, lower rows in front."""
    radius, pitch = 0.5, 0.25
    y = y % 1.0
    distance = np.full(x.shape, np.inf)
    for row in range(-4, 8):  # from the back to the front: the front one is written last
        centre_x = 0.5 * (row % 2)
        across = np.abs((x - centre_x + 0.5) % 1.0 - 0.5)
        from_centre = np.hypot(across, y - row * pitch)
        distance = np.where(from_centre <= radius, from_centre, distance)
    ring = distance / radius
    return ring > 0.76, (ring > 0.52) & (ring <= 0.76)


def girih(x: np.ndarray, y: np.ndarray) -> Masks:
    """Hankin's star pattern on the 4.8.8 tiling, contact angle 45 degrees: {8/2} stars."""
    x, y = x % 1.0, y % 1.0
    outer, inner = 0.5, 0.5 * np.cos(np.pi / 4) / np.cos(np.pi / 8)
    angles = np.arange(16) * np.pi / 8
    radii = np.where(np.arange(16) % 2 == 0, outer, inner)
    star = list(zip(0.5 + radii * np.cos(angles), 0.5 + radii * np.sin(angles), strict=True))
    line = _segment_distance(x, y, _polyline(star, closed=True)) < 0.055
    # The star is the union of two squares, one upright and one on its corner.
    half_side = 0.5 * np.cos(np.pi / 4)
    across, down = np.abs(x - 0.5), np.abs(y - 0.5)
    inside = (np.maximum(across, down) < half_side) | (across + down < 0.5)
    core = np.hypot(across, down) < 0.12
    return line | core, inside & ~line & ~core


def meander(x: np.ndarray, y: np.ndarray) -> Masks:
    """A single running line on an 8 x 8 grid, with the band between two lines left light."""
    rows = (
        "#######.",
        "#.....#.",
        "#.###.#.",
        "#.#.#.#.",
        "#.#.###.",
        "#.#.....",
        "#.######",
        "--------",
    )
    return _grid(rows, "#", x, y), _grid(rows, "-", x, y)


def _split(polygon: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Stiny's rule: cut a convex polygon [N, 2] between two of its sides that are not adjacent."""
    sides = len(polygon)
    lengths = np.linalg.norm(np.roll(polygon, -1, axis=0) - polygon, axis=1)
    first = int(np.argmax(lengths))
    second = (first + sides // 2 + int(generator.integers(0, 1 + sides % 2))) % sides
    first, second = sorted((first, second))
    cut = []
    for side in (first, second):
        fraction = generator.uniform(0.38, 0.62)
        cut.append(polygon[side] * (1 - fraction) + polygon[(side + 1) % sides] * fraction)
    inner = np.vstack([cut[0], polygon[first + 1 : second + 1], cut[1]])
    outer = np.vstack([cut[1], polygon[second + 1 :], polygon[: first + 1], cut[0]])
    return inner, outer


@lru_cache(maxsize=1)
def iceray_polygons() -> tuple[np.ndarray, ...]:
    """The panes of one period: a hexagon that tiles the plane, split three times, largest first."""
    first, second, third = np.array([0.72, -0.22]), np.array([0.28, 0.22]), np.array([-0.28, 0.78])
    steps = np.cumsum([first, second, third, -first, -second], axis=0)
    polygons = [np.vstack([[0.0, 0.0], steps])]
    generator = np.random.default_rng(5)
    for _ in range(3):
        areas = [_area(polygon) for polygon in polygons]
        polygons.extend(_split(polygons.pop(int(np.argmax(areas))), generator))
    return tuple(polygons)


def _area(polygon: np.ndarray) -> float:
    """Area of a polygon [N, 2] by the shoelace formula."""
    x, y = polygon.T
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def iceray(x: np.ndarray, y: np.ndarray) -> Masks:
    """Bars along the sides of the split polygons; the panes stay plain."""
    sides = [_polyline(list(map(tuple, polygon)), closed=True) for polygon in iceray_polygons()]
    bars = _segment_distance(x, y, np.concatenate(sides)) < 0.065
    return bars, np.zeros(x.shape, bool)


def kawung(x: np.ndarray, y: np.ndarray) -> Masks:
    """Lenses on the diagonals, four to a point, each with a dark seed; a small star between."""
    # Turned by 45 degrees the lenses lie along the edges of a square lattice of pitch s.
    pitch = np.sqrt(0.5)
    along, across = (x + y) / np.sqrt(2), (x - y) / np.sqrt(2)
    a = np.abs((along / pitch) % 1.0 - 0.5)
    b = np.abs((across / pitch) % 1.0 - 0.5)
    # Circles of radius s / sqrt(2) around the centres of the squares overlap in the lenses.
    reach = 0.64
    petal = (np.hypot(a, 1.0 - b) < reach) | (np.hypot(1.0 - a, b) < reach)
    seed = (np.hypot(a, 0.5 - b) < 0.09) | (np.hypot(0.5 - a, b) < 0.09)
    star = (np.hypot(0.5 - a, 0.5 - b) > 0.4) & (np.minimum(a, b) < 0.1)
    return seed | (star & ~petal), petal & ~seed


def interlace(x: np.ndarray, y: np.ndarray) -> Masks:
    """Two sets of diagonal bands, over and under in turn at the lattice points and centres."""
    half_width, edge, gap = 0.17, 0.07, 0.03
    sum_, difference = x + y, x - y
    down = np.abs((sum_ + 0.5) % 1.0 - 0.5) / np.sqrt(2)
    up = np.abs((difference + 0.5) % 1.0 - 0.5) / np.sqrt(2)
    parity = (np.floor(sum_ + 0.5) + np.floor(difference + 0.5)) % 2 == 0
    over = np.where(parity, down, up)
    under = np.where(parity, up, down)
    on_over = over < half_width
    on_under = (under < half_width) & (over >= half_width + gap)
    depth = np.where(on_over, half_width - over, half_width - under)
    band = on_over | on_under
    return band & (depth < edge), band & (depth >= edge)


def kente(x: np.ndarray, y: np.ndarray) -> Masks:
    """Warp-faced and weft-faced blocks in turn, offset by one block from strip to strip."""
    rows = ("####-.#.", "-----.#.") * 2 + ("-.#.####", "-.#.----") * 2
    return _grid(rows, "#", x, y), _grid(rows, "-", x, y)


def fret(x: np.ndarray, y: np.ndarray) -> Masks:
    """A staircase with steps two units wide that ends in a square hook, on an 8 x 8 grid."""
    rows = (
        "........",
        "--######",
        "--#----#",
        "--###--#",
        "-------#",
        "-----###",
        "---#####",
        "-#######",
    )
    return _grid(rows, "#", x, y), _grid(rows, "-", x, y)


MOTIFS = {
    "seigaiha": seigaiha,
    "girih": girih,
    "meander": meander,
    "iceray": iceray,
    "kawung": kawung,
    "interlace": interlace,
    "kente": kente,
    "fret": fret,
}


@lru_cache(maxsize=64)
def tile(key: str, cell: int) -> np.ndarray:
    """Ink coverage of one period of a motif, a key of `MOTIFS`: read-only float32 [cell, cell, 2],
    shade and light in [0, 1], whose sum is at most 1. ValueError for another motif, and for a
    `cell` of fewer than 4 pixels."""
    if key not in MOTIFS:
        raise ValueError(f"No motif is called {key!r}; there are {', '.join(MOTIFS)}.")
    if cell < 4:
        raise ValueError(f"A motif needs a cell of at least 4 pixels, not {cell}.")
    fine = cell * SUPERSAMPLING
    axis = (np.arange(fine) + 0.5) / fine
    y, x = np.meshgrid(axis, axis, indexing="ij")
    masks = np.stack(MOTIFS[key](x, y), axis=-1).astype(np.float32)
    blocks = masks.reshape(cell, SUPERSAMPLING, cell, SUPERSAMPLING, 2)
    coverage = np.ascontiguousarray(blocks.mean(axis=(1, 3)))
    coverage.setflags(write=False)
    return coverage


@lru_cache(maxsize=64)
def pattern(key: str, size: int) -> np.ndarray:
    """A whole picture of a motif, `tile(key, size // 8)` repeated from the picture's origin:
    read-only float32 [size, size, 2] in [0, 1]."""
    cell = size // 8
    repeats = -(-size // cell)
    coverage = np.tile(tile(key, cell), (repeats, repeats, 1))[:size, :size]
    coverage = np.ascontiguousarray(coverage)
    coverage.setflags(write=False)
    return coverage
