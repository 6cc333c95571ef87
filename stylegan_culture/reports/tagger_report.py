"""Shows how good a culture tagger is: a table, and charts of confusion and calibration."""

import pathlib
import typing
from collections.abc import Iterable, Sequence

import numpy as np

from stylegan_culture.config import visible
from stylegan_culture.measures import tagging
from stylegan_culture.reports import charts

if typing.TYPE_CHECKING:
    from stylegan_culture.measures.tagging import CultureFigures, TaggerFigures

PARTS = {"held_out": "held-out fifth", "folds": "cross-validation"}
HEADINGS = "pictures, works, AP, F1, named"
WIDTH = len("0.00 (0.00 to 0.00)")
FIGURES = ("pictures", "accuracy", "mean_average_precision", "calibration_error")


def table(record: dict[str, "TaggerFigures"]) -> str:
    """The figures of each of `PARTS` as text; of a culture of fewer than `FEW` works the share that
    is named rightly is given by its interval alone."""
    parts = {PARTS[name]: record[name] for name in PARTS if name in record}
    rows = [("", list(parts))]
    for key in FIGURES:
        rows.append((key.replace("_", " "), [_cell(getattr(each, key)) for each in parts.values()]))
    rows.append(("", [HEADINGS] * len(parts)))
    for culture in next(iter(parts.values())).cultures:
        figures = [each.cultures[culture] for each in parts.values()]
        rows.append((visible(culture), list(map(_cells, figures))))
    widths = [max(len(cells[column]) for _, cells in rows) + 4 for column in range(len(parts))]
    first = max(len(name) for name, _ in rows)
    lines = [name.ljust(first) + "".join(map(str.rjust, cells, widths)) for name, cells in rows]
    return "\n".join([*lines, *_explained(parts.values())])


def _cells(figures: "CultureFigures") -> str:
    numbers = (figures.pictures, figures.works, figures.average_precision, figures.f1)
    return "  ".join([*map(_cell, numbers), _share(figures)])


def _share(figures: "CultureFigures") -> str:
    """The share named rightly: `0.83 (0.71 to 0.94)`, of few works `(0.00 to 1.00)`."""
    if figures.named is None:
        return "-".rjust(WIDTH)
    value, low, high = figures.named
    ends = f"({low:.2f} to {high:.2f})"
    return (ends if figures.works < tagging.FEW else f"{value:.2f} {ends}").rjust(WIDTH)


def _explained(parts: Iterable["TaggerFigures"]) -> list[str]:
    every = [figures for part in parts for figures in part.cultures.values()]
    lines = [
        "named: the share of a culture's pictures whose first guess is right, with its 95% "
        "interval over works"
    ]
    if any(0 < figures.works < tagging.FEW for figures in every):
        lines.append(
            f"of fewer than {tagging.FEW} works the interval alone is given, from 0 to 1 of one: a "
            "work is a picture with its cut-outs"
        )
    return lines


def draw(record: dict[str, "TaggerFigures"], cultures: Sequence[str], folder: pathlib.Path) -> None:
    """Writes `confusion.png` and `calibration.png` of the part with most pictures."""
    part = max((name for name in PARTS if name in record), key=lambda n: record[n].pictures)
    figures = record[part]
    title = f"{PARTS[part]}, {figures.pictures} pictures"
    side = 190 + 48 * len(cultures)
    with charts.drawing(side + 52, side) as figure:
        _confusion(figure, np.array(figures.confusion), cultures, title)
        charts.png(figure, pathlib.Path(folder) / "confusion.png")
    with charts.drawing(450, 415) as figure:
        _calibration(figure.subplots(), figures, title)
        charts.png(figure, pathlib.Path(folder) / "calibration.png")


def _confusion(
    figure: "charts.Figure", shares: np.ndarray, cultures: Sequence[str], title: str
) -> None:
    """A heat map: rows are tags, columns the most probable culture."""
    names = [name.replace("_", " ") for name in cultures]
    axis, scale = figure.subplots(), {"cmap": "Blues", "vmin": 0.0, "vmax": 1.0}

    def percent(share: float) -> str:
        return f"{100 * share:.0f}" if share >= 0.005 else ""

    heat = charts.draw_heat(axis, shares, names, percent, 0.55, **scale)
    axis.set(xlabel="most probable culture", ylabel="tag")
    axis.set_title(f"Share of each tag's pictures, percent\n({title})", fontsize=11)
    figure.colorbar(heat, ax=axis, shrink=0.8)


def _calibration(axis: "charts.Axes", figures: "TaggerFigures", title: str) -> None:
    """Accuracy against the probability of the first tag, in bins of equal number."""
    confidence, accuracy, pictures = (
        np.array([getattr(one, name) for one in figures.reliability])
        for name in ("confidence", "accuracy", "pictures")
    )
    spread = np.sqrt(accuracy * (1.0 - accuracy) / pictures)
    axis.plot([0, 1], [0, 1], color=charts.SOFT, lw=1.0, ls="--")
    axis.errorbar(confidence, accuracy, yerr=2.0 * spread, fmt="o", color=charts.ACCENT, capsize=3)
    low = max(0.0, min(confidence.min(), accuracy.min()) - 0.1)
    axis.set(xlim=(low, 1.02), ylim=(low, 1.02), aspect="equal")
    axis.set_xlabel("probability of the most probable culture")
    axis.set_ylabel("share that carries it (two standard errors)")
    error = f"Calibration error {figures.calibration_error:.3f}, debiased"
    axis.set_title(f"{error}\n({title})", fontsize=11)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
