"""`study backbones`: what the features of several backbones know of style, side by side."""

import dataclasses
import pathlib
import typing

import numpy as np

from stylegan_culture import config as settings
from stylegan_culture import models
from stylegan_culture.config import InputError, option
from stylegan_culture.deploy.markdown import markdown
from stylegan_culture.files import locked, write_result
from stylegan_culture.outputs import Outputs
from stylegan_culture.pipelines.sampling import Source, never_held, parents
from stylegan_culture.reports.page import render
from stylegan_culture.reports.study_pictures import counts, load, pictures

if typing.TYPE_CHECKING:
    from stylegan_culture.measures.probes import ProbeAccuracy

COLOURS = "colours alone"  # a probe of mean colours, which every backbone has to beat


@dataclasses.dataclass(frozen=True)
class BackbonesConfig:
    """What `study backbones` compares."""

    data: str = option("", "folder:PATH, tfds:NAME or ornaments", table=True)
    out: str = option("", "the .json file to write")
    backbones: str = option(
        "inception_resnet_v2=culture,inception_resnet_v2=random",
        "NAME=WEIGHTS of each, separated by commas",
    )
    teacher: str = option("", "NAME=WEIGHTS of the one whose style distances are the measure")
    short_side: int = option(160, "pixels of the squares cut from the pictures' middle", low=1)
    folds: int = option(5, "of the cross-validated probe", low=2)
    seed: int = option(0, "seed of random weights, folds and bootstrap replicates")


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """What a backbone knows of style."""

    # Accuracy of a linear probe of cultures, over "folds" and on the "held_out" fifth
    probe: dict[str, "ProbeAccuracy"]
    weights: str | None = None  # fingerprint of the backbone's; None for colours alone
    # Of style distances between held-out pictures with the teacher's
    rank_correlation: float | None = None


@dataclasses.dataclass(frozen=True)
class BackboneStudy:
    """What the file holds; backbones by NAME=WEIGHTS."""

    backbones: dict[str, Knowledge]
    teacher: str
    pictures: dict[str, int]
    config: BackbonesConfig
    versions: dict[str, str] = dataclasses.field(default_factory=settings.package_versions)
    commit: str = dataclasses.field(default_factory=settings.git_commit)


def run(config: BackbonesConfig, outputs: Outputs) -> str:
    """Probes every backbone and writes the measures; returns what the command prints."""
    path = pathlib.Path(config.out)
    if path.suffix != ".json":
        raise InputError(f"--out {path} does not end in .json; name such a file")
    named = list(filter(None, map(str.strip, config.backbones.split(","))))
    for name in (*named, *filter(None, [config.teacher])):
        _split(name)
    outputs.claim(path)
    with locked(path, beside=True):
        record = measure(config, named)
        write_result(path, dataclasses.asdict(record))
    return f"all measures: {path}\n{table(record)}"


def measure(config: BackbonesConfig, named: list[str]) -> BackboneStudy:
    """Probes the backbones `named` NAME=WEIGHTS, and the teacher."""
    import tqdm

    from stylegan_culture.features.backbones import build_backbone
    from stylegan_culture.measures import probes, statistics

    wanted = dict.fromkeys([*named, *filter(None, [config.teacher.strip()])])
    built = {name: build_backbone(*_split(name), config.seed) for name in wanted}
    source = load(config, "all")
    squares, labels = _squares(source, config.short_side)
    known = set().union(*(models.backbone_pictures(_split(name)[1]) for name in wanted))
    kept = never_held(source, known).held
    fold = statistics.folds_of_works(parents(source.ids), labels, config.folds, config.seed)
    parts = {"folds": [fold == number for number in range(config.folds)], "held_out": [kept]}

    def accuracies(features: np.ndarray) -> dict:
        return {
            name: probes.probe_accuracy(features, labels, held, config.seed)
            for name, held in parts.items()
        }

    measured = {COLOURS: Knowledge(accuracies(probes.colour_descriptors(squares)))}
    styles = {name: probes.style_distances(each, squares[kept]) for name, each in built.items()}
    for name, backbone in tqdm.tqdm(built.items(), "backbones", disable=None):
        correlation = None
        if config.teacher:
            teacher = styles[config.teacher.strip()]
            correlation = statistics.distance_correlation(styles[name], teacher)
        described = probes.descriptors(backbone, squares)
        measured[name] = Knowledge(accuracies(described), backbone.fingerprint, correlation)
    return BackboneStudy(
        backbones=measured,
        teacher=config.teacher,
        pictures=counts(source),
        config=config,
    )


def table(record: BackboneStudy) -> str:
    """The measures as a Markdown table: accuracies in per cent with 95 % intervals."""
    return render("backbones.md.j2", record=record, markdown=markdown)


def _split(text: str) -> tuple[str, str]:
    name, equals, weights = text.strip().partition("=")
    if not (name and equals and weights):
        raise InputError(
            f"{text!r} does not name a backbone; write NAME=WEIGHTS, such as "
            "inception_resnet_v2=culture"
        )
    return name, weights


def _squares(source: Source, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The middle `[N, size, size, 3]` of every picture, and the number of its first culture."""
    from stylegan_culture import images

    squares, labels = [], []
    for picture, tags in pictures(source, size):
        if min(picture.shape[:2]) < size:
            picture = images.fit_short_side(picture, size)
        top, left = ((edge - size) // 2 for edge in picture.shape[:2])
        squares.append(picture[top : top + size, left : left + size])
        labels.append(source.cultures.index(tags[0]))
    return np.stack(squares), np.array(labels)
