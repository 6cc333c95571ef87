"""The artworks of a data set as the networks see them: one pass, one row of numbers each."""

import dataclasses

import numpy as np
import tensorflow as tf
import tqdm

from stylegan_culture.config import InputError
from stylegan_culture.features import linalg
from stylegan_culture.pipelines.input import load_source
from stylegan_culture.pipelines.preprocess import center_crop
from stylegan_culture.reports.explained_subjects import BATCH, Subjects
from stylegan_culture.reports.explanation_settings import ExplainConfig

LEAST = 2  # artworks of a culture in each part, for means and deviations
ORNAMENTS_SIZE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Artworks:
    """N artworks of K cultures that both networks know; a picture of several counts for its first.

    Fields:
        source: of `pipelines`, reduced to them.
        cultures: keys.
        labels: `[N]` numbers of `cultures`.
        held: `[N]` bool, the held-out fifth.
        descriptors: `[N, D]` of the tagger.
        readings: `[N, 2 C]` of these: means, then deviations, of the tap's channels.
        peaks: `[N, C]` greatest activation of each channel, and `places` `[N, C]` its position.
        grid: rows and columns of the tap's maps.
        codes: `[N, D]` style codes as the generator's encoder reads them.
        left_out: counts of pictures by cultures that were left out, and of unreadable files.
    """

    source: object
    cultures: tuple[str, ...]
    labels: np.ndarray
    held: np.ndarray
    descriptors: np.ndarray
    readings: np.ndarray
    peaks: np.ndarray
    places: np.ndarray
    grid: tuple[int, int]
    codes: np.ndarray
    left_out: dict

    def square(self, number: int, size: int) -> np.ndarray:
        """The middle square of one, uint8 `[size, size, 3]`."""
        return center_crop(self.source.read(int(number)), size)


def collect(config: ExplainConfig, subjects: Subjects) -> Artworks:
    """Reads every artwork once; raises `InputError` where a culture that is asked for has too few
    or fewer than two cultures are left."""
    size = ORNAMENTS_SIZE if config.data == "ornaments" else subjects.side
    source = load_source(config.data, size, "all")
    labels, cultures, left_out = _labels(source, subjects)
    for culture in config.cultures:
        if culture not in cultures:
            raise InputError(
                f"{config.data} holds fewer than {LEAST} pictures of {culture!r} in one of its "
                "parts, of which a fifth is held out; add some, or leave out --data"
            )
    if len(cultures) < 2:
        raise InputError(f"{config.data} holds one culture only; channels tell two or more apart")
    source, labels = source.select(np.flatnonzero(labels >= 0)), labels[labels >= 0]
    rows, grid = _pass(source, subjects)
    return Artworks(source, cultures, labels, source.held, **rows, grid=grid, left_out=left_out)


def _labels(source, subjects: Subjects):
    """Numbers of kept cultures `[N]`, -1 where left out; those cultures; counts of the others."""
    first = np.where(source.tags.any(axis=1), source.tags.argmax(axis=1), -1)
    kept, left_out = [], {}
    for number, key in enumerate(source.cultures):
        own = first == number
        enough = all((own & (source.held == part)).sum() >= LEAST for part in (False, True))
        if enough and key in subjects.seen and key in subjects.model.cultures:
            kept.append(number)
        else:
            left_out[key] = int(own.sum())
    numbers = {number: place for place, number in enumerate(kept)}
    labels = np.array([numbers.get(int(number), -1) for number in first])
    if source.skipped:
        left_out["files that cannot be read"] = len(source.skipped)
    return labels, tuple(source.cultures[number] for number in kept), left_out


def _pass(source, subjects: Subjects) -> tuple[dict, tuple]:
    tagger, model, tap = subjects.tagger, subjects.model, subjects.tap

    @tf.function(reduce_retracing=True)
    def look(batch):
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

    found = {}
    for start in tqdm.tqdm(range(0, len(source), BATCH), "artworks", disable=None):
        numbers = range(start, min(start + BATCH, len(source)))
        squares = np.stack([center_crop(source.read(one), subjects.side) for one in numbers])
        for name, value in look(tf.constant(squares.astype(np.float32) / 255)).items():
            found.setdefault(name, []).append(np.asarray(value))
    grey = np.full((1, subjects.side, subjects.side, 3), 0.5, np.float32)
    grid = tuple(tagger.backbone(grey, taps=(tap,))[tap].shape[1:3])
    return {name: np.concatenate(parts) for name, parts in found.items()}, grid
