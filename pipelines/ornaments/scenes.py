"""Simple landscapes, and how each ornament tradition draws them.

A `Scene` says what is where and in which base colours; it knows no tradition. `silhouettes` turns
it into the share of every pixel that each role (sky, hills, water, ...) covers, which is the same
in all traditions. `render` then lets one tradition wash the colours of the roles, fill the roles
with its motif and draw its outlines.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from stylegan_culture.pipelines.cultures import KEYS
from stylegan_culture.pipelines.ornaments.colours import Palette, choose_palette, lab_to_rgb, mix
from stylegan_culture.pipelines.ornaments.idioms import IDIOMS, Idiom
from stylegan_culture.pipelines.ornaments.motifs import pattern
from stylegan_culture.pipelines.ornaments.shapes import ROLES, Shape, scene_shapes

LINE_ALPHA = 0.6  # opacity of outlines
# Which treatment of an `Idiom` a role follows, in the order of `ROLES`.
GROUPS = {
    "sky": "sky", "sun": "sun", "far_hills": "hills", "hills": "hills", "ground": "ground",
    "water": "water", "trunk": "built", "crown": "crown", "wall": "built", "roof": "roof",
    "door": "built", "figure": "figure", "head": "figure",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One landscape. Positions are in [0, 1], x to the right, y down.

    shapes: filled from the first to the last.
    """

    scene_id: int
    shapes: tuple[Shape, ...]
    palette: Palette

    @classmethod
    def from_id(cls, scene_id: int) -> "Scene":
        """The scene with this number (non-negative): the same on every machine and every run."""
        if scene_id < 0:
            raise ValueError(f"A scene's number cannot be negative: {scene_id}.")
        generator = np.random.default_rng([20240, scene_id])
        return cls(scene_id, scene_shapes(generator), choose_palette(generator))


def _fineness(size: int) -> int:
    """Subpixels per pixel and axis at which shapes are drawn."""
    return 4 if size <= 96 else 2


@lru_cache(maxsize=16)
def silhouettes(scene: Scene, size: int) -> np.ndarray:
    """The share of each pixel that each role covers: read-only float32 [size, size, len(ROLES)];
    the shares of a pixel sum to 1."""
    fine = _fineness(size)
    labels = Image.new("L", (size * fine, size * fine), 0)
    draw = ImageDraw.Draw(labels)
    for shape in scene.shapes:
        draw.polygon(shape.scaled(size * fine), fill=ROLES.index(shape.role))
    shares = np.empty((len(ROLES), size, size), np.float32)
    for index in range(len(ROLES)):
        share = labels.point([255 if value == index else 0 for value in range(256)])
        shares[index] = share.reduce(fine)
    shares /= np.maximum(shares.sum(axis=0), 1.0)
    shares = np.ascontiguousarray(np.moveaxis(shares, 0, -1))
    shares.setflags(write=False)
    return shares


def _outline(scene: Scene, size: int, width: float) -> np.ndarray:
    """Coverage of the outlines, `width` 64ths of the side wide: float32 [size, size, 1]."""
    fine = _fineness(size)
    pixels = max(1, round(width * size * fine / 64))
    image = Image.new("L", (size * fine, size * fine), 0)
    draw = ImageDraw.Draw(image)
    for shape in scene.shapes:
        points = shape.scaled(size * fine)
        draw.polygon(points, fill=0)  # what lies in front hides the lines behind it
        draw.line([*points, *points[:2]], fill=255, width=pixels, joint="curve")
    return np.asarray(image.reduce(fine), np.float32)[..., None] / 255.0


def _role_colours(palette: Palette, idiom: Idiom) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """sRGB [R, 3] of every role: its washed ground, and the steps that shade and light add."""
    base = np.array(palette.roles)
    groups = [GROUPS[role] for role in ROLES]
    base += np.array([idiom.wash.get(group, (0.0, 0.0, 0.0)) for group in groups])
    strength = np.array([idiom.strength.get(group, 0.0) for group in groups])
    shaded = mix(base, np.array(palette.ink), idiom.shade * strength)
    lit = mix(base, np.array(palette.glow), idiom.light * strength)
    ground, shaded, lit = lab_to_rgb(np.stack([base, shaded, lit]))
    return ground, shaded - ground, lit - ground


def render(scene: Scene, tradition: str | int, size: int) -> np.ndarray:
    """Draws a scene in the idiom of a tradition: uint8 [size, size, 3], sRGB.

    tradition: key of a culture, or its index in `cultures.ORNAMENTS`. size: 64 to 256 pixels; the
    motif repeats every `size // 8`. ValueError for another tradition or size.
    """
    if not 64 <= size <= 256:
        raise ValueError(f"Pictures are 64 to 256 pixels wide, not {size}.")
    key = tradition if isinstance(tradition, str) else KEYS[tradition]
    if key not in IDIOMS:
        raise ValueError(f"No tradition is called {key!r}; there are {', '.join(KEYS)}.")
    idiom = IDIOMS[key]
    shares = silhouettes(scene, size)
    ground, shade, light = _role_colours(scene.palette, idiom)
    parts = shares.reshape(-1, len(ROLES)) @ np.hstack([ground, shade, light]).astype(np.float32)
    parts = parts.reshape(size, size, 9)
    motif = pattern(key, size)
    picture = parts[..., :3] + motif[..., :1] * parts[..., 3:6] + motif[..., 1:] * parts[..., 6:]
    if idiom.gradient:
        height = np.linspace(1.0, 0.0, size, dtype=np.float32)[:, None, None]
        picture += np.float32(idiom.gradient) * height * shares[..., :1]
    line = _outline(scene, size, idiom.line_width) * np.float32(LINE_ALPHA)
    colour = lab_to_rgb(np.array(getattr(scene.palette, idiom.line))).astype(np.float32)
    picture += line * (colour - picture)
    return np.clip(picture * 255.0 + 0.5, 0, 255).astype(np.uint8)
