"""The bias report: whether a model serves all cultures alike, and which it serves worst.

Every content is restyled into every culture; some contents are restyled again and again, there and
back, and without a culture. A fitted classifier, the probe, names the results. Restyling always
follows a style code, be it of a culture, a mixture or an example picture, and pictures are not
rounded to 8 bits between two restylings.

K cultures, N contents, pictures `[N, S, S, 3]` in [0, 1].
"""

import dataclasses
import math
import pathlib
import time
import typing

import numpy as np
import tensorflow as tf
import tqdm

from stylegan_culture import config as settings
from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.files import write_result, write_text
from stylegan_culture.measures import content, fairness, restyled, statistics
from stylegan_culture.measures.probes import PHOTOGRAPH, CultureProbe, descriptors
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.model_record import read_cultures
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.pipelines.cultures import title
from stylegan_culture.reports import charts, page, restylers, skin
from stylegan_culture.reports import trial as trials
from stylegan_culture.reports.page import hundredths, number, percent
from stylegan_culture.reports.restylers import Restyler
from stylegan_culture.reports.skin import SkinRecord
from stylegan_culture.reports.trial import BiasConfig, Trial

SHOWN = 4  # contents whose results the page shows in every culture
SIDE = 160  # pixels of a picture on the page
BATCH = 8
STEPS = 5  # successive restylings
REPLICATES = 1000


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    rounded = round(100 * value)
    return number(rounded, "{:+d}") if rounded else "0"


def chance(p: float) -> str:
    """A p-value: `p = 0.35`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {number(p, '{:.2f}' if p > 0.095 else '{:.3f}')}"


@dataclasses.dataclass(frozen=True)
class Measure:
    """Heading, how a value is printed, and whether more is better; the template explains it."""

    heading: str
    show: typing.Callable[[float], str]
    higher: bool


MEASURES = {
    "named": Measure("Named as asked", percent, True),
    "above": Measure("Named, less real artworks", points, True),
    "content_distance": Measure("Mean content distance", hundredths, False),
    "kid": Measure("Distance to the artworks (KID)", hundredths, False),
    "covered": Measure("Way to the artworks covered", percent, True),
}


# What is measured: records whose fields are the keys of bias.json.


@dataclasses.dataclass(frozen=True)
class Contents:
    """What was restyled."""

    count: int
    photographs: int
    ids: tuple[str, ...]  # of all contents, photographs first
    trial: tuple[str, ...]  # of those that were restyled again and again
    shown: tuple[str, ...]  # of those that the page shows


@dataclasses.dataclass(frozen=True)
class ProbeFigures:
    """How the probe names artworks that it was not fitted to."""

    backbone: str
    weights: str
    held_out: dict[str, int]  # how many of them each culture has
    # The share of each culture's that is named as each class, `[K, classes]`
    confusion: list[list[float]]
    # The share that is named rightly; None where a culture has no held-out artwork
    named: dict[str, Interval] | None


@dataclasses.dataclass(frozen=True)
class Quality:
    """How each culture is served, by measure of `MEASURES` and by culture."""

    figures: dict[str, dict[str, Interval]]
    untouched_kid: dict[str, Interval]
    worst: dict[str, fairness.Worst]  # which culture is served worst
    worst_to_best: dict[str, Interval | None]
    by_chance: dict[str, fairness.Spread]  # how far apart chance alone takes cultures
    paired: dict[str, fairness.Paired]
    confusion: list[list[float]]  # what results are named as, `[K][classes]`


@dataclasses.dataclass(frozen=True)
class Representation:
    """Training pictures of each culture, and their rank correlation with each measure."""

    counts: dict[str, int]
    counted_by_model: bool  # whether the model's record has the numbers
    correlations: dict[str, statistics.Correlation]


@dataclasses.dataclass(frozen=True)
class DriftFigures:
    """What each restyling after another adds."""

    distance: list[Interval]  # content distance to the source
    before: list[Interval]  # content distance to the picture before
    named: list[Interval]  # share named as asked
    cultures: dict[str, list[float]]  # each culture's `distance`


@dataclasses.dataclass(frozen=True)
class LegFigures:
    """Distances to the source."""

    once: Interval  # after one restyling
    back: Interval  # after the way back
    direct: Interval  # of the source restyled into its own style at once
    gain: Interval  # `once` less `back`
    cultures: dict[str, tuple[float, float]]  # `once` and `back` of each culture


@dataclasses.dataclass(frozen=True)
class WayFigures:
    """One way back, over so many contents: content distances, and mean differences of pixels."""

    contents: int
    content: LegFigures
    pixels: LegFigures


@dataclasses.dataclass(frozen=True)
class LeaningFigures:
    """What contents are named as where no culture is asked for: untouched, in the uniform mixture
    of all the model's cultures, and by a style code of zeros, which leaves the generator to its
    habits. `photographs`: whether the contents are photographs."""

    contents: int
    photographs: bool
    untouched: fairness.Leaning
    mixture: fairness.Leaning
    zeros: fairness.Leaning


@dataclasses.dataclass(frozen=True)
class ModelFigures(Quality):
    """All that was measured of one model."""

    judge_in_training: bool  # whether the probe's network took part in the model's training
    representation: Representation
    drift: DriftFigures
    round_trips: dict[str, WayFigures]
    leaning: LeaningFigures


@dataclasses.dataclass(frozen=True)
class BiasRecord:
    """What bias.json holds. `cultures`: key to title; `artworks`: how many each culture has."""

    cultures: dict[str, str]
    classes: tuple[str, ...]
    contents: Contents
    has_photographs: bool
    skin: SkinRecord | None  # what each model does to portraits, where they are given
    judge: ProbeFigures
    artworks: dict[str, int]
    models: dict[str, ModelFigures]
    replicates: int
    config: BiasConfig
    versions: dict[str, str] = dataclasses.field(default_factory=settings.package_versions)
    commit: str = dataclasses.field(default_factory=settings.git_commit)
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """What the page shows: contents `[shown, S, S, 3]`, the `first` that is restyled again and
    again, and of each model results `every [K, shown, S, S, 3]`, `drift [K, STEPS, S, S, 3]` and
    `back [K, 2, S, S, 3]` (there, and back by example)."""

    contents: np.ndarray
    first: np.ndarray
    every: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    drift: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    back: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


def run(config: BiasConfig) -> None:
    """Measures all, writes bias.json and bias.html when both are complete, prints the findings."""
    started = time.monotonic()
    portraits = skin.load(config.trial)  # first: a fault of the table shows at once
    trial = trials.build(config.trial)
    _require_enough(trial)
    models = restylers.load_models(config.trial, trial)
    faces = skin.measured(portraits, models, trial.cultures, config.trial.seed)
    record, pictures = measure(config, trial, models)
    record = dataclasses.replace(record, skin=faces)
    record = dataclasses.replace(record, seconds=round(time.monotonic() - started, 1))
    folder = pathlib.Path(config.trial.out)
    with page.complete(folder) as unfinished:
        write_result(unfinished / "bias.json", dataclasses.asdict(record))
        write_text(unfinished / "bias.html", html_of(record, pictures))
    if said := trials.shortage(config.trial, record.contents.photographs):
        print(said)
    for name in record.models:
        print("\n  ".join(map(settings.visible, (name, *findings(record, name)))))
    print(f"every number: {folder / 'bias.json'}")
    print(f"page: {folder / 'bias.html'} ({(folder / 'bias.html').stat().st_size / 1e6:.1f} MB)")


def html_of(record: BiasRecord, pictures: Pictures) -> str:
    """The whole page."""

    def tile(picture: np.ndarray, caption: str) -> page.Shown:
        small = images.resize(np.asarray(picture, np.float32), SIDE, SIDE)
        return page.shown(small, caption, quality=80)

    def kind(content_id: str) -> str:
        return record.cultures.get(content_id.split("/")[0], "Photograph")

    return page.render(
        "bias.html.j2",
        record=record,
        pictures=pictures,
        briefs={name: findings(record, name) for name in record.models},
        tile=tile,
        kind=kind,
        shortage=trials.shortage(record.config.trial, record.contents.photographs),
        dots=charts.dots,
        heat=lambda greatest: lambda value: abs(value) / (greatest or 1.0),
        **_FORMATS,
    )


def findings(record: BiasRecord, name: str) -> list[str]:
    """What was measured of one model, in sentences; the culture served worst comes first."""
    values = {"record": record, "name": name, "model": record.models[name]}
    return page.sentences("bias.txt.j2", **values, **_FORMATS)


_FORMATS = {"MEASURES": MEASURES, "points": points, "chance": chance}


def measure(
    config: BiasConfig, trial: Trial, models: list[Restyler]
) -> tuple[BiasRecord, Pictures]:
    """Everything that the page shows of all models."""
    seed = config.trial.seed
    chosen, shown = (evenly(len(trial.contents), n) for n in (config.trial_contents, SHOWN))
    sources = look(trial.probe, trial.contents)
    artworks = {
        name: descriptors(trial.probe.backbone, each) for name, each in trial.artworks.items()
    }
    probe, recall = probe_figures(trial, artworks, seed)
    pictures, figures = Pictures(trial.contents[shown], trial.contents[chosen[0]]), {}
    for method in models:
        bench = Bench.of(method.model, trial, sources)
        served = into_every_culture(bench, shown)
        quality = quality_of(trial, served, sources.features, artworks, recall, seed)
        drifted, pictures.drift[method.name] = drift(bench, chosen, seed)
        trips, pictures.back[method.name] = round_trips(bench, chosen, seed)
        figures[method.name] = ModelFigures(
            **vars(quality),
            judge_in_training=method.trained_against(trial.probe.backbone),
            representation=representation_of(trial, quality, method.facts, seed),
            drift=drifted,
            round_trips=trips,
            leaning=leaning_of(bench, seed),
        )
        pictures.every[method.name] = served.pictures
    record = BiasRecord(
        cultures={name: title(name) for name in trial.cultures},
        classes=tuple(trial.classes),
        contents=Contents(
            count=len(trial.contents),
            photographs=int(np.count_nonzero(trial.sources == len(trial.cultures))),
            ids=tuple(trial.ids),
            trial=tuple(trial.ids[place] for place in chosen),
            shown=tuple(trial.ids[place] for place in shown),
        ),
        has_photographs=PHOTOGRAPH in trial.classes,
        skin=None,
        judge=probe,
        artworks={name: len(each) for name, each in artworks.items()},
        models=figures,
        replicates=REPLICATES,
        config=config,
    )
    return record, pictures


def evenly(count: int, wanted: int) -> np.ndarray:
    """Up to `wanted` numbers, evenly among `count`; contents stand in order of class."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int))


def _require_enough(trial: Trial) -> None:
    """Raises `InputError` where fairness cannot be measured."""
    counts = trial.to_change.sum(axis=1)
    if len(trial.cultures) < 2:
        raise InputError("the data have one culture; bias is between cultures, so give two or more")
    if counts.min() < 3:
        raise InputError(
            f"{int(counts.min())} contents could be restyled into "
            f"{trial.cultures[counts.argmin()]!r}; give at least 3: name --content or raise "
            "--artworks"
        )


# From here on: what a model does to the contents.


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """How the probe sees n pictures."""

    features: np.ndarray  # descriptors `[n, D]`
    probabilities: np.ndarray  # `[n, classes]`
    codes: np.ndarray  # content codes `[n, C]`

    @property
    def named(self) -> np.ndarray:
        """The class of each picture, `[n]`."""
        return self.probabilities.argmax(axis=1)

    def distance(self, other: "Seen") -> np.ndarray:
        """The content distance of each picture to the same one of others, `[n]`."""
        return content.content_distance(self.codes, other.codes)

    def part(self, rows: np.ndarray) -> "Seen":
        """Some of the pictures."""
        return Seen(self.features[rows], self.probabilities[rows], self.codes[rows])


def look(probe: CultureProbe, pictures: np.ndarray) -> Seen:
    """Shows pictures `[n, S, S, 3]` to the probe."""
    features, codes = content.descriptors_and_codes(probe.backbone, trials.reduced(pictures))
    return Seen(features, probe.classifier.predict_proba(features), codes)


@dataclasses.dataclass(frozen=True, eq=False)
class Bench:
    """One model at work on one trial."""

    trial: Trial  # the contents and the probe
    sources: Seen  # the contents as the probe sees them
    restyle: typing.Callable  # `(pictures [n, S, S, 3], style codes [n, D]) -> [n, S, S, 3]`
    encode: typing.Callable  # `pictures [n, S, S, 3] -> style codes [n, D]`
    codes: np.ndarray  # `[K, D]`, the style code of each of the trial's cultures
    middle: np.ndarray  # `[D]`, that of the uniform mixture of all the model's cultures

    @classmethod
    def of(cls, model: CultureModel, trial: Trial, sources: Seen) -> "Bench":
        """Of a model that knows all the trial's cultures."""
        codes = np.asarray(model.fusion.codes())
        return cls(
            trial=trial,
            sources=sources,
            restyle=_batched(
                tf.function(lambda x, code: model.stylize_with(x, code, tf.ones((BATCH, 1))))
            ),
            encode=_batched(tf.function(model.encode_style)),
            codes=codes[[model.cultures.index(culture) for culture in trial.cultures]],
            middle=codes.mean(axis=0),
        )

    def into(self, pictures: np.ndarray, code: np.ndarray) -> np.ndarray:
        """Restyles all pictures by one style code `[D]`."""
        return self.restyle(pictures, np.broadcast_to(code, (len(pictures), code.shape[-1])))

    def look(self, pictures: np.ndarray) -> Seen:
        """Shows pictures to the probe."""
        return look(self.trial.probe, pictures)


def _batched(function: typing.Callable) -> typing.Callable:
    """Calls a function of rows by batches of one size, the last filled up: one trace serves all."""

    def run_batches(*arrays: np.ndarray) -> np.ndarray:
        results, count = [], len(arrays[0])
        for start in range(0, count, BATCH):
            rows = np.minimum(np.arange(start, start + BATCH), count - 1)
            parts = (tf.constant(np.asarray(array)[rows], tf.float32) for array in arrays)
            results.append(function(*parts).numpy()[: count - start])
        return np.concatenate(results)

    return run_batches


@dataclasses.dataclass(frozen=True, eq=False)
class Served:
    """Every content in every culture."""

    features: np.ndarray  # `[K, N, D]`
    probabilities: np.ndarray  # `[K, N, classes]`
    distance: np.ndarray  # content distance to the source, `[K, N]`
    pictures: np.ndarray  # `[K, shown, S, S, 3]`


def into_every_culture(bench: Bench, shown: np.ndarray) -> Served:
    """Restyles every content into every culture; `shown` numbers what is kept as pictures."""
    rows = []
    for code in tqdm.tqdm(bench.codes, "contents in every culture", disable=None):
        results = bench.into(bench.trial.contents, code)
        seen = bench.look(results)
        distance = seen.distance(bench.sources)
        rows.append((seen.features, seen.probabilities, distance, results[shown]))
    return Served(*map(np.stack, zip(*rows, strict=True)))


def drift(bench: Bench, chosen: np.ndarray, seed: int) -> tuple[DriftFigures, np.ndarray]:
    """Restyles the contents numbered `chosen [n]` into the same culture again and again.

    Returns:
        Means over contents and cultures, and pictures of the first content after each restyling,
        `[K, STEPS, S, S, 3]`.
    """
    trial, start, cultures = bench.trial, bench.sources.part(chosen), []
    for culture, code in enumerate(tqdm.tqdm(bench.codes, "again and again", disable=None)):
        pictures, last, steps = trial.contents[chosen], start, []
        for _ in range(STEPS):
            pictures = bench.into(pictures, code)
            now = bench.look(pictures)
            apart = now.distance(start), now.distance(last)
            steps.append((*apart, now.named == culture, pictures[0]))
            last = now
        cultures.append([np.stack(values) for values in zip(*steps, strict=True)])
    distance, before, named, shown = map(np.stack, zip(*cultures, strict=True))  # [K, STEPS, ...]
    asked, weights = trial.to_change[:, chosen], _weights(trial, chosen, seed)

    def overall(values: np.ndarray) -> list[Interval]:
        return [_overall(values[:, step], asked, weights) for step in range(STEPS)]

    each = np.stack([_each(distance[:, step], asked) for step in range(STEPS)], axis=1)
    by_culture = dict(zip(trial.cultures, each.tolist(), strict=True))
    return DriftFigures(overall(distance), overall(before), overall(named), by_culture), shown


def round_trips(
    bench: Bench, chosen: np.ndarray, seed: int
) -> tuple[dict[str, WayFigures], np.ndarray]:
    """From each content numbered `chosen [n]` into each culture and back to where it came from.

    Back by the content's culture (`name`, of artworks alone), and by the style code that the style
    encoder reads off the content (`example`, of all).

    Returns:
        The figures of both ways, and pictures of the first content, restyled and back by example:
        `[K, 2, S, S, 3]`.
    """
    trial, contents = bench.trial, bench.trial.contents[chosen]
    start, origins = bench.sources.part(chosen), trial.sources[chosen]
    everyone, artworks = np.arange(len(chosen)), np.flatnonzero(origins < len(trial.cultures))
    targets = {"example": (everyone, bench.encode(contents))}
    if len(artworks):
        targets["name"] = (artworks, bench.codes[origins[artworks]])

    def distances(results: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Content distances and mean absolute differences of pixels, `[2, m]`."""
        apart = bench.look(results).distance(start.part(rows))
        return np.stack([apart, np.abs(results - contents[rows]).mean(axis=(1, 2, 3))])

    bar = tqdm.tqdm(bench.codes, "there and back", disable=None)
    there = [bench.into(contents, code) for code in bar]
    once = np.stack([distances(results, everyone) for results in there], axis=1)  # [2, K, n]
    ways, shown = {}, []
    for way, (rows, codes) in targets.items():
        direct = distances(bench.restyle(contents[rows], codes), rows)
        returned = [bench.restyle(results[rows], codes) for results in there]
        back = np.stack([distances(results, rows) for results in returned], axis=1)
        if way == "example":
            shown = [(one[0], other[0]) for one, other in zip(there, returned, strict=True)]
        asked, weights = trial.to_change[:, chosen[rows]], _weights(trial, chosen[rows], seed)
        legs = zip(once[:, :, rows], back, direct, strict=True)
        ways[way] = WayFigures(
            len(rows), *(_leg_figures(trial, each, asked, weights) for each in legs)
        )
    return ways, np.stack(shown)


def _leg_figures(
    trial: Trial, legs: tuple[np.ndarray, ...], asked: np.ndarray, weights: np.ndarray
) -> LegFigures:
    """Figures of distances to the source: once `[K, m]`, back `[K, m]` and direct `[m]`."""
    once, back, direct = legs
    measured = (once, back, np.broadcast_to(direct, once.shape), once - back)
    pairs = zip(trial.cultures, _each(once, asked), _each(back, asked), strict=True)
    return LegFigures(
        *(_overall(values, asked, weights) for values in measured),
        {name: (float(one), float(two)) for name, one, two in pairs if math.isfinite(one)},
    )


def leaning_of(bench: Bench, seed: int) -> LeaningFigures:
    """What photographs, or all contents where none is one, are named as without a culture."""
    trial, chosen = bench.trial, np.arange(len(bench.trial.contents))
    photographs = PHOTOGRAPH in trial.classes
    if photographs:
        chosen = np.flatnonzero(trial.sources == trial.classes.index(PHOTOGRAPH))
    codes = (bench.middle, np.zeros_like(bench.middle))
    restyled_by = (bench.look(bench.into(trial.contents[chosen], code)).named for code in codes)
    shares = (
        fairness.leaning(named, trial.classes, REPLICATES, seed)
        for named in (bench.sources.named[chosen], *restyled_by)
    )
    return LeaningFigures(len(chosen), photographs, *shares)


# From here on: from numbers of contents to figures of cultures.


def probe_figures(
    trial: Trial, artworks: dict[str, np.ndarray], seed: int
) -> tuple[ProbeFigures, fairness.Estimates | None]:
    """How the probe names artworks that it was not fitted to.

    Args:
        artworks: culture to the descriptors `[A, D]` of its artworks, the held-out ones last.

    Returns:
        The record, and the share of each culture's artworks that is named rightly, or None where a
        culture has no held-out artwork.
    """
    counts, confusion, right = dict(trial.held_out_counts), [], []
    for culture, (name, features) in enumerate(artworks.items()):
        held = features[len(features) - counts[name] :]
        named = trial.probe.classifier.predict(held) if len(held) else np.zeros(0, int)
        totals = np.bincount(named, minlength=len(trial.classes))
        confusion.append((totals / max(counts[name], 1)).tolist())
        right.append(totals[culture])
    recall = None
    if min(counts.values()):
        recall = fairness.proportions(right, list(counts.values()), REPLICATES, seed)
    figures = ProbeFigures(
        backbone=trial.probe.backbone.name,
        weights=trial.probe.backbone.fingerprint,
        held_out=counts,
        confusion=confusion,
        named=recall and _by_culture(trial, recall),
    )
    return figures, recall


def quality_of(
    trial: Trial,
    served: Served,
    sources: np.ndarray,
    artworks: dict[str, np.ndarray],
    recall: fairness.Estimates | None,
    seed: int,
) -> Quality:
    """How each culture is served, which one worst, and what chance alone would give.

    Args:
        sources: descriptors `[N, D]` of the contents.
        artworks: culture to the descriptors `[A, D]` of its artworks.
        recall: of `probe_figures`.
    """
    labels = np.repeat(np.arange(len(artworks)), [len(each) for each in artworks.values()])
    mean, deviation = statistics.balanced_moments(np.concatenate([*artworks.values()]), labels)

    def scale(rows: np.ndarray) -> np.ndarray:
        """Mean 0 and deviation 1 over artworks, else KID would follow the largest channels."""
        return (rows - mean) / deviation

    real = [scale(features) for features in artworks.values()]
    weights = statistics.resampled(trial.sources, REPLICATES, seed)
    asked, classes = trial.to_change, served.probabilities.argmax(axis=2)
    single = {
        "named": classes == np.arange(len(trial.cultures))[:, None],
        "content_distance": served.distance,
    }
    known = {
        "named": fairness.means(single["named"], asked, weights, True, (0.0, 1.0)),
        "content_distance": fairness.means(served.distance, asked, weights, False, (0.0, 4.0)),
        "kid": fairness.kids(scale(served.features), real, asked, weights),
    }
    before = fairness.kids(scale(sources)[None], real, asked, weights)
    if recall is not None:
        known["above"] = fairness.less(known["named"], recall)
    if (covered := fairness.covered(known["kid"], before)) is not None:
        known["covered"] = covered
    known = {name: known[name] for name in MEASURES if name in known}
    return Quality(
        figures={name: _by_culture(trial, each) for name, each in known.items()},
        untouched_kid=_by_culture(trial, before),
        worst={name: fairness.worst(each, trial.cultures) for name, each in known.items()},
        worst_to_best={name: fairness.worst_to_best(each) for name, each in known.items()},
        by_chance={
            name: fairness.spread_by_chance(values, asked, seed) for name, values in single.items()
        },
        paired={name: fairness.paired(values, asked, weights) for name, values in single.items()},
        confusion=restyled.confusion(classes, asked, len(trial.classes)).tolist(),
    )


def representation_of(trial: Trial, quality: Quality, facts: dict, seed: int) -> Representation:
    """Training pictures against quality, by ranks."""
    cultures = read_cultures(facts, "the model's record", least=0)
    counted = {culture.key: culture.pictures for culture in cultures}
    by_model = all(counted.get(culture) for culture in trial.cultures)
    counts = counted if by_model else trial.training_counts
    counts = {name: int(counts[name]) for name in trial.cultures}
    correlations = {}
    for name, figures in quality.figures.items():
        row = [figures[culture].value for culture in trial.cultures]
        correlations[name] = statistics.rank_correlation(list(counts.values()), row, seed)
    return Representation(counts, by_model, correlations)


def _by_culture(trial: Trial, estimates: fairness.Estimates) -> dict[str, Interval]:
    return dict(zip(trial.cultures, estimates.intervals(), strict=True))


def _weights(trial: Trial, chosen: np.ndarray, seed: int) -> np.ndarray:
    """Resamples photographs and artworks apart; single artworks of many cultures are one group."""
    artworks = trial.sources[np.asarray(chosen)] < len(trial.cultures)
    return statistics.resampled(artworks.astype(int), REPLICATES, seed)


def _overall(values: np.ndarray, asked: np.ndarray, weights: np.ndarray) -> Interval:
    """`[K, n]` to one figure: the mean over contents of means over the cultures asked of each."""
    each = np.where(asked, values, 0.0).sum(axis=0) / asked.sum(axis=0)
    return fairness.means(each[None], np.ones((1, len(each)), bool), weights, False).intervals()[0]


def _each(values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The mean of each culture, `[K]`; NaN where none of the contents was asked of it."""
    counts = asked.sum(axis=1)
    sums = np.where(asked, values, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
