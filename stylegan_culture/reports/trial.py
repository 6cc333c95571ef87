"""What is restyled and who judges it: held-out contents, a fitted judge, artworks, the truth."""

import dataclasses
import functools
import hashlib

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures.probes import PHOTOGRAPH, SIDE, CultureProbe
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.reports.trial_settings import TrialConfig

MOST_FITTED = 200  # pictures of a class that the judge learns from


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """One trial for all that are judged; K cultures, N contents, pictures in [0, 1].

    Attributes:
        cultures: keys in order, K.
        classes: the judge's: the cultures, then "photograph" where photographs were given.
        contents: `[N, S, S, 3]` float32.
        sources: `[N]`, the class of each content.
        ids: names of the contents.
        judge: fitted on training pictures of the classes.
        artworks: culture to `[A, SIDE, SIDE, 3]`, its training and held-out pictures.
        held_out: culture to how many of them, the last ones, are held out.
        gallery: `[G, SIDE, SIDE, 3]`, photographs that are no contents.
        training, held: the sources of training and of held-out pictures.
        truth: `[K, N, S, S, 3]`, the contents as truly rendered in each culture, or None.
    """

    cultures: tuple
    classes: tuple
    contents: np.ndarray
    sources: np.ndarray
    ids: tuple
    judge: CultureProbe
    artworks: dict
    held_out: dict
    gallery: np.ndarray
    training: Source
    held: Source
    truth: np.ndarray | None

    @property
    def training_counts(self) -> dict:
        """Culture to the number of pictures that it can be learnt from."""
        return dict(zip(self.cultures, self.training.tags.sum(axis=0).tolist(), strict=True))

    @property
    def rendered(self) -> bool:
        """Whether the contents are scenes whose true renderings are known."""
        return self.truth is not None

    @functools.cached_property
    def asked(self) -> np.ndarray:
        """`[K, N]`: whether restyling content n into culture k asks for a change at all."""
        return np.arange(len(self.cultures))[:, None] != self.sources


def build(config: TrialConfig) -> Trial:
    """The trial that the options describe; `InputError` where data do not suffice for it."""
    training, held = (load_source(config.data, config.size, p) for p in ("train", "held_out"))
    photographs, others = _photographs(config)
    chosen = _spread(held, config.artworks)
    contents, labels, ids = evaluation_arrays(held.select(chosen), config.size)
    sources, gallery = labels, np.zeros((0, SIDE, SIDE, 3), np.float32)
    if photographs is not None:
        own, _, names = evaluation_arrays(photographs, config.size)
        contents, ids = np.concatenate([own, contents]), [*names, *ids]
        sources = np.concatenate([np.full(len(own), len(training.cultures)), labels])
        gallery = evaluation_arrays(others, SIDE)[0]
    if len(contents) < 2:
        raise InputError("there are fewer than two contents; name --content or raise --artworks")
    fitted, fitted_labels, _ = evaluation_arrays(_capped(training), SIDE)
    known, known_labels, _ = evaluation_arrays(_capped(held), SIDE)
    cultures = training.cultures
    classes = {name: fitted[fitted_labels == number] for number, name in enumerate(cultures)}
    kept = {name: known[known_labels == number] for number, name in enumerate(cultures)}
    artworks = {name: np.concatenate([classes[name], kept[name]]) for name in cultures}
    if photographs is not None:
        classes |= {PHOTOGRAPH: gallery}
    return Trial(
        cultures=cultures,
        classes=tuple(classes),
        contents=contents,
        sources=np.asarray(sources),
        ids=tuple(ids),
        judge=CultureProbe.fit(_judging(config), classes),
        artworks=artworks,
        held_out={name: len(own) for name, own in kept.items()},
        gallery=gallery,
        training=training,
        held=held,
        truth=_truth(held, ids, config.size) if config.data == "ornaments" else None,
    )


def _photographs(config: TrialConfig):
    """The photographs to restyle and all the others, by the hash that holds pictures out."""
    if not config.content:
        return None, None
    whole = load_content(config.content, config.size, "all")
    order = sorted(range(len(whole)), key=lambda n: hashlib.sha256(whole.ids[n].encode()).digest())
    if len(order) <= config.photographs:
        raise InputError(
            f"--content holds {len(order)} photographs, too few for --photographs "
            f"{config.photographs} and others to teach the judge"
        )
    return whole.select(order[: config.photographs]), whole.select(order[config.photographs :])


def _spread(source: Source, count: int) -> np.ndarray:
    """Up to `count` pictures of each culture, evenly among its own; each culture begins one later,
    so that rendered scenes, which all cultures have in one order, differ."""
    found = []
    for culture in range(len(source.cultures)):
        own = np.flatnonzero(source.tags.argmax(axis=1) == culture)
        places = np.arange(min(count, len(own))) * len(own) // max(min(count, len(own)), 1)
        found.append(own[(places + culture) % max(len(own), 1)])
    return np.concatenate(found)


def _capped(source: Source) -> Source:
    return source.select(np.sort(_spread(source, MOST_FITTED)))


def _judging(config: TrialConfig):
    if config.judge == "culture":
        return build_backbone("inception_resnet_v2", "culture")
    return build_backbone("mobilenet_v1", config.judge)


def _truth(held_out: Source, ids, size: int) -> np.ndarray:
    """Each content's scene in every culture."""
    place = {name: number for number, name in enumerate(held_out.ids)}
    scenes = [name.split("/")[1] for name in ids]
    found = []
    for culture in held_out.cultures:
        own = np.array([place[f"{culture}/{scene}"] for scene in scenes])
        found.append(evaluation_arrays(held_out.select(own), size)[0])
    return np.stack(found)
