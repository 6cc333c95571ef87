"""Chooses style codes for the names of a trained model's cultures, and for further looks of each.

No weight is trained. Candidates are the code that a culture's name has now, the codes of its
training artworks as the style encoder gives them, and mixtures of the best of these. Each restyles
a few training photographs, and is scored by what the results show:

    score = P(culture) + e edges + o order - m max(marks - quiet, 0) - t |1 - tone|

P is the mean probability that a probe gives the culture; edges, order and marks are those of
`measures.lightness`, and quiet is how marked the artworks' own plain places are. Tone is the slope
of the results' lightness over the photographs': below 1 they draw light and dark towards each
other, which is what lightens dark skin. A candidate with a lower tone than the code that the name
has now, by more than `slack`, is left out.

The first look is the best candidate; each further one is the candidate, of those whose score is
near the best, whose results differ most from the looks chosen before.
"""

import dataclasses
import pathlib
import typing
from collections.abc import Iterator

import numpy as np
import tqdm

from stylegan_culture import images
from stylegan_culture.config import InputError, option, weight
from stylegan_culture.files import write_result
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import later, runs

tf = later("tensorflow")
backbones = later("stylegan_culture.features.backbones")
feedforward = later("stylegan_culture.restyling.feedforward")
lightness = later("stylegan_culture.measures.lightness")
models = later("stylegan_culture.models")
probes = later("stylegan_culture.measures.probes")

FITTED = 200  # training pictures of each class that the probe is fitted to
PARENTS, MIXED = 12, 3  # codes that mixtures are drawn from, and the most in one mixture
FINALISTS = 8  # candidates of each culture that restyle all contents
GRID = 16  # pixels between places whose lightness decides the tone


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
    content: str = option("", "folder:PATH of photographs to restyle")
    artworks: int = option(120, "artworks of each culture whose codes are candidates", low=2)
    mixtures: int = option(80, "mixtures of the best codes that are tried besides", low=0)
    contents: int = option(6, "photographs that every candidate restyles", low=2)
    judged: int = option(32, "photographs that the best candidates restyle", low=2)
    looks: int = option(3, "looks of each culture, the default among them", low=1, high=16)
    near: float = option(0.15, "how much less than the best the score of a look may be", low=0.0)
    size: int = option(256, "pixels a side of the photographs", low=32, multiple_of=16)
    score: ScoreConfig = ScoreConfig()
    seed: int = option(0, "seed of the mixtures")


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A style code `[D]`, what it was made from, and what its results show.

    shown: the mean probe features of its results, `[F]`.
    """

    code: np.ndarray
    source: str
    named: float = 0.0
    edges: float = 0.0
    order: float = 0.0
    marks: float = 0.0
    tone: float = 0.0
    score: float = 0.0
    shown: np.ndarray | None = None

    @property
    def figures(self) -> dict[str, float | str]:
        """What stands in metrics.json."""
        numbers = ("named", "edges", "order", "marks", "tone", "score")
        return {"source": self.source} | {name: getattr(self, name) for name in numbers}


class Contents:
    """Photographs `[N, S, S, 3]` that candidates restyle, and what results are compared with."""

    def __init__(self, pictures: np.ndarray):
        self.pictures = pictures
        self.lightness = lightness.lightness(pictures)
        if not any(lightness.plain(one).sum() >= lightness.LEAST_PLAIN for one in self.lightness):
            raise InputError(
                "none of the photographs has a plain place to look for marks on; name a folder "
                "of other photographs with --content"
            )

    def compared(self, results: np.ndarray) -> dict[str, float]:
        """Edges, order, marks and tone of results `[N, S, S, 3]`."""
        after, before = lightness.lightness(results), self.lightness
        marks = [lightness.motifs(*pair) for pair in zip(before, after, strict=True)]
        smooth = [lightness.blurred(each, lightness.ORDER_BLUR) for each in (before, after)]
        places = [each[:, ::GRID, ::GRID].ravel() for each in smooth]
        return {
            "edges": float(np.nanmean(lightness.edges(before, after))),
            "order": float(np.nanmean(lightness.order(before, after))),
            "marks": float(np.nanmedian(marks)),
            "tone": float(np.polyfit(*places, 1)[0]),
        }


class Search:
    """Scores candidates of one culture after another; see the module.

    Args:
        network: the `CultureModel`.
        probe: whose classes hold the model's cultures.
        contents: all photographs; every candidate restyles the first ones, as many as
            `config.contents` says.
    """

    def __init__(self, network, probe, contents: np.ndarray, config: CodesConfig):
        self.network, self.probe, self.config = network, probe, config
        self.few, self.all = Contents(contents[: config.contents]), Contents(contents)
        self.restyle = tf.function(network.stylize_with, reduce_retracing=True)

    def results(self, code: np.ndarray, contents: np.ndarray) -> np.ndarray:
        """Photographs `[N, S, S, 3]` restyled by one code `[D]`."""
        strength = np.ones((1, 1), np.float32)
        return np.concatenate(
            [self.restyle(one[None], code[None], strength).numpy() for one in contents]
        )

    def scored(self, candidate: Candidate, culture: str, quiet: float, contents: Contents):
        """The candidate with its figures."""
        results = self.results(candidate.code, contents.pictures)
        small = np.stack([images.resize(one, probes.SIDE, probes.SIDE) for one in results])
        features = probes.descriptors(self.probe.backbone, small)
        named = self.probe.classifier.predict_proba(features)
        figures = contents.compared(results)
        figures["named"] = float(named[:, self.probe.classes.index(culture)].mean())
        weights = self.config.score
        score = (
            figures["named"]
            + weights.edges * figures["edges"]
            + weights.order * figures["order"]
            - weights.marks * max(figures["marks"] - quiet, 0.0)
            - weights.tone * abs(1.0 - figures["tone"])
        )
        return dataclasses.replace(candidate, **figures, score=score, shown=features.mean(axis=0))

    def looks(self, culture: str, encoded: list[Candidate], quiet: float) -> list[Candidate]:
        """The looks of a culture, the best first, then the code that its name has now."""
        generator = np.random.default_rng(self.config.seed)
        now = Candidate(self.network.named_codes()[culture], "the mapping network")
        few = [self.scored(one, culture, quiet, self.few) for one in [now, *encoded]]
        least = few[0].tone - self.config.score.slack
        for count in (self.config.mixtures // 2, self.config.mixtures - self.config.mixtures // 2):
            parents = sorted(few, key=lambda one: -one.score)[:PARENTS]
            few += [
                self.scored(one, culture, quiet, self.few)
                for one in mixtures([few[0], *parents], count, generator)
            ]
        best = sorted((one for one in few[1:] if one.tone >= least), key=lambda one: -one.score)
        judged = [self.scored(one, culture, quiet, self.all) for one in [few[0], *best[:FINALISTS]]]
        least = judged[0].tone - self.config.score.slack
        allowed = [one for one in judged if one.tone >= least]
        return [*different(allowed, self.config.looks, self.config.near), judged[0]]


def plainest_first(contents: np.ndarray, count: int) -> np.ndarray:
    """Contents `[N, S, S, 3]`, the first `count` of them half of the plainest, half spread.

    So the few that every candidate restyles have skies to look for marks on, and other places.
    """
    counts = np.array([lightness.plain(one).sum() for one in lightness.lightness(contents)])
    plainest = np.argsort(-counts, kind="stable")[: -(-count // 2)]
    others = np.setdiff1d(np.arange(len(contents)), plainest)
    spread = others[runs.spread(len(others), count - len(plainest))]
    rest = np.setdiff1d(others, spread)
    return contents[np.concatenate([plainest, spread, rest])]


def mixtures(
    parents: list[Candidate], count: int, generator: np.random.Generator
) -> Iterator[Candidate]:
    """Codes mixed of two or three of `parents`, with weights that are uniform over all mixtures."""
    for _ in range(count):
        number = min(int(generator.integers(2, MIXED + 1)), len(parents))
        chosen = generator.choice(len(parents), number, replace=False)
        weights = generator.dirichlet(np.ones(number)).astype(np.float32)
        code = sum(w * parents[row].code for w, row in zip(weights, chosen, strict=True))
        parts = zip(weights, chosen, strict=True)
        text = " + ".join(f"{w:.2f} ({parents[row].source})" for w, row in parts)
        yield Candidate(code, text)


def different(candidates: list[Candidate], count: int, near: float) -> list[Candidate]:
    """The best candidate, then those near it in score whose results differ most from all before."""
    best = max(candidates, key=lambda one: one.score)
    chosen = [best]
    others = [one for one in candidates if one is not best and one.score >= best.score - near]
    while others and len(chosen) < count:
        apart = [min(np.linalg.norm(one.shown - each.shown) for each in chosen) for one in others]
        chosen.append(others.pop(int(np.argmax(apart))))
    return chosen


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, searches, and writes a run folder that is used and exported as a model."""
    flags, config = runs.parse(arguments, __doc__, {"": (CodesConfig(), "")})
    if flags is None:
        return
    for name in ("data", "content"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; --help says what it is")
    if config.contents > config.judged:
        raise InputError(f"--contents is {config.contents} and --judged {config.judged}, fewer")
    loaded = models.load(config.model, "culture")
    keys = loaded.facts.keys
    source = load_source(config.data, config.size, "train")
    photographs = load_content(config.content, config.size, "train")
    if missing := [key for key in keys if key not in source.cultures]:
        raise InputError(f"--data has no pictures of the model's culture {missing[0]}")
    if len(photographs) < config.judged:
        raise InputError(
            f"--content has {len(photographs)} training photographs for --judged {config.judged}"
        )
    runs.claim(flags, config)
    folder = pathlib.Path(flags.run)
    every = evaluation_arrays(photographs, probes.SIDE)[0]
    probe = _probe(source, every)
    rows = runs.spread(len(photographs), config.judged)
    contents = plainest_first(
        evaluation_arrays(photographs.select(rows), config.size)[0], config.contents
    )
    search = Search(loaded.network, probe, contents, config)
    looks, before = {}, {}
    for key in tqdm.tqdm(keys, "cultures", disable=None):
        part = source.select(source.of_culture(source.cultures.index(key)))
        encoded = list(_encoded(loaded.network, part, config.artworks))
        *looks[key], before[key] = search.looks(key, encoded, _quiet(part))
    _write(folder, config, loaded, looks, flags.command)
    write_result(
        folder / "metrics.json",
        {
            key: {
                "before": before[key].figures,
                "looks": [look.figures for look in looks[key]],
            }
            for key in keys
        },
    )
    sheet = folder / "samples" / "looks.png"
    images.write(sheet, _sheet(search, contents[0], looks))
    print(f"sheet of looks: {sheet}")
    print(f"measures: {folder / 'metrics.json'}")


def _probe(source: Source, photographs: np.ndarray) -> "probes.CultureProbe":
    """Fitted to training pictures of every culture of the data, and to photographs."""
    classes = {}
    for number, key in enumerate(source.cultures):
        part = source.select(source.of_culture(number))
        part = part.select(runs.spread(len(part), min(FITTED, len(part))))
        classes[key] = evaluation_arrays(part, probes.SIDE)[0]
    backbone = backbones.build_backbone("inception_resnet_v2", "culture")
    return probes.CultureProbe.fit(backbone, classes | {probes.PHOTOGRAPH: photographs})


def _encoded(network: typing.Any, artworks: Source, most: int) -> Iterator[Candidate]:
    for row in runs.spread(len(artworks), min(most, len(artworks))):
        picture = artworks.read(int(row)).astype(np.float32) / 255
        code = feedforward.example_code(network, picture)[0]
        yield Candidate(code, f"encoded from {artworks.ids[row]}")


def _quiet(artworks: Source) -> float:
    """Median of `lightness.motifs` of artworks compared with themselves: how marked the plain
    places of the tradition are; 0 where none has a plain place."""
    shown = lightness.lightness(evaluation_arrays(artworks, lightness.SIDE)[0])
    marks = np.array([lightness.motifs(one, one) for one in shown])
    return float(np.nanmedian(marks)) if np.isfinite(marks).any() else 0.0


def _write(
    folder: pathlib.Path,
    config: CodesConfig,
    loaded: "models.Loaded",
    looks: dict[str, list[Candidate]],
    command: str,
) -> None:
    """The weights, and run.json as `models` reads it: the model's own facts with its looks."""
    facts, record = loaded.facts, loaded.facts.record
    sizes = record if facts.place.name != "run.json" else record["config"]
    cultures = [
        entry
        | {
            "looks": [
                {"code": [round(float(x), 6) for x in look.code], "source": look.source}
                for look in looks[entry["key"]]
            ]
        }
        for entry in record["cultures"]
    ]
    loaded.network.save_weights(str(folder / models.WEIGHTS))
    settings = dataclasses.asdict(config)
    write_result(
        folder / "run.json",
        {
            "config": settings | {name: sizes.get(name) for name in ("generator", "backbone")},
            "trainer": "codes",
            "cultures": cultures,
            "command": f"{runs.PROGRAM} {command}",
            **{
                name: record[name]
                for name in ("data", "image_size", "precision", "versions", "commit", "parameters")
                if name in record
            },
        },
    )


def _sheet(search: Search, content: np.ndarray, looks: dict[str, list[Candidate]]) -> np.ndarray:
    """A row a culture: a photograph, then the photograph in each of the culture's looks."""
    columns = max(map(len, looks.values()))
    cells = []
    for chosen in looks.values():
        restyled = [search.results(look.code, content[None])[0] for look in chosen]
        blank = [np.ones_like(content)] * (columns - len(chosen))
        cells += [content, *restyled, *blank]
    labels = ["photograph", *(f"look {number}" for number in range(1, columns + 1))]
    return images.grid(cells, columns + 1, column_labels=labels)
