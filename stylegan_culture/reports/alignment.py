"""`study alignment`: how far apart cultures are before and after each alignment map; a table, heat
maps of every pair of cultures, and a chart of all measures."""

import dataclasses
import pathlib
import typing

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture import config as settings
from stylegan_culture.config import InputError, option
from stylegan_culture.files import locked, write_result
from stylegan_culture.outputs import Outputs
from stylegan_culture.pipelines.sampling import Source, held_out
from stylegan_culture.reports import charts, study_pictures
from stylegan_culture.reports.page import complete, render
from stylegan_culture.reports.study_pictures import StudyConfig, sampled

if typing.TYPE_CHECKING:
    import keras

    from stylegan_culture.features.moments import Collector, Moments
    from stylegan_culture.measures.gaps import DdrChoice, Figure, MapFigures, Sampled

MEASURES = {
    "frechet": ("Frechet", "Fréchet distance / shared variance"),
    "divergence": ("KL, nats", "symmetric KL of Gaussians, nats"),
    "cosine": ("cosine", "cosine of covariances (1: alike)"),
    "bures": ("Bures", "Bures similarity of covariances (1: alike)"),
    "positions": ("positions", "accuracy, linear probe of single positions"),
    "means": ("means", "accuracy, linear probe of pictures' means"),
    "descriptors": ("deviations", "accuracy, probe of means and deviations"),
}  # heading of the table's column, and of the chart
PROBES = ("positions", "means", "descriptors")
GAPS = tuple(key for key in MEASURES if key not in PROBES)
CUT = 3.0  # a bar this many times as long as the next is cut


@dataclasses.dataclass(frozen=True)
class AlignmentConfig(StudyConfig):
    """What `study alignment` measures."""

    out: str = option("", "folder for alignment.json and the heat maps")
    tap: str = option("content", "tap of the features; content is the backbone's own choice")
    positions: int = option(128, "positions drawn of each picture", low=2)
    rule: str = option(
        "linear", "shared covariance: mean or barycentre of all", ("linear", "barycentre")
    )
    shrinkage: float = option(1e-3, "of every covariance beforehand", low=1e-9, high=1.0)
    replicates: int = option(40, "bootstrap replicates over held-out pictures", low=1)


@dataclasses.dataclass(frozen=True)
class Alignment:
    """What alignment.json holds."""

    maps: dict[str, "MapFigures"]  # by the name of each map, and "none"
    # What two random halves of one culture's pictures are apart; may be empty
    halves: dict[str, float]
    ddr: "DdrChoice"
    unit: float  # what Fréchet distances are divided by, the mean variance of the features
    cultures: list[str]
    pictures: dict[str, dict[str, int]]  # by part and culture
    backbone: str
    weights: str
    tap: str
    chance: float  # accuracy of a probe that guesses
    config: AlignmentConfig
    versions: dict[str, str] = dataclasses.field(default_factory=settings.package_versions)
    commit: str = dataclasses.field(default_factory=settings.git_commit)


def run(config: AlignmentConfig, outputs: Outputs) -> str:
    """Fits every map, measures the held-out part, draws; returns what the command prints."""
    from stylegan_culture.features.alignment import MAPS

    names = ("alignment.json", *(f"gaps_{name}.png" for name in MAPS), "measures.png")
    folder = outputs.claim_folder(config.out, names)
    with locked(folder):
        record = measure(config)
        with complete(folder) as unfinished:
            write_result(unfinished / "alignment.json", dataclasses.asdict(record))
            drawn = draw(record, unfinished)
    lines = [f"chart: {folder / path.name}" for path in drawn]
    return "\n".join([*lines, f"all measures: {folder / 'alignment.json'}", table(record)])


def measure(config: AlignmentConfig) -> Alignment:
    """The whole study.

    Raises:
        InputError: a culture has too few pictures.
    """
    from stylegan_culture.features.alignment import MAPS, CultureAlignment
    from stylegan_culture.features.moments import merge
    from stylegan_culture.measures import gaps

    parts = {name: study_pictures.load(config, name) for name in ("train", "held_out")}
    _require_every_culture(*parts.values())
    backbone = study_pictures.backbone_of(config)
    tap = backbone.content_tap if config.tap == "content" else config.tap
    fitted, validation, train = _training_features(config, parts["train"], backbone, tap)
    collector = _collect(config, parts["held_out"], backbone, tap, "held-out pictures")
    held = sampled(collector, tap, list(fitted))
    chosen = gaps.choose_ddr(
        list(fitted.values()), list(validation.values()), config.shrinkage, config.rule
    )
    tuned = {"ddr": {"shrinkage": chosen.shrinkage, "identity": chosen.identity}}
    whole = {name: merge(fitted[name], validation[name]) for name in fitted}
    layers = {"none": None}
    for name in MAPS:
        layers[name] = CultureAlignment.of(
            whole, name, tuned.get(name), config.shrinkage, config.rule
        )
    unit = float(np.mean([np.trace(each.covariance) for each in whole.values()]))
    maps, halves = compare(config, layers, train, held, unit)
    return Alignment(
        maps=maps,
        halves=halves,
        ddr=chosen,
        unit=unit,
        cultures=list(fitted),
        pictures={part: study_pictures.counts(source) for part, source in parts.items()},
        backbone=backbone.name,
        weights=backbone.fingerprint,
        tap=tap,
        chance=1.0 / len(fitted),
        config=config,
    )


def compare(
    config: StudyConfig, layers: dict, train: "Sampled", held: "Sampled", unit: float
) -> tuple[dict[str, "MapFigures"], dict[str, float]]:
    """`gaps.compare_maps` over `config.replicates`, with a progress bar, and `gaps.halves`."""
    import tqdm

    from stylegan_culture.measures import gaps, statistics

    weights = statistics.resampled(held.labels, config.replicates, config.seed)
    replicates = tqdm.tqdm(weights, "bootstrap replicates", disable=None)
    maps = gaps.compare_maps(layers, train, held, replicates, unit)
    return maps, gaps.halves(held, unit, config.seed)


def _collect(
    config: AlignmentConfig,
    source: Source,
    backbone: "keras.Model",
    tap: str,
    text: str,
    chosen: np.ndarray | None = None,
) -> "Collector":
    """Moments and sampled positions of pictures; one of several cultures counts for its first."""
    from stylegan_culture.features.moments import Collector, aligned_features

    collector = Collector(config.positions, config.seed)
    read = study_pictures.pictures(source, config.short_side, text, chosen)
    first = ((picture, tags[:1]) for picture, tags in read if tags)
    for features, tags in aligned_features(backbone, first, (tap,)):
        collector.add(features, tags)
    return collector


def _training_features(
    config: AlignmentConfig, source: Source, backbone: "keras.Model", tap: str
) -> tuple[dict[str, "Moments"], dict[str, "Moments"], "Sampled"]:
    """By culture the moments of four fifths and of one fifth of the training part, and the sampled
    positions of all of it."""
    kept = held_out(source.ids)  # the same rule once more, within the training part
    four, one = (
        _collect(config, source, backbone, tap, text, np.flatnonzero(kept == fifth))
        for text, fifth in (("training pictures", False), ("a fifth of them", True))
    )
    # Sorted: a source may name its cultures in any order, and gaps must not depend on it.
    names = sorted(source.cultures)
    moments = [{name: part.moments[name][tap] for name in names} for part in (four, one)]
    four.samples[tap] += one.samples[tap]
    four.cultures += one.cultures
    return (*moments, sampled(four, tap, names))


def _require_every_culture(train: Source, held: Source) -> None:
    """Each culture needs pictures in the held-out part, in the fifth of the training part that
    chooses DDR, and in the rest of it; a picture of several cultures counts for its first."""
    kept = held_out(train.ids)
    fifths = [train.select(np.flatnonzero(kept == fifth)) for fifth in (False, True)]
    for part in (*fifths, held):
        first = {int(tags.argmax()) for tags in part.tags if tags.any()}
        for number, culture in enumerate(part.cultures):
            if number not in first:
                raise InputError(
                    f"culture {culture!r} has too few pictures of its own to be aligned and "
                    "measured; give it at least 4, no cut-outs of each other, or leave it out"
                )


def table(record: Alignment) -> str:
    """The maps side by side as text: means over pairs of cultures, and the probes' accuracies."""
    values = {"measures": MEASURES, "gaps": GAPS, "cell": _cell, "figure": _number}
    return render("alignment.txt.j2", record=record, **values)


def draw(record: Alignment, folder: pathlib.Path) -> list[pathlib.Path]:
    """Draws every map's gaps before and after, and all measures; returns the PNG files."""
    paths = []
    before = record.maps["none"].gaps["frechet"].value
    for name in filter("none".__ne__, record.maps):
        paths.append(folder / f"gaps_{name}.png")
        after = record.maps[name].gaps["frechet"].value
        draw_pair(
            paths[-1],
            {"before alignment": before, f"after {name.replace('_', ' ')}": after},
            record.cultures,
            f"Gap between cultures on held-out pictures, {record.tap} of {record.backbone}",
            "Fréchet distance / shared variance",
        )
    groups = {}
    for key, (_, heading) in MEASURES.items():
        level = record.chance if key in PROBES else record.halves.get(key)
        bars = {name: {**each.mean, **each.probe}[key] for name, each in record.maps.items()}
        groups[heading] = (bars, level)
    paths.append(folder / "measures.png")
    draw_bars(
        paths[-1],
        groups,
        "Held-out pictures before and after alignment; "
        "dashed: two halves of one culture, or chance",
    )
    return paths


def draw_pair(
    path: pathlib.Path, panels: dict[str, ArrayLike], names: list[str], title: str, unit: str
) -> None:
    """Heat maps side by side on one scale, every number written into its cell.

    The scale runs from 0 to the greatest value of the first panel; greater values have the colour
    of its end. Written whole or not at all.

    Args:
        path: a PNG file.
        panels: caption to `[K, K]`.
        names: K names of rows and columns.
        title: above all.
        unit: beside the scale.
    """
    width, height = 86 + 43 * len(names), 72 + 40 * len(names)
    names = [name.replace("_", " ") for name in names]
    highest = float(np.max(next(iter(panels.values()))))
    over = any(np.max(values) > highest for values in panels.values())
    scale = {"cmap": "YlOrRd", "vmin": 0.0, "vmax": highest or 1.0}
    with charts.drawing(len(panels) * width + 115, height + 50) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (caption, values) in zip(axes, panels.items(), strict=True):
            values = np.array(values, np.float64)
            np.fill_diagonal(values, np.nan)  # a culture's gap to itself says nothing
            drawn = charts.draw_heat(axis, values, names, _number, 0.6 * highest, **scale)
            axis.set_title(charts.label(caption), fontsize=11)
            axis.tick_params(labelsize=10)
            if axis is not axes[0]:
                axis.set_yticklabels([""] * len(names))
            axis.spines[:].set_visible(False)
        ends = "max" if over else "neither"
        bar = figure.colorbar(drawn, ax=list(axes), shrink=0.85, pad=0.02, extend=ends)
        bar.set_label(unit, fontsize=10)
        bar.ax.tick_params(labelsize=9)
        figure.suptitle(title, fontsize=13)
        charts.png(figure, path)


def draw_bars(path: pathlib.Path, groups: dict, title: str) -> None:
    """One chart per measure, a bar per map with its interval and its number.

    A bar that is much longer than the others is cut and marked, so that the others stay legible.

    Args:
        path: a PNG file.
        groups: caption to (name to `gaps.Figure`, level of a dashed line or None).
        title: above all.
    """
    columns = -(-len(groups) // 2)
    with charts.drawing(317 * columns + 115, 2 * 209 + 50) as figure:
        axes = figure.subplots(2, columns, squeeze=False).flat
        for axis in axes[len(groups) :]:
            axis.set_axis_off()
        for number, (caption, (figures, level)) in enumerate(groups.items()):
            axis = axes[number]
            _draw_bars_of(axis, list(figures.values()))
            if level is not None:
                axis.axvline(level, color=charts.INK, ls="--", lw=1.0, zorder=0)
            names = [charts.label(name.replace("_", " ")) for name in figures]
            shown = names if number % columns == 0 else [""] * len(names)
            axis.set_yticks(range(len(figures)), shown, fontsize=10)
            axis.tick_params(axis="x", labelsize=9)
            axis.set_title(caption, fontsize=10, loc="left")
        figure.suptitle(title, fontsize=13)
        charts.png(figure, path)


def _draw_bars_of(axis: "charts.Axes", figures: list["Figure"]) -> None:
    """The bars of one measure; the first, of no alignment, in grey."""
    values, low, high = np.array([(each.value, each.low, each.high) for each in figures]).T
    longest = np.sort(high)
    cut = len(high) > 1 and longest[-1] > CUT * longest[-2]
    room = 1.3 * (longest[-2] if cut else longest[-1])
    places = np.arange(len(values))
    colours = [charts.SOFT] + ["#5b93c7"] * (len(values) - 1)
    axis.barh(places, values, color=colours, height=0.66)
    reach = np.maximum([values - low, high - values], 0.0)
    axis.errorbar(values, places, xerr=reach, fmt="none", ecolor=charts.INK, capsize=3, lw=1.2)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.9}
    for place, value, end in zip(places, values, high, strict=True):
        beyond, text = value > room, _number(value)
        where, side = (0.97 * room, "right") if beyond else (max(value, end) + 0.03 * room, "left")
        text = f"{text}, cut here" if beyond else text
        axis.text(where, place, text, va="center", ha=side, fontsize=9, bbox=paper)
    axis.set_xlim(0.0, room or 1.0)
    axis.invert_yaxis()


def _cell(figure: "Figure") -> str:
    half = (figure.high - figure.low) / 2.0
    return f"{_number(figure.value)} ±{_number(half):<6}"


def _number(value: float) -> str:
    """Three figures: 0.0712, 1.00, 45.6, 1230."""
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"
