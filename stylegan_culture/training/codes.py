"""Chooses style codes for the names of a trained model's cultures, and for further looks of each.

No weight is trained. Candidates are the code that a culture's name has now, the codes of its
training artworks as the style encoder gives them, and mixtures of the best of these. Each restyles
a few training photographs, and is scored by what the results show:

    score = P(culture) + e edges + o order - m max(marks - quiet, 0) - t |1 - tone|

P is the mean probability that a probe gives the culture; edges, order and marks are those of
`measures.lightness`, and quiet is how marked the artworks' plain places are. Tone is the slope of
the results' lightness over the photographs': below 1 they draw light and dark towards each other,
which is what lightens dark skin. A candidate with a lower tone than the code that the name has now,
by more than `slack`, is left out. No portrait is used to choose a code.

The first look is the best candidate; each further one is the candidate, of those whose score is
near the best, whose results differ most from the looks chosen before.
"""

import dataclasses
import functools
import pathlib
import typing
from collections.abc import Iterator, Sequence

import numpy as np
import tqdm

from stylegan_culture import arrays, images, tables
from stylegan_culture.config import InputError, option, visible, weight
from stylegan_culture.files import read_bytes, write_result, written_whole
from stylegan_culture.model_record import MOST_LOOKS, Facts, showable
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import later, runs

if typing.TYPE_CHECKING:
    from stylegan_culture.networks.generator import CultureModel

tf = later("tensorflow")
backbones = later("stylegan_culture.features.backbones")
feedforward = later("stylegan_culture.restyling.feedforward")
lightness = later("stylegan_culture.measures.lightness")
looks = later("stylegan_culture.deploy.looks")
models = later("stylegan_culture.models")
probes = later("stylegan_culture.measures.probes")

FITTED = 200  # training pictures of each class that the probe is fitted to
PARENTS, MIXED = 12, 3  # codes that mixtures are drawn from, and the most in one mixture
FINALISTS = 8  # candidates of each culture that restyle all photographs
GRID = 16  # pixels between places whose lightness decides the tone
BEFORE = "its code before the search"  # the name of the code that a culture's name has now
DIGITS = 4  # of the figures in metrics.json, behind the point
LONGEST_NAME = 60  # characters of an artwork's name in a look's source


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """Weights of a candidate's score, beside the culture's probability, which counts 1."""

    edges: float = weight(0.5, "edges kept (correlation)")
    order: float = weight(0.5, "order of lightness kept (correlation)")
    marks: float = weight(0.25, "marks on plain places above the artworks' own, for 1 L*")
    tone: float = weight(0.5, "how far the slope of lightness is from 1")
    slack: float = option(0.03, "how much lower than now the slope may be", low=0.0)


@dataclasses.dataclass(frozen=True)
class CodesConfig:
    """Everything that decides a run; saved in its run.json."""

    model: str = option("culture256", "model folder, run folder, or name of a shipped model")
    data: str = option(
        "",
        "artworks of the model's cultures: folder:PATH, records:DIR or tfds:NAME",
        table=True,
        metavar="SOURCE",
    )
    content: str = option("", "folder:PATH of photographs to restyle", metavar="SOURCE")
    artworks: int = option(120, "artworks of each culture whose codes are candidates", low=2)
    mixtures: int = option(80, "mixtures of the best codes that are tried besides", low=0)
    contents: int = option(6, "photographs that every candidate restyles", low=2)
    judged: int = option(32, "photographs that the best candidates restyle", low=2)
    looks: int = option(3, "looks of each culture, the default among them", low=1, high=MOST_LOOKS)
    near: float = option(0.15, "how much less than the best the score of a look may be", low=0.0)
    size: int = option(256, "pixels a side of the photographs", low=32, multiple_of=16)
    score: ScoreConfig = ScoreConfig()
    seed: int = option(0, "seed of the mixtures")


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A style code `[D]`, and the codes that it is mixed of: their weights by name, of sum 1. Names
    are identifiers of artworks, and `BEFORE`."""

    code: np.ndarray
    parts: dict[str, float]

    @property
    def source(self) -> str:
        """What the code was made from, for people: parts of half a hundredth and more, the largest
        first."""
        parts = sorted(self.parts.items(), key=lambda part: -part[1])
        parts = [part for part in parts if part[1] >= 0.005]
        named = [(showable(name, LONGEST_NAME), share) for name, share in parts]
        if len(named) == 1:
            return named[0][0]
        return " + ".join(f"{share:.2f} {name}" for name, share in named)


@dataclasses.dataclass(frozen=True)
class Figures:
    """What the results of a code show; see the module. Marks are in L*."""

    named: float
    edges: float
    order: float
    marks: float
    tone: float


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """A candidate with its figures and score. shown: the mean probe features `[F]` of its
    results."""

    candidate: Candidate
    figures: Figures
    score: float
    shown: np.ndarray

    @property
    def record(self) -> dict[str, float | str]:
        """What stands in metrics.json."""
        figures = dataclasses.asdict(self.figures) | {"score": self.score}
        rounded = {name: round(value, DIGITS) for name, value in figures.items()}
        return {"source": self.candidate.source, **rounded}


def score(figures: Figures, quiet: float, weights: ScoreConfig) -> float:
    """The score of the module; quiet: marks on the plain places of the culture's artworks, L*."""
    return (
        figures.named
        + weights.edges * figures.edges
        + weights.order * figures.order
        - weights.marks * max(figures.marks - quiet, 0.0)
        - weights.tone * abs(1.0 - figures.tone)
    )


class Contents:
    """Photographs `[N, S, S, 3]` that candidates restyle, and what results are compared with.

    Raises `InputError` where none of them has plain places on which marks could be seen.
    """

    def __init__(self, pictures: np.ndarray):
        self.pictures = pictures
        self.lightness = lightness.lightness(pictures)
        if max(_plain_pixels(self.lightness)) < lightness.LEAST_PLAIN:
            raise InputError(
                "none of the photographs has a plain place, such as a sky, to look for marks on; "
                "name a folder of other photographs with --content"
            )

    def compared(self, results: np.ndarray, named: float) -> Figures:
        """The figures of results `[N, S, S, 3]` that are named as the culture with a probability of
        `named`. A result of one lightness keeps neither edges nor order: 0."""
        before, after = self.lightness, lightness.lightness(results)
        marks = [lightness.motifs(*pair) for pair in zip(before, after, strict=True)]
        places = [
            lightness.blurred(each, lightness.ORDER_BLUR)[:, ::GRID, ::GRID].ravel()
            for each in (before, after)
        ]
        return Figures(
            named=named,
            edges=float(np.nan_to_num(lightness.edges(before, after)).mean()),
            order=float(np.nan_to_num(lightness.order(before, after)).mean()),
            marks=float(np.nanmedian(marks)),
            tone=float(np.polyfit(*places, 1)[0]),
        )


class Search:
    """Judges candidates of one culture after another; see the module.

    Args:
        network: whose codes are chosen.
        probe: whose classes hold the model's cultures.
        few, every: what every candidate restyles, and what the best of them restyle.
        config: settings of the run.
    """

    def __init__(
        self,
        network: "CultureModel",
        probe: "probes.CultureProbe",
        few: Contents,
        every: Contents,
        config: CodesConfig,
    ):
        self.network, self.probe, self.config = network, probe, config
        self.few, self.every = few, every
        self.restyle = tf.function(network.stylize_with, reduce_retracing=True)

    def results(self, code: np.ndarray, contents: np.ndarray) -> np.ndarray:
        """Photographs `[N, S, S, 3]` restyled by one code `[D]`."""
        strength = np.ones((1, 1), np.float32)
        return np.concatenate(
            [self.restyle(one[None], code[None], strength).numpy() for one in contents]
        )

    def judged(
        self, candidate: Candidate, contents: Contents, culture: str, quiet: float
    ) -> Judged:
        """A candidate with what it shows of a culture on these contents."""
        results = self.results(candidate.code, contents.pictures)
        small = np.stack([images.resize(one, probes.SIDE, probes.SIDE) for one in results])
        features = probes.descriptors(self.probe.backbone, small)
        named = self.probe.classifier.predict_proba(features)
        column = self.probe.classes.index(culture)
        figures = contents.compared(results, float(named[:, column].mean()))
        total = score(figures, quiet, self.config.score)
        return Judged(candidate, figures, total, features.mean(axis=0))

    def looks(
        self, culture: str, encoded: Sequence[Candidate], quiet: float
    ) -> tuple[list[Judged], Judged]:
        """The looks of a culture, the best first, and the code that its name has now, judged alike.

        encoded: of the culture's artworks. quiet: of `score`.
        """
        config, generator = self.config, np.random.default_rng(self.config.seed)
        judge = functools.partial(self.judged, culture=culture, quiet=quiet)
        before = Candidate(self.network.named_codes()[culture], {BEFORE: 1.0})
        few = [judge(one, self.few) for one in (before, *encoded)]
        first_half = config.mixtures // 2
        for count in (first_half, config.mixtures - first_half):
            parents = [few[0], *best(few[1:], PARENTS)]
            mixed = mixtures([one.candidate for one in parents], count, generator)
            few += [judge(one, self.few) for one in mixed]
        finalists = best(allowed(few, config.score.slack)[1:], FINALISTS)
        last = [judge(one.candidate, self.every) for one in (few[0], *finalists)]
        return different(allowed(last, config.score.slack), config.looks, config.near), last[0]


def best(judged: Sequence[Judged], count: int) -> list[Judged]:
    """At most `count` of the highest score, the best first."""
    return sorted(judged, key=lambda one: -one.score)[:count]


def allowed(judged: Sequence[Judged], slack: float) -> list[Judged]:
    """The first, and those whose tone is not lower than the first's by more than `slack`."""
    least = judged[0].figures.tone - slack
    return [judged[0], *(one for one in judged[1:] if one.figures.tone >= least)]


def different(judged: Sequence[Judged], count: int, near: float) -> list[Judged]:
    """The best candidate, then those near it in score whose results differ most from all before."""
    first = best(judged, 1)[0]
    chosen = [first]
    others = [one for one in judged if one is not first and one.score >= first.score - near]
    while others and len(chosen) < count:
        apart = [min(np.linalg.norm(one.shown - each.shown) for each in chosen) for one in others]
        chosen.append(others.pop(int(np.argmax(apart))))
    return chosen


def mixtures(
    parents: Sequence[Candidate], count: int, generator: np.random.Generator
) -> Iterator[Candidate]:
    """`count` codes, each mixed of two or three of `parents` (one where there is one only), with
    weights that are uniform over all mixtures of these."""
    for _ in range(count):
        number = min(int(generator.integers(2, MIXED + 1)), len(parents))
        rows = generator.choice(len(parents), number, replace=False)
        shares, parts = generator.dirichlet(np.ones(number)), {}
        for share, row in zip(shares, rows, strict=True):
            for name, part in parents[row].parts.items():
                parts[name] = parts.get(name, 0.0) + float(share * part)
        code = shares @ np.stack([parents[row].code for row in rows])
        yield Candidate(code.astype(np.float32), parts)


def plainest_first(contents: np.ndarray, count: int) -> np.ndarray:
    """Contents `[N, S, S, 3]`, the first `count` of them half of the plainest, half spread.

    So the few that every candidate restyles have skies to look for marks on, and other places. The
    very first is the plainest of all.
    """
    pixels = _plain_pixels(lightness.lightness(contents))
    plainest = np.argsort(-pixels, kind="stable")[: -(-count // 2)]
    others = np.setdiff1d(np.arange(len(contents)), plainest)
    spread = others[runs.spread(len(others), count - len(plainest))]
    rest = np.setdiff1d(others, spread)
    return contents[np.concatenate([plainest, spread, rest])]


def _plain_pixels(lightnesses: np.ndarray) -> np.ndarray:
    """How many pixels of each lightness `[N, H, W]` are plain, `[N]`."""
    return np.array([np.count_nonzero(lightness.plain(one)) for one in lightnesses])


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, searches, and writes a run folder that is used and exported as a model."""
    flags, config = runs.parse(arguments, __doc__, {"": (CodesConfig(), "")})
    if flags is None:
        return
    _check(config)
    runs.claim(flags, config)
    loaded = models.load(config.model, "culture")
    source, photographs = _sources(config, loaded.facts.keys)
    few, every = _contents(config, photographs)
    search = Search(loaded.network, _probe(source, photographs), few, every, config)
    chosen, before = {}, {}
    for key in tqdm.tqdm(loaded.facts.keys, "cultures", disable=None):
        artworks = source.select(source.of_culture(source.cultures.index(key)))
        encoded = list(_encoded(loaded.network, artworks, config.artworks))
        chosen[key], before[key] = search.looks(key, encoded, _quiet(artworks))
    folder = pathlib.Path(flags.run)
    sheet, measures = folder / models.LOOKS_OF_RUN, folder / "metrics.json"
    images.write(sheet, _sheet(search, loaded.facts, chosen))
    write_result(measures, _measures(before, chosen))
    runs.report_skipped(folder, source, photographs)
    _keep_table(config.model, folder)
    arrays.save_weights(loaded.network, folder / models.WEIGHTS)
    record = _record(config, loaded.facts, chosen, flags.command)
    write_result(folder / "run.json", record)  # last: a folder that has it is whole
    print(f"sheet of looks: {sheet}")
    print(f"measures: {measures}")


def _check(config: CodesConfig) -> None:
    """Raises `InputError` for settings that cannot be searched with."""
    for name in ("data", "content"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; --help says what it is")
    if config.contents > config.judged:
        raise InputError(
            f"--contents {config.contents} is more than --judged {config.judged}; the first are "
            "some of the second"
        )


def _sources(config: CodesConfig, keys: tuple[str, ...]) -> tuple[Source, Source]:
    """Training artworks and training photographs; `InputError` where there are too few."""
    source = load_source(config.data, config.size, "train")
    photographs = load_content(config.content, config.size, "train")
    pictures = dict(zip(source.cultures, source.tags.sum(axis=0), strict=True))
    for key in keys:
        if not pictures.get(key):
            raise InputError(
                f"--data has no training pictures of the model's culture {visible(key)}; add a "
                "folder with some"
            )
    if len(photographs) < config.judged:
        raise InputError(
            f"--content has {len(photographs)} training photographs and --judged {config.judged} "
            "wants more; add photographs or lower it"
        )
    return source, photographs


def _contents(config: CodesConfig, photographs: Source) -> tuple[Contents, Contents]:
    """The photographs that every candidate restyles, and those that the best ones restyle."""
    rows = runs.spread(len(photographs), config.judged)
    pictures = evaluation_arrays(photographs.select(rows), config.size)[0]
    pictures = plainest_first(pictures, config.contents)
    return Contents(pictures[: config.contents]), Contents(pictures)


def _probe(source: Source, photographs: Source) -> "probes.CultureProbe":
    """Fitted to training pictures of every culture of the data, and to photographs."""
    classes = {}
    for number, key in enumerate(source.cultures):
        part = source.select(source.of_culture(number))
        if len(part):
            part = part.select(runs.spread(len(part), min(FITTED, len(part))))
            classes[key] = evaluation_arrays(part, probes.SIDE)[0]
    classes[probes.PHOTOGRAPH] = evaluation_arrays(photographs, probes.SIDE)[0]
    backbone = backbones.build_backbone("inception_resnet_v2", "culture")
    return probes.CultureProbe.fit(backbone, classes)


def _encoded(network: "CultureModel", artworks: Source, most: int) -> Iterator[Candidate]:
    """The codes of at most `most` artworks."""
    for row in runs.spread(len(artworks), min(most, len(artworks))):
        picture = artworks.read(int(row)).astype(np.float32) / 255
        yield Candidate(feedforward.example_code(network, picture)[0], {artworks.ids[row]: 1.0})


def _quiet(artworks: Source) -> float:
    """How marked the plain places of a tradition are, L*: median of `lightness.motifs` of artworks
    compared with themselves; 0 where none has a plain place."""
    shown = lightness.lightness(evaluation_arrays(artworks, lightness.SIDE)[0])
    marks = np.array([lightness.motifs(one, one) for one in shown])
    return float(np.nanmedian(marks)) if np.isfinite(marks).any() else 0.0


def _keep_table(model: str, folder: pathlib.Path) -> None:
    """Copies the table of the pictures that the weights were trained on, so that none of them is
    judged as held out."""
    table = models.pictures_table(model)
    if table is not None:
        with written_whole(folder / models.PICTURES) as file:
            file.write(read_bytes(table, tables.MOST_BYTES))


def _measures(before: dict[str, Judged], chosen: dict[str, list[Judged]]) -> dict:
    """metrics.json: for each culture what the code before and the looks show."""
    return {
        key: {"before": before[key].record, "looks": [look.record for look in chosen[key]]}
        for key in chosen
    }


def _record(
    config: CodesConfig, facts: Facts, chosen: dict[str, list[Judged]], command: str
) -> dict:
    """run.json as `models` reads it: what the model's record says, with the looks. Its versions,
    commit and data stay those that the weights were trained with."""
    cultures = []
    for entry in facts.record["cultures"]:
        candidates = [look.candidate for look in chosen[entry["key"]]]
        looks_of_culture = [
            {"code": [round(float(number), 6) for number in one.code], "source": one.source}
            for one in candidates
        ]
        cultures.append({**entry, "looks": looks_of_culture})
    network = {name: facts.settings.get(name) for name in ("generator", "backbone")}
    of_weights = ("data", "image_size", "precision", "versions", "commit", "parameters")
    return {
        "config": dataclasses.asdict(config) | network,
        "trainer": "codes",
        "cultures": cultures,
        "command": f"{runs.PROGRAM} {command}",
        **{name: facts.record[name] for name in of_weights if name in facts.record},
    }


def _shown(contents: Contents) -> np.ndarray:
    """The two photographs of the sheet: the plainest, which is the first, for its sky; and, of the
    others, the one with the greatest contrast of large shapes."""
    shapes = lightness.blurred(contents.lightness[1:], lightness.ORDER_BLUR)
    second = 1 + int(shapes.std(axis=(1, 2)).argmax())
    return contents.pictures[[0, second]]


def _sheet(search: Search, facts: Facts, chosen: dict[str, list[Judged]]) -> np.ndarray:
    """The sheet of the chosen looks."""
    strength = np.ones((1, 1), np.float32)
    return looks.sheet(
        lambda image, code: search.restyle(image, code, strength),
        _shown(search.every),
        [
            (culture.name, np.stack([look.candidate.code for look in chosen[culture.key]]))
            for culture in facts.cultures
        ],
    )
