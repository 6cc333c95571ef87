"""A chart of probabilities along a way, as inline SVG that follows the page's light and dark."""

from stylegan_culture.reports.parts.labels import label
from stylegan_culture.reports.parts.text import escaped

COLOURS = ("var(--accent)", "var(--heat)", "var(--soft)")
SIZES = {"wide": (1072, 200), "narrow": (360, 180)}


def lines(shares: list, rows: list, caption: str) -> str:
    """Up to three lines over steps, each step below the middle of one of as many equal columns.

    Args:
        shares: of the way, one a step, from 0 to 1.
        rows: `(name, values)`, values from 0 to 1, one a step.
        caption: what is shown, for those who cannot see it.

    Returns:
        Two drawings, of which the style sheet shows the one that fits the page's width.
    """
    told = "; ".join(f"{name}: {', '.join(f'{v:.0%}' for v in own)}" for name, own in rows)
    text = escaped(f"{caption}. {told}")
    return "".join(
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{text}">'
        f"{_drawn(shares, rows, width, height)}</svg>"
        for kind, (width, height) in SIZES.items()
    )


def _drawn(shares: list, rows: list, width: int, height: int) -> str:
    top, bottom = 44, height - 22
    middles = [width * (number + 0.5) / len(shares) for number in range(len(shares))]
    parts = []
    for level in (0.0, 0.5, 1.0):
        y = bottom - (bottom - top) * level
        parts.append(
            f'<line x1="0" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
            f'<text class="tick" x="0" y="{y - 6:.1f}">{level:.0%}</text>'
        )
    for x, share in zip(middles, shares, strict=True):
        parts.append(
            f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{height - 5}">'
            f"{share:.0%}</text>"
        )
    at = 0.0
    for (name, values), colour in zip(rows, COLOURS, strict=False):
        points = [
            (x, bottom - (bottom - top) * value) for x, value in zip(middles, values, strict=True)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        parts.append(
            f'<circle cx="{at + 6:.1f}" cy="10" r="5" fill="{colour}"/>'
            f'<text x="{at + 16:.1f}" y="14">{escaped(label(name))}</text>'
        )
        at += 34 + 6.4 * len(label(name))
    return "".join(parts)
