"""`evaluate`: models, methods and controls side by side, as a page, a table, sheets and JSON."""

import dataclasses
import pathlib
import time
from collections.abc import Iterable

import numpy as np
import tqdm

from stylegan_culture import config as settings
from stylegan_culture import images, tables
from stylegan_culture.deploy.markdown import markdown
from stylegan_culture.files import file_name, file_names, write_result, write_text
from stylegan_culture.measures import restyled
from stylegan_culture.measures.probes import PHOTOGRAPH, CultureProbe
from stylegan_culture.measures.restyled import Signs
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.pipelines import boxes
from stylegan_culture.pipelines.cultures import title
from stylegan_culture.reports import skin
from stylegan_culture.reports.evaluation_measures import (
    MEASURES,
    SETS,
    Measure,
    References,
    Results,
    figures_of,
)
from stylegan_culture.reports.page import Shown, complete, render, sentences, shown, tiles
from stylegan_culture.reports.restylers import Networks, Restyler, load_restylers
from stylegan_culture.reports.skin import SkinRecord
from stylegan_culture.reports.trial import EvaluateConfig, Trial, build, shortage

CONTROL_CONTENTS = 16  # that the crossfade is tried on
STRIP = 6  # best, middle and worst results that are shown
SHEET_ROWS = 12  # contents of a sheet
PAGE_ROWS = 6  # of those, that the page shows

Figures = dict[str, Interval | bool | None]

INDEX, INDEX_COLUMNS = "results.csv", ("path", "culture", "method", "source")
SOURCES, UNTOUCHED = "sources", "untouched"  # folder and method of the contents in that index

FAULTS = {
    "collapsed": "Results of different pictures hardly differ: {0.diversity:.2f} of what the "
    "pictures themselves differ by. The model paints one picture whatever it is given.",
    "copies": "Results hardly differ from the pictures that went in: {0.change:.2f} of what two of "
    "those pictures differ by. The model gives back what it gets.",
    "one_look": "One picture looks alike in all cultures: results differ by {0.styles:.2f} of what "
    "the pictures differ by. The model does not heed the culture that is asked for.",
    "unnamed": "Results are named as asked in {0.named:.0%}, the untouched pictures in "
    "{0.unchanged_named:.0%}: the probe sees nothing of the culture.",
}


@dataclasses.dataclass(frozen=True)
class Network:
    """A backbone by its name, and the hash of its weights."""

    backbone: str
    weights: str


@dataclasses.dataclass(frozen=True)
class ProbeFigures(Network):
    """How good the probe is: the shares that it names rightly, None where there are no pictures."""

    artworks: float | None  # of held-out artworks
    cultures: dict[str, float | None]  # of each culture's held-out artworks
    contents: float  # of all contents untouched
    photographs: float | None


@dataclasses.dataclass(frozen=True)
class Place:
    """One result: the culture and the name of the content."""

    culture: str
    content: str


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """What is wrong with a restyler: the numbers that tell, and a sentence for each fault."""

    signs: Signs
    faults: dict[str, str]


@dataclasses.dataclass(frozen=True)
class RestylerRecord:
    """What one restyler reaches."""

    kind: str  # "model", "method", "control" or "truth"
    figures: Figures  # by measure
    cultures: dict[str, Figures]  # culture to its figures by measure
    # `named` and `content_distance` by source class, one number a culture
    pairs: dict[str, dict[str, list[float | None]]]
    # Of the results in culture k, the share named as class j, `[K][classes]`
    confusion: list[list[float]]
    # How often a crossfade of equal content distance is named as asked
    crossfade_named: float | None
    judge_in_training: bool  # whether a model was trained against the probe's network
    verdicts: Verdicts  # what is wrong with it
    strips: dict[str, list[Place]]  # its best, middle and worst results


@dataclasses.dataclass(frozen=True)
class EvaluationRecord:
    """Everything that page, table and JSON say."""

    cultures: list[str]
    classes: list[str]
    # contents, sources: name and class of each content
    contents: list[str]
    sources: list[str]
    rendered: bool  # whether the contents are scenes whose true renderings are known
    # training_pictures, artworks: culture to pictures to learn from, and to all of them
    training_pictures: dict[str, int]
    artworks: dict[str, int]
    held_out: dict[str, int]  # culture to the artworks that no probe was fitted to
    judge: ProbeFigures  # the probe
    second_judge: ProbeFigures | None  # the project's own probe, where --judge names another
    seen: int  # held-out artworks in a table of training pictures: they are no contents
    skin: SkinRecord | None  # what restyling does to portraits, where they are given
    features: Network  # the network of FID, KID and perceptual distances
    crossfade: list[restyled.Crossfade]  # the control; empty without photographs
    methods: dict[str, RestylerRecord]  # each restyler by name
    config: EvaluateConfig
    versions: dict[str, str] = dataclasses.field(default_factory=settings.package_versions)
    commit: str = dataclasses.field(default_factory=settings.git_commit)
    seconds: float = 0.0  # that it took

    def as_json(self) -> dict:
        """Figures stand beside the other facts of a restyler; names of set measures carry their
        network, since figures over two networks cannot be compared."""
        record = dataclasses.asdict(self)
        for name, method in self.methods.items():
            cultures = {culture: self._named(each) for culture, each in method.cultures.items()}
            record["methods"][name] |= self._named(method.figures) | {"cultures": cultures}
            del record["methods"][name]["figures"]
        return record

    def _named(self, figures: Figures) -> Figures:
        of_network = {"few", *(measure.key for measure in MEASURES[SETS])}
        suffix = f"@{self.features.backbone}-{self.features.weights[:8]}"
        return {key + suffix if key in of_network else key: one for key, one in figures.items()}


def about_the_probe(record: EvaluationRecord) -> str:
    """How good the probe is, and whom it may favour, in sentences."""
    return " ".join(sentences("probe.txt.j2", record=record))


def measured(measures: Iterable[Measure], rows: Iterable[Figures]) -> list[Measure]:
    """The measures that any of the rows has."""
    rows = list(rows)
    return [one for one in measures if any(row.get(one.key) is not None for row in rows)]


@dataclasses.dataclass(frozen=True, eq=False)
class Gallery:
    """The pictures of one restyler: a sheet `[H, W, 3]` in [0, 1] with a row for each content and
    a column for each culture, some of its rows for the page, and strips of sources and results."""

    sheet: np.ndarray
    rows: list[tuple[str, list[Shown]]]
    strips: dict[str, list[Shown]]

    @classmethod
    def of(
        cls, trial: Trial, results: np.ndarray, strips: dict[str, list[tuple[int, int]]]
    ) -> "Gallery":
        """Of `results [K, N, S, S, 3]`; `strips` are of `ranked`."""
        titles = [title(culture) for culture in trial.cultures]
        sources = [title(trial.classes[number]) for number in trial.sources]
        contents = images.to_uint8(trial.contents)
        on_sheet = _evenly(len(contents), SHEET_ROWS)
        restyled_in = images.to_uint8(results)
        cells = [
            cell for content in on_sheet for cell in (contents[content], *restyled_in[:, content])
        ]
        columns = ["source", *titles]
        rows = []
        for row in _evenly(len(on_sheet), PAGE_ROWS):
            source = sources[on_sheet[row]]
            captions = [f"{source}, untouched", *(f"{source} as {culture}" for culture in titles)]
            rows.append((source, tiles(cells[row * len(columns) :][: len(columns)], captions)))

        def beside_its_source(culture: int, content: int) -> Shown:
            pair = np.concatenate([contents[content], restyled_in[culture, content]], axis=1)
            return shown(pair, f"{sources[content]} to {titles[culture]}")

        sheet = images.grid(np.stack(cells), len(columns), column_labels=columns)
        pairs = {strip: [beside_its_source(*one) for one in each] for strip, each in strips.items()}
        return cls(sheet, rows, pairs)


def run(config: EvaluateConfig) -> None:
    """Measures everything that the options name; the folder is filled when all is done."""
    started = time.monotonic()
    folder = pathlib.Path(config.trial.out)
    portraits = skin.load(config.trial)  # first: a fault of a table or network shows at once
    if config.lettering:
        boxes.read(config.lettering)
    networks = Networks.of(config)
    trial = build(config.trial)
    restylers = load_restylers(config, trial, networks)
    record, galleries = measure(config, trial, restylers, networks)
    faces = skin.measured(portraits, restylers, trial.cultures, config.trial.seed)
    record = dataclasses.replace(record, skin=faces)
    record = dataclasses.replace(record, seconds=round(time.monotonic() - started, 1))
    table = table_of(record)
    with complete(folder) as unfinished:
        write_sheets(galleries, unfinished)
        write_result(unfinished / "evaluation.json", record.as_json())
        write_text(unfinished / "evaluation.md", f"## Evaluation\n\n{table}\n")
        write_text(unfinished / "evaluation.html", page_of(record, galleries))
    if said := shortage(config.trial, record.sources.count(PHOTOGRAPH)):
        print(said)
    print(table)
    print(f"page, sheets and every number: {folder}")


def measure(
    config: EvaluateConfig, trial: Trial, restylers: list[Restyler], networks: Networks
) -> tuple[EvaluationRecord, dict[str, Gallery]]:
    """The record, and the pictures of each restyler by its name."""
    references = References(config, trial, networks)
    crossfade = _crossfade(trial, config.trial.seed)
    methods, galleries, saved, several = {}, {}, [], len(restylers) > 1
    for restyler in restylers:
        bar = tqdm.trange(len(trial.cultures), desc=f"restyled by {restyler.name}", disable=None)
        pictures = np.stack([restyler.restyle(trial.contents, culture) for culture in bar])
        if config.save_results:
            saved += save_results(config.save_results, trial, restyler, pictures, several)
        results = Results(config, trial, references, restyler, pictures)
        strips = ranked(trial, results.recognition)
        methods[restyler.name] = _record_of(results, crossfade, strips)
        galleries[restyler.name] = Gallery.of(trial, pictures, strips)
    if config.save_results:
        saved += save_sources(config.save_results, trial)
        tables.write(pathlib.Path(config.save_results) / INDEX, INDEX_COLUMNS, saved)
    second = trial.second_probe
    record = EvaluationRecord(
        cultures=list(trial.cultures),
        classes=list(trial.classes),
        contents=list(trial.ids),
        sources=[trial.classes[number] for number in trial.sources],
        rendered=trial.rendered,
        training_pictures=trial.training_counts,
        artworks={name: len(pictures) for name, pictures in trial.artworks.items()},
        held_out=trial.held_out_counts,
        judge=_probe_figures(trial, trial.probe),
        second_judge=None if second is None else _probe_figures(trial, second),
        seen=trial.seen,
        skin=None,
        features=Network(networks.features.name, networks.features.fingerprint),
        crossfade=crossfade,
        methods=methods,
        config=config,
    )
    return record, galleries


def save_results(
    folder: str, trial: Trial, restyler: Restyler, pictures: np.ndarray, several: bool
) -> list[tuple[str, ...]]:
    """Writes results `[K, N, S, S, 3]` as `CULTURE/STEM.png`, below a folder of the restyler where
    there are several; returns their rows of the index."""
    rows, above = [], [file_name(restyler.name)] if several else []
    stems = _stems(trial)
    for culture, place, of_culture in zip(
        trial.cultures, file_names(trial.cultures), pictures, strict=True
    ):
        for stem, picture in zip(stems, of_culture, strict=True):
            path = pathlib.PurePosixPath(*above, place, f"{stem}.png")
            images.write(pathlib.Path(folder) / path, picture)
            rows.append((str(path), culture, restyler.name, f"{SOURCES}/{stem}.png"))
    return rows


def save_sources(folder: str, trial: Trial) -> list[tuple[str, ...]]:
    """Writes the untouched contents as `sources/STEM.png`; returns their rows of the index."""
    rows = []
    for stem, picture, source in zip(_stems(trial), trial.contents, trial.sources, strict=True):
        path = f"{SOURCES}/{stem}.png"
        images.write(pathlib.Path(folder) / path, picture)
        rows.append((path, trial.classes[source], UNTOUCHED, path))
    return rows


def _stems(trial: Trial) -> list[str]:
    """A file's name without suffix for each content: `0003` of a photograph, `ukiyo_e_0012`."""
    return file_names(name.removeprefix("content/").replace("/", "_") for name in trial.ids)


def _record_of(
    results: Results,
    crossfade: list[restyled.Crossfade],
    strips: dict[str, list[tuple[int, int]]],
) -> RestylerRecord:
    trial, summary = results.trial, figures_of(results)
    mean, of_cultures = results.set_measures
    few = {culture: each.few for culture, each in of_cultures.items()}
    named = results.recognition.probabilities.argmax(axis=-1)
    distance = summary.figures["content_distance"].value
    return RestylerRecord(
        kind=results.restyler.kind,
        figures=summary.figures | {"few": mean.few},
        cultures={key: each | {"few": few[key]} for key, each in summary.cultures.items()},
        pairs=summary.pairs,
        confusion=restyled.confusion(named, trial.to_change, len(trial.classes)).tolist(),
        crossfade_named=restyled.named_at_distance(crossfade, distance) if crossfade else None,
        judge_in_training=results.restyler.trained_against(trial.probe.backbone),
        verdicts=_verdicts(results, summary.figures),
        strips={
            strip: [Place(trial.cultures[culture], trial.ids[content]) for culture, content in each]
            for strip, each in strips.items()
        },
    )


def _verdicts(results: Results, figures: Figures) -> Verdicts:
    trial = results.trial
    right = trial.probe.named(trial.small) == np.arange(len(trial.cultures))[:, None]
    styles = figures.get("style_diversity")
    signs = Signs(
        change=figures["perceptual_distance"].value / results.references.apart,
        diversity=figures["diversity"].value,
        styles=styles and styles.value,
        named=figures["named"].value,
        unchanged_named=float(np.mean(right[trial.to_change])),
    )
    return Verdicts(signs, {fault: FAULTS[fault].format(signs) for fault in signs.faults()})


def ranked(trial: Trial, recognition: restyled.Recognition) -> dict[str, list[tuple[int, int]]]:
    """The best, the middle and the worst results: numbers of culture and content.

    Ranked by `sqrt(p s)`: p is the probability of the target culture, `s = 1 - d / 2` the share of
    the content that is left at content distance d. A strip has one result of a content at most.
    """
    cultures = np.arange(len(trial.cultures))
    target = recognition.probabilities[cultures, :, cultures]
    kept = np.clip(1.0 - recognition.content_distance / 2.0, 0.0, 1.0)
    scores = np.where(trial.to_change, np.sqrt(target * kept), np.nan)
    places = np.argwhere(np.isfinite(scores))
    order = places[np.argsort(-scores[tuple(places.T)], kind="stable")]
    middle = order[np.argsort(np.abs(np.arange(len(order)) - len(order) // 2), kind="stable")]
    return {
        "best": _distinct(order),
        "middle": _distinct(middle),
        "worst": _distinct(order[::-1]),
    }


def _distinct(places: np.ndarray) -> list[tuple[int, int]]:
    """The first place of each content, `STRIP` at most."""
    first = {}
    for culture, content in places.tolist():
        first.setdefault(content, (culture, content))
    return list(first.values())[:STRIP]


def _crossfade(trial: Trial, seed: int) -> list[restyled.Crossfade]:
    """The crossfade of photographs and held-out artworks; empty without photographs."""
    photographs = np.flatnonzero(trial.photographs)
    if not len(photographs):
        return []
    chosen = photographs[_evenly(len(photographs), CONTROL_CONTENTS)]
    artworks = [
        trial.held_out_artworks(name) if count else trial.artworks[name]
        for name, count in trial.held_out_counts.items()
    ]
    return restyled.crossfades(trial.probe, trial.small[chosen], artworks, seed)


def _probe_figures(trial: Trial, probe: CultureProbe) -> ProbeFigures:
    """A probe on held-out artworks by culture, and on the contents untouched."""
    right = probe.named(trial.small) == trial.sources
    shares = {}
    for number, name in enumerate(trial.cultures):
        artworks = trial.held_out_artworks(name)
        right_named = probe.named(artworks) == number if len(artworks) else ()
        shares[name] = float(np.mean(right_named)) if len(artworks) else None
    known = {name: share for name, share in shares.items() if share is not None}
    counts = [trial.held_out_counts[name] for name in known]
    photographs = right[trial.photographs]
    return ProbeFigures(
        backbone=probe.backbone.name,
        weights=probe.backbone.fingerprint,
        artworks=float(np.average(list(known.values()), weights=counts)) if known else None,
        cultures=shares,
        contents=float(np.mean(right)),
        photographs=float(np.mean(photographs)) if len(photographs) else None,
    )


def _evenly(count: int, most: int) -> np.ndarray:
    """Up to `most` numbers evenly among `count`."""
    return np.linspace(0, count - 1, min(most, count)).astype(int)


def write_sheets(galleries: dict[str, Gallery], folder: pathlib.Path) -> None:
    """Writes one sheet for each restyler."""
    for name, gallery in zip(file_names(galleries), galleries.values(), strict=True):
        images.write(folder / f"{name}.png", gallery.sheet)


def table_of(record: EvaluationRecord) -> str:
    """The figures as a Markdown table with 95 % intervals, and every verdict in words."""
    values = {"measures": MEASURES, "measured": measured, "markdown": markdown}
    values["about_the_probe"] = about_the_probe(record)
    return render("evaluation.md.j2", record=record, **values).rstrip()


def page_of(record: EvaluationRecord, galleries: dict[str, Gallery]) -> str:
    """The whole page."""
    values = {"measures": MEASURES, "measured": measured, "sets": SETS}
    values["shortage"] = shortage(record.config.trial, record.sources.count(PHOTOGRAPH))
    values["about_the_probe"] = about_the_probe(record)
    return render("evaluation.html.j2", record=record, galleries=galleries, **values)
