"""The plots of `evaluate robustness` as PNG: curves of attacks and corruptions, amplification."""

import pathlib

import numpy as np

from stylegan_culture.reports.parts import plots
from stylegan_culture.reports.parts.labels import label

COLOURS = {"pgd": "#8f3d1b", "fgsm": "#34506e"}
FAINT = "#b9b2a5"
NORMS = {"linf": "largest change", "l2": "root mean square change"}
UNITS = {"noise": "deviation", "blur": "deviation, pixels", "jpeg": "quality"}


def draw(record: dict, folder) -> list[pathlib.Path]:
    """Draws a record of `evaluate robustness` into a folder; returns the files."""
    folder = pathlib.Path(folder)
    paths = [folder / "robustness_attacks.png", folder / "robustness_corruptions.png"]
    draw_attacks(paths[0], record["tagger"])
    draw_corruptions(paths[1], record["tagger"])
    if record["stylizer"]:
        paths.append(folder / "robustness_stylizer.png")
        draw_stylizer(paths[2], record["stylizer"])
    return paths


def draw_attacks(path, tagger: dict) -> None:
    """Shares against the size of the change: both methods' means with intervals, and under PGD
    every culture's own, faint."""
    with plots.panels(path, 2, 2, 3.8, 2.8) as (figure, axes):
        for curve in tagger["attacks"]:
            axis = axes[int(curve["targeted"]), list(NORMS).index(curve["norm"])]
            places = np.arange(len(curve["levels"]))
            if curve["method"] == "pgd":
                _faint(axis, places, curve["shares"])
            _line(axis, places, curve["shares"], COLOURS[curve["method"]], curve["method"].upper())
            axis.set_xticks(places, [f"{level:g}" for level in curve["levels"]])
            axis.set_xlabel(f"{NORMS[curve['norm']]}, levels of 255", fontsize=9)
            what = "named as wanted" if curve["targeted"] else "named rightly"
            axis.set_title(f"Share {what}", fontsize=10, loc="left")
        _finish(figure, axes, "Attacks on the tagger, with 95% intervals; faint: each culture, PGD")


def draw_corruptions(path, tagger: dict) -> None:
    """Shares named rightly against the severity of each corruption."""
    clean = tagger["attacks"][0]["shares"][0]
    with plots.panels(path, 1, len(tagger["corruptions"]), 3.4, 2.8) as (figure, axes):
        for axis, (kind, found) in zip(axes[0], tagger["corruptions"].items(), strict=True):
            shares = [clean, *found["shares"]]
            places = np.arange(len(shares))
            _faint(axis, places, shares)
            _line(axis, places, shares, COLOURS["fgsm"], "mean")
            axis.set_xticks(places, ["none", *(f"{each:g}" for each in found["severities"])])
            axis.set_xlabel(f"{kind}: {UNITS[kind]}", fontsize=9)
            axis.set_title("Share named rightly", fontsize=10, loc="left")
        _finish(figure, axes, "Corrupted pictures, with 95% intervals; faint: each culture")


def draw_stylizer(path, stylizer: dict) -> None:
    """How much more than its input the output changes, attacked and by chance, by culture."""
    titles, levels = stylizer["cultures"], stylizer["levels"]
    with plots.panels(path, 1, len(levels), 4.4, 0.8 + 0.3 * len(titles)) as (figure, axes):
        for column, level in enumerate(levels):
            axis = axes[0, column]
            for kind, colour, shift in (
                ("attacked", COLOURS["pgd"], -0.12),
                ("random", "#34506e", 0.12),
            ):
                own = stylizer[kind][column]["cultures"]
                value, low, high = np.array([own[key]["amplification"] for key in titles]).T
                reach = np.maximum([value - low, high - value], 0.0)
                places = np.arange(len(titles)) + shift
                axis.errorbar(value, places, xerr=reach, fmt="o", color=colour, ms=4, label=kind)
            names = [label(title) if column == 0 else "" for title in titles.values()]
            axis.set_yticks(range(len(titles)), names, fontsize=8)
            axis.invert_yaxis()
            axis.axvline(1.0, color="#8c8c8c", lw=0.8, zorder=0)
            axis.set_xlim(left=0.0)
            axis.set_title(f"Changes of at most {level:g} of 255", fontsize=10, loc="left")
            axis.spines[["top", "right"]].set_visible(False)
        axes[0, 0].legend(frameon=False, fontsize=8)
        figure.suptitle("Change of the restyled picture over that of the photograph", fontsize=13)


def _faint(axis, places, shares) -> None:
    for culture in shares[0]["cultures"]:
        own = [row["cultures"][culture] for row in shares]
        if all(own):
            axis.plot(places, [value for value, *_ in own], color=FAINT, lw=0.8, zorder=0)


def _line(axis, places, shares, colour: str, name: str) -> None:
    value, low, high = np.array([row["mean"] for row in shares]).T
    axis.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
    axis.plot(places, value, "o-", color=colour, ms=4, label=name)


def _finish(figure, axes, title: str) -> None:
    for axis in axes.flat:
        axis.set_ylim(-0.03, 1.03)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=12)
