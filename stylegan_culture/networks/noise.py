"""Points of noise: drawn from a unit Gaussian, and walks between them."""

import numpy as np


def draw(count: int, size: int, seed: int | tuple[int, ...]) -> np.ndarray:
    """`count` points of a unit Gaussian, `[count, size]` float32; `seed` a number or several."""
    return np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)


def between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """The point at `share` of the way along the arc from one point `[Z]` to another.

        sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b,   w: the angle between a and b

    Spherical interpolation (White, arXiv 1609.04468): in many dimensions nearly all points of a
    Gaussian lie at one distance from the origin, which a straight line would leave. Points in one
    line with the origin have no single arc and are joined by the straight line.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    angle = np.arccos(np.clip(first @ second / lengths, -1.0, 1.0)) if lengths > 0.0 else 0.0
    if np.sin(angle) < 1e-6:
        point = (1.0 - share) * first + share * second
    else:
        point = np.sin((1.0 - share) * angle) * first + np.sin(share * angle) * second
        point = point / np.sin(angle)
    return point.astype(np.float32)


def walk(points: np.ndarray, steps: int, closed: bool = False) -> np.ndarray:
    """A walk through points `[N, Z]`, `steps` from each to the next: `[steps (N - 1) + 1, Z]`.

    `closed` returns to the first and leaves out its repetition: `[steps N, Z]`.
    """
    points = np.asarray(points, np.float32)
    targets = np.roll(points, -1, 0) if closed else points[1:]
    shares = np.arange(steps) / steps
    path = [between(a, b, t) for a, b in zip(points, targets, strict=False) for t in shares]
    return np.stack(path if closed else [*path, points[-1]])
