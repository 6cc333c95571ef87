"""Chooses style codes for the names of a trained model's cultures, and for further looks of each.

No weight is trained. The code that a culture's name has now, and the codes of its training artworks
as the style encoder gives them, restyle a few training photographs, and are scored by what the
results show (`code_score`). No portrait is used to choose a code.

From the code of now, and from the best and most different codes of artworks, the score is then
improved by gradient. A code whose tone, or whose P by any probe, is lower than that of the code of
now by more than `slack`, is left out. The first look is the best of the rest; each further one is
that whose results differ most from the looks chosen before, of those whose score is near the best.
"""

import dataclasses
import functools
import pathlib
import typing
from collections.abc import Iterator, Sequence

import numpy as np
import tqdm

from stylegan_culture import arrays, images
from stylegan_culture.config import WEIGHTS_HELP, InputError, option, visible
from stylegan_culture.files import write_result
from stylegan_culture.model_record import MOST_LOOKS, Facts, showable
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import code_score, later, runs
from stylegan_culture.training.code_score import (
    Aims,
    Contents,
    Figures,
    Held,
    ScoreConfig,
    lights,
    places,
    score,
)

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
BEST = 12  # codes of artworks, of which the most different ones are improved
BEFORE = "its code before the search"  # the source of a code that the mapping network gave
DIGITS = 4  # of the figures in metrics.json, behind the point
LONGEST_NAME = 60  # characters of an artwork's name in a look's source


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
    cultures: str = option(
        "",
        "keys of those that codes are searched for, with commas; the others keep what they have. "
        "Empty: all",
        metavar="A,B",
    )
    keep: str = option(
        "",
        "keys of those whose names keep the code of now; what is found are further looks of them",
        metavar="A,B",
    )
    artworks: int = option(60, "artworks of each culture whose codes are candidates", low=2)
    starts: int = option(3, "codes of artworks that are improved, beside the code of now", low=0)
    steps: int = option(40, "most steps of an improvement; 0: none", low=0)
    contents: int = option(6, "photographs that every candidate restyles", low=2)
    judged: int = option(32, "photographs that the improved candidates restyle", low=2)
    looks: int = option(3, "looks of each culture, the default among them", low=1, high=MOST_LOOKS)
    slack: float = option(
        0.0, "how much lower than now a look's tone, and its probability, may be", low=0.0
    )
    near: float = option(0.3, "how much less than the best the score of a look may be", low=0.0)
    size: int = option(256, "pixels a side of the photographs", low=32, multiple_of=16)
    score: ScoreConfig = ScoreConfig()
    second: str = option(
        "",
        "a second network whose probe and features judge as well, such as vgg19_16x; empty: none",
        metavar="NAME",
    )
    second_weights: str = option("", f"its weights: {WEIGHTS_HELP}", metavar="WEIGHTS")


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A style code `[D]`, and what it was made from, for people."""

    code: np.ndarray
    source: str


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """A candidate with its figures and score. shown: the mean features `[F]` of its
    results, standardised as the judges'."""

    candidate: Candidate
    figures: Figures
    score: float
    shown: np.ndarray

    @property
    def record(self) -> dict[str, float | str]:
        """What stands in metrics.json."""
        figures = dataclasses.asdict(self.figures) | {"score": self.score}
        rounded = {name: np.round(value, DIGITS).tolist() for name, value in figures.items()}
        return {"source": self.candidate.source, **rounded}


class Search:
    """Judges candidates of one culture after another; see the module.

    Args:
        network: whose codes are chosen.
        judges: probes of the same classes, which hold the model's cultures.
        few, every: what every candidate restyles, and what the best of them restyle.
        config: settings of the run.
    """

    def __init__(
        self,
        network: "CultureModel",
        judges: "Sequence[probes.CultureProbe]",
        few: Contents,
        every: Contents,
        config: CodesConfig,
    ):
        self.network, self.judges, self.config = network, judges, config
        self.few, self.every = few, every
        self.restyle = tf.function(network.stylize_with, reduce_retracing=True)
        self.descent = None
        if config.steps:
            self.descent = code_score.Descent(network, judges, few, config.score, config.steps)

    def results(self, code: np.ndarray, contents: np.ndarray) -> np.ndarray:
        """Photographs `[N, S, S, 3]` restyled by one code `[D]`."""
        strength = np.ones((1, 1), np.float32)
        return np.concatenate(
            [self.restyle(one[None], code[None], strength).numpy() for one in contents]
        )

    def judged(self, candidate: Candidate, contents: Contents, culture: str, aims: Aims) -> Judged:
        """A candidate with what it shows of a culture on these contents."""
        results = self.results(candidate.code, contents.pictures)
        small = np.stack([images.resize(one, probes.SIDE, probes.SIDE) for one in results])
        named, far, every = [], [], []
        for judge, wanted in zip(self.judges, aims.features, strict=True):
            features = probes.descriptors(judge.backbone, small)
            probability = judge.classifier.predict_proba(features)
            named.append(probability[:, judge.classes.index(culture)].mean())
            mean, deviation = judge.standard
            every.append((features.mean(axis=0) - mean) / deviation)
            far.append(code_score.distance(every[-1], wanted))
        figures = contents.compared(results, tuple(map(float, named)), float(np.mean(far)))
        total = score(figures, aims, self.config.score)
        return Judged(candidate, figures, total, np.concatenate(every))

    def looks(
        self,
        culture: str,
        before: Candidate,
        encoded: Sequence[Candidate],
        aims: Aims,
        keeps: bool = False,
    ) -> tuple[list[Judged], Judged]:
        """The looks of a culture, the best first, and the code that its name has now, judged alike.

        Args:
            culture: its key.
            before: the code of now.
            encoded: of the culture's artworks.
            aims: of the same artworks.
            keeps: whether the code of now stays the first look.
        """
        config = self.config
        judge = functools.partial(self.judged, culture=culture, aims=aims)
        few = [judge(one, self.few) for one in (before, *encoded)]
        starts = [few[0], *different(best(few[1:], BEST), config.starts, np.inf)]
        tried = [one.candidate for one in starts]
        if config.steps:
            held = self.descent.held(before.code, culture, aims)
            tried = [self._improved(one, culture, aims, held) for one in tried]
        last = [judge(one, self.every) for one in (before, *tried)]
        found = allowed(last, config.slack)
        if keeps:
            further = different(found[1:], config.looks - 1, config.near)
            return [last[0], *further], last[0]
        return different(found, config.looks, config.near), last[0]

    def _improved(self, candidate: Candidate, culture: str, aims: Aims, held: Held) -> Candidate:
        code = self.descent.refined(candidate.code, culture, aims, held)
        return Candidate(code, f"{candidate.source}, improved")


def best(judged: Sequence[Judged], count: int) -> list[Judged]:
    """At most `count` of the highest score, the best first."""
    return sorted(judged, key=lambda one: -one.score)[:count]


def allowed(judged: Sequence[Judged], slack: float) -> list[Judged]:
    """The first, and those whose tone, and probability by each probe, are not lower than the
    first's by more than `slack`."""

    def held(one: Judged) -> np.ndarray:
        return np.array([one.figures.tone, *one.figures.named])

    least = held(judged[0]) - slack
    return [judged[0], *(one for one in judged[1:] if (held(one) >= least).all())]


def different(judged: Sequence[Judged], count: int, near: float) -> list[Judged]:
    """The best candidate, then those near it in score whose results differ most from all before; at
    most `count`."""
    if not judged or not count:
        return []
    first = best(judged, 1)[0]
    chosen = [first]
    others = [one for one in judged if one is not first and one.score >= first.score - near]
    while others and len(chosen) < count:
        apart = [min(np.linalg.norm(one.shown - each.shown) for each in chosen) for one in others]
        chosen.append(others.pop(int(np.argmax(apart))))
    return chosen


def plainest_first(contents: np.ndarray, count: int) -> np.ndarray:
    """Contents `[N, S, S, 3]`, the first `count` of them half of the plainest, half spread.

    So the few that every candidate restyles have skies to look for marks on, and other places. The
    very first is the plainest of all.
    """
    pixels = code_score.plain_pixels(lightness.lightness(contents))
    plainest = np.argsort(-pixels, kind="stable")[: -(-count // 2)]
    others = np.setdiff1d(np.arange(len(contents)), plainest)
    spread = others[runs.spread(len(others), count - len(plainest))]
    rest = np.setdiff1d(others, spread)
    return contents[np.concatenate([plainest, spread, rest])]


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, searches, and writes a run folder that is used and exported as a model."""
    flags, config = runs.parse(arguments, __doc__, {"": (CodesConfig(), "")})
    if flags is None:
        return
    _check(config)
    runs.claim(flags, config)
    loaded = models.load(config.model, "culture")
    keys = _keys("--cultures", config.cultures, loaded.facts.keys) or loaded.facts.keys
    kept = _keys("--keep", config.keep, keys)
    source, photographs = _sources(config, keys)
    few, every = _contents(config, photographs)
    search = Search(loaded.network, _judges(config, source, photographs), few, every, config)
    chosen, before = {}, {}
    for key in tqdm.tqdm(keys, "cultures", disable=None):
        artworks = source.select(source.of_culture(source.cultures.index(key)))
        encoded = list(_encoded(loaded.network, artworks, config.artworks))
        aims = _aims(artworks, search.judges)
        now = _code_of_now(loaded, key)
        chosen[key], before[key] = search.looks(key, now, encoded, aims, key in kept)
    folder = pathlib.Path(flags.run)
    sheet, measures = folder / models.LOOKS_OF_RUN, folder / "metrics.json"
    images.write(sheet, _sheet(search, loaded.facts, chosen))
    write_result(measures, _measures(before, chosen))
    runs.report_skipped(folder, source, photographs)
    runs.keep_table(config.model, folder)
    arrays.save_weights(loaded.network, folder / models.WEIGHTS)
    record = _record(config, loaded.facts, chosen, flags.command)
    write_result(folder / "run.json", record)  # last: a folder that has it is whole
    print(f"sheet of looks: {sheet}")
    print(f"measures: {measures}")


def _code_of_now(loaded: "models.Loaded", key: str) -> Candidate:
    """The code that a culture's name has."""
    known = next(one.looks for one in loaded.facts.cultures if one.key == key)
    source = known[0].source if known else BEFORE
    return Candidate(loaded.network.named_codes()[key], source)


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


def _keys(flag: str, value: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The cultures that a flag names, in the order of those that are known."""
    named = [key.strip() for key in value.split(",")] if value else []
    for key in named:
        if key not in known:
            raise InputError(
                f"{flag} names {visible(key)}, for which no codes are searched; there are "
                f"{', '.join(map(visible, known))}"
            )
    return tuple(key for key in known if key in named)


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


def _judges(
    config: CodesConfig, source: Source, photographs: Source
) -> "list[probes.CultureProbe]":
    """Probes over the shipped backbone, and over the second network where there is one, fitted to
    training pictures of every culture of the data, and to photographs."""
    classes = {}
    for number, key in enumerate(source.cultures):
        part = source.select(source.of_culture(number))
        if len(part):
            part = part.select(runs.spread(len(part), min(FITTED, len(part))))
            classes[key] = evaluation_arrays(part, probes.SIDE)[0]
    classes[probes.PHOTOGRAPH] = evaluation_arrays(photographs, probes.SIDE)[0]
    networks = [backbones.build_backbone("inception_resnet_v2", "culture")]
    if config.second:
        networks.append(backbones.build_backbone(config.second, config.second_weights))
    return [probes.CultureProbe.fit(network, classes) for network in networks]


def _encoded(network: "CultureModel", artworks: Source, most: int) -> Iterator[Candidate]:
    """The codes of at most `most` artworks."""
    for row in runs.spread(len(artworks), min(most, len(artworks))):
        picture = artworks.read(int(row)).astype(np.float32) / 255
        name = showable(artworks.ids[row], LONGEST_NAME)
        yield Candidate(feedforward.example_code(network, picture)[0], name)


def _aims(artworks: Source, judges: "list[probes.CultureProbe]") -> Aims:
    """Quiet: the median of `lightness.motifs` of artworks compared with themselves, 0 where none
    has a plain place. Pale: the upper quartile of their lights. Dull and vivid: quartiles of their
    chroma. Features: the mean of their descriptors, standardised as each judge's."""
    pictures = evaluation_arrays(artworks, lightness.SIDE)[0]
    shown = lightness.lightness(pictures)
    marks = np.array([lightness.motifs(one, one) for one in shown])
    quiet = float(np.nanmedian(marks)) if np.isfinite(marks).any() else 0.0
    dull, vivid = np.quantile(code_score.chroma(pictures), (0.25, 0.75))
    small = np.stack([images.resize(one, probes.SIDE, probes.SIDE) for one in pictures])
    features = []
    for judge in judges:
        mean, deviation = judge.standard
        described = probes.descriptors(judge.backbone, small).mean(axis=0)
        features.append((described - mean) / deviation)
    pale = np.quantile(lights(places(shown)), 0.75)
    return Aims(quiet, float(pale), float(dull), float(vivid), tuple(features))


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
        if entry["key"] not in chosen:
            cultures.append(entry)
            continue
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
    shapes = places(contents.lightness[1:])
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
            if culture.key in chosen
        ],
    )
