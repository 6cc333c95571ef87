"""The pictures of a study: read and reduced to one size, their features at one tap of a backbone,
and what the data's table says of them.

A folder that was collected from a museum has a `manifest.csv` with the columns `licence`, `title`
and `date` (`stylegan_culture.pipelines.museums.ingest`); other tables of tags may have them too.
"""

import collections
import collections.abc
import dataclasses
import pathlib
import sys
import typing

import numpy as np

from stylegan_culture import tables
from stylegan_culture.config import OUTSIDE, option, visible
from stylegan_culture.pipelines.sampling import Source, identifier

if typing.TYPE_CHECKING:
    import keras

    from stylegan_culture.features.moments import Collector
    from stylegan_culture.measures.gaps import Sampled

BACKBONES = ("inception_resnet_v2", "vgg19", "resnet50", "vgg19_16x")
NOT_STATED = "not stated"


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """Options of every study in the feature space of one backbone."""

    data: str = option("", "folder:PATH, tfds:NAME or ornaments", table=True)
    out: str = option("", "where the results go")
    backbone: str = option("inception_resnet_v2", "feature backbone", BACKBONES)
    weights: str = option(
        "culture",
        "culture (inception_resnet_v2 only), random, imagenet, or the path of an .npz file",
    )
    # Artworks are less sharp than their pixels: at a larger side, sharpness tells cultures apart.
    short_side: int = option(160, "pixels that larger pictures are reduced to", low=1)
    seed: int = option(0, "seed of random weights and of everything that is drawn")


def load(config: typing.Any, part: str) -> Source:
    """The pictures of one part, "train", "held_out" or "all", reduced to the short side."""
    from stylegan_culture.pipelines.input import load_source
    from stylegan_culture.pipelines.preprocess import DETAIL

    # Folders keep DETAIL times the side that is asked for, rendered ornaments the side itself.
    rendered = config.data == "ornaments"
    size = config.short_side if rendered else -(-config.short_side // DETAIL)
    source = load_source(config.data, size, part)
    if source.skipped:
        first = visible(": ".join(source.skipped[0]))
        print(f"{len(source.skipped)} files skipped, the first: {first}", file=sys.stderr)
    return source


def backbone_of(config: StudyConfig) -> "keras.Model":
    """The backbone that a study's options name."""
    from stylegan_culture.features.backbones import build_backbone

    return build_backbone(config.backbone, config.weights, config.seed)


def pictures(
    source: Source, short_side: int, text: str = "pictures", chosen: np.ndarray | None = None
) -> collections.abc.Iterator[tuple[np.ndarray, tuple[str, ...]]]:
    """Yields (picture `[H, W, 3]` in [0, 1], names of its cultures), under a progress bar."""
    import tqdm

    from stylegan_culture import images

    numbers = range(len(source)) if chosen is None else chosen
    for number in tqdm.tqdm(numbers, text, unit="picture", disable=None):
        pixels = source.read(int(number))
        if min(pixels.shape[:2]) > short_side:
            pixels = images.fit_short_side(pixels, short_side)
        names = tuple(source.cultures[k] for k in np.flatnonzero(source.tags[number]))
        yield pixels.astype(np.float32) / 255, names


def counts(source: Source) -> dict[str, int]:
    """Culture to its number of pictures."""
    return dict(zip(source.cultures, source.tags.sum(axis=0).tolist(), strict=True))


def sampled(collector: "Collector", tap: str, names: list[str]) -> "Sampled":
    """The positions that a collector drew of the pictures of some cultures, which are numbered in
    the order of `names`."""
    from stylegan_culture.measures.gaps import Sampled

    chosen = [k for k, tags in enumerate(collector.cultures) if tags[0] in names]
    labels = [names.index(collector.cultures[k][0]) for k in chosen]
    return Sampled(np.stack([collector.samples[tap][k] for k in chosen]), np.array(labels))


@dataclasses.dataclass(frozen=True)
class Stated:
    """What a table says of one picture; empty where it says nothing."""

    licence: str = ""
    title: str = ""
    date: str = ""


def stated(data: str) -> dict[str, Stated]:
    """Identifier to what the table of `--data folder:PATH` says; {} where there is no table."""
    kind, _, name = data.partition(":")
    if kind != "folder":
        return {}
    path = pathlib.Path(name.removesuffix(OUTSIDE)).expanduser()
    path = path if path.is_file() else path / "manifest.csv"
    if not path.is_file():
        return {}
    header, rows = tables.read(path)

    def column(name: str) -> list[str]:
        place = header.index(name) if name in header else sys.maxsize
        return [row[place] if place < len(row) else "" for row in rows]

    columns = map(column, ("path", "culture", "licence", "title", "date"))
    return {
        identifier(culture.split(";")[0].strip(), pathlib.Path(path).stem): Stated(
            *map(str.strip, texts)
        )
        for path, culture, *texts in zip(*columns, strict=True)
        if path and culture
    }


def licences(ids: list[str], known: dict[str, Stated], otherwise: str) -> dict[str, int]:
    """Licence to the number of the pictures `ids` under it, the most frequent first.

    `known` is of `stated`; pictures whose row names no licence have the one of `otherwise`, or, if
    that is empty, "not stated".
    """
    named = collections.Counter(
        known.get(name, Stated()).licence or otherwise or NOT_STATED for name in ids
    )
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


def caption(name: str, known: dict[str, Stated]) -> str:
    """Title and date of a picture, or the name of its file."""
    row = known.get(name, Stated())
    return ", ".join(filter(None, (row.title, row.date))) or name.rpartition("/")[2]
