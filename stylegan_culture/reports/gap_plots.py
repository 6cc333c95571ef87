"""Shows what an alignment study found: one table, heat maps of every pair of cultures, bars.

The record that `study alignment` writes holds under `maps`, for the name of each map and "none",
what `gaps.compare_maps` returns.
"""

import pathlib

import numpy as np

from stylegan_culture.reports.parts import plots
from stylegan_culture.reports.parts.labels import label

MEASURES = {
    "frechet": ("Frechet", "Frechet distance / shared variance"),
    "divergence": ("KL, nats", "symmetric KL of Gaussians, nats"),
    "cosine": ("cosine", "cosine of covariances (1: alike)"),
    "bures": ("Bures", "Bures similarity of covariances (1: alike)"),
    "positions": ("positions", "accuracy, linear probe of single positions"),
    "means": ("means", "accuracy, linear probe of pictures' means"),
    "descriptors": ("deviations", "accuracy, probe of means and deviations"),
}
CUT = 3.0  # a bar this many times as long as the next is cut
PROBES = ("positions", "means", "descriptors")
GAPS = tuple(key for key in MEASURES if key not in PROBES)


def table(record: dict) -> str:
    """The maps side by side as text: means over pairs of cultures, and the probes' accuracies."""
    lines = [
        f"Held-out pictures at {record['tap']} of {record['backbone']}: means over pairs of "
        "cultures (smaller Frechet and KL,",
        "greater similarity: nearer), and accuracy of linear probes of positions, of pictures' "
        f"means, and of means and deviations ({record['chance']:.3f} by chance).",
        f"{'map':17}" + "".join(f"{heading:>17}" for heading, _ in MEASURES.values()),
    ]
    for name, found in record["maps"].items():
        figures = {**found["mean"], **found["probe"]}
        lines.append(f"{name:17}" + "".join(f"{_cell(figures[key]):>17}" for key in MEASURES))
    if record["halves"]:
        cells = (f"{_number(record['halves'][key]):>10}" + 7 * " " for key in GAPS)
        lines.append(f"{'halves of one':17}" + "".join(cells))
    chosen = record["ddr"]
    lines.append(
        f"After the sign: half of the 95 % interval over held-out pictures. ddr: shrinkage "
        f"{chosen['shrinkage']}, identity {chosen['identity']}, chosen on a fifth of the training "
        "part.\nHalves of one: two random halves of one culture's held-out pictures, the floor."
    )
    return "\n".join(lines)


def names(maps) -> list[str]:
    """The names of the files that `draw` writes, for maps without "none"."""
    return [*(f"gaps_{name}.png" for name in maps), "measures.png"]


def draw(record: dict, folder) -> list[pathlib.Path]:
    """Draws every map's gaps before and after, and all measures; returns the PNG files."""
    folder = pathlib.Path(folder)
    maps, paths = record["maps"], []
    before = maps["none"]["gaps"]["frechet"]["value"]
    for name in maps:
        if name == "none":
            continue
        paths.append(folder / f"gaps_{name}.png")
        after = maps[name]["gaps"]["frechet"]["value"]
        draw_pair(
            paths[-1],
            {"before alignment": before, f"after {name.replace('_', ' ')}": after},
            record["cultures"],
            f"Gap between cultures on held-out pictures, {record['tap']} of {record['backbone']}",
            "Frechet distance / shared variance",
        )
    groups = {}
    for key, (_, heading) in MEASURES.items():
        kind = "probe" if key in PROBES else "mean"
        line = record["chance"] if kind == "probe" else record["halves"].get(key)
        groups[heading] = ({name: found[kind][key] for name, found in maps.items()}, line)
    paths.append(folder / "measures.png")
    draw_bars(
        paths[-1],
        groups,
        "Held-out pictures before and after alignment; "
        "dashed: two halves of one culture, or chance",
    )
    return paths


def draw_pair(path, panels: dict, names, title: str, unit: str) -> None:
    """Heat maps side by side on one scale, every number written into its cell.

    The scale runs from 0 to the greatest value of the first panel; what exceeds it has the colour
    of the end. Written whole or not at all.

    Args:
        path: a PNG file.
        panels: caption to `[K, K]`.
        names: K names of rows and columns.
        title: above all.
        unit: beside the scale.
    """
    size = (1.2 + 0.6 * len(names), 1.0 + 0.56 * len(names))
    names = [label(name.replace("_", " ")) for name in names]
    highest = float(np.max(next(iter(panels.values()))))
    with plots.panels(path, 1, len(panels), *size) as (figure, axes):
        for axis, (caption, values) in zip(axes[0], panels.items(), strict=True):
            shown = _draw_heat(axis, np.array(values, np.float64), highest)
            axis.set_title(label(caption), fontsize=11)
            ticks = range(len(names))
            axis.set_xticks(ticks, names, rotation=40, ha="right", rotation_mode="anchor")
            axis.set_yticks(ticks, names if axis is axes[0, 0] else [""] * len(names))
            axis.tick_params(length=0)
        over = any(np.max(values) > highest for values in panels.values())
        ends = "max" if over else "neither"
        figure.colorbar(shown, ax=axes, label=unit, shrink=0.85, pad=0.02, extend=ends)
        figure.suptitle(title, fontsize=13)


def _draw_heat(axis, values, highest: float):
    """A heat map of [K, K] with its numbers, where they have room."""
    np.fill_diagonal(values, np.nan)  # a culture's gap to itself says nothing
    shown = axis.imshow(values, cmap="YlOrRd", vmin=0.0, vmax=highest or 1.0)
    numbered = len(values) <= plots.MOST_NUMBERED
    for row, column in np.argwhere(np.isfinite(values)) if numbered else ():
        value = values[row, column]
        ink = "white" if value > 0.6 * highest else "black"
        axis.text(column, row, _number(value), ha="center", va="center", color=ink, fontsize=9)
    return shown


def draw_bars(path, groups: dict, title: str) -> None:
    """One chart per measure, a bar per map with its interval and its number.

    Where one bar is much longer than the others, it is cut and marked, so that those stay legible.

    Args:
        path: a PNG file.
        groups: caption to (name to {"value", "low", "high"}, level of a dashed line or None).
        title: above all.
    """
    columns = -(-len(groups) // 2)
    with plots.panels(path, 2, columns, 4.4, 2.9) as (figure, axes):
        for axis in axes.flat[len(groups) :]:
            axis.set_axis_off()
        for number, (caption, (figures, line)) in enumerate(groups.items()):
            axis = axes.flat[number]
            _draw_bars_of(axis, list(figures.values()))
            if line is not None:
                axis.axvline(line, color="black", ls="--", lw=1.0, zorder=0)
            names = [label(name.replace("_", " ")) for name in figures]
            shown = names if number % columns == 0 else [""] * len(names)
            axis.set_yticks(range(len(figures)), shown, fontsize=10)
            axis.set_title(caption, fontsize=10, loc="left")
            axis.spines[["top", "right"]].set_visible(False)
        figure.suptitle(title, fontsize=13)


def _draw_bars_of(axis, figures: list) -> None:
    """The bars of one measure; the first, of no alignment, in grey."""
    values = np.array([one["value"] for one in figures])
    low, high = (np.array([one[end] for one in figures]) for end in ("low", "high"))
    longest = np.sort(high)
    cut = len(high) > 1 and longest[-1] > CUT * longest[-2]
    room = 1.3 * (longest[-2] if cut else longest[-1])
    places = np.arange(len(values))
    axis.barh(places, values, color=["#8c8c8c"] + ["#5b93c7"] * (len(values) - 1), height=0.66)
    reach = np.maximum([values - low, high - values], 0.0)
    axis.errorbar(values, places, xerr=reach, fmt="none", ecolor="black", capsize=3, lw=1.2)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.9}
    for place, value, end in zip(places, values, high, strict=True):
        beyond, text = value > room, _number(value)
        where, side = (0.97 * room, "right") if beyond else (max(value, end) + 0.03 * room, "left")
        text = f"{text}, cut here" if beyond else text
        axis.text(where, place, text, va="center", ha=side, fontsize=9, bbox=paper)
    axis.set_xlim(0.0, room or 1.0)
    axis.invert_yaxis()


def _cell(figure: dict) -> str:
    half = (figure["high"] - figure["low"]) / 2.0
    return f"{_number(figure['value'])} ±{_number(half):<6}"


def _number(value: float) -> str:
    """Three figures: 0.0712, 1.00, 45.6, 1230."""
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"
