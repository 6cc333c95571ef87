"""Charts, drawn once by Matplotlib: as inline SVG within a page, and as PNG files beside it.

A chart is drawn on white in the colours of the page's light form; in an SVG these become the page's
variables, so that a chart follows light and dark. Texts may be any names: a `$` begins no formula,
and a character that the font lacks is a box without a warning. A chart's `caption` says what it
shows, for those who do not see it.
"""

import base64
import collections.abc
import contextlib
import dataclasses
import io
import math
import pathlib
import re
import typing
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np

from stylegan_culture.config import visible
from stylegan_culture.files import SOFTWARE, written_whole
from stylegan_culture.measures import colour
from stylegan_culture.reports.page import number, shown

if typing.TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Colours of a chart, and the page's variables (`templates/page.css`) that they become in an SVG.
INK, SOFT, LINE, ACCENT, HEAT, PAPER = (
    *("#23201b", "#645d51", "#ddd6c8"),
    *("#34506e", "#8f3d1b", "#faf8f3"),
)
WARM = "#8f3d1c"  # of lines: `HEAT`, which in the page's dark form is too dark for them
VARIABLES = {
    WARM: "--warm",
    **{INK: "--ink", SOFT: "--soft", LINE: "--line"},
    **{ACCENT: "--accent", HEAT: "--heat", PAPER: "--paper"},
}
DOTS = 110  # an inch of a PNG file
SVG_DOTS = 144  # an inch of a picture within an SVG
LONGEST_SIDE = 8192  # pixels; larger figures get fewer dots an inch
LONGEST_NAME = 40  # characters
MOST_NUMBERED = 60  # rows up to which every cell of a heat map has its number
STROKES = ((ACCENT, "-"), (WARM, "--"), (SOFT, ":"))  # of the first, second and third line
FONT = 12  # pixels of a page
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
PETALS = (68.0, 42.0)  # lightness and chroma of the petals of a hue rose
TILE, ROOMY = 78, 12  # pixels: the height of pictures on a map of at most so many; less on others
WIDEST = 1.6  # proportion that they are cut to


Show = typing.Callable[[float], str]  # a number as text


@contextlib.contextmanager
def drawing(
    width: float, height: float, layout: str | None = "constrained"
) -> collections.abc.Iterator["Figure"]:
    """A Matplotlib figure without axes, to be filled and kept by `svg` or `png` within the block.

    Args:
        width, height: in pixels of a page, 72 an inch.
        layout: of Matplotlib; None leaves axes where they are put.
    """
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot, which looks for a screen and keeps figures

    settings = {
        **{"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": SOFTWARE},
        **{"font.size": FONT, "axes.edgecolor": SOFT, "axes.labelcolor": INK, "text.color": INK},
        **{"xtick.color": SOFT, "ytick.color": SOFT, "axes.grid": False},
        **{"axes.spines.top": False, "axes.spines.right": False},
        "image.composite_image": False,  # pictures of a map stay apart
    }
    # Texts take the settings when they are made, and ticks are made as late as when it is drawn.
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from ")
        # Labels of the widest letters leave a panel no room: they overlap then.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        yield Figure(figsize=(width / 72, height / 72), layout=layout)


def svg(figure: "Figure", caption: str, kind: str = "") -> "Markup":
    """A figure of `drawing`, within its block, as inline SVG; `kind` is a class of page.css."""
    from markupsafe import Markup

    file = io.StringIO()
    nameless = {"Date": None, "Creator": None}
    figure.savefig(file, format="svg", transparent=True, dpi=SVG_DOTS, metadata=nameless)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(file.getvalue())
    for name in ("width", "height"):
        del root.attrib[name]
    for element in [*root.findall("{*}metadata"), *root.findall("{*}defs/{*}style/..")]:
        root.remove(element)
    root.attrib |= {"role": "img", "aria-label": visible(caption), "class": f"chart {kind}".strip()}
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")  # as Matplotlib's style sheet
    content = ElementTree.tostring(root, encoding="unicode")
    for element in root.iter():
        if address := element.get(f"{{{XLINK}}}href", "").partition("data:image/png;base64,")[2]:
            element.set(f"{{{XLINK}}}href", _as_jpeg(address))
        if "#" + element.get("id", "") not in content:  # nothing in the chart refers to it
            element.attrib.pop("id", None)
        style = element.get("style", "")
        for drawn, variable in VARIABLES.items():
            style = style.replace(drawn, f"var({variable})")
        style = re.sub(r"(font: [^']*)'.*sans-serif", r"\1var(--sans)", style)
        if style:
            element.set("style", style)
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(re.sub(r">\n *<", "><", text))  # names have no line breaks


def _as_jpeg(address: str) -> str:
    """A picture of an SVG as a data URI a quarter as long."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(address))).convert("RGB")
    return shown(np.asarray(picture), "").address


def png(figure: "Figure", path: pathlib.Path) -> None:
    """Writes a figure as a PNG file, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    dots = min(DOTS, LONGEST_SIDE / max(figure.get_size_inches()))
    with written_whole(path) as file:
        figure.savefig(file, format="png", dpi=dots, metadata={"Software": SOFTWARE})


def draw_heat(
    axes: "Axes", values: np.ndarray, names: list[str], show: Show, dark: float, **scale: object
) -> "AxesImage":
    """Draws a heat map of `[K, K]` on Matplotlib axes, rows and columns with the same names.

    Up to `MOST_NUMBERED` rows, finite cells show their number, in white beyond the value `dark`;
    `scale` is of `Axes.imshow`.
    """
    places, names = range(len(names)), list(map(label, names))
    drawn = axes.imshow(values, **scale)
    axes.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names)
    axes.tick_params(length=0)
    for row, column in np.argwhere(np.isfinite(values)) if len(names) <= MOST_NUMBERED else ():
        value = values[row, column]
        ink = "white" if value > dark else "black"
        axes.text(column, row, show(value), ha="center", va="center", color=ink, fontsize=9)
    return drawn


def label(name: str) -> str:
    """A name as it stands in a chart: one line of at most `LONGEST_NAME` characters."""
    return visible(name, LONGEST_NAME)


def dots(rows: list[tuple], show: Show, caption: str) -> "Markup":
    """A dot with its 95 % interval for each row `(name, value, low, high)`, the greatest value on
    top, on one scale."""
    height = 19 * len(rows) + 8
    with drawing(364, height, layout=None) as figure:
        draw_dots(figure.add_axes((148 / 364, 0, 168 / 364, 1)), rows, show)
        said = "; ".join(
            f"{name} {show(value)} ({show(low)} to {show(high)})" for name, value, low, high in rows
        )
        return svg(figure, f"{caption}: {said}", "dots")


def draw_dots(axes: "Axes", rows: list[tuple], show: Show) -> None:
    """Draws what `dots` does on Matplotlib axes; names stand left of them, values right."""
    rows = sorted(rows, key=lambda row: row[1])
    names, values, lows, highs = zip(*rows, strict=True)
    places = range(len(rows))
    axes.hlines(places, min(lows), max(highs), color=LINE, linewidth=1, zorder=0)
    axes.axvline(sum(values) / len(values), color=SOFT, linewidth=1, zorder=1)
    axes.hlines(places, lows, highs, color=ACCENT, linewidth=2, zorder=2)
    marker = {"color": ACCENT, "markeredgecolor": PAPER, "markersize": 7.2}
    axes.plot(values, places, "o", **marker, zorder=3, clip_on=False)
    across = axes.get_yaxis_transform()
    for place, name, value in zip(places, names, values, strict=True):
        sides = {"transform": across, "verticalalignment": "center_baseline"}
        axes.text(-0.05, place, label(name), horizontalalignment="right", **sides)
        axes.text(1.28, place, show(value), horizontalalignment="right", color=SOFT, **sides)
    axes.set(xlim=(min(lows), max(highs)) if max(highs) > min(lows) else None)
    axes.set(ylim=(-0.5, len(rows) - 0.5))
    axes.margins(0)
    axes.axis("off")


@dataclasses.dataclass(frozen=True)
class Lines:
    """Up to three lines of values from 0 to 1 over the same steps."""

    # Name to its values, one a step: numbers, or `(value, low, high)`, whose interval is shaded
    series: dict[str, typing.Sequence]
    ticks: typing.Sequence[str]  # a text for each step
    show: Show  # number to text
    unit: str = ""  # what the steps are; below them
    # Further rows of values, thin and without a name
    faint: typing.Sequence[typing.Sequence[float]] = ()
    # Space at either end, in steps; with 0.5 each step has a column of equal width
    margin: float = 0.15


def lines(data: Lines, caption: str) -> "Markup":
    """Lines under their names; the caption says what is measured, and the values follow it."""
    with drawing(336, 212) as figure:
        draw_lines(figure.subplots(), data)
        said = "; ".join(
            f"{name}: "
            + ", ".join(
                f"{data.show(_bounded(value)[0])} at {tick}"
                for value, tick in zip(values, data.ticks, strict=True)
            )
            for name, values in data.series.items()
        )
        return svg(figure, f"{caption}. {said}", "lines")


def draw_lines(axes: "Axes", data: Lines) -> None:
    """Draws what `lines` does on Matplotlib axes."""
    places = range(len(data.ticks))
    for values in data.faint:
        axes.plot(places, values, color=SOFT, linewidth=0.6, alpha=0.65, zorder=1)
    for (name, values), (ink, dashes) in zip(data.series.items(), STROKES, strict=False):
        middle, low, high = zip(*map(_bounded, values), strict=True)
        axes.fill_between(places, low, high, color=ink, alpha=0.14, linewidth=0, zorder=2)
        stroke = {"color": ink, "linestyle": dashes, "linewidth": 1.8, "label": label(name)}
        axes.plot(places, middle, marker="o", markersize=4, **stroke, zorder=3)
    levels, across = (0.0, 0.5, 1.0), axes.get_yaxis_transform()
    axes.hlines(levels, 0, 1, color=LINE, linewidth=1, zorder=0, transform=across)
    axes.set_yticks(levels, [data.show(level) for level in levels])
    axes.set_xticks(places, [label(tick) for tick in data.ticks])
    axes.set(xlabel=data.unit, xlim=(-data.margin, len(data.ticks) - 1 + data.margin))
    axes.set(ylim=(-0.03, 1.03))
    axes.tick_params(length=0, labelsize=FONT - 1)
    axes.xaxis.label.set(fontsize=FONT - 1, color=SOFT)
    axes.spines[:].set_visible(False)
    if len(data.series) > 1:
        width = axes.get_window_extent().width * 72 / axes.figure.dpi
        columns = math.ceil(len(data.series) / legend_rows(data, width))
        above = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": columns}
        axes.legend(**above, frameon=False, borderpad=0.0, borderaxespad=0.3, handlelength=2.4)


def legend_rows(data: Lines, width: float) -> int:
    """How many rows the names of lines take above axes of a width in pixels."""
    longest = 36 + 7 * max(len(label(name)) for name in data.series)
    return math.ceil(len(data.series) / max(1, int(width // longest)))


def _bounded(value: float | tuple[float, float, float]) -> tuple:
    """`(value, low, high)`, also of a number that comes without an interval."""
    return tuple(value) if isinstance(value, typing.Sequence) else (value, value, value)


def histogram(
    shares: list[float], mean: list[float], fills: list[str], ends: tuple[str, str], caption: str
) -> "Markup":
    """Bars of shares, each of its colour, and over them the outline of a mean; the tallest fills
    the height. `ends` are named below the first and the last bar."""
    with drawing(242, 130, layout=None) as figure:
        axes = figure.add_axes((1 / 242, 19 / 130, 240 / 242, 110 / 130))
        edges = np.arange(len(shares) + 1)
        bars = {"align": "edge", "edgecolor": SOFT, "linewidth": 0.5, "clip_on": False}
        axes.bar(edges[:-1] + 0.04, shares, 0.92, color=fills, **bars)
        axes.stairs(mean, edges, baseline=None, color=INK, linewidth=1, clip_on=False)
        axes.axhline(0.0, color=SOFT, linewidth=1, clip_on=False)
        for place, side in enumerate(("left", "right")):
            text = {"transform": axes.transAxes, "horizontalalignment": side, "color": SOFT}
            axes.text(place, -0.14, ends[place], fontsize=10, **text)
        axes.set(xlim=(0, len(shares)), ylim=(0, max(*shares, *mean, 1e-9)))
        axes.axis("off")
        return svg(figure, caption, "histogram")


def rose(shares: list[float], mean: list[float], largest: float, caption: str) -> "Markup":
    """A hue rose: petals whose area is the share of their hue, over them the outline of a mean.

    Hues have equal widths from 0 degrees, which points right, as in CIELAB, and grow against the
    clock. The share `largest` reaches the rim.
    """
    turn = 2.0 * math.pi / len(shares)
    middles = turn * (np.arange(len(shares)) + 0.5)
    fills = [
        colour.code((PETALS[0], PETALS[1] * math.cos(at), PETALS[1] * math.sin(at)))
        for at in middles
    ]
    around = np.linspace(0.0, 2.0 * math.pi, 12 * len(shares), endpoint=False)
    outline = np.sqrt(np.array(mean) / largest)[(around / turn).astype(int)]
    with drawing(104, 104, layout=None) as figure:
        axes = figure.add_axes((0.02, 0.02, 0.96, 0.96), projection="polar")
        rim = np.append(around, 2.0 * math.pi)
        axes.plot(rim, np.ones_like(rim), color=LINE, linewidth=1, clip_on=False)
        axes.bar(middles, np.sqrt(np.array(shares) / largest), turn, color=fills, linewidth=0)
        closed = {"linewidth": 0.8, "solid_joinstyle": "miter"}
        axes.plot(rim, [*outline, outline[0]], color=INK, **closed)
        axes.set(ylim=(0.0, 1.0))
        axes.axis("off")
        return svg(figure, caption, "rose")


def greys(count: int) -> list[str]:
    """Colours for the bars of a histogram of lightness, each that of its bin."""
    return [colour.code((100 * (bin + 0.5) / count, 0.0, 0.0)) for bin in range(count)]


@dataclasses.dataclass(frozen=True)
class Place:
    """A dot on a map."""

    name: str  # of its label
    point: tuple[float, float]  # `(x, y)`, y upwards
    # Around it: two half axes in the unit of the point, and degrees
    ellipse: tuple[float, float, float]
    # `[H, W, 3]` uint8 above the label; None where the map has no pictures
    picture: np.ndarray | None = None


def plane(places: list[Place], size: tuple[int, int], caption: str, kind: str = "") -> "Markup":
    """A map without axes, `size` pixels wide and high."""
    said = "; ".join(f"{place.name} at {', '.join(map(number, place.point))}" for place in places)
    with drawing(*size, layout=None) as figure:
        draw_plane(figure.add_axes((0, 0, 1, 1)), places, size)
        return svg(figure, f"{caption}: {said}", f"plane {kind}")


def draw_plane(axes: "Axes", places: list[Place], size: tuple[int, int]) -> None:
    """Draws what `plane` does on Matplotlib axes that are `size` pixels wide and high.

    Labels hide neither dots nor each other where there is room.
    """
    from matplotlib.patches import Ellipse

    tile = 0
    if any(place.picture is not None for place in places):
        tile = TILE * math.sqrt(min(1.0, ROOMY / len(places)))
    margin = np.array((110, 90) if tile else (44, 24))
    points = np.array([place.point for place in places], np.float64)
    spans = np.ptp(points, axis=0)
    scale = ((size - 2 * margin) / np.maximum(spans, 1e-9)).min()
    at = (points - points.min(axis=0)) * scale + (size - scale * spans) / 2
    halves = [_half_size(place, tile) for place in places]
    down = np.array((1, -1)) * at + (0, size[1])
    chosen = placed(dict(enumerate(halves)), dict(enumerate(map(tuple, down.tolist()))), size)
    middles = [np.array((x, size[1] - y)) for _, (x, y) in sorted(chosen.items())]
    for dot, middle, size_of, place in zip(at, middles, halves, places, strict=True):
        half, other, degrees = place.ellipse
        cloud = {"angle": degrees, "facecolor": ACCENT, "alpha": 0.15, "linewidth": 0}
        axes.add_patch(Ellipse(dot, 2 * scale * half, 2 * scale * other, **cloud))
        end = _near_end(dot, middle, size_of, place.picture is not None)
        axes.plot(*zip(dot, end, strict=True), color=SOFT, linewidth=0.75, zorder=2)
        axes.plot(*dot, "o", color=ACCENT, markeredgecolor=PAPER, markersize=8, zorder=3)
        if place.picture is not None:
            _draw_tile(axes, place.picture, tile, middle + (0, 9))
        text = {"horizontalalignment": "center", "fontsize": FONT + bool(tile), "zorder": 5}
        axes.text(*(middle - (0, tile / 2 + 6 if tile else 4)), label(place.name), **text)
    axes.set(xlim=(0, size[0]), ylim=(0, size[1]))
    axes.axis("off")


def _near_end(dot: np.ndarray, middle: np.ndarray, half: tuple, pictured: bool) -> np.ndarray:
    """Where the line from a dot to its label ends: at the label's edge, so that it crosses no text,
    or, from above and beside, behind the picture."""
    way = middle - dot
    shares = np.divide(half, np.maximum(np.abs(way), 1e-9))
    if pictured and not (way[1] > 0.0 and shares[1] < shares[0]):
        return middle + (0, 9)
    return middle - min(*shares, 1.0) * way


def _draw_tile(axes: "Axes", pixels: np.ndarray, tile: float, middle: np.ndarray) -> None:
    """A picture `tile` high, its sides cut where it is very wide."""
    height, width = pixels.shape[:2]
    cut = min(width, round(WIDEST * height))
    pixels = pixels[:, (width - cut) // 2 : (width + cut) // 2]
    x, y = tile / 2 * pixels.shape[1] / height, tile / 2
    extent = (middle[0] - x, middle[0] + x, middle[1] - y, middle[1] + y)
    axes.imshow(pixels, extent=extent, aspect="auto", zorder=4, interpolation="antialiased")


def _half_size(place: Place, tile: float) -> tuple[float, float]:
    """Half width and half height of a label with its picture."""
    long = (7.0 if tile else 6.2) * len(label(place.name))
    if place.picture is not None:
        height, width = place.picture.shape[:2]
        long = max(long, tile * min(WIDEST, width / height))
    return long / 2 + 5, (tile + 22) / 2 if tile else 9.0


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
