"""Why a network sees a culture: the experiments of `explain`, their record, page and sheets.

Where the tagger sees a culture before and after restyling, and whether its maps are true; which
channels of its network carry the culture; what the directions of the generator's style code do.
"""

import dataclasses
import pathlib
import time
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from stylegan_culture import config as settings
from stylegan_culture import images
from stylegan_culture.files import file_names, write_result, write_text
from stylegan_culture.measures import evidence, probes, statistics
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.networks.classifier import CultureTagger
from stylegan_culture.pipelines.sampling import parents
from stylegan_culture.reports import charts, page, projector, subjects
from stylegan_culture.reports.explanation_settings import SHEETS, ExplainConfig, projector_of
from stylegan_culture.reports.subjects import Artworks, Subjects

MAPS = ("parts", "grad_cam")
COVERED = 0.2  # of the picture, where a map is checked
ELSEWHERE = 24  # other places that are covered for comparison
FOR, AGAINST = np.array([1.0, 0.55, 0.05]), np.array([0.10, 0.35, 0.95])  # colours of evidence
VEIL = 0.75  # the most that the colour of evidence covers
QUANTILE = 0.99  # of a map's strength that has the full colour
STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # of a walk: 0 is the middle of all cultures, 1 the culture
PATCH = 0.3  # side of a piece, as a share of the picture's square
PIXELS = 96  # side of a piece as it is shown
PERMUTATIONS = 200
READINGS = ("mean", "deviation")  # of a channel over the picture, as the tagger reads them
SAME = 0.99  # correlation from which on two artworks count as one: prints of one block
COLUMNS = ("picture", "for and against", "Grad-CAM")
WITHOUT_DATA = (
    "the channels that carry a culture",
    "the style codes of artworks",
    "artworks in the projector",
)


@dataclasses.dataclass(frozen=True)
class Check:
    """Whether a map marks what the tagger needs: its strongest fifth is blurred."""

    fall: float  # of the logit
    # Mean, least and greatest fall for other places of the same shape
    elsewhere: tuple[float, float, float]
    beaten: float  # share of the other places with a lesser fall


@dataclasses.dataclass(frozen=True)
class Sight:
    """What the tagger sees of a culture in one picture."""

    probabilities: dict[str, float]  # of every culture
    logit: float  # of the culture; it is `bias` and all parts added up
    bias: float
    taps: dict[str, dict[str, float]]  # tap to the parts `means` and `deviations`
    checks: dict[str, Check]  # by `MAPS`


@dataclasses.dataclass(frozen=True)
class Place:
    """A picture, before and after restyling."""

    name: str
    before: Sight
    after: Sight


@dataclasses.dataclass(frozen=True)
class Strip:
    """A picture restyled by several codes: the tagger's probabilities by culture for each."""

    name: str
    probabilities: list[dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Path:
    """Restylings on the way from culture `start` to `end`; `shares` are of the second."""

    start: str
    end: str
    shares: list[float]
    pictures: list[Strip]


@dataclasses.dataclass(frozen=True)
class Excited:
    """An artwork that excites a channel, up to `peak`."""

    artwork: str
    culture: str
    peak: float


@dataclasses.dataclass(frozen=True)
class Channel:
    """A channel that is higher in a culture's artworks than in others."""

    channel: int  # its number
    reading: str  # "mean" or "deviation", the one of the two that tells more
    # Of the culture's artworks from the others, in deviations; held-out artworks
    difference: Interval
    eta_squared: float  # share of its variance between cultures
    logit: float  # how much higher the culture's logit is for its artworks by this reading alone
    excited_by: list[Excited]  # the artworks that excite it most

    def share(self, culture: str) -> str:
        """How many of the pieces are of a culture, `2 of 6`."""
        return f"{sum(one.culture == culture for one in self.excited_by)} of {len(self.excited_by)}"


@dataclasses.dataclass(frozen=True)
class Channels:
    """The strongest channels of each culture."""

    tap: str
    channels: int  # how many the tap has
    pictures: dict[str, int]  # how many artworks they were `chosen_on` and `measured_on`
    # Below it the strongest difference of all stays in 95 % of draws of shuffled tags
    chance: float
    cultures: dict[str, list[Channel]]


@dataclasses.dataclass(frozen=True)
class Codes:
    """Where the codes that the encoder reads from held-out artworks lie among the directions."""

    cultures: list[str]
    # Mean of each culture's artworks along the direction to each; 0 is the middle of the default
    # codes, 1 the culture's default code
    along: list[list[Interval]]
    # Of the direction to a culture's default code and that to its artworks' mean code
    cosine: dict[str, float]
    accuracy: Interval  # of a linear discriminant of codes, each culture counting alike
    by_chance: float
    shrinkage: float  # of its covariance
    held_out: int


@dataclasses.dataclass(frozen=True)
class Tagger:
    """The network that names cultures."""

    name: str
    knows: list[str]
    exclusive: bool
    backbone: str
    weights: str
    side: int
    tap: str


@dataclasses.dataclass(frozen=True)
class Record:
    """All that was measured; `explain.json` is its fields."""

    pictures: list[str]
    cultures: list[str]
    titles: dict[str, str]
    tagger: Tagger
    model: dict[str, str | list[str]]
    check: dict[str, float]
    steps: list[float]
    left_out: list[str]
    places: dict[str, list[Place]]
    walks: dict[str, list[Strip]]
    path: Path | None
    channels: Channels | None
    codes: Codes | None
    data: dict[str, dict[str, int]] | None
    config: ExplainConfig
    versions: dict[str, str] = dataclasses.field(default_factory=settings.package_versions)
    commit: str = dataclasses.field(default_factory=settings.git_commit)
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """The record, and pictures for page and sheets."""

    record: Record
    # Culture to rows of six pictures: a picture, its parts and its Grad-CAM, before and after
    # restyling
    places: dict[str, list[list[np.ndarray]]]
    pieces: dict[tuple[str, int], list[np.ndarray]]  # `{(culture, channel): [uint8 pictures]}`
    walks: dict[str, np.ndarray]  # culture to `[N, steps, S, S, 3]`
    path: np.ndarray | None  # `[N, steps, S, S, 3]`, or None
    points: projector.Points | None  # of the projector


def measure(config: ExplainConfig, files: list[str]) -> Explanation:
    """Does every experiment that the options allow.

    Raises:
        InputError: pictures, networks or artworks cannot be read, or lack a culture.
    """
    started = time.monotonic()
    networks = subjects.load(config, files)
    artworks = subjects.collect(config, networks) if config.data else None
    seen = {culture: _places(networks, culture, config.seed) for culture in config.cultures}
    walked = _walks(config, networks)
    path, path_pictures = _path(config, networks) if config.path else (None, None)
    points = projector.of_pictures(config, networks)
    channels = codes = data = None
    pieces = {}
    if artworks is not None:
        channels, pieces = _channels(config, networks, artworks)
        codes = _codes(config, networks, artworks)
        points = points + projector.of_artworks(config, artworks)
        counts = np.bincount(artworks.labels).tolist()
        data = {"pictures": dict(zip(artworks.cultures, counts, strict=True))}
        data["left_out"] = artworks.left_out
    tagger = networks.tagger
    record = Record(
        pictures=list(networks.names),
        cultures=list(config.cultures),
        titles=networks.titles,
        tagger=Tagger(
            name=pathlib.Path(config.tagger).name,
            knows=list(networks.cultures),
            exclusive=tagger.head.exclusive,
            backbone=tagger.backbone.name,
            weights=tagger.backbone.fingerprint,
            side=networks.side,
            tap=networks.tap,
        ),
        model={
            "name": pathlib.Path(config.model).name,
            "knows": list(networks.model.cultures),
        },
        check={"covered": COVERED, "elsewhere": ELSEWHERE},
        steps=list(STEPS),
        left_out=[] if config.data else list(WITHOUT_DATA),
        places={culture: places for culture, (places, _) in seen.items()},
        walks={culture: strips for culture, (strips, _) in walked.items()},
        path=path,
        channels=channels,
        codes=codes,
        data=data,
        config=config,
        seconds=round(time.monotonic() - started, 1),
    )
    return Explanation(
        record=record,
        places={culture: pictures for culture, (_, pictures) in seen.items()},
        pieces=pieces,
        walks={culture: pictures for culture, (_, pictures) in walked.items()},
        path=path_pictures,
        points=points,
    )


# Where the tagger sees a culture


def _places(networks: Subjects, culture: str, seed: int) -> tuple[list[Place], list]:
    """Maps of one culture and their checks: the record, and six pictures a row."""
    number = networks.cultures.index(culture)
    restyled = networks.restyled(networks.code(culture)[None])[:, 0]
    records, rows = [], []
    for name, picture, result in zip(networks.names, networks.pictures, restyled, strict=True):
        both = np.stack([picture, result])
        squares = networks.as_seen(both)
        taken = evidence.take_apart(networks.tagger, squares)
        probabilities, logits = networks.probabilities(both), taken.logits()[:, number]
        maps = {
            "parts": parts_map(networks, taken, number),
            "grad_cam": _grad_cam(networks, squares, number),
        }
        before, after = (
            Sight(
                probabilities=networks.by_culture(probabilities[turn]),
                logit=float(logits[turn]),
                bias=float(taken.bias[number]),
                taps=_taps(taken, turn, number),
                checks={
                    kind: check(networks, squares[turn], both_maps[turn], number, seed)
                    for kind, both_maps in maps.items()
                },
            )
            for turn in (0, 1)
        )
        records.append(Place(name, before, after))
        rows.append(_drawn(both, maps))
    return records, rows


def parts_map(networks: Subjects, taken: evidence.Parts, culture: int) -> np.ndarray:
    """The maps of all parts of a logit, added up at the pixels of the squares: `[N, S, S]`."""
    size, total = networks.side, 0.0
    for (tap, _), maps in taken.maps.items():
        stride = networks.tagger.backbone.strides[tap]
        total = total + np.stack(
            [evidence.on_picture(one[..., culture], stride, size, size) for one in maps]
        )
    return total


def check(
    networks: Subjects, square: np.ndarray, marks: np.ndarray, culture: int, seed: int
) -> Check:
    """Blurs the fifth of a square `[S, S, 3]` where the map `marks [S, S]` is strongest, and as
    much elsewhere for comparison."""
    mask = evidence.strongest_pixels(marks, COVERED)
    others = evidence.elsewhere(mask, ELSEWHERE, seed)
    covered = np.stack([evidence.covered(square, one) for one in (mask, *others)])
    logits = networks.logits(np.stack([square, *covered]))[:, culture].astype(np.float64)
    fall, *rest = (logits[0] - logits[1:]).tolist()
    elsewhere = (float(np.mean(rest)), min(rest), max(rest))
    return Check(fall, elsewhere, float(np.mean(np.array(rest) < fall)))


def _grad_cam(networks: Subjects, squares: np.ndarray, culture: int) -> np.ndarray:
    def logits_of(taps: dict[str, tf.Tensor]) -> tf.Tensor:
        return CultureTagger(lambda _: taps, networks.tagger.head)(squares)

    backbone, tap, size = networks.tagger.backbone, networks.tap, networks.side
    maps = evidence.grad_cam(backbone, logits_of, squares, tap, culture)
    stride = backbone.strides[tap]
    return np.stack([evidence.on_picture(one, stride, size, size) for one in np.asarray(maps)])


def _taps(taken: evidence.Parts, turn: int, culture: int) -> dict[str, dict[str, float]]:
    taps = {}
    for (tap, kind), values in taken.totals().items():
        taps.setdefault(tap, {})[kind] = float(values[turn, culture])
    return taps


def _drawn(both: np.ndarray, maps: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The six pictures of a row; both maps of a kind have one scale of colour."""
    size, drawn = both.shape[1], []
    for turn, picture in enumerate(both):
        drawn.append(picture)
        for kind in MAPS:
            pair = maps[kind]
            enlarged = evidence.on_picture(pair[turn], size / pair.shape[1], size, size)
            scale = np.quantile(np.abs(pair), QUANTILE)
            drawn.append(overlay(picture, enlarged, scale))
    return drawn


def overlay(picture: np.ndarray, values: np.ndarray, scale: float) -> np.ndarray:
    """A picture `[H, W, 3]` in grey, orange where `values [H, W]` are for a culture and blue where
    they are against it, at `scale` and beyond in full colour."""
    strength = np.clip(np.asarray(values, np.float64) / max(scale, 1e-12), -1.0, 1.0)[..., None]
    grey = np.asarray(picture, np.float64).mean(axis=-1, keepdims=True)
    veil = VEIL * np.abs(strength)
    colour = np.where(strength > 0.0, FOR, AGAINST)
    return np.clip((1.0 - veil) * grey + veil * colour, 0.0, 1.0).astype(np.float32)


# Which channels carry a culture


def _channels(
    config: ExplainConfig, networks: Subjects, artworks: Artworks
) -> tuple[Channels, dict]:
    """The strongest channels of each culture asked for, and the pieces of artworks that excite
    them, `{(culture, channel): [uint8 [PIXELS, PIXELS, 3]]}`.

    Channels are chosen on the training part and measured on the held-out fifth: the strongest of
    many look stronger than they are where they were chosen.
    """
    held, count = artworks.held, len(artworks.cultures)
    readings, labels = artworks.readings[held], artworks.labels[held]
    channels = readings.shape[1] // 2
    chosen = _chosen(config, artworks)
    every = np.unique(chosen)
    differences = evidence.difference_intervals(
        readings[:, every], labels, count, config.replicates, config.seed
    )
    standard = statistics.standardised(artworks.readings)
    eta = evidence.eta_squared(readings, labels, count)
    added = _contributions(networks, artworks)
    pieces, rows = {}, {culture: [] for culture in config.cultures}
    for culture in config.cultures:
        number = artworks.cultures.index(culture)
        for reading in chosen[number].tolist():
            kind, channel = divmod(reading, channels)
            excited = _excited(artworks, standard, channel, config.patches)
            pieces[culture, channel] = [_piece(networks, artworks, n, channel) for n in excited]
            rows[culture].append(
                Channel(
                    channel=channel,
                    reading=READINGS[kind],
                    difference=tuple(differences[number, np.searchsorted(every, reading)].tolist()),
                    eta_squared=float(eta[reading]),
                    logit=float(added[number, reading]),
                    excited_by=[
                        Excited(
                            artwork=artworks.source.ids[n],
                            culture=artworks.cultures[artworks.labels[n]],
                            peak=float(artworks.peaks[n, channel]),
                        )
                        for n in excited
                    ],
                )
            )
    draws = min(PERMUTATIONS, config.replicates)
    record = Channels(
        tap=networks.tap,
        channels=channels,
        pictures={"chosen_on": int((~held).sum()), "measured_on": int(held.sum())},
        chance=evidence.chance_difference(readings, labels, count, draws, config.seed),
        cultures=rows,
    )
    return record, pieces


def _chosen(config: ExplainConfig, artworks: Artworks) -> np.ndarray:
    """Numbers of the strongest readings of each culture, one a channel: `[K, config.channels]`."""
    train, count = ~artworks.held, len(artworks.cultures)
    values = evidence.channel_differences(artworks.readings[train], artworks.labels[train], count)
    values = values.reshape(count, len(READINGS), -1)
    best = evidence.strongest_channels(values.max(axis=1), config.channels)
    kind = np.take_along_axis(values.argmax(axis=1), best, axis=1)
    return kind * values.shape[2] + best


def _excited(artworks: Artworks, standard: np.ndarray, channel: int, count: int) -> list[int]:
    """The artworks that excite a channel most, the strongest first; of an artwork and its cut-outs,
    and of prints with nearly equal `standard [N, 2 C]` readings, only the first."""
    order = np.argsort(-artworks.peaks[:, channel], kind="stable")
    belongs, chosen = parents(artworks.source.ids), []
    for number in order.tolist():
        known = {belongs[n] for n in chosen}
        like = max((_correlation(standard[number], standard[n]) for n in chosen), default=0.0)
        if belongs[number] not in known and like < SAME:
            chosen.append(number)
        if len(chosen) == count:
            break
    return chosen


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / lengths) if lengths > 0.0 else 1.0


def _contributions(networks: Subjects, artworks: Artworks) -> np.ndarray:
    """How much higher a culture's logit is for its held-out artworks than for the others' by each
    reading alone, where the head cuts nothing: `[K, 2 C]`."""
    head = networks.tagger.head
    size, start = artworks.readings.shape[1], 0
    grey = np.full((1, networks.side, networks.side, 3), 0.5, np.float32)
    for tap, value in networks.tagger.backbone(grey).items():
        if tap == networks.tap:
            break
        start += 2 * value.shape[-1]
    slots = slice(start, start + size)
    kernel = np.asarray(head.logits.kernel, np.float64)[slots]
    kernel = kernel[:, [networks.cultures.index(key) for key in artworks.cultures]]
    slopes = kernel / np.asarray(head.deviation, np.float64)[slots][:, None]
    slopes /= float(np.asarray(head.temperature))
    held, count = artworks.held, len(artworks.cultures)
    means = evidence.culture_means(artworks.readings[held], artworks.labels[held], count)
    return evidence.above_others(means) * slopes.T


def _piece(networks: Subjects, artworks: Artworks, number: int, channel: int) -> np.ndarray:
    """The piece of an artwork around the place that excites a channel most."""
    rows, columns = artworks.grid
    place = divmod(int(artworks.places[number, channel]), columns)
    stride = networks.tagger.backbone.strides[networks.tap]
    whole = round(PIXELS / PATCH)
    square = artworks.square(number, whole)
    corner = []
    for axis, positions in enumerate((rows, columns)):
        first = (networks.side - 1 - stride * (positions - 1)) / 2
        middle = (first + stride * place[axis] + 0.5) * whole / networks.side
        corner.append(int(np.clip(round(middle - PIXELS / 2), 0, whole - PIXELS)))
    top, left = corner
    return square[top : top + PIXELS, left : left + PIXELS]


# What the style code does


def _directions(networks: Subjects) -> evidence.Directions:
    """From the middle of the default codes of the generator's cultures to each."""
    return evidence.Directions.between(np.asarray(networks.model.fusion.codes()))


def _walks(config: ExplainConfig, networks: Subjects) -> dict[str, tuple[list[Strip], np.ndarray]]:
    """Every picture at `STEPS` along the direction of each culture asked for."""
    ways, known = _directions(networks), networks.model.cultures
    return {
        culture: _strips(networks, ways.at(known.index(culture), STEPS))
        for culture in config.cultures
    }


def _path(config: ExplainConfig, networks: Subjects) -> tuple[Path, np.ndarray]:
    """Every picture at even steps of the mixture from one culture to another."""
    start, end = config.ends
    shares = np.linspace(0.0, 1.0, config.steps)
    codes = np.stack([networks.code(f"{start}={1.0 - s},{end}={s}") for s in shares])
    strips, pictures = _strips(networks, codes)
    return Path(start, end, shares.tolist(), strips), pictures


def _strips(networks: Subjects, codes: np.ndarray) -> tuple[list[Strip], np.ndarray]:
    pictures = networks.restyled(codes)
    probabilities = networks.probabilities(pictures)
    strips = [
        Strip(name, [networks.by_culture(one) for one in row])
        for name, row in zip(networks.names, probabilities, strict=True)
    ]
    return strips, pictures


def _codes(config: ExplainConfig, networks: Subjects, artworks: Artworks) -> Codes:
    keys, count = artworks.cultures, len(artworks.cultures)
    ways = _directions(networks)
    numbers = [networks.model.cultures.index(key) for key in keys]
    held, labels = artworks.held, artworks.labels
    along = evidence.means_of_cultures(
        ways.along(artworks.codes[held])[:, numbers],
        labels[held],
        count,
        config.replicates,
        config.seed,
    )
    read = evidence.Directions.between(
        [artworks.codes[labels == number].mean(axis=0) for number in range(count)]
    )
    fitted = probes.discriminant(artworks.codes[~held], labels[~held])
    right = fitted.predict(artworks.codes[held]) == labels[held]
    accuracy = statistics.balanced_accuracy_interval(
        right, labels[held], config.replicates, config.seed
    )
    return Codes(
        cultures=list(keys),
        along=along.tolist(),
        cosine={
            key: statistics.cosine(ways.steps[number], read.steps[place])
            for place, (key, number) in enumerate(zip(keys, numbers, strict=True))
        },
        accuracy=accuracy,
        by_chance=1.0 / count,
        shrinkage=fitted.shrinkage,
        held_out=int(held.sum()),
    )


# The files


def write(config: ExplainConfig, explanation: Explanation) -> pathlib.Path:
    """Writes sheets, numbers, page and projector, all or none; returns the projector's folder."""
    folder, embeddings_folder = pathlib.Path(config.out), projector_of(config)
    sheets = _sheets(explanation)
    earlier = [file.name for kind in (*SHEETS, "path") for file in folder.glob(f"{kind}*.png")]
    with (
        page.complete(folder, earlier) as unfinished,
        page.complete(embeddings_folder) as embeddings,
    ):
        projector.write(embeddings, explanation.points)
        for name, sheet in sheets.items():
            images.write(unfinished / name, sheet)
        write_result(unfinished / "explain.json", dataclasses.asdict(explanation.record))
        write_text(unfinished / "explain.html", html_of(explanation))
    return embeddings_folder


def _sheets(explanation: Explanation) -> dict[str, np.ndarray]:
    """File name to picture."""
    record, sheets = explanation.record, {}
    file_of = dict(zip(record.cultures, file_names(record.cultures), strict=True))
    for culture, rows in explanation.places.items():
        labels = [*COLUMNS, *(f"restyled: {text}" for text in COLUMNS)]
        sheets[f"places_{file_of[culture]}.png"] = _grid(rows, record.pictures, labels)
    for culture, strips in explanation.walks.items():
        labels = [f"{step:+.0f}" for step in record.steps]
        sheets[f"walk_{file_of[culture]}.png"] = _grid(strips, record.pictures, labels)
    if record.path:
        labels = [f"{share:.0%}" for share in record.path.shares]
        sheets["path.png"] = _grid(explanation.path, record.pictures, labels)
    if record.channels:
        for culture, rows in record.channels.cultures.items():
            pieces = {row.channel: explanation.pieces[culture, row.channel] for row in rows}
            sheets[f"channels_{file_of[culture]}.png"] = channels_sheet(pieces)
    return sheets


def _grid(rows: Iterable, names: list[str], labels: list[str]) -> np.ndarray:
    cells = [cell for row in rows for cell in row]
    return images.grid(cells, len(labels), row_labels=names, column_labels=labels)


def channels_sheet(pieces: dict[int, list[np.ndarray]]) -> np.ndarray:
    """Pieces of channels, a row each; white where a channel has fewer than others."""
    columns = max(map(len, pieces.values()))
    white = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
    cells = [cell for row in pieces.values() for cell in [*row, *[white] * (columns - len(row))]]
    return images.grid(cells, columns, row_labels=[f"channel {channel}" for channel in pieces])


# The page


def html_of(explanation: Explanation) -> str:
    """The page, which stands alone."""
    record = explanation.record
    return page.render(
        "explanation.html.j2",
        record=record,
        explanation=explanation,
        summaries={culture: _summary(places) for culture, places in record.places.items()},
        charts=_path_charts(record) if record.path else [],
        share=share,
    )


@dataclasses.dataclass(frozen=True)
class _Summary:
    """Means over the pictures of what the tagger sees of a culture."""

    pictures: int
    rise: float  # of the score by restyling
    # tap, kind, most: where the greatest part of it comes from, and that part
    tap: str
    kind: str
    most: float
    # By `MAPS`: fall of the score where the map says, and elsewhere
    checks: dict[str, tuple[float, float]]

    def probability(self, places: list[Place], culture: str, when: str) -> float:
        """The mean probability of a culture, `before` or `after`."""
        return _mean(getattr(place, when).probabilities[culture] for place in places)


def _summary(places: list[Place]) -> _Summary:
    gains = {
        (tap, kind): _mean(
            place.after.taps[tap][kind] - place.before.taps[tap][kind] for place in places
        )
        for tap, kinds in places[0].after.taps.items()
        for kind in kinds
    }
    (tap, kind), most = max(gains.items(), key=lambda item: item[1])
    checks = {name: [place.after.checks[name] for place in places] for name in MAPS}
    return _Summary(
        pictures=len(places),
        rise=_mean(place.after.logit - place.before.logit for place in places),
        tap=tap,
        kind=kind,
        most=most,
        checks={
            name: (_mean(one.fall for one in ones), _mean(one.elsewhere[0] for one in ones))
            for name, ones in checks.items()
        },
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _path_charts(record: Record) -> list[list["charts.Markup"]]:
    """For each picture a wide and a narrow chart of probabilities along the way; the style sheet
    shows the one that fits the screen."""
    path, drawn = record.path, []
    for strip in path.pictures:
        rows = [
            (record.titles[culture], [one[culture] for one in strip.probabilities])
            for culture in (path.start, path.end)
        ]
        if record.tagger.exclusive:
            rest = 1.0 - np.sum([values for _, values in rows], axis=0)
            rows.append(("all others", np.maximum(0.0, rest).tolist()))
        caption = f"Probabilities along the way, {strip.name}"
        drawn.append(
            [
                way_chart(path.shares, rows, caption, kind, size)
                for kind, size in (("wide", (1072, 200)), ("narrow", (360, 216)))
            ]
        )
    return drawn


def way_chart(
    shares: list[float],
    rows: list[tuple[str, list[float]]],
    caption: str,
    kind: str,
    size: tuple[int, int],
) -> "charts.Markup":
    """Up to three lines over steps; each step is at the middle of one of as many equal columns.

    Args:
        shares: of the way, one a step, from 0 to 1.
        rows: `(name, values)`, values from 0 to 1, one a step.
        kind: class of the style sheet.
        size: width and height in pixels.
    """
    width, height = size
    data = charts.Lines(
        dict(rows), [f"{share:.0%}" for share in shares], show="{:.0%}".format, margin=0.5
    )
    said = "; ".join(f"{name}: {', '.join(map(data.show, values))}" for name, values in rows)
    with charts.drawing(width, height, layout=None) as figure:
        above = 26 + 18 * charts.legend_rows(data, width)
        axes = figure.add_axes((0, 22 / height, 1, 1 - (22 + above) / height))
        charts.draw_lines(axes, data)
        axes.tick_params(axis="y", pad=0)
        for text in axes.get_yticklabels():  # within the axes, whose width is the pictures'
            text.set(horizontalalignment="left", verticalalignment="bottom")
        return charts.svg(figure, f"{caption}. {said}", kind)


def share(value: float) -> str:
    """A probability as a percentage; near its ends in tenths, which are never rounded away."""
    if value in (0.0, 1.0) or 0.01 <= value <= 0.99:
        return f"{value:.0%}"
    return "<0.1%" if value < 0.001 else ">99.9%" if value > 0.999 else f"{value:.1%}"
