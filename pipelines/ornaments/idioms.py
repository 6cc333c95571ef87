"""The idiom in which each ornament tradition draws a scene: outlines, contrast, washes.

These are inventions that make a transfer measurable, not observations about a culture. A wash
shifts the colour of a role, such as the sky, by less than colours differ from scene to scene; what
one role loses another gains; and all inks belong to the scene. So the palettes of the traditions
overlap, and a palette alone does not tell the tradition.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Idiom:
    """How a tradition draws a scene.

    line: which of the scene's inks the outlines have: "ink" (dark), "glow" (light) or "accent".
    line_width: in 64ths of the picture's side.
    shade, light: amount in [0, 1] by which the motif's two channels move a region's colour towards
    the scene's ink and glow.
    gradient: change of the sky's brightness (sRGB) from the picture's foot to its top.
    wash: role group -> step in OKLab (lightness, green to red, blue to yellow) of its base colours.
    strength: role group -> factor in [0, 1] on the motif's contrast; groups left out stay plain.
    """

    line: str
    line_width: float
    shade: float
    light: float
    wash: dict[str, tuple[float, float, float]]
    strength: dict[str, float]
    gradient: float = 0.0


IDIOMS: dict[str, Idiom] = {
    "seigaiha": Idiom(
        line="ink",
        line_width=0.9,
        shade=0.34,
        light=0.32,
        gradient=-0.1,
        wash={
            "sky": (0.040, 0.000, -0.008),
            "hills": (-0.032, 0.000, -0.016),
            "water": (-0.072, 0.000, -0.024),
            "ground": (0.032, 0.024, 0.000),
        },
        strength={"sky": 0.6, "hills": 0.8, "water": 1.0, "ground": 0.7, "roof": 0.8},
    ),
    "girih": Idiom(
        line="glow",
        line_width=1.0,
        shade=0.32,
        light=0.32,
        wash={
            "sky": (-0.072, 0.000, -0.024),
            "hills": (0.000, -0.024, 0.000),
            "water": (0.040, -0.016, 0.000),
            "ground": (0.056, 0.000, 0.024),
        },
        strength={"sky": 0.8, "hills": 0.7, "water": 0.9, "ground": 0.8, "roof": 1.0},
    ),
    "meander": Idiom(
        line="ink",
        line_width=1.1,
        shade=0.34,
        light=0.3,
        wash={
            "sky": (0.032, 0.008, 0.024),
            "hills": (0.048, 0.000, 0.000),
            "water": (-0.040, 0.000, 0.016),
            "ground": (-0.064, 0.016, 0.000),
        },
        strength={"sky": 0.6, "hills": 0.8, "water": 0.8, "ground": 1.0, "roof": 0.9},
    ),
    "iceray": Idiom(
        line="accent",
        line_width=0.9,
        shade=0.42,
        light=0.3,
        gradient=0.1,
        wash={
            "sky": (0.016, -0.032, 0.000),
            "hills": (0.064, 0.000, -0.016),
            "water": (0.056, 0.000, 0.000),
            "ground": (-0.048, -0.016, 0.000),
        },
        strength={"sky": 0.7, "hills": 0.8, "water": 1.0, "ground": 0.8, "roof": 0.8},
    ),
    "kawung": Idiom(
        line="ink",
        line_width=1.0,
        shade=0.32,
        light=0.34,
        wash={
            "sky": (-0.056, 0.016, 0.016),
            "hills": (0.024, 0.016, 0.016),
            "water": (0.048, 0.016, 0.008),
            "ground": (0.048, 0.000, 0.024),
        },
        strength={"sky": 0.7, "hills": 0.8, "water": 0.8, "ground": 0.9, "roof": 0.9},
    ),
    "interlace": Idiom(
        line="glow",
        line_width=1.0,
        shade=0.36,
        light=0.32,
        wash={
            "sky": (0.056, 0.000, 0.016),
            "hills": (-0.072, 0.000, 0.000),
            "water": (0.000, -0.024, 0.016),
            "ground": (-0.040, 0.000, -0.032),
        },
        strength={"sky": 0.6, "hills": 0.9, "water": 0.8, "ground": 1.0, "roof": 0.9},
    ),
    "kente": Idiom(
        line="ink",
        line_width=0.8,
        shade=0.32,
        light=0.34,
        wash={
            "sky": (0.024, 0.024, -0.008),
            "hills": (-0.040, 0.000, 0.024),
            "water": (-0.056, -0.016, 0.000),
            "ground": (0.016, 0.032, 0.016),
        },
        strength={"sky": 0.6, "hills": 0.8, "water": 0.8, "ground": 1.0, "roof": 1.0},
    ),
    "fret": Idiom(
        line="accent",
        line_width=1.0,
        shade=0.28,
        light=0.28,
        gradient=-0.08,
        wash={
            "sky": (-0.032, 0.024, 0.000),
            "hills": (0.040, 0.024, 0.000),
            "water": (0.024, -0.024, 0.016),
            "ground": (0.000, -0.024, 0.008),
        },
        strength={"sky": 0.6, "hills": 0.9, "water": 0.8, "ground": 0.9, "roof": 0.9},
    ),
}
