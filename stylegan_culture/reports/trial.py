"""A trial: the options of `evaluate`, what is restyled, and the probe that names the results.

Importing this loads no network, so that `--help` is quick; `build` does.
"""

import dataclasses
import functools
import hashlib
import pathlib
import typing
from collections.abc import Iterable, Sequence

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError, option
from stylegan_culture.outputs import Outputs, named
from stylegan_culture.pipelines.folder import tabled
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source
from stylegan_culture.pipelines.sampling import Source, of_cultures, split, without

if typing.TYPE_CHECKING:
    import keras

    from stylegan_culture.measures.probes import CultureProbe

METHODS = ("identity", "truth", "example", "adain", "wct", "match", "moments", "alpha")
EXAMPLE = "example"  # the method by which models restyle like one training artwork
PEER = "wct_vgg19"  # the name of multi-level WCT
MOST_FITTED = 200  # pictures of a class that the probe is fitted to


@dataclasses.dataclass(frozen=True)
class TrialConfig:
    """What is restyled, by which models, and which network names the results."""

    model: tuple = option((), "model folder, run folder, or name of a shipped model; repeatable")
    data: str = option(
        "",
        "artworks: folder:PATH, records:DIR, tfds:NAME or ornaments; the probe, which names "
        "results, is not fitted to their held-out part",
        table=True,
    )
    content: str = option(
        "", "folder:PATH of photographs to restyle; the probe then knows photographs too"
    )
    judge: str = option(
        "culture",
        "network whose features the probe sees: culture (the shipped backbone), imagenet (Keras's "
        "MobileNetV2, whose weights are downloaded once), or the path of MobileNetV1 weights "
        "(.npz); with another than culture, evaluate shows both",
    )
    cultures: str = option(
        "",
        "comma-separated keys of the cultures to measure; each has to be in --data and in every "
        "model; without it, all of --data",
        metavar="KEYS",
    )
    portraits: str = option(
        "",
        "CSV of faces (file,left,top,right,bottom,group; groups dark, medium, light): measures "
        "what restyling does to skin; no portrait is shown or written",
        metavar="FILE.csv",
    )
    photographs: int = option(
        80,
        "most photographs to restyle: of the fifth of --content that is held out, the first by "
        "hash of their names",
        low=2,
    )
    artworks: int = option(4, "held-out artworks of each culture to restyle besides", low=0)
    size: int = option(256, "pixels a side of the restyled squares", low=32, multiple_of=16)
    seed: int = option(0, "seed of examples, controls and intervals")
    out: str = option("", "folder for the page, JSON and sheets")


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """What is measured, and beside what."""

    trial: TrialConfig = TrialConfig()
    method: tuple = option((), "measured beside the models; repeatable", METHODS)
    features: str = option("inception_resnet_v2", "backbone of FID, KID and perceptual distances")
    features_weights: str = option("culture", "its weights, or the path of an .npz file")
    style: str = option("", "path of distilled VGG-19 weights (.npz) for the style distance")
    peer: str = option("", "path of its stage networks (.npz): measures multi-level WCT besides")
    gatys: int = option(0, "contents optimised by Gatys, to compare the style distance with", low=0)
    gallery: int = option(100, "photographs among which the source has to be the nearest")
    lettering: str = option(
        "",
        "CSV of boxes (file,left,top,right,bottom) of letters or small faces: measures whether "
        "they are kept; without it, edges of some photographs at full size are compared",
        metavar="FILE.csv",
    )
    save_results: str = option(
        "",
        "new folder for every result as CULTURE/STEM.png, with an index results.csv, so that "
        "other tools can judge them",
        metavar="FOLDER",
    )


@dataclasses.dataclass(frozen=True)
class BiasConfig:
    """What `evaluate bias` measures, and how much of it."""

    FILES: typing.ClassVar = ("bias.html", "bias.json")

    trial: TrialConfig = TrialConfig()
    trial_contents: int = option(
        12, "contents, evenly of all, that are restyled again and again and there and back", low=2
    )


@dataclasses.dataclass(frozen=True)
class RobustnessConfig:
    """What `evaluate robustness` attacks, on which pictures, and how hard."""

    PLOTS: typing.ClassVar = (
        "robustness_attacks.png",
        "robustness_corruptions.png",
        "robustness_stylizer.png",
    )
    FILES: typing.ClassVar = ("robustness.html", "robustness.json", *PLOTS)

    tagger: str = option(
        "culture_tagger", "a run of --trainer classifier, its .npz file, or a shipped name"
    )
    weights: str = option("", "its backbone's weights, where they are not what the tagger names")
    model: str = option(
        "", "stylizer to measure too: model folder, run folder, or name of a shipped model"
    )
    data: str = option(
        "",
        "artworks, of which the held-out part is attacked: folder:PATH, records:DIR, tfds:NAME",
        table=True,
    )
    content: str = option("", "folder:PATH of photographs for --model; the held-out part is taken")
    out: str = option("", "folder for the page, JSON and plots")
    pictures: int = option(6, "artworks of each culture: the first by hash of their names", low=1)
    # One photograph would give its figure an interval without width.
    photographs: int = option(4, "photographs, chosen likewise", low=2)
    size: int = option(
        256, "pixels a side of photographs, a multiple of 16", low=32, multiple_of=16
    )
    steps: int = option(10, "of the iterated attacks (PGD)", low=1)
    seed: int = option(0, "seed of random starts, noise and intervals")


def check_trial(config: TrialConfig, required: Iterable[str] = ("model",)) -> None:
    """Raises `InputError` for options of a trial that cannot be met."""
    for name in (*required, "data", "judge", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; --help says what it is")


def claim(
    config: TrialConfig, names: Sequence[str], overwrite: bool, inputs: Iterable[str] = ()
) -> None:
    """Claims the folder of a trial's report and its files `names`; raises `InputError` where one
    may not be written. `inputs` are further paths that the command reads."""
    read = inputs_of(config, *inputs)
    Outputs(read, overwrite).claim_folder(config.out, names)


def inputs_of(config: TrialConfig, *others: str) -> list[pathlib.Path]:
    """What a trial's command reads, and further paths of its options."""
    given = (config.data, config.content, config.judge, config.portraits, *others)
    return named(*config.model, *given) + tabled(config.data, config.content)


def model_names(references: Iterable[str]) -> list[str]:
    """A name for each model of `--model`: its folder's, with a number where one is repeated."""
    names = []
    for reference in references:
        name = pathlib.Path(reference).resolve().name
        names.append(f"{name}_{len(names) + 1}" if name in names else name)
    return names


def restyler_names(config: EvaluateConfig) -> list[str]:
    """A name for each restyler of an evaluation, in order."""
    models, names = model_names(config.trial.model), []
    for method in config.method:
        names += by_example(models) if method == EXAMPLE else [method]
    return [*models, *names, *([PEER] if config.peer else [])]


def by_example(models: Iterable[str]) -> list[str]:
    """What models are called where they restyle by example."""
    return [f"{name}_{EXAMPLE}" for name in models]


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """What all models and methods restyle; K cultures, N contents, pictures in [0, 1]."""

    cultures: tuple[str, ...]  # keys in order, K
    # The probe's: the cultures, then "photograph" where photographs were given
    classes: tuple[str, ...]
    contents: np.ndarray  # `[N, S, S, 3]` float32
    sources: np.ndarray  # `[N]`, the class number of each content
    ids: tuple[str, ...]  # names of the contents
    probe: "CultureProbe"  # fitted to training pictures of the classes
    # Culture to `[A, SIDE, SIDE, 3]`, its training and then its held-out pictures
    artworks: dict[str, np.ndarray]
    held_out_counts: dict[str, int]  # culture to how many of its artworks are held out
    gallery: np.ndarray  # `[G, SIDE, SIDE, 3]`, photographs that are no contents
    training: Source  # the pictures that the cultures can be learnt from
    held_out: Source  # the others, less what the shipped backbone was trained on
    seen: int  # artworks of the held-out fifth in a table of training pictures: no contents
    originals: Source | None  # the photographs among the contents at their own proportions
    # `[K, N, S, S, 3]`, the contents as truly rendered in each culture, or None
    truth: np.ndarray | None

    @property
    def training_counts(self) -> dict[str, int]:
        """Culture to the number of pictures that it can be learnt from."""
        return dict(zip(self.cultures, self.training.tags.sum(axis=0).tolist(), strict=True))

    @property
    def rendered(self) -> bool:
        """Whether the contents are scenes whose true renderings are known."""
        return self.truth is not None

    @functools.cached_property
    def photographs(self) -> np.ndarray:
        """`[N]` bool: which contents are photographs."""
        return self.sources == len(self.cultures)

    @functools.cached_property
    def to_change(self) -> np.ndarray:
        """`[K, N]` bool: whether content n is of another class than culture k, so has to change."""
        return np.arange(len(self.cultures))[:, None] != self.sources

    @functools.cached_property
    def second_probe(self) -> "CultureProbe | None":
        """The project's own probe, over the shipped backbone, where `probe` sees another network;
        fitted to the same pictures."""
        from stylegan_culture.measures.probes import CultureProbe

        own = build_judge("culture")
        if own.fingerprint == self.probe.backbone.fingerprint:
            return None
        fitted = {
            name: pictures[: len(pictures) - self.held_out_counts[name]]
            for name, pictures in self.artworks.items()
        }
        if len(self.classes) > len(self.cultures):
            fitted[self.classes[-1]] = self.gallery
        return CultureProbe.fit(own, fitted)

    @functools.cached_property
    def small(self) -> np.ndarray:
        """`[N, SIDE, SIDE, 3]`: the contents at the probe's side."""
        return reduced(self.contents)

    def held_out_artworks(self, culture: str) -> np.ndarray:
        """`[H, SIDE, SIDE, 3]`, those that the probe was not fitted to; H may be 0."""
        artworks = self.artworks[culture]
        return artworks[len(artworks) - self.held_out_counts[culture] :]


def build(config: TrialConfig) -> Trial:
    """The trial that the options describe; `InputError` where data do not suffice for it."""
    from stylegan_culture import models
    from stylegan_culture.measures.probes import PHOTOGRAPH, SIDE, CultureProbe

    judge = build_judge(config.judge)  # before pictures are read: its path may be wrong
    training, whole = _parts(config)
    photographs, others = _photographs(config)
    held_out = without(whole, models.backbone_pictures("culture"))  # the project's probe's
    unseen = without(held_out, _trained_on(config))
    chosen = unseen.select(_spread(unseen, config.artworks))
    contents, sources, ids = evaluation_arrays(chosen, config.size)
    gallery = np.zeros((0, SIDE, SIDE, 3), np.float32)
    if photographs is not None:
        pictures, _, names = evaluation_arrays(photographs, config.size)
        contents, ids = np.concatenate([pictures, contents]), [*names, *ids]
        sources = np.concatenate([np.full(len(pictures), len(training.cultures)), sources])
        gallery = evaluation_arrays(others, SIDE)[0]
    if len(contents) < 2:
        raise InputError("there are fewer than two contents; name --content or raise --artworks")
    fitted, kept = _by_culture(training, SIDE), _by_culture(held_out, SIDE)
    classes = fitted if photographs is None else fitted | {PHOTOGRAPH: gallery}
    return Trial(
        cultures=training.cultures,
        classes=tuple(classes),
        contents=contents,
        sources=np.asarray(sources),
        ids=tuple(ids),
        probe=CultureProbe.fit(judge, classes),
        artworks={name: np.concatenate([fitted[name], kept[name]]) for name in fitted},
        held_out_counts={name: len(pictures) for name, pictures in kept.items()},
        gallery=gallery,
        training=training,
        held_out=held_out,
        seen=len(whole) - len(unseen),
        originals=photographs,
        truth=_truth(held_out, ids, config.size) if config.data == "ornaments" else None,
    )


def _parts(config: TrialConfig) -> tuple[Source, Source]:
    """The data's pictures of the chosen cultures: those to fit to, and the held-out others."""
    whole = load_source(config.data, config.size, "all")
    names = [name.strip() for name in config.cultures.split(",") if name.strip()]
    if names:
        whole = of_cultures(whole, names)
    return split(whole, "train"), split(whole, "held_out")


def _trained_on(config: TrialConfig) -> frozenset[str]:
    """Identifiers in the training tables of the models.

    All of a table count, also those that training held out then: the earlier parts of a long
    training may have had other lists, and so another held-out fifth.
    """
    from stylegan_culture import models

    return frozenset().union(*map(models.training_pictures, config.model))


def reduced(pictures: np.ndarray) -> np.ndarray:
    """Pictures `[n, S, S, 3]` at the probe's side."""
    from stylegan_culture.measures.probes import SIDE

    return np.stack([images.resize(one, SIDE, SIDE) for one in pictures]).astype(np.float32)


def _photographs(config: TrialConfig) -> tuple[Source | None, Source | None]:
    """The photographs to restyle, all held out, and all the others, by the hash that decides it."""
    if not config.content:
        return None, None
    whole = load_content(config.content, config.size, "all")
    order = sorted(range(len(whole)), key=lambda n: hashlib.sha256(whole.ids[n].encode()).digest())
    chosen = [number for number in order if whole.held[number]][: config.photographs]
    if len(chosen) < 2:
        raise InputError(
            f"--content holds {len(whole)} photographs, too few to restyle a fifth, which is held "
            "out, and to fit the probe to the others; give 8 or more"
        )
    others = [number for number in order if number not in set(chosen)]
    return whole.select(chosen), whole.select(others)


def shortage(config: TrialConfig, photographs: int) -> str:
    """A sentence where fewer photographs are restyled than `--photographs` allows, else ""."""
    if not config.content or photographs >= config.photographs:
        return ""
    return (
        f"{photographs} photographs are restyled, not {config.photographs}: --content holds out no "
        "more (a fifth of its pictures)"
    )


def _spread(source: Source, count: int) -> np.ndarray:
    """Up to `count` pictures of each culture, evenly among them; each culture starts one picture
    later, so that rendered scenes, which all cultures have in one order, differ."""
    chosen = []
    for culture in range(len(source.cultures)):
        members = np.flatnonzero(source.tags.argmax(axis=1) == culture)
        wanted = min(count, len(members))
        places = np.arange(wanted) * len(members) // max(wanted, 1)
        chosen.append(members[(places + culture) % max(len(members), 1)])
    return np.concatenate(chosen)


def _by_culture(source: Source, side: int) -> dict[str, np.ndarray]:
    """Up to `MOST_FITTED` pictures of each culture, `[n, side, side, 3]`."""
    capped = source.select(np.sort(_spread(source, MOST_FITTED)))
    pictures, labels, _ = evaluation_arrays(capped, side)
    return {name: pictures[labels == number] for number, name in enumerate(source.cultures)}


def build_judge(judge: str) -> "keras.Model":
    """The network whose features the probe sees, as `--judge` names it."""
    from stylegan_culture.features.backbones import build_backbone

    if judge == "culture":
        return build_backbone("inception_resnet_v2", "culture")
    if judge == "imagenet":
        return build_backbone("mobilenet_v2", "imagenet")
    return build_backbone("mobilenet_v1", judge)


def _truth(held_out: Source, ids: Sequence[str], size: int) -> np.ndarray:
    """Each content's scene in every culture, `[K, N, S, S, 3]`."""
    place = {name: number for number, name in enumerate(held_out.ids)}
    scenes = [name.split("/")[1] for name in ids]
    rows = [[place[f"{culture}/{scene}"] for scene in scenes] for culture in held_out.cultures]
    return np.stack([evaluation_arrays(held_out.select(row), size)[0] for row in rows])
