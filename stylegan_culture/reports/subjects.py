"""What is explained: pictures, the generator that restyles them, the tagger that names them, and
the artworks of a data set as both networks see them."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
import tqdm

from stylegan_culture import images, models
from stylegan_culture.config import InputError, visible
from stylegan_culture.features import linalg
from stylegan_culture.measures.batches import in_batches
from stylegan_culture.networks.classifier import CultureTagger
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.pipelines.input import load_source
from stylegan_culture.pipelines.preprocess import center_crop
from stylegan_culture.pipelines.sampling import Source, never_held
from stylegan_culture.reports.explanation_settings import ExplainConfig
from stylegan_culture.restyling.feedforward import culture_code

BATCH = 16  # pictures that pass a network at once
LEAST = 2  # artworks of a culture in each part, for means and deviations
ORNAMENTS_SIZE = 256  # pixels a side


@dataclasses.dataclass(frozen=True, eq=False)
class Subjects:
    """Pictures and the two networks."""

    model: CultureModel  # the generator
    tagger: CultureTagger  # its squares have `side` pixels
    side: int
    cultures: tuple[str, ...]  # those that the tagger knows, in the order of its logits
    titles: dict[str, str]  # culture to its title
    names: tuple[str, ...]  # of the pictures
    pictures: np.ndarray  # their middle squares, `[N, S, S, 3]` float32 in [0, 1]
    tap: str  # of Grad-CAM and of the channels
    known: frozenset[str] = frozenset()  # identifiers that the networks were trained on

    def code(self, mixture: str) -> np.ndarray:
        """The style code `[D]` of a culture or a mixture, as `stylize` takes them."""
        return culture_code(self.model, mixture)[0]

    def restyled(self, codes: np.ndarray) -> np.ndarray:
        """Every picture by every style code `[M, D]`: `[N, M, S, S, 3]`."""
        codes, full = np.asarray(codes, np.float32), np.ones((1, 1), np.float32)

        def restyle(picture: np.ndarray, code: np.ndarray) -> np.ndarray:
            return np.asarray(self.model.stylize_with(picture[None], code[None], full))[0]

        return np.stack([[restyle(one, code) for code in codes] for one in self.pictures])

    def as_seen(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures `[..., S, S, 3]` at the size in which the tagger sees them."""
        pictures = np.asarray(pictures, np.float32)
        flat = pictures.reshape(-1, *pictures.shape[-3:])
        small = np.stack([images.resize(one, self.side, self.side) for one in flat])
        return small.reshape(*pictures.shape[:-3], self.side, self.side, 3)

    def logits(self, squares: np.ndarray) -> np.ndarray:
        """Of squares `[..., side, side, 3]`: `[..., K]` in the order of `cultures`."""
        squares = np.asarray(squares, np.float32)
        flat = squares.reshape(-1, *squares.shape[-3:])
        return in_batches(self._compiled, flat, size=BATCH).reshape(*squares.shape[:-3], -1)

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        """Of pictures `[..., S, S, 3]` by the tagger: `[..., K]` in the order of `cultures`."""
        return np.asarray(self.tagger.head.probabilities(self.logits(self.as_seen(pictures))))

    def by_culture(self, probabilities: np.ndarray) -> dict[str, float]:
        """Probabilities `[K]` as a dictionary."""
        return {key: float(p) for key, p in zip(self.cultures, probabilities, strict=True)}

    @functools.cached_property
    def _compiled(self) -> Callable:
        return tf.function(self.tagger, reduce_retracing=True)


def load(config: ExplainConfig, files: list[str]) -> Subjects:
    """Reads pictures and networks; raises `InputError` for a culture that one of them lacks."""
    squares = [center_crop(images.read_uint8(file), config.size) for file in files]
    tagging = models.load(config.tagger, "classifier", config.weights)
    restyling = models.load(config.model, "culture")
    tagger, model, tagged = tagging.network, restyling.network, tagging.facts
    for culture in (*config.cultures, *config.ends):
        for flag, known in (("model", model.cultures), ("tagger", tagged.keys)):
            if culture not in known:
                raise InputError(
                    f"--{flag} {getattr(config, flag)} knows no culture {culture!r}, but "
                    f"{', '.join(known)}"
                )
    described = (*tagged.cultures, *restyling.facts.cultures)
    backbone = tagger.backbone
    tap = backbone.content_tap if config.tap == "content" else config.tap
    if tap not in backbone.taps:
        raise InputError(f"{backbone.name} has no tap {tap!r}, but {', '.join(backbone.taps)}")
    return Subjects(
        model=model,
        tagger=tagger,
        side=tagged.record["side"],
        cultures=tagged.keys,
        titles={culture.key: culture.name for culture in described},
        names=tuple(_names(files)),
        pictures=np.stack(squares).astype(np.float32) / 255,
        tap=tap,
        known=models.training_pictures(config.model)
        | models.training_pictures(config.tagger)
        | models.backbone_pictures(config.weights or tagged.record["weights"]),
    )


def _names(files: list[str]) -> Iterator[str]:
    """File names, numbered where two are the same."""
    counts = {}
    for file in files:
        name = visible(pathlib.Path(file).name)
        counts[name] = counts.get(name, 0) + 1
        yield name if counts[name] == 1 else f"{name} ({counts[name]})"


@dataclasses.dataclass(frozen=True, eq=False)
class Artworks:
    """N artworks of K cultures that both networks know, each of its first culture."""

    source: Source  # they alone
    cultures: tuple[str, ...]  # keys
    labels: np.ndarray  # `[N]` numbers of `cultures`
    held: np.ndarray  # `[N]` bool, the held-out fifth
    descriptors: np.ndarray  # `[N, D]` of the tagger
    readings: np.ndarray  # `[N, 2 C]` of these: means, then deviations, of the tap's channels
    # peaks, places: `[N, C]` greatest activation of each channel, and its position on the map
    peaks: np.ndarray
    places: np.ndarray
    grid: tuple[int, int]  # rows and columns of the tap's maps
    codes: np.ndarray  # `[N, D]` style codes as the generator's encoder reads them
    # Counts of pictures by cultures that were left out, and of unreadable files
    left_out: dict[str, int]

    def square(self, number: int, size: int) -> np.ndarray:
        """The middle square of one, uint8 `[size, size, 3]`."""
        return center_crop(self.source.read(int(number)), size)


def collect(config: ExplainConfig, subjects: Subjects) -> Artworks:
    """Reads every artwork once; `InputError` where cultures or their pictures are too few.

    None that a network was trained on counts as held out.
    """
    size = ORNAMENTS_SIZE if config.data == "ornaments" else subjects.side
    source = never_held(load_source(config.data, size, "all"), subjects.known)
    labels, cultures, left_out = _labels(source, subjects)
    for culture in config.cultures:
        if culture not in cultures:
            raise InputError(
                f"{config.data} holds fewer than {LEAST} pictures of {culture!r} in one of its "
                "parts (a fifth is held out, less what --model and --tagger were trained on); add "
                "some, or leave out --data"
            )
    if len(cultures) < 2:
        raise InputError(f"{config.data} holds one culture only; channels tell two or more apart")
    source, labels = source.select(np.flatnonzero(labels >= 0)), labels[labels >= 0]
    rows, grid = _pass(source, subjects)
    return Artworks(source, cultures, labels, source.held, **rows, grid=grid, left_out=left_out)


def _labels(source: Source, subjects: Subjects) -> tuple[np.ndarray, tuple, dict[str, int]]:
    """Numbers of kept cultures `[N]`, -1 where left out; these cultures; counts of the others."""
    first = np.where(source.tags.any(axis=1), source.tags.argmax(axis=1), -1)
    kept, left_out = [], {}
    for number, key in enumerate(source.cultures):
        members = first == number
        enough = all((members & (source.held == part)).sum() >= LEAST for part in (False, True))
        if enough and key in subjects.cultures and key in subjects.model.cultures:
            kept.append(number)
        else:
            left_out[key] = int(members.sum())
    places = {number: place for place, number in enumerate(kept)}
    labels = np.array([places.get(int(number), -1) for number in first])
    if source.skipped:
        left_out["files that cannot be read"] = len(source.skipped)
    return labels, tuple(source.cultures[number] for number in kept), left_out


def _pass(source: Source, subjects: Subjects) -> tuple[dict[str, np.ndarray], tuple[int, int]]:
    """One pass of all pictures through both networks: fields of `Artworks`, and its `grid`."""
    tagger, model, tap = subjects.tagger, subjects.model, subjects.tap

    @tf.function(reduce_retracing=True)
    def look(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        taps = tagger.backbone(batch)
        features = tf.cast(taps[tap], tf.float32)
        flat = tf.reshape(features, (len(batch), -1, features.shape[-1]))
        return {
            "descriptors": linalg.descriptors(taps),
            "readings": linalg.descriptors({tap: taps[tap]}),
            "peaks": tf.reduce_max(flat, axis=1),
            "places": tf.argmax(flat, axis=1),
            "codes": model.encode_style(batch),
        }

    parts = {}
    for start in tqdm.tqdm(range(0, len(source), BATCH), "artworks", disable=None):
        numbers = range(start, min(start + BATCH, len(source)))
        squares = np.stack([center_crop(source.read(one), subjects.side) for one in numbers])
        for name, value in look(tf.constant(squares.astype(np.float32) / 255)).items():
            parts.setdefault(name, []).append(np.asarray(value))
    grey = np.full((1, subjects.side, subjects.side, 3), 0.5, np.float32)
    grid = tuple(tagger.backbone(grey, taps=(tap,))[tap].shape[1:3])
    return {name: np.concatenate(values) for name, values in parts.items()}, grid
