"""`study --data ... --out DIR`: how picture traditions look and how far apart they are, as one
page, four plots and every number.

Every picture is read once and passes the backbone once. A picture of several traditions counts for
its first.
"""

import dataclasses
import functools
import math
import pathlib
import time
import typing
from collections.abc import Iterator

import numpy as np

from stylegan_culture import config as settings
from stylegan_culture import images
from stylegan_culture.config import InputError, option
from stylegan_culture.files import locked, write_result, write_text
from stylegan_culture.measures import looks, statistics
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.outputs import Outputs
from stylegan_culture.pipelines import cultures
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.reports import alignment, charts, page, study_pictures
from stylegan_culture.reports.study_pictures import Stated, StudyConfig

if typing.TYPE_CHECKING:
    import keras

    from stylegan_culture.features.moments import Collector, Moments
    from stylegan_culture.measures.gaps import Figure, MapFigures, Sampled

LEAST = 5  # pictures of a tradition that distances are taken of; the held-out rule then keeps one
MAP = "transport"
EXAMPLES = 6
NARROW, WIDE = 0.5, 2.0  # proportions that shown pictures are cut to
SIDE, MANY = 160, 110  # pixels of shown pictures' short side, where there are at most so many
FILES = ("study.html", "study.json")
PLOTS = ("figures.png", "palettes.png", "map.png", "gaps.png")
SIMILARITIES = ("cosine", "bures")
WIDE_MAP, NARROW_MAP = (1080, 640), (360, 270)  # pixels


@dataclasses.dataclass(frozen=True)
class PageConfig(StudyConfig):
    """What the page of a study shows, and how it is measured."""

    out: str = option("", "folder for study.html, study.json and the plots")
    licences: str = option("", "licence of pictures whose table names none, for the page")
    tap: str = option("content", "tap of the features; content is the backbone's own choice")
    short_side: int = option(160, "pixels that larger pictures are reduced to", low=16)
    positions: int = option(128, "positions drawn of each picture for distances", low=2)
    replicates: int = option(12, "bootstrap replicates of the gaps, which take longest", low=1)
    pairs: int = option(12, "pairs of nearest neighbours that are shown", low=0)


@dataclasses.dataclass(frozen=True)
class Measure:
    """A figure's heading and the format of its numbers; what it is stands in `Study.what`."""

    heading: str
    form: str

    def show(self, value: float) -> str:
        """The number as the page prints it."""
        return page.number(value, self.form)


MEASURES = {
    "lightness": Measure("Lightness", "{:.1f}"),
    "contrast": Measure("Contrast", "{:.1f}"),
    "chroma": Measure("Chroma", "{:.1f}"),
    "chroma_spread": Measure("Spread of chroma", "{:.1f}"),
    "warmth": Measure("Warmth", "{:.1f}"),
    "symmetry": Measure("Symmetry", "{:.2f}"),
    "balance": Measure("Balance", "{:.3f}"),
    "edges": Measure("Edge density", "{:.1%}"),
    "slope": Measure("Spectral slope", "{:.2f}"),
    "plain": Measure("Plain areas", "{:.0%}"),
    "spread": Measure("Feature spread", "{:.2f}"),
    "directions": Measure("Feature directions", "{:.1f}"),
    "shift": Measure("Feature shift", "{:.2f}"),
}


@dataclasses.dataclass(frozen=True)
class Channels:
    """Features of all positions of a tradition: mean and deviation of each channel."""

    positions: int
    mean: list[float]
    deviation: list[float]


@dataclasses.dataclass(frozen=True)
class Tradition:
    """What was measured of one tradition alone; histograms and palette as in `looks.Portrait`."""

    pictures: int
    held_out: int
    hues: list[float]
    lightness: list[float]
    chroma: list[float]
    palette: list[looks.Swatch]
    moments: Channels
    licences: dict[str, int]  # licence to its number of pictures
    examples: list[str]  # identifiers of pictures, the most typical first

    def from_dark_to_light(self) -> list[looks.Swatch]:
        """The palette in the order in which it is shown."""
        return sorted(self.palette, key=lambda swatch: swatch.lab[0])


@dataclasses.dataclass(frozen=True)
class Imbalance:
    """How unequal the traditions' numbers of pictures are."""

    largest: int
    smallest: int
    ratio: float  # of the largest to the smallest
    # Traditions of equal size that weigh as much, exp of the entropy of the shares (Hill's number
    # of order 1)
    effective: float

    @classmethod
    def of(cls, counts: list[int]) -> "Imbalance":
        """Of the number of pictures of each tradition."""
        from scipy.stats import entropy

        largest, smallest = max(counts), min(counts)
        return cls(largest, smallest, largest / max(1, smallest), math.exp(entropy(counts)))


@dataclasses.dataclass(frozen=True)
class Data:
    """The pictures: their number, how many are below the short side, what was left out and why."""

    name: str
    pictures: int
    below_side: int
    imbalance: Imbalance
    skipped: list[list[str]]
    too_small: list[str]
    empty: list[str]


@dataclasses.dataclass(frozen=True)
class Features:
    """Of which network the features are."""

    backbone: str
    weights: str
    tap: str


@dataclasses.dataclass(frozen=True)
class Plane:
    """The map of traditions, of `gaps.survey`."""

    # points, ellipses: by tradition `(x, y)`, and two half axes and degrees
    points: dict[str, list[float]]
    ellipses: dict[str, tuple[float, float, float]]
    kept: float  # share of the squared distances' variance that the plane keeps
    frechet: list[list[float]]  # distances `[K][K]` in the order of the points
    variance_held: float  # share of the features' variance in as many principal `directions`
    directions: int
    replicates: int


@dataclasses.dataclass(frozen=True)
class Gaps:
    """Held-out pictures before and after alignment by a map, and two halves of one tradition."""

    map: str
    unit: float
    before: "MapFigures"
    after: "MapFigures"
    halves: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """Two pictures of different traditions and the cosine of their features."""

    pictures: list[str]
    traditions: list[str]
    similarity: float


@dataclasses.dataclass(frozen=True)
class Study:
    """What study.json holds. Traditions are named by their keys."""

    data: Data
    # titles, origins: of each tradition; region and period, where they are known
    titles: dict[str, str]
    origins: dict[str, str]
    what: dict[str, str]  # of each figure what it is
    traditions: dict[str, Tradition]
    # Of each figure every tradition's value with its interval
    figures: dict[str, dict[str, Interval]]
    features: Features
    measured: list[str]  # traditions that distances are taken between
    without: str  # a sentence on the others
    # plane, gaps: None where fewer than two traditions are measured
    plane: Plane | None
    gaps: Gaps | None
    neighbours: list[Neighbours]
    replicates: dict[str, int]  # of the bootstrap, for figures, map and gaps
    config: PageConfig
    versions: dict[str, str] = dataclasses.field(default_factory=settings.package_versions)
    commit: str = dataclasses.field(default_factory=settings.git_commit)
    seconds: float = 0.0

    def rows(self, key: str) -> list[tuple]:
        """Of a figure each tradition's title, value and interval."""
        return [(self.titles[name], *row) for name, row in self.figures[key].items()]

    def standing_out(self, name: str, end: str) -> list[str]:
        """Headings of figures in which a tradition is the "highest" or the "lowest" of all, its
        interval clear of the next one's."""
        sign, headings = (1 if end == "highest" else -1), []
        for key, measure in MEASURES.items():
            rows = self.figures.get(key, {})
            others = [row for other, row in rows.items() if other != name]
            if name in rows and others:
                low = min(sign * bound for bound in rows[name][1:])
                if low > max(sign * bound for row in others for bound in row[1:]):
                    headings.append(measure.heading)
        return headings

    def distances(self, name: str) -> list[tuple[str, float]]:
        """The other traditions on the map and how far they lie, the nearest first."""
        if self.plane is None or name not in self.plane.points:
            return []
        names = list(self.plane.points)
        row = zip(names, self.plane.frechet[names.index(name)], strict=True)
        return sorted((pair for pair in row if pair[0] != name), key=lambda pair: pair[::-1])

    def from_left_to_right(self) -> list[str]:
        """The traditions on the map."""
        return sorted(self.plane.points, key=lambda name: self.plane.points[name][0])

    def apart(self) -> list[tuple[str, str, float]]:
        """Each two traditions on the map and how far apart they lie, the nearest first."""
        names = list(self.plane.points)
        pairs = [
            (one, other, self.plane.frechet[i][j])
            for i, one in enumerate(names)
            for j, other in enumerate(names[:i])
        ]
        return sorted(pairs, key=lambda pair: (pair[2], self.titles[pair[0]], self.titles[pair[1]]))


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture that the page shows: `[H, W, 3]` uint8, and its title or file name."""

    pixels: np.ndarray
    caption: str

    def within(self, side: int) -> page.Shown:
        """The picture for the page, its short side at most `side`."""
        larger = min(self.pixels.shape[:2]) > side
        pixels = images.fit_short_side(self.pixels, side) if larger else self.pixels
        return page.shown(pixels, self.caption, 84 if side == SIDE else 76)


def run(config: PageConfig, outputs: Outputs) -> str:
    """Measures, draws, fills the folder when all is complete; returns what the command prints."""
    folder = outputs.claim_folder(config.out, FILES + PLOTS)
    with locked(folder):
        _make(config, folder)
    size = (folder / "study.html").stat().st_size / 1e6
    return f"every number: {folder / 'study.json'}\npage: {folder / 'study.html'} ({size:.1f} MB)"


def _make(config: PageConfig, folder: pathlib.Path) -> None:
    record, shown = measure(config)
    with page.complete(folder, PLOTS) as unfinished:
        draw(record, shown, unfinished)
        write_result(unfinished / "study.json", dataclasses.asdict(record))
        write_text(unfinished / "study.html", html_of(record, shown))


# Measuring


@dataclasses.dataclass
class _Collected:
    """What one pass over the pictures leaves."""

    albums: dict[str, looks.Album]  # by tradition
    collectors: dict[str, "Collector"]  # at one tap, for the parts "train" and "held_out"
    tap: str  # its name
    # Of the pictures in the source, for each part, in the collectors' order
    numbers: dict[str, list[int]]
    # Identifiers of pictures that are too small for the backbone and were left out
    small: list[str]

    def names(self) -> list[str]:
        """Traditions that have pictures."""
        return [name for name, album in self.albums.items() if len(album)]

    def measurable(self) -> list[str]:
        """Traditions that have `LEAST` pictures, and some in both parts; none where fewer than two
        have."""
        counts = [collector.pictures() for collector in self.collectors.values()]
        names = [
            name
            for name, album in self.albums.items()
            if len(album) >= LEAST and all(part.get(name) for part in counts)
        ]
        return names if len(names) > 1 else []

    def moments(self, name: str) -> list["Moments"]:
        """Of every position of a tradition's pictures, for each part that has some."""
        return [
            collector.moments[name][self.tap]
            for collector in self.collectors.values()
            if name in collector.moments
        ]

    def sampled(self, part: str, names: list[str]) -> "Sampled":
        """Positions of a part's pictures of some traditions."""
        return study_pictures.sampled(self.collectors[part], self.tap, names)

    def both(self, names: list[str]) -> "Sampled":
        """Positions of both parts' pictures, the training pictures first."""
        from stylegan_culture.measures.gaps import Sampled

        parts = [self.sampled(part, names) for part, numbers in self.numbers.items() if numbers]
        return Sampled(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )


def measure(config: PageConfig) -> tuple[Study, dict[str, Picture]]:
    """All that was measured, and by their identifiers the pictures that the page shows.

    Raises:
        InputError: fewer than two traditions have a picture that is large enough.
    """
    from stylegan_culture.measures import gaps

    started = time.monotonic()
    source = study_pictures.load(config, "all")
    backbone = study_pictures.backbone_of(config)
    tap = backbone.content_tap if config.tap == "content" else config.tap
    collected = _collect(config, source, backbone, tap)
    names, measured = collected.names(), collected.measurable()
    if len(names) < 2:
        raise InputError(
            f"fewer than two traditions of {config.data} have a picture of at least "
            f"{backbone.least_size} pixels a side; a study compares two or more"
        )
    portraits = {name: looks.Portrait.of(collected.albums[name], config.seed) for name in names}
    figures = {
        key: {name: portrait.figures[key] for name, portrait in portraits.items()}
        for key in looks.WHAT
    }
    plane = None
    if measured:
        plane, of_features = _plane(config, collected, measured)
        figures |= of_features
    without = ""
    if left := [cultures.title(name) for name in names if name not in measured]:
        without = (
            f"Distances are taken only between traditions of at least {LEAST} pictures, "
            f"of which some are held out. Left out: {', '.join(left)}."
        )
    known, taken = study_pictures.stated(config.data), sorted(sum(collected.numbers.values(), []))
    examples, neighbours = _chosen(config, source, collected)
    traditions = {}
    for name, portrait in portraits.items():
        ids = [source.ids[k] for k in taken if _first(source, k) == name]
        looked = {key: value for key, value in vars(portrait).items() if key != "figures"}
        traditions[name] = Tradition(
            **looked,
            held_out=collected.collectors["held_out"].pictures().get(name, 0),
            moments=_channels(collected.moments(name)),
            licences=study_pictures.licences(ids, known, config.licences.strip()),
            examples=examples[name],
        )
    study = Study(
        data=_data(config, source, collected),
        titles={name: cultures.title(name) for name in names},
        origins={name: _origin(name) for name in names},
        what={**looks.WHAT, **gaps.WHAT},
        traditions=traditions,
        figures=figures,
        features=Features(backbone.name, backbone.fingerprint, tap),
        measured=measured,
        without=without,
        plane=plane,
        gaps=_gaps(config, collected, measured) if measured else None,
        neighbours=neighbours,
        replicates={
            "figures": statistics.REPLICATES,
            "map": gaps.MAP_REPLICATES,
            "gaps": config.replicates,
        },
        config=config,
        seconds=round(time.monotonic() - started, 1),
    )
    wanted = {name for chosen in examples.values() for name in chosen}
    wanted |= {name for pair in neighbours for name in pair.pictures}
    return study, _shown(source, wanted, known)


def _collect(config: PageConfig, source: Source, backbone: "keras.Model", tap: str) -> _Collected:
    """Reads every picture once: its looks into an album, its features into a collector."""
    from stylegan_culture.features.moments import Collector, aligned_features

    parts = ("train", "held_out")
    collected = _Collected(
        albums={name: looks.Album() for name in source.cultures},
        collectors={part: Collector(config.positions, config.seed) for part in parts},
        tap=tap,
        numbers={part: [] for part in parts},
        small=[],
    )
    generator, passed = np.random.default_rng(config.seed), []

    read = study_pictures.pictures(source, config.short_side)

    def large_enough() -> Iterator[tuple[np.ndarray, tuple[str, ...]]]:
        for number, (picture, tags) in enumerate(read):
            if min(picture.shape[:2]) < backbone.least_size:
                collected.small.append(source.ids[number])
                continue
            collected.albums[tags[0]].add(picture, generator)
            passed.append(number)
            yield picture, tags[:1]

    for features, tags in aligned_features(backbone, large_enough(), (tap,)):
        part = parts[int(source.held[passed[-1]])]
        collected.collectors[part].add(features, tags)
        collected.numbers[part].append(passed[-1])
    return collected


def _channels(moments: list["Moments"]) -> Channels:
    from stylegan_culture.features.moments import merge

    whole = functools.reduce(merge, moments)
    deviation = np.sqrt(np.diag(whole.covariance))
    return Channels(whole.count, *(np.round(x, 5).tolist() for x in (whole.mean, deviation)))


def _plane(config: PageConfig, collected: _Collected, names: list[str]) -> tuple[Plane, dict]:
    """The map of traditions, and their figures of features."""
    from stylegan_culture.measures import gaps

    survey = gaps.survey(collected.both(names), config.seed)
    figures = {
        key: {name: Interval(*row) for name, row in zip(names, rows.tolist(), strict=True)}
        for key, rows in survey.figures.items()
    }
    plane = Plane(
        points=dict(zip(names, survey.points.tolist(), strict=True)),
        ellipses=dict(zip(names, map(gaps.ellipse, survey.scatter), strict=True)),
        kept=survey.kept,
        frechet=survey.frechet.tolist(),
        variance_held=survey.variance,
        directions=gaps.DIRECTIONS,
        replicates=gaps.MAP_REPLICATES,
    )
    return plane, figures


def _gaps(config: PageConfig, collected: _Collected, names: list[str]) -> Gaps:
    """Gaps on held-out pictures before and after alignment by a map of the training pictures."""
    from stylegan_culture.features.alignment import CultureAlignment

    train, held = (collected.sampled(part, names) for part in ("train", "held_out"))
    moments = {name: collected.moments(name)[0] for name in names}
    unit = max(float(np.mean([np.trace(each.covariance) for each in moments.values()])), 1e-30)
    layers = {"before": None, "after": CultureAlignment.of(moments, MAP)}
    maps, halves = alignment.compare(config, layers, train, held, unit)
    return Gaps(MAP, unit, **maps, halves=halves)


def _chosen(
    config: PageConfig, source: Source, collected: _Collected
) -> tuple[dict[str, list[str]], list[Neighbours]]:
    """Which pictures the page shows: examples of each tradition, and the pairs of nearest
    neighbours across traditions, similarity above 0."""
    names = collected.names()
    whole, numbers = collected.both(names), np.array(sum(collected.numbers.values(), []))
    descriptors = whole.descriptors()
    examples = {}
    for label, name in enumerate(names):
        members = np.flatnonzero(whole.labels == label)
        chosen = looks.examples(descriptors[members], EXAMPLES)
        examples[name] = [source.ids[k] for k in numbers[members[chosen]]]
    near = looks.neighbours(descriptors, whole.labels, config.pairs)
    return examples, [
        Neighbours([source.ids[k] for k in pair], [_first(source, k) for k in pair], alike)
        for *pair, alike in ((numbers[one], numbers[other], alike) for one, other, alike in near)
        if alike > 0
    ]


def _data(config: PageConfig, source: Source, collected: _Collected) -> Data:
    taken, names = sum(collected.numbers.values(), []), collected.names()
    path = config.data.removesuffix(settings.OUTSIDE).partition(":")[2]
    return Data(
        name=pathlib.Path(path).name if path else config.data,
        pictures=len(taken),
        below_side=sum(min(source.read(k).shape[:2]) < config.short_side for k in taken),
        imbalance=Imbalance.of([len(collected.albums[name]) for name in names]),
        skipped=[[pathlib.Path(file).name, reason] for file, reason in source.skipped],
        too_small=collected.small,
        empty=[cultures.title(name) for name in source.cultures if name not in names],
    )


def _first(source: Source, number: int) -> str:
    """The first tradition of a picture."""
    return source.cultures[int(source.tags[number].argmax())]


def _origin(name: str) -> str:
    """Region and period of a known tradition, else nothing."""
    for known in (*cultures.ORNAMENTS, *cultures.PICTURES):
        if known.key == name:
            return f"{known.region}, {known.period}"
    return ""


def _shown(source: Source, wanted: set[str], known: dict[str, Stated]) -> dict[str, Picture]:
    """Pictures by identifier, cut where they are very long."""
    shown = {}
    for number, name in enumerate(source.ids):
        if name in wanted:
            pixels = np.asarray(source.read(number))
            height, width = pixels.shape[:2]
            cut = min(width, round(WIDE * height)), min(height, round(width / NARROW))
            left, top = (width - cut[0]) // 2, (height - cut[1]) // 2
            pixels = pixels[top : top + cut[1], left : left + cut[0]]
            shown[name] = Picture(pixels, study_pictures.caption(name, known))
    return shown


# Showing


def html_of(record: Study, shown: dict[str, Picture]) -> str:
    """The whole page; nothing in it is fetched from anywhere."""
    traditions = record.traditions.values()
    count = sum(len(each.examples) + 1 for each in traditions) + 2 * len(record.neighbours)
    side = round(SIDE * math.sqrt(min(1.0, MANY / count)))  # so that the page is below 3 MB
    mean = {
        key: np.mean([getattr(each, key) for each in traditions], axis=0).tolist()
        for key in ("lightness", "chroma", "hues")
    }
    largest = max(max(each.hues) for each in traditions) or 1.0
    return page.render(
        "study.html.j2",
        record=record,
        measures=MEASURES,
        pictures={name: picture.within(side) for name, picture in shown.items()},
        charts=charts,
        mean=mean,
        largest=largest,
        maps=_maps(record, shown),
        cells=functools.partial(_cells, record),
        heat=functools.partial(_heat, record),
        show=page.number,
    )


def _places(record: Study, shown: dict[str, Picture]) -> list[charts.Place]:
    """Of the map, each with its most typical picture."""
    return [
        charts.Place(
            name=record.titles[name],
            point=point,
            ellipse=record.plane.ellipses[name],
            picture=shown[record.traditions[name].examples[0]].pixels,
        )
        for name, point in record.plane.points.items()
    ]


def _maps(record: Study, shown: dict[str, Picture]) -> list["charts.Markup"]:
    """The map with pictures for wide screens, and without for narrow ones."""
    if record.plane is None:
        return []
    places = _places(record, shown)
    plain = [dataclasses.replace(place, picture=None) for place in places]
    sizes = ((places, WIDE_MAP, "wide"), (plain, NARROW_MAP, "narrow"))
    return [charts.plane(each, size, "Map of traditions", kind) for each, size, kind in sizes]


def _cells(record: Study, figure: "Figure") -> list[list[tuple[float, str] | None]]:
    """Of a table of gaps the cells `(value, interval)` in the order of the map."""
    order = [record.measured.index(name) for name in record.from_left_to_right()]

    def cell(i: int, j: int) -> tuple[float, str]:
        low, high = (page.number(end[i][j]) for end in (figure.low, figure.high))
        return figure.value[i][j], f"{low} to {high}"

    return [[None if i == j else cell(i, j) for j in order] for i in order]


def _heat(record: Study, key: str) -> typing.Callable[[float], float]:
    """A function from a measure's number to its heat; 1: the farthest apart before alignment."""
    sign, start = (-1.0, 1.0) if key in SIMILARITIES else (1.0, 0.0)
    before = np.array(record.gaps.before.gaps[key].value)
    greatest = (start + sign * before[~np.eye(len(before), dtype=bool)]).max()
    return lambda value: (start + sign * value) / max(greatest, 1e-9)


def draw(record: Study, shown: dict[str, Picture], folder: pathlib.Path) -> None:
    """Draws figures.png and palettes.png, and, where distances were taken, map.png and gaps.png."""
    draw_figures(folder / "figures.png", record)
    draw_palettes(folder / "palettes.png", record)
    if record.plane is not None:
        with charts.drawing(*WIDE_MAP, layout=None) as figure:
            axes = figure.add_axes((0, 0, 1, 1))
            charts.draw_plane(axes, _places(record, shown), WIDE_MAP)
            kept = f"The plane keeps {record.plane.kept:.0%} of the distances' variance"
            figure.text(0.015, 0.96, kept, color=charts.SOFT)
            charts.png(figure, folder / "map.png")
        parts = {"before alignment": record.gaps.before, "after alignment": record.gaps.after}
        alignment.draw_pair(
            folder / "gaps.png",
            {name: figures.gaps["frechet"].value for name, figures in parts.items()},
            [record.titles[name] for name in record.measured],
            "Gap between traditions on held-out pictures",
            "Fréchet distance / mean variance",
        )


def draw_figures(path: pathlib.Path, record: Study) -> None:
    """A panel for each figure, the greatest value on top."""
    columns, rows = 4, -(-len(record.figures) // 4)
    height = rows * (19 * len(record.titles) + 50) + 40
    with charts.drawing(380 * columns, height) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).flat
        figure.get_layout_engine().set(w_pad=0.25, h_pad=0.12)
        for axes, key in zip(panels, record.figures, strict=False):
            charts.draw_dots(axes, record.rows(key), MEASURES[key].show)
            axes.set_title(MEASURES[key].heading, loc="left", weight="bold", fontsize=12)
        for axes in panels[len(record.figures) :]:
            axes.set_axis_off()
        figure.suptitle("Means over pictures with 95% intervals; upright: mean of all traditions")
        charts.png(figure, path)


def draw_palettes(path: pathlib.Path, record: Study) -> None:
    """A bar for each tradition, from dark to light, its colours as long as their shares."""
    with charts.drawing(700, 36 * len(record.traditions) + 24) as figure:
        axes = figure.subplots()
        for place, tradition in enumerate(record.traditions.values()):
            start = 0.0
            for swatch in tradition.from_dark_to_light():
                axes.barh(place, swatch.share, left=start, color=swatch.srgb, height=0.72)
                start += swatch.share
        names = [charts.label(record.titles[name]) for name in record.traditions]
        axes.set_yticks(range(len(names)), names)
        axes.set(xticks=[], xlim=(0.0, 1.0))
        axes.invert_yaxis()
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        charts.png(figure, path)
