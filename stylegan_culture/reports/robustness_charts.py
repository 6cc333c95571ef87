"""The charts of the robustness page: shares against the size of a change, as inline SVG."""

from stylegan_culture.reports.parts.numbers import number
from stylegan_culture.reports.parts.text import escaped

LEFT, RIGHT, TOP, BOTTOM = 42, 266, 8, 148  # of the field, in a box of WIDTH by HEIGHT
WIDTH, HEIGHT = 312, 192
STROKES = (
    'stroke="var(--accent)" stroke-width="2"',
    'stroke="var(--soft)" stroke-width="1.5" stroke-dasharray="5 4"',
)


def curves(lines: dict, faint: list, ticks: list, unit: str, caption: str) -> str:
    """Shares from 0 to 1 over steps of equal width.

    Args:
        lines: name to a list of `[value, low, high]`, at most two; the first has its interval
            shaded.
        faint: further lists of values, thin and without a name.
        ticks: a text for each step.
        unit: below them.
        caption: what is measured, for those who cannot see the chart.
    """
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _down(share)
        parts.append(
            f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}" stroke="var(--line)"/>'
            f'<text class="tick end" x="{LEFT - 6}" y="{y + 4}">{number(share, "{:.0%}")}</text>'
        )
    first = next(iter(lines.values()))
    band = [_point(k, row[2], len(ticks)) for k, row in enumerate(first)]
    band += [_point(k, row[1], len(ticks)) for k, row in reversed(list(enumerate(first)))]
    parts.append(f'<polygon points="{" ".join(band)}" fill="var(--cloud)"/>')
    for values in faint:
        points = " ".join(_point(k, value, len(ticks)) for k, value in enumerate(values))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="var(--soft)" stroke-width="0.6" '
            'opacity="0.65"/>'
        )
    for stroke, row in zip(STROKES, lines.values(), strict=False):
        points = " ".join(_point(k, each[0], len(ticks)) for k, each in enumerate(row))
        parts.append(f'<polyline points="{points}" fill="none" {stroke}/>')
    for name, y in _apart({name: _down(row[-1][0]) for name, row in lines.items()}).items():
        parts.append(f'<text x="{RIGHT + 6}" y="{y + 4:.1f}">{escaped(name)}</text>')
    for place, text in enumerate(ticks):
        x = _across(place, len(ticks))
        parts.append(
            f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{BOTTOM + 16}">'
            f"{escaped(text)}</text>"
        )
    middle = (LEFT + RIGHT) / 2
    parts.append(
        f'<text class="tick" text-anchor="middle" x="{middle}" y="{HEIGHT - 3}">'
        f"{escaped(unit)}</text>"
    )
    told = "; ".join(
        f"{name} "
        + ", ".join(
            f"{number(row[0], '{:.0%}')} at {tick}" for row, tick in zip(rows, ticks, strict=True)
        )
        for name, rows in lines.items()
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escaped(f"{caption}: {told}")}">{"".join(parts)}</svg>'
    )


def _across(place: int, count: int) -> float:
    return LEFT + 6 + (RIGHT - LEFT - 12) * place / max(count - 1, 1)


def _down(share: float) -> float:
    return TOP + (BOTTOM - TOP) * (1.0 - share)


def _point(place: int, share: float, count: int) -> str:
    return f"{_across(place, count):.1f},{_down(share):.1f}"


def _apart(heights: dict, least: float = 14.0) -> dict:
    """Heights of labels moved apart where they would overlap, within the field."""
    found, last = {}, TOP - least
    for name in sorted(heights, key=heights.get):
        last = found[name] = max(heights[name], last + least)
    over = max(0.0, last - BOTTOM)
    return {name: y - over for name, y in found.items()}
