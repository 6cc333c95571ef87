"""Small charts as inline SVG: dots with whiskers, histograms, hue roses, the map of traditions.

Colours come from the page's style sheet by class names, so that charts follow light and dark.
"""

import math

from stylegan_culture.measures import colour
from stylegan_culture.reports.parts import labels
from stylegan_culture.reports.parts.text import escaped

INK = "var(--ink)"
ROSE = (68.0, 42.0)  # lightness and chroma of the hue roses' petals


def dots(rows: list, show, caption: str) -> str:
    """A dot with its 95 % interval per row, the greatest value on top, on one scale.

    Args:
        rows: `(name, value, low, high)`.
        show: number to text.
        caption: what is measured, for those who cannot see the chart.
    """
    rows = sorted(rows, key=lambda row: -row[1])
    left, right, step, top = 148, 316, 19, 4
    least, most = min(row[2] for row in rows), max(row[3] for row in rows)
    reach = (most - least) or 1.0

    def across(value):
        return left + (right - left) * (value - least) / reach

    bottom = top + step * len(rows)
    middle = across(sum(row[1] for row in rows) / len(rows))
    parts = [f'<line class="mean" x1="{middle:.1f}" x2="{middle:.1f}" y1="{top}" y2="{bottom}"/>']
    for number, (name, value, low, high) in enumerate(rows):
        y = top + step * (number + 0.5)
        parts.append(
            f'<line class="rule" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
            f'<line class="whisker" x1="{across(low):.1f}" x2="{across(high):.1f}" '
            f'y1="{y}" y2="{y}"/><circle class="dot" cx="{across(value):.1f}" cy="{y}" r="3.6"/>'
            f'<text class="name" x="{left - 9}" y="{y + 4}">{escaped(labels.label(name))}</text>'
            f'<text class="value" x="364" y="{y + 4}">{escaped(show(value))}</text>'
        )
    told = "; ".join(
        f"{name} {show(value)} ({show(low)} to {show(high)})" for name, value, low, high in rows
    )
    return _svg(364, bottom + 4, "".join(parts), f"{caption}: {told}", "dots")


def histogram(shares: list, mean: list, fills: list, ends: tuple, caption: str) -> str:
    """Bars of shares, the outline of all traditions' mean over them, the scale's ends below.

    `fills` is a colour for each bar; the tallest of both fills the height.
    """
    width, height, count = 240, 110, len(shares)
    tallest = max(*shares, *mean, 1e-9)
    step, parts, outline = width / count, [], []
    for number, (share, other, fill) in enumerate(zip(shares, mean, fills, strict=True)):
        x, tall = number * step, height * share / tallest
        parts.append(
            f'<rect class="bar" x="{x + 0.5:.1f}" y="{height - tall:.1f}" '
            f'width="{step - 1:.1f}" height="{tall:.1f}" fill="{escaped(fill)}"/>'
        )
        level = height - height * other / tallest
        outline += [f"{x:.1f},{level:.1f}", f"{x + step:.1f},{level:.1f}"]
    parts.append(
        f'<polyline class="outline" points="{" ".join(outline)}"/>'
        f'<line class="axis" x1="0" x2="{width}" y1="{height}" y2="{height}"/>'
        f'<text class="tick" x="0" y="{height + 14}">{escaped(ends[0])}</text>'
        f'<text class="tick end" x="{width}" y="{height + 14}">{escaped(ends[1])}</text>'
    )
    return _svg(width, height + 18, "".join(parts), caption, "histogram", pad=1)


def rose(shares: list, mean: list, largest: float, caption: str) -> str:
    """A hue rose: petals whose area is the share of that hue, the mean's outline over them.

    `largest` is the share that reaches the rim, the same for all roses of a page.
    """
    radius, count = 50.0, len(shares)
    parts = [f'<circle class="rule" r="{radius}" fill="none"/>']
    for number, share in enumerate(shares):
        fill = code((*_polar(*ROSE, (number + 0.5) * 360 / count),))
        petal = _petal(number, count, radius * math.sqrt(share / largest))
        parts.append(f'<path class="bar" d="{petal}" fill="{fill}"/>')
    arcs = [
        _arc(number, count, radius * math.sqrt(share / largest))
        for number, share in enumerate(mean)
    ]
    parts.append(f'<path class="outline" d="M{" L".join(arcs)}Z"/>')
    box = f"{-radius - 1} {-radius - 1} {2 * radius + 2} {2 * radius + 2}"
    return (
        f'<svg class="rose" viewBox="{box}" role="img" aria-label="{escaped(caption)}">'
        f"{''.join(parts)}</svg>"
    )


def code(lab) -> str:
    """`#rrggbb` of CIELAB `[3]`."""
    return "#" + bytes(round(255 * value) for value in colour.srgb(lab).tolist()).hex()


def greys(count: int) -> list:
    """Colours for the bars of a histogram of lightness: each its own."""
    return [code((100 * (number + 0.5) / count, 0.0, 0.0)) for number in range(count)]


def plane(places: dict, size: tuple, caption: str, pictures: dict | None = None) -> str:
    """Traditions on a map with the ellipses in which 95 % of resampled maps put them.

    Args:
        places: name to `((x, y), (half axis, half axis, degrees))`, in one unit.
        size: width and height in pixels.
        caption: for those who cannot see the map.
        pictures: name to `(address, proportion)` of a small picture, shown beside its dot.
    """
    width, height = size
    tile = 78 if pictures else 0
    margin = (110, 90) if pictures else (44, 24)
    points = {name: place[0] for name, place in places.items()}
    lows = [min(point[axis] for point in points.values()) for axis in (0, 1)]
    spans = [max(point[axis] for point in points.values()) - lows[axis] for axis in (0, 1)]
    scale = min((size[axis] - 2 * margin[axis]) / max(spans[axis], 1e-9) for axis in (0, 1))
    spare = [(size[axis] - scale * spans[axis]) / 2 for axis in (0, 1)]

    def at(point):
        x, y = (spare[axis] + scale * (point[axis] - lows[axis]) for axis in (0, 1))
        return x, height - y

    dots_at = {name: at(point) for name, point in points.items()}
    boxes = labels.placed({name: _box(name, tile) for name in points}, dots_at, size)
    behind, front = [], []
    for name, (_, (half, other, degrees)) in places.items():
        x, y = dots_at[name]
        bx, by = boxes[name]
        behind.append(
            f'<ellipse class="cloud" cx="{x:.1f}" cy="{y:.1f}" rx="{scale * half:.1f}" '
            f'ry="{scale * other:.1f}" transform="rotate({-degrees:.1f} {x:.1f} {y:.1f})"/>'
        )
        behind.append(f'<line class="lead" x1="{x:.1f}" y1="{y:.1f}" x2="{bx:.1f}" y2="{by:.1f}"/>')
        front.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        text = by + 4
        if pictures:
            address, proportion = pictures[name]
            wide = tile * min(1.6, proportion)
            front.append(
                f'<image href="{escaped(address)}" x="{bx - wide / 2:.1f}" '
                f'y="{by - tile / 2 - 9:.1f}" width="{wide:.1f}" height="{tile}" '
                'preserveAspectRatio="xMidYMid slice"/>'
            )
            text = by + tile / 2 + 6
        front.append(
            f'<text class="place" x="{bx:.1f}" y="{text:.1f}">{escaped(labels.label(name))}</text>'
        )
    kind = "plane wide" if pictures else "plane narrow"
    return _svg(width, height, "".join(behind + front), caption, kind)


def _box(name: str, tile: int) -> tuple[float, float]:
    """Half width and half height of a label with its picture."""
    long = (7.0 if tile else 6.2) * len(labels.label(name))
    return max(long, 1.3 * tile) / 2 + 5, (tile + 22) / 2 if tile else 9.0


def _petal(number: int, count: int, radius: float) -> str:
    """The path of a sector."""
    return f"M0 0L{_arc(number, count, radius)}Z"


def _arc(number: int, count: int, radius: float) -> str:
    """The path of a sector's rim; hue 0 points right, as in CIELAB, and grows against the clock."""
    ends = [math.radians(360 / count * (number + k)) for k in (0, 1)]
    (x0, y0), (x1, y1) = ((radius * math.cos(a), -radius * math.sin(a)) for a in ends)
    return f"{x0:.1f} {y0:.1f}A{radius:.1f} {radius:.1f} 0 0 0 {x1:.1f} {y1:.1f}"


def _polar(lightness: float, chroma: float, degrees: float) -> tuple:
    angle = math.radians(degrees)
    return lightness, chroma * math.cos(angle), chroma * math.sin(angle)


def _svg(width, height, inner: str, caption: str, kind: str, pad: int = 0) -> str:
    box = f"{-pad} {-pad} {width + 2 * pad} {height + 2 * pad}"
    return (
        f'<svg class="{kind}" viewBox="{box}" role="img" '
        f'aria-label="{escaped(caption)}">{inner}</svg>'
    )
