"""What an evaluation measures: the results of one restyler, and the table of all measures.

A measure is one function of `Results` and one line of `MEASURES`; page, table and JSON follow.
"""

import dataclasses
import functools
import itertools
import typing

import numpy as np
import tqdm

from stylegan_culture import images
from stylegan_culture.measures import (
    colour,
    content,
    lightness,
    looks,
    obedience,
    restyled,
    sets,
    statistics,
)
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.pipelines import boxes
from stylegan_culture.pipelines.input import evaluation_arrays
from stylegan_culture.reports.page import number
from stylegan_culture.reports.restylers import (
    Networks,
    Restyler,
    example_numbers,
    examples,
    other_examples,
    training_pictures,
)
from stylegan_culture.reports.trial import EvaluateConfig, Trial, reduced
from stylegan_culture.restyling import feedforward, gatys

FULL_SIZE = 6  # photographs that are restyled at full size
STYLE_PICTURES = 256  # pixels of the short side of artworks whose Gram matrices are a tradition's


@dataclasses.dataclass(frozen=True, eq=False)
class References:
    """What the results of every restyler are compared with, each made once."""

    config: EvaluateConfig
    trial: Trial
    networks: Networks

    @functools.cached_property
    def perceived(self) -> content.Perceived:
        """Features of the contents."""
        return content.Perceived.of(self.networks.features, self.trial.small)

    @functools.cached_property
    def apart(self) -> float:
        """The mean perceptual distance of each content to the one before it."""
        shifted = np.roll(self.trial.small, 1, axis=0)
        return float(np.mean(content.compared(self.networks.features, shifted, self.perceived)[0]))

    @functools.cached_property
    def known(self) -> restyled.Known:
        """Content codes of contents, gallery and artworks."""
        small, backbone = self.trial.small, self.trial.probe.backbone
        gallery = self.trial.gallery[: max(self.config.gallery - len(small), 0)]
        artworks = [content.content_codes(backbone, each) for each in self.trial.artworks.values()]
        others = content.content_codes(backbone, np.concatenate([small, gallery]))
        return restyled.Known(others, np.concatenate(artworks))

    @functools.cached_property
    def artworks(self) -> dict[str, np.ndarray]:
        """Culture to pooled features `[A, D]` of its artworks."""
        bar = tqdm.tqdm(self.trial.artworks.items(), "features of artworks", disable=None)
        return {name: content.pooled(self.networks.features, pictures) for name, pictures in bar}

    @functools.cached_property
    def ordinary(self) -> np.ndarray:
        """`[3]`, line strengths that 99 of 100 artworks stay below."""
        side = self.trial.contents.shape[1]
        return looks.ordinary_strengths(evaluation_arrays(self.trial.held_out, side)[0])

    @functools.cached_property
    def lettering(self) -> list[boxes.Marked]:
        """Pictures with boxes of letters or small faces; none where no table is given."""
        return boxes.read(self.config.lettering) if self.config.lettering else []

    @functools.cached_property
    def full_size(self) -> list[np.ndarray]:
        """Some of the photographs, uint8 `[H, W, 3]`, at their own size and proportions."""
        originals = self.trial.originals
        count = min(FULL_SIZE, len(originals)) if originals is not None else 0
        return [originals.read(number) for number in range(count)]

    @functools.cached_property
    def style_grams(self) -> list[dict[str, np.ndarray]]:
        """Each culture's mean Gram matrices by tap."""
        training = self.trial.training
        return [
            restyled.mean_grams(
                self.networks.style,
                training_pictures(self.trial, training.of_culture(culture), STYLE_PICTURES),
            )
            for culture in tqdm.trange(
                len(self.trial.cultures), desc="style of traditions", disable=None
            )
        ]


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """Every content of a trial in every culture by one restyler; a network sees them only once."""

    config: EvaluateConfig
    trial: Trial
    references: References
    restyler: Restyler
    pictures: np.ndarray  # `[K, N, S, S, 3]`

    @functools.cached_property
    def small(self) -> np.ndarray:
        """`[K, N, SIDE, SIDE, 3]`: the pictures at the probe's side."""
        return np.stack([reduced(each) for each in self.pictures])

    @functools.cached_property
    def recognition(self) -> restyled.Recognition:
        """Which class the probe names, and whose content it is."""
        return restyled.recognised(self.trial.probe, self.small, self.references.known)

    @functools.cached_property
    def compared(self) -> tuple[np.ndarray, np.ndarray]:
        """Perceptual distances to the contents `[K, N]`, and pooled features `[K, N, D]`."""
        return content.compared(
            self.references.networks.features, self.small, self.references.perceived
        )

    @functools.cached_property
    def lightness(self) -> np.ndarray:
        """`[3, K, N]`: motifs, edges and order of each result against its content."""
        rows = []
        for column, source in enumerate(lightness.lightness(self.trial.contents)):
            results = lightness.lightness(self.pictures[:, column])
            measures = (lightness.motifs, lightness.edges, lightness.order)
            rows.append([measure(source, results) for measure in measures])
        return np.moveaxis(np.array(rows), 0, -1)

    @functools.cached_property
    def summary(self) -> restyled.Summary:
        """The measures of each result, averaged."""
        values = {
            measure.key: measure.each(self)
            for measure in itertools.chain(*MEASURES.values())
            if measure.each
        }
        return restyled.summary(
            self.recognition.probabilities,
            {key: value for key, value in values.items() if value is not None},
            self.trial.classes,
            self.trial.sources,
            self.config.trial.seed,
        )

    @functools.cached_property
    def set_measures(self) -> tuple[sets.SetMeasures, dict[str, sets.SetMeasures]]:
        """FID, KID and their like: the mean over cultures, and each against its artworks."""
        trial, seed = self.trial, self.config.trial.seed
        weights = statistics.resampled(trial.sources, statistics.REPLICATES, seed)
        replicates, cultures = [], {}
        for features, changed, culture in zip(
            self.compared[1], trial.to_change, trial.cultures, strict=True
        ):
            sides = features[changed], self.references.artworks[culture]
            replicates.append(sets.replicates(*sides, weights[:, changed], seed))
            cultures[culture] = sets.SetMeasures.of(replicates[-1], sets.few(*sides))
        few = any(each.few for each in cultures.values())
        return sets.SetMeasures.of(sets.mean_of(replicates), few), cultures


# A measure that is no mean or median over results: overall, and by culture if it has that.
Whole = tuple[Interval | None, dict[str, Interval | None]]


@dataclasses.dataclass(frozen=True)
class Measure:
    """One line of the evaluation.

    Either function gives None where the trial lacks what it needs. A measure with neither is one
    that `restyled.summary` adds. The sentence that explains it stands in the page's template.
    """

    key: str  # in the JSON
    heading: str  # in page and table
    form: str  # of its numbers, such as `SHARE`
    # Gives the value of each result, `[K, N]`, of which the mean and its interval are taken; NaN
    # counts nowhere
    each: typing.Callable[[Results], np.ndarray | None] | None = None
    # Gives a figure of all results together
    whole: typing.Callable[[Results], Whole | None] | None = None

    def show(self, value: float) -> str:
        """A value as page and table print it."""
        return number(value, self.form)


def figures_of(results: Results) -> restyled.Summary:
    """All of `MEASURES`, with 95 % intervals over the contents."""
    summary = results.summary
    figures = dict(summary.figures)
    cultures = {name: dict(each) for name, each in summary.cultures.items()}
    for measure in itertools.chain(*MEASURES.values()):
        if measure.whole and (whole := measure.whole(results)) is not None:
            figures[measure.key], by_culture = whole
            for culture, figure in by_culture.items():
                cultures[culture][measure.key] = figure
    return restyled.Summary(figures, cultures, summary.pairs)


def _artwork_nearer(results: Results) -> np.ndarray:
    # An artwork among the contents is among the artworks too: this says something of photographs.
    return np.where(results.trial.photographs, results.recognition.artwork_nearer, np.nan)


def _structure(results: Results) -> np.ndarray:
    small = results.trial.small
    return np.stack([content.structure_similarity(each, small) for each in results.small])


def _error(results: Results) -> np.ndarray | None:
    if not results.trial.rendered:
        return None
    return np.sqrt(np.mean((results.pictures - results.trial.truth) ** 2, axis=(2, 3, 4)))


def _style_distance(results: Results) -> np.ndarray | None:
    references = results.references
    if references.networks.style is None:
        return None
    pairs = zip(results.pictures, references.style_grams, strict=True)
    return np.stack([restyled.style_distances(references.networks.style, *pair) for pair in pairs])


def _style_to_gatys(results: Results) -> Whole | None:
    """How near a model comes to an example's style, against a picture optimised for it.

    The median, over contents, of the model's style distance over Gatys's. Both restyle a content
    like one training artwork: the model by its encoded style, Gatys et al. by optimising the
    picture over the network that measures `restyled.style_distances`. Cultures take turns.
    """
    config, trial, model = results.config, results.trial, results.restyler.model
    if not config.gatys or model is None:
        return None
    backbone, ratios = results.references.networks.style, []
    chosen = np.linspace(0, len(trial.contents) - 1, config.gatys).astype(int)
    for place, at in enumerate(tqdm.tqdm(chosen, "optimised by Gatys", disable=None)):
        picture = trial.contents[at]
        example = next(examples(config.trial, trial, place % len(trial.cultures), 1))
        if min(example.shape[:2]) < backbone.least_size:
            example = images.fit_short_side(example, backbone.least_size)
        code = feedforward.example_code(model, example)
        restyled_once = feedforward.CultureNetwork(model, code)(picture)
        *_, optimised = gatys.restyle(backbone, picture, [example], gatys.GatysSettings())
        target = restyled.mean_grams(backbone, [example])
        distance, least = (
            restyled.style_distances(backbone, one[None], target)[0]
            for one in (restyled_once, optimised.picture)
        )
        ratios.append(distance / least)
    ratios, generator = np.array(ratios), np.random.default_rng(config.trial.seed)
    drawn = generator.integers(0, len(ratios), (statistics.REPLICATES, len(ratios)))
    medians = np.median(ratios[drawn], axis=1)
    return statistics.with_interval(float(np.median(ratios)), medians, 0.0), {}


def _named_by_second(results: Results) -> np.ndarray | None:
    """Named as asked by the project's own probe, where --judge names another network."""
    second = results.trial.second_probe
    if second is None:
        return None
    return np.stack([second.named(each) == k for k, each in enumerate(results.small)])


def _obedience(results: Results) -> np.ndarray | None:
    """Whether each result is nearer to its example than to another of the tradition: `[K, N]`."""
    if not results.restyler.by_example:
        return None
    config, trial, rows = results.config.trial, results.trial, []
    network = results.references.networks.style or trial.probe.backbone
    bar = tqdm.tqdm(results.pictures, desc="nearer to their examples", disable=None)
    for culture, pictures in enumerate(bar):
        given = example_numbers(config, trial, culture, len(pictures))
        others = other_examples(config, trial, culture, given)
        numbers = np.union1d(given, others).tolist()
        artworks = training_pictures(trial, numbers, config.size)
        shown = dict(zip(numbers, artworks, strict=True))
        rows.append(obedience.obeyed(network, pictures, shown, given, others))
    return np.stack(rows)


def _lettering(results: Results) -> Whole | None:
    """Structure kept in the boxes of --lettering, the mean over the boxes of each picture."""
    marked = results.references.lettering

    def kept(number: int, source: np.ndarray, result: np.ndarray) -> float:
        boxed = ([box.of(each) for each in (source, result)] for box in marked[number].boxes)
        return float(np.mean([lightness.structure(*map(colour.lightness, pair)) for pair in boxed]))

    return _at_full_size(results, [one.picture for one in marked], kept)


def _full_edges(results: Results) -> Whole | None:
    """Edges of photographs at full size, where no boxes of letters are given."""
    if results.config.lettering:
        return None

    def kept(number: int, source: np.ndarray, result: np.ndarray) -> float:
        return float(lightness.edges(colour.lightness(source), colour.lightness(result)))

    return _at_full_size(results, results.references.full_size, kept)


def _at_full_size(
    results: Results,
    pictures: list[np.ndarray],
    kept: typing.Callable[[int, np.ndarray, np.ndarray], float],
) -> Whole | None:
    """A measure of pictures uint8 `[H, W, 3]` and their results in every culture: its mean over
    pictures with an interval, overall and by culture."""
    if not pictures or results.restyler.each is None:
        return None
    contents, rows = [one.astype(np.float32) / 255 for one in pictures], []
    for culture in tqdm.trange(len(results.trial.cultures), desc="at full size", disable=None):
        restyled_each = results.restyler.each(contents, culture)
        rows.append(
            [kept(n, *_of_one_size(contents[n], each)) for n, each in enumerate(restyled_each)]
        )
    values, seed = np.array(rows), results.config.trial.seed
    values = values[:, np.isfinite(values).all(axis=0)]  # a box of one lightness says nothing
    if not values.size:
        return None
    cultures = (statistics.mean_interval(row, seed) for row in values)
    overall = statistics.mean_interval(values, seed)
    return overall, dict(zip(results.trial.cultures, cultures, strict=True))


def _of_one_size(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures cut at right and bottom to the rows and columns that both have."""
    height, width = np.minimum(first.shape[:2], second.shape[:2])
    return first[:height, :width], second[:height, :width]


def _diversity(results: Results) -> Whole:
    reference, seed = results.references.perceived.pooled, results.config.trial.seed
    return content.diversity(results.compared[1], reference, seed), {}


def _style_diversity(results: Results) -> Whole | None:
    if len(results.trial.cultures) < 2:
        return None
    reference, seed = results.references.perceived.pooled, results.config.trial.seed
    return content.style_diversity(results.compared[1], reference, seed), {}


def _of_set(name: str) -> typing.Callable[[Results], Whole]:
    def of(results: Results) -> Whole:
        mean, cultures = results.set_measures
        return getattr(mean, name), {key: getattr(each, name) for key, each in cultures.items()}

    return of


def _artfid(results: Results) -> Whole | None:
    fid = results.set_measures[0].fid
    if fid is None:
        return None
    distances = results.summary.figures["perceptual_distance"]
    return Interval(*(sets.artfid(*pair) for pair in zip(distances, fid, strict=True))), {}


SHARE, NUMBER = "{:.0%}", "{:.3f}"
CULTURE, CONTENT, LOOK, SETS = "Culture", "Content", "Look", "Sets of pictures"
# The tables of the page and their lines.
MEASURES: dict[str, tuple[Measure, ...]] = {
    CULTURE: (
        Measure("named", "Named as asked", SHARE),
        Measure("named_by_own_probe", "Named by the project's probe", SHARE, each=_named_by_second),
        Measure("photograph", "Taken for a photograph", SHARE),
        Measure("obedience", "Nearer to its example", SHARE, each=_obedience),
        Measure("style_distance", "Style distance", NUMBER, each=_style_distance),
        Measure("style_to_gatys", "Style distance to Gatys's", NUMBER, whole=_style_to_gatys),
    ),
    CONTENT: (
        Measure(
            "nearest", "The source is the nearest", SHARE, each=lambda r: r.recognition.nearest
        ),
        Measure("artwork_nearer", "An artwork is nearer", SHARE, each=_artwork_nearer),
        Measure(
            "content_distance",
            "Content distance",
            NUMBER,
            each=lambda r: r.recognition.content_distance,
        ),
        Measure("perceptual_distance", "Perceptual distance", NUMBER, each=lambda r: r.compared[0]),
        Measure("structure", "Structure", NUMBER, each=_structure),
        Measure("edges", "Edges", NUMBER, each=lambda r: r.lightness[1]),
        Measure("order", "Order of lightness", NUMBER, each=lambda r: r.lightness[2]),
        Measure("lettering", "Letters and small faces", NUMBER, whole=_lettering),
        Measure("full_edges", "Edges at full size", NUMBER, whole=_full_edges),
        Measure("error", "Distance to the truth", NUMBER, each=_error),
    ),
    LOOK: (
        Measure("motifs", "Marks on plain places", NUMBER, each=lambda r: r.lightness[0]),
        Measure("diversity", "Diversity of contents", NUMBER, whole=_diversity),
        Measure("style_diversity", "Diversity of cultures", NUMBER, whole=_style_diversity),
        Measure(
            "lines",
            "Lines of a grid",
            SHARE,
            each=lambda r: looks.lines(r.pictures, r.references.ordinary),
        ),
    ),
    SETS: (
        Measure("fid", "FID", NUMBER, whole=_of_set("fid")),
        Measure("fid_without_bias", "FID, extended", NUMBER, whole=_of_set("fid_without_bias")),
        Measure("kid", "KID", NUMBER, whole=_of_set("kid")),
        Measure("precision", "Precision", SHARE, whole=_of_set("precision")),
        Measure("recall", "Recall", SHARE, whole=_of_set("recall")),
        Measure("coverage", "Coverage", SHARE, whole=_of_set("coverage")),
        Measure("artfid", "ArtFID", NUMBER, whole=_artfid),
    ),
}
