"""What a person reads of an evaluation: a table and sheets."""

import pathlib

import numpy as np

from stylegan_culture import images

SHOWN = 12  # photographs on a sheet
ROWS = (
    ("named as asked", "named", 100),
    ("named photograph", "photograph", 100),
    ("source nearest of the gallery", "nearest", 100),
    ("an artwork nearer than the source", "artwork_nearer", 100),
    ("lines of a grid that 1 % of artworks have", "lines", 100),
    ("content distance, median", "content_distance", 1),
    ("style distance, median", "style_distance", 1),
)


def table(record: dict) -> str:
    """The measures as a Markdown table, shares in per cent, with 95 % intervals."""
    methods = record["methods"]
    lines = [f"| measure | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for title, name, scale in ROWS:
        if all(name in found for found in methods.values()):
            cells = [_interval(found[name], scale) for found in methods.values()]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    cells = [f"{100 * found['crossfade_named']:.0f} %" for found in methods.values()]
    lines.append(f"| a crossfade of equal content distance, named | {' | '.join(cells)} |")
    for culture in record["classes"][:-1]:
        cells = [_interval(found["cultures"][culture]["named"], 100) for found in methods.values()]
        lines.append(f"| {culture.replace('_', ' ')} | {' | '.join(cells)} |")
    judge = record["judge"]
    lines.append(
        f"\nThe judge names {judge['artworks']:.0%} of held-out artworks and "
        f"{judge['photographs']:.0%} of photographs left alone rightly."
    )
    return "\n".join(lines)


def draw(pictures, folder) -> None:
    """One sheet for each method: photographs down, cultures across."""
    contents, methods, cultures = pictures
    chosen = np.linspace(0, len(contents) - 1, min(SHOWN, len(contents))).astype(int)
    labels = ["photograph", *(culture.replace("_", " ") for culture in cultures)]
    for name, results in methods.items():
        cells = [cell for n in chosen for cell in (contents[n], *(own[n] for own in results))]
        sheet = images.grid(np.stack(cells), len(labels), column_labels=labels)
        images.write(pathlib.Path(folder) / f"{name}.png", sheet)


def _interval(values, scale: float) -> str:
    value, low, high = (scale * each for each in values)
    if scale == 100:
        return f"{value:.0f} % ({low:.0f} to {high:.0f})"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
