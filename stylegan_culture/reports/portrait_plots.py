"""The study's plots as PNG files: figures with intervals, palettes, the map, the gaps."""

import pathlib

import numpy as np

from stylegan_culture.reports import gap_plots as gap_report
from stylegan_culture.reports.parts import labels, plots

BLUE = "#34506e"


def draw(record: dict, folder) -> list[pathlib.Path]:
    """Draws what a study's record holds into a folder; returns the files.

    figures.png and palettes.png always; map.png and gaps.png where distances were taken.
    """
    folder = pathlib.Path(folder)
    paths = [folder / "figures.png", folder / "palettes.png"]
    draw_figures(paths[0], record["figures"], record["titles"])
    draw_palettes(paths[1], record["traditions"], record["titles"])
    if record["plane"] is not None:
        paths += [folder / "map.png", folder / "gaps.png"]
        draw_map(paths[2], record["plane"], record["titles"])
        draw_gaps(paths[3], record)
    return paths


def draw_figures(path, figures: dict, titles: dict) -> None:
    """A panel for each figure `{name: [value, low, high]}`, the greatest on top."""
    columns = 4
    rows = -(-len(figures) // columns)
    with plots.panels(path, rows, columns, 3.6, 0.7 + 0.22 * len(titles)) as (figure, axes):
        for axis in axes.flat[len(figures) :]:
            axis.set_axis_off()
        for axis, (key, found) in zip(axes.flat, figures.items(), strict=False):
            ordered = sorted(found, key=lambda name: found[name][0])
            values, low, high = np.array([found[name] for name in ordered]).T
            places, reach = np.arange(len(ordered)), np.maximum([values - low, high - values], 0.0)
            axis.errorbar(values, places, xerr=reach, fmt="o", color=BLUE, ms=4, lw=1.4)
            axis.axvline(values.mean(), color="#8c8c8c", lw=0.8, zorder=0)
            axis.set_yticks(places, [labels.label(titles[name]) for name in ordered], fontsize=8)
            axis.tick_params(axis="x", labelsize=8)
            axis.set_title(key.replace("_", " "), fontsize=10, loc="left")
            axis.spines[["top", "right"]].set_visible(False)
        figure.suptitle("Means over pictures with 95% intervals", fontsize=13)


def draw_palettes(path, traditions: dict, titles: dict) -> None:
    """A bar for each tradition, from dark to light, its colours as long as their shares."""
    with plots.panels(path, 1, 1, 8.0, 0.5 * len(traditions)) as (_, axes):
        axis = axes[0, 0]
        for place, one in enumerate(traditions.values()):
            start = 0.0
            for tone in sorted(one["palette"], key=lambda tone: tone["lab"][0]):
                axis.barh(place, tone["share"], left=start, color=tone["srgb"], height=0.72)
                start += tone["share"]
        axis.set_yticks(range(len(traditions)), [labels.label(titles[name]) for name in traditions])
        axis.set_xticks([])
        axis.invert_yaxis()
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
        axis.set_xlim(0.0, 1.0)


def draw_map(path, plane: dict, titles: dict) -> None:
    """The traditions' places, each with the ellipse of 95% of resampled maps."""
    from matplotlib.patches import Ellipse

    size = np.array([576.0, 396.0])  # points, of which an inch has 72
    points = np.array(list(plane["points"].values()))
    spans = np.maximum(np.ptp(points, axis=0), 1e-9)
    scale = min((size - [170.0, 120.0]) / spans)  # points for a unit of the map
    corner = (points.max(axis=0) + points.min(axis=0)) / 2 - size / scale / 2
    inside = (points - corner) * scale * [1, -1] + [0, size[1]]
    names = {name: labels.label(titles[name]) for name in plane["points"]}
    places = dict(zip(names, map(tuple, inside.tolist()), strict=True))
    boxes = {name: (2.9 * len(text) + 4, 8.0) for name, text in names.items()}
    middles = labels.placed(boxes, places, tuple(size))
    with plots.panels(path, 1, 1, *size / 72) as (_, axes):
        axis = axes[0, 0]
        for name, (x, y) in plane["points"].items():
            half, other, degrees = plane["ellipses"][name]
            axis.add_patch(
                Ellipse((x, y), 2 * half, 2 * other, angle=degrees, color=BLUE, alpha=0.13, lw=0)
            )
            axis.plot(x, y, "o", color=BLUE, ms=5)
            across, down = (middles[name][k] - places[name][k] for k in (0, 1))
            axis.annotate(
                names[name],
                (x, y),
                (across, -down),
                textcoords="offset points",
                ha="center",
                va="center",
            )
        axis.set_aspect("equal")
        axis.set_xlim(corner[0], corner[0] + size[0] / scale)
        axis.set_ylim(corner[1], corner[1] + size[1] / scale)
        axis.set_axis_off()
        axis.set_title(f"The plane keeps {plane['kept']:.0%} of the squared distances", fontsize=11)


def draw_gaps(path, record: dict) -> None:
    """Heat maps of Frechet distances before and after alignment, on one scale."""
    gaps = record["gaps"]
    gap_report.draw_pair(
        path,
        {
            f"{part} alignment": gaps[part]["gaps"]["frechet"]["value"]
            for part in ("before", "after")
        },
        [record["titles"][name] for name in record["measured"]],
        "Gap between traditions on held-out pictures",
        "Frechet distance / mean variance",
    )
