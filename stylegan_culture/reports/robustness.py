"""The robustness report: how much small changes of pictures mislead a tagger and a stylizer.

Held-out artworks and photographs are attacked with full knowledge of the network's weights
(white-box), and corrupted in common ways: noise, blur, compression.
"""

import dataclasses
import hashlib
import pathlib
import typing
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf
import tqdm

from stylegan_culture import config as settings
from stylegan_culture import images, models
from stylegan_culture.config import InputError
from stylegan_culture.files import write_result, write_text
from stylegan_culture.measures import attacks, statistics
from stylegan_culture.measures.attacks import Attack, Changes, Effort, Shares
from stylegan_culture.measures.statistics import Interval
from stylegan_culture.networks.classifier import CultureTagger
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source
from stylegan_culture.pipelines.sampling import without
from stylegan_culture.reports import charts, page
from stylegan_culture.reports.page import number, percent
from stylegan_culture.reports.trial import RobustnessConfig

EXAMPLES = 4  # pictures of each kind that the page shows
STYLIZER_LEVELS = (1.0, 4.0)
BATCH = 4  # photographs that are restyled at once
SHOWN_ATTACK = Attack("pgd", "linf", targeted=False)
LEAST_SHOWN = 256  # pixels: smaller pictures are enlarged to it for the page
PANEL = (336, 230)  # pixels of a chart in a plot


@dataclasses.dataclass(frozen=True)
class Kind:
    """A norm of an attack or a kind of corruption: its heading, and what its sizes are."""

    heading: str
    unit: str


NORMS = {
    "linf": Kind("Each value by at most this much", "largest change, steps of 255"),
    "l2": Kind("This much on average", "root mean square change, steps of 255"),
}
CORRUPTIONS = {
    "noise": Kind("Noise", "deviation, of full brightness"),
    "blur": Kind("Blur", "deviation, pixels"),
    "jpeg": Kind("JPEG", "quality"),
}


# What is measured: records whose fields are the keys of robustness.json.


@dataclasses.dataclass(frozen=True)
class AttackCurve(Attack):
    """Shares named rightly, or, targeted, named as wanted, at each of `levels` (steps of 255)."""

    levels: tuple[float, ...]
    shares: list[Shares]


@dataclasses.dataclass(frozen=True)
class CorruptionCurve:
    """Shares named rightly at each severity."""

    severities: tuple[float, ...]
    shares: list[Shares]


@dataclasses.dataclass(frozen=True)
class TaggerFigures:
    """What misleads a tagger."""

    name: str
    cultures: dict[str, str]  # key to title
    side: int  # of its pictures, pixels
    counts: dict[str, int]  # pictures of each culture
    pictures: list[str]  # their ids
    attacks: list[AttackCurve]
    corruptions: dict[str, CorruptionCurve]

    def curve(self, method: str, norm: str, targeted: bool) -> AttackCurve:
        """The curve of one attack."""
        wanted = (method, norm, targeted)
        return next(c for c in self.attacks if (c.method, c.norm, c.targeted) == wanted)


@dataclasses.dataclass(frozen=True)
class Change:
    """Root mean square changes in steps of 255."""

    input: Interval  # of photographs
    output: Interval  # of their restyled pictures
    amplification: Interval  # the second over the first


@dataclasses.dataclass(frozen=True)
class CultureChanges:
    """The mean of all cultures, and each culture's."""

    mean: Change
    cultures: dict[str, Change]


@dataclasses.dataclass(frozen=True)
class CorruptedChanges(CultureChanges):
    """Those under a corruption of one severity."""

    severity: float


@dataclasses.dataclass(frozen=True)
class StylizerFigures:
    """How much restyled pictures change when their photographs do."""

    name: str
    cultures: dict[str, str]  # key to title
    photographs: list[str]  # their ids
    levels: tuple[float, ...]
    attacked: list[CultureChanges]  # at each of `levels`
    random: list[CultureChanges]  # changed by chance, at each of `levels`
    corruptions: dict[str, list[CorruptedChanges]]


@dataclasses.dataclass(frozen=True)
class RobustnessRecord:
    """What robustness.json holds."""

    tagger: TaggerFigures
    stylizer: StylizerFigures | None
    config: RobustnessConfig
    versions: dict[str, str] = dataclasses.field(default_factory=settings.package_versions)
    commit: str = dataclasses.field(default_factory=settings.git_commit)


@dataclasses.dataclass(frozen=True, eq=False)
class Misled:
    """An artwork `[S, S, 3]` before and after the smallest change that misled the tagger."""

    before: np.ndarray
    after: np.ndarray
    level: float  # the greatest change, in steps of 255
    names: tuple[str, str]  # keys of the cultures that both were named as
    probabilities: tuple[float, float]

    @property
    def change(self) -> np.ndarray:
        """The change made visible: grey where there is none."""
        change = self.after - self.before
        return 0.5 + 0.5 * change / max(float(np.abs(change).max()), 1e-9)


@dataclasses.dataclass(frozen=True, eq=False)
class RestyledExample:
    """A photograph `[S, S, 3]`, restyled into a culture as it is, changed by chance, attacked."""

    culture: str
    photograph: np.ndarray
    restyled: np.ndarray
    random: np.ndarray
    attacked: np.ndarray


@dataclasses.dataclass(frozen=True)
class Examples:
    """The pictures that the page shows."""

    misled: list[Misled]
    restyled: list[RestyledExample]


def run(config: RobustnessConfig) -> None:
    """Measures all, writes page, plots and JSON when they are complete, prints the findings."""
    record, examples = measure(config)
    folder = pathlib.Path(config.out)
    with page.complete(folder, config.PLOTS) as unfinished:
        draw(record, unfinished)
        write_result(unfinished / "robustness.json", dataclasses.asdict(record))
        write_text(unfinished / "robustness.html", html_of(record, examples))
    for sentence in findings(record):
        print(settings.visible(sentence))
    print(f"page, plots and every number: {folder / 'robustness.html'}")


def findings(record: RobustnessRecord) -> list[str]:
    """What was measured, a sentence each."""
    return page.sentences("robustness.txt.j2", record=record, times=times)


def html_of(record: RobustnessRecord, examples: Examples) -> str:
    """The whole page."""

    def shown(picture: np.ndarray, caption: str) -> page.Shown:
        if picture.shape[0] < LEAST_SHOWN:  # a browser would blur it further
            picture = images.resize(picture, LEAST_SHOWN, LEAST_SHOWN)
        return page.shown(picture, caption)

    return page.render(
        "robustness.html.j2",
        record=record,
        examples=examples,
        findings=findings(record),
        norms=NORMS,
        kinds=CORRUPTIONS,
        attack_lines=attack_lines,
        corruption_lines=corruption_lines,
        lines=charts.lines,
        shown=shown,
        times=times,
    )


def times(value: float) -> str:
    """`3.2`."""
    return number(value, "{:.1f}")


# Charts, for the page and as files.


def attack_lines(tagger: TaggerFigures, norm: str, targeted: bool) -> charts.Lines:
    """Shares against the size of the change: PGD with its intervals, FGSM, each culture's PGD."""
    pgd, fgsm = (tagger.curve(method, norm, targeted) for method in ("pgd", "fgsm"))
    return charts.Lines(
        series={
            "PGD": [row.mean for row in pgd.shares],
            "FGSM": [row.mean.value for row in fgsm.shares],
        },
        ticks=[f"{level:g}" for level in pgd.levels],
        show=percent,
        unit=NORMS[norm].unit,
        faint=_by_culture(pgd.shares),
    )


def corruption_lines(tagger: TaggerFigures, kind: str) -> charts.Lines:
    """Shares named rightly against the severity of a corruption."""
    curve = tagger.corruptions[kind]
    shares = [tagger.attacks[0].shares[0], *curve.shares]
    return charts.Lines(
        series={"mean": [row.mean for row in shares]},
        ticks=["none", *(f"{severity:g}" for severity in curve.severities)],
        show=percent,
        unit=CORRUPTIONS[kind].unit,
        faint=_by_culture(shares),
    )


def _by_culture(shares: list[Shares]) -> list[list[float]]:
    """The values of each culture that has pictures."""
    rows = ([row.cultures[name] for row in shares] for name in shares[0].cultures)
    return [[interval.value for interval in row] for row in rows if all(row)]


def draw(record: RobustnessRecord, folder: pathlib.Path) -> None:
    """Draws the plots of a record into a folder."""
    tagger, (width, height) = record.tagger, PANEL
    plots = [folder / name for name in RobustnessConfig.PLOTS]
    with charts.drawing(2 * width, 2 * height + 30) as figure:
        figure.suptitle("Attacks on the tagger; band: 95% intervals of PGD; thin: each culture")
        panels = figure.subplots(2, 2)
        for row, what in zip((0, 1), ("rightly", "as wanted"), strict=True):
            for axes, norm in zip(panels[row], NORMS, strict=True):
                charts.draw_lines(axes, attack_lines(tagger, norm, bool(row)))
                axes.set_title(f"Share named {what}", fontsize=charts.FONT, loc="left", pad=24)
        charts.png(figure, plots[0])
    with charts.drawing(len(tagger.corruptions) * width, height + 30) as figure:
        figure.suptitle("Corrupted pictures named rightly, with 95% intervals; thin: each culture")
        panels = figure.subplots(1, len(tagger.corruptions), squeeze=False)[0]
        for axes, kind in zip(panels, tagger.corruptions, strict=True):
            charts.draw_lines(axes, corruption_lines(tagger, kind))
            axes.set_title(CORRUPTIONS[kind].heading, fontsize=charts.FONT, loc="left")
        charts.png(figure, plots[1])
    if record.stylizer:
        draw_stylizer(record.stylizer, plots[2])


def draw_stylizer(stylizer: StylizerFigures, path: pathlib.Path) -> None:
    """How much more than its photograph a restyled picture changes, attacked and by chance."""
    titles, (width, _) = stylizer.cultures, PANEL
    with charts.drawing(2 * width, 100 + 22 * len(titles)) as figure:
        figure.suptitle("Change of the restyled picture over that of the photograph")
        panels = figure.subplots(1, len(stylizer.levels), sharey=True)
        for place, (axes, level) in enumerate(zip(panels, stylizer.levels, strict=True)):
            for changes, colour, shift in (
                (stylizer.attacked, charts.HEAT, -0.12),
                (stylizer.random, charts.ACCENT, 0.12),
            ):
                rows = [changes[place].cultures[key].amplification for key in titles]
                value, low, high = np.array(rows).T
                heights = np.arange(len(titles)) + shift
                axes.hlines(heights, low, high, color=colour, linewidth=1.6)
                name = "attacked" if changes is stylizer.attacked else "by chance"
                axes.plot(value, heights, "o", color=colour, markersize=5, label=name)
            axes.set_yticks(range(len(titles)), [charts.label(title) for title in titles.values()])
            axes.axvline(1.0, color=charts.LINE, linewidth=1, zorder=0)
            axes.set_xlim(left=0.0)
            title = f"Changes of at most {level:g} of 255"
            axes.set_title(title, fontsize=charts.FONT, loc="left")
        panels[0].invert_yaxis()
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False)
        charts.png(figure, path)


# Attacks and corruptions.


def measure(config: RobustnessConfig) -> tuple[RobustnessRecord, Examples]:
    """Every figure, and the pictures that the page shows."""
    tagger, misled = _of_tagger(config)
    stylizer, restyled = _of_stylizer(config) if config.model else (None, [])
    return RobustnessRecord(tagger, stylizer, config), Examples(misled, restyled)


def _of_tagger(config: RobustnessConfig) -> tuple[TaggerFigures, list[Misled]]:
    loaded = models.load(config.tagger, "classifier", config.weights)
    tagger, cultures, side = loaded.network, loaded.facts.cultures, loaded.facts.record["side"]
    names = list(loaded.facts.keys)
    known = models.training_pictures(config.tagger)
    known |= models.backbone_pictures(config.weights or loaded.facts.record["weights"])
    pictures, labels, ids = _artworks(config, names, side, known)
    shape = [tf.TensorSpec((None, side, side, 3), tf.float32)]
    logits_of = tf.function(lambda batch: tagger(batch), input_signature=shape)
    effort = Effort(steps=config.steps, seed=config.seed)
    curves, misled, corruptions = [], [], {}
    for attack in tqdm.tqdm(attacks.ATTACKS, "attacks", disable=None):
        goal = attacks.wanted_others(labels, len(names)) if attack.targeted else labels
        gave_way, changed = attacks.attack_curve(
            logits_of, pictures, goal, attack, attacks.LEVELS, effort
        )
        rows = gave_way if attack.targeted else ~gave_way
        curves.append(
            AttackCurve(
                **dataclasses.asdict(attack),
                levels=(0.0, *attacks.LEVELS),
                shares=[attacks.shares(row, goal, names, config.seed) for row in rows],
            )
        )
        if attack == SHOWN_ATTACK:
            misled = _misled(tagger, (pictures, changed, labels), gave_way, names)
    for kind, severities in tqdm.tqdm(attacks.SEVERITIES.items(), "corrupted", disable=None):
        shares = []
        for severity in severities:
            changed = attacks.corrupted(pictures, kind, severity, config.seed)
            right = attacks.named(logits_of, changed) == labels
            shares.append(attacks.shares(right, labels, names, config.seed))
        corruptions[kind] = CorruptionCurve(severities, shares)
    counts = np.bincount(labels, minlength=len(names)).tolist()
    figures = TaggerFigures(
        name=pathlib.Path(config.tagger).name,
        cultures={culture.key: culture.name for culture in cultures},
        side=side,
        counts=dict(zip(names, counts, strict=True)),
        pictures=list(ids),
        attacks=curves,
        corruptions=corruptions,
    )
    return figures, misled


def _artworks(
    config: RobustnessConfig, names: list[str], side: int, known: frozenset[str]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Held-out pictures with just one tag that are not `known`: squares, their numbers among
    `names`, identifiers."""
    source = without(load_source(config.data, side, "held_out"), known)
    if unknown := sorted(set(source.cultures) - set(names)):
        raise InputError(f"the tagger has no culture {unknown[0]!r}; leave it out of --data")
    single = source.tags.sum(axis=1) == 1
    chosen = []
    for culture in range(len(source.cultures)):
        members = [place for place in source.of_culture(culture) if single[place]]
        chosen += _first_by_hash(source.ids, members, config.pictures)
    if not chosen or len(source.cultures) < 2:
        raise InputError(
            f"--data {config.data} holds out no picture with a single tag of two cultures or more "
            "that the tagger was not trained on"
        )
    pictures, labels, ids = evaluation_arrays(source.select(np.array(chosen)), side)
    place = np.array([names.index(culture) for culture in source.cultures])
    return pictures, place[labels], ids


def _misled(
    tagger: CultureTagger, views: tuple[np.ndarray, ...], gave_way: np.ndarray, names: list[str]
) -> list[Misled]:
    """Pictures named rightly that the smallest change misleads, at most one of each culture.

    `views` are pictures, changed pictures and labels; `gave_way [levels, N]` of `attack_curve`.
    """
    pictures, changed, labels = views
    needed = np.where(gave_way.any(axis=0), gave_way.argmax(axis=0), len(gave_way))
    examples, cultures = [], set()
    for place in np.argsort(needed, kind="stable"):
        if 0 < needed[place] < len(gave_way) and labels[place] not in cultures:
            cultures.add(labels[place])
            before, after = (
                np.asarray(tagger.probabilities(view[place][None]))[0]
                for view in (pictures, changed)
            )
            examples.append(
                Misled(
                    pictures[place],
                    changed[place],
                    float(attacks.LEVELS[needed[place] - 1]),
                    (names[before.argmax()], names[after.argmax()]),
                    (float(before.max()), float(after.max())),
                )
            )
    return examples[:EXAMPLES]


def _of_stylizer(config: RobustnessConfig) -> tuple[StylizerFigures, list[RestyledExample]]:
    loaded = models.load(config.model, "culture")
    model = loaded.network
    source = load_content(config.content, config.size, "held_out")
    chosen = _first_by_hash(source.ids, range(len(source)), config.photographs)
    if not chosen:
        raise InputError(f"--content {config.content} holds out no photograph; give it more")
    pictures, _, ids = evaluation_arrays(source.select(np.array(chosen)), config.size)
    effort = Effort(config.steps, BATCH, config.seed)
    # For each way to change photographs its `Changes` by culture.
    changes: dict[tuple, dict[str, Changes]] = {}
    examples, places = [], np.linspace(0, len(model.cultures) - 1, EXAMPLES).astype(int)
    for place, culture in enumerate(tqdm.tqdm(model.cultures, "restyled", disable=None)):
        restyle = _restyling(model, place, config.size)
        changed = {}
        for level in STYLIZER_LEVELS:
            changed["attacked", level] = attacks.largest_changes(restyle, pictures, level, effort)
            changed["random", level] = attacks.random_changes(pictures, level, config.seed)
        for kind, severities in attacks.SEVERITIES.items():
            for severity in severities:
                corrupted = attacks.corrupted(pictures, kind, severity, config.seed)
                changed[kind, severity] = corrupted
        for way, each in changed.items():
            measured = attacks.output_changes(restyle, pictures, each, BATCH)
            changes.setdefault(way, {})[culture] = measured
        if place in places:
            at = len(examples) % len(pictures)
            last = STYLIZER_LEVELS[-1]
            views = (pictures, changed["random", last], changed["attacked", last])
            restyled = (np.asarray(restyle(view[at : at + 1]))[0] for view in views)
            examples.append(RestyledExample(culture, pictures[at], *restyled))

    def summary(*way) -> dict[str, typing.Any]:
        by_culture = changes[way]
        each = {name: _change([one], config.seed) for name, one in by_culture.items()}
        return {"mean": _change(list(by_culture.values()), config.seed), "cultures": each}

    figures = StylizerFigures(
        name=pathlib.Path(config.model).name,
        cultures={culture.key: culture.name for culture in loaded.facts.cultures},
        photographs=list(ids),
        levels=STYLIZER_LEVELS,
        attacked=[CultureChanges(**summary("attacked", level)) for level in STYLIZER_LEVELS],
        random=[CultureChanges(**summary("random", level)) for level in STYLIZER_LEVELS],
        corruptions={
            kind: [CorruptedChanges(severity=each, **summary(kind, each)) for each in severities]
            for kind, severities in attacks.SEVERITIES.items()
        },
    )
    return figures, examples


def _restyling(model: CultureModel, culture: int, size: int) -> typing.Callable:
    """The model at full strength into one culture, compiled."""
    mixture = np.eye(len(model.cultures), dtype=np.float32)[culture]

    def restyle(batch: tf.Tensor) -> tf.Tensor:
        count = tf.shape(batch)[0]
        return model(batch, tf.tile(mixture[None], (count, 1)), tf.ones((count, 1)))

    shape = [tf.TensorSpec((None, size, size, 3), tf.float32)]
    return tf.function(restyle, input_signature=shape)


def _change(rows: list[Changes], seed: int) -> Change:
    """Means over cultures and photographs, with intervals."""
    names = (field.name for field in dataclasses.fields(Change))
    means = ([getattr(row, name) for row in rows] for name in names)
    return Change(*(statistics.mean_interval(values, seed, 0.0) for values in means))


def _first_by_hash(ids: Sequence[str], places: Iterable[int], count: int) -> list[int]:
    """The first `count` places in the order of the hashes of their identifiers."""
    return sorted(places, key=lambda place: hashlib.sha256(ids[place].encode()).digest())[:count]
