"""Shows how good a culture tagger is: a table, and plots of confusion and calibration."""

import pathlib

import numpy as np

from stylegan_culture.config import visible
from stylegan_culture.reports.parts import plots
from stylegan_culture.reports.parts.labels import label

PARTS = {"held_out": "held-out fifth", "folds": "cross-validation"}


def table(record: dict) -> str:
    """The measures of each part as text; `record` holds `tagging.figures` under `PARTS`."""
    parts = {name: title for name, title in PARTS.items() if name in record}
    first = next(iter(record[name] for name in parts))
    width = max(len(name) for name in ("mean average precision", *first["cultures"]))
    lines = [" " * width + "".join(f"{title:>26}" for title in parts.values())]
    for text, key in (
        ("pictures", "pictures"),
        ("accuracy", "accuracy"),
        ("mean average precision", "mean_average_precision"),
        ("calibration error", "calibration_error"),
    ):
        lines.append(text.ljust(width) + "".join(f"{_cell(record[p][key]):>26}" for p in parts))
    lines.append("".ljust(width) + "".join(f"{'pictures, AP, F1':>26}" for _ in parts))
    for culture in first["cultures"]:
        cells = (record[name]["cultures"][culture] for name in parts)
        texts = (
            f"{one['pictures']}  {_cell(one['average_precision'])}  {_cell(one['f1'])}"
            for one in cells
        )
        lines.append(visible(culture).ljust(width) + "".join(f"{text:>26}" for text in texts))
    return "\n".join(lines)


def draw(record: dict, cultures, folder) -> None:
    """Writes `confusion.png` and `calibration.png` of the part with most pictures."""
    part = max((name for name in PARTS if name in record), key=lambda n: record[n]["pictures"])
    title = f"{PARTS[part]}, {record[part]['pictures']} pictures"
    folder = pathlib.Path(folder)
    side = 2.2 + 0.55 * len(cultures)
    with plots.plot(folder / "confusion.png", side + 0.6, side) as figure:
        _confusion(figure, np.array(record[part]["confusion"]), cultures, title)
    with plots.plot(folder / "calibration.png", 5.2, 4.8) as figure:
        _calibration(figure.subplots(), record[part], title)


def _confusion(figure, shares, cultures, title: str) -> None:
    """A heat map: rows are tags, columns the most probable culture."""
    names = [label(name.replace("_", " ")) for name in cultures]
    axis = figure.subplots()
    shown = axis.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(length=0)
    numbered = len(names) <= plots.MOST_NUMBERED
    for row, column in np.argwhere(shares >= 0.005) if numbered else ():
        share = shares[row, column]
        ink = "white" if share > 0.55 else "black"
        axis.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=ink, size=9)
    axis.set_xlabel("most probable culture")
    axis.set_ylabel("tag")
    axis.set_title(f"Share of each tag's pictures, percent ({title})", fontsize=11)
    figure.colorbar(shown, ax=axis, shrink=0.8)


def _calibration(axis, found: dict, title: str) -> None:
    """Accuracy against the probability of the first tag, in bins of equal number."""
    bins = found["reliability"]
    confidence, accuracy = (np.array([one[k] for one in bins]) for k in ("confidence", "accuracy"))
    spread = np.sqrt(accuracy * (1.0 - accuracy) / [one["pictures"] for one in bins])
    axis.plot([0, 1], [0, 1], color="#999999", lw=1.0, ls="--")
    axis.errorbar(confidence, accuracy, yerr=2.0 * spread, fmt="o", color="#2a6f97", capsize=3)
    low = max(0.0, min(confidence.min(), accuracy.min()) - 0.1)
    axis.set(xlim=(low, 1.02), ylim=(low, 1.02), aspect="equal")
    axis.set_xlabel("probability of the most probable culture")
    axis.set_ylabel("share that carries it (two standard errors)")
    axis.spines[["top", "right"]].set_visible(False)
    error = found["calibration_error"]
    axis.set_title(f"Calibration error {error:.3f}, debiased\n({title})", fontsize=11)


def _cell(value) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
