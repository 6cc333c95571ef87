"""Which channels of the tagger's network carry a culture, and what excites them."""

import numpy as np

from stylegan_culture import images
from stylegan_culture.measures import evidence, statistics
from stylegan_culture.pipelines.sampling import parents
from stylegan_culture.reports.explained_artworks import Artworks
from stylegan_culture.reports.explained_subjects import Subjects
from stylegan_culture.reports.explanation_settings import ExplainConfig

PATCH = 0.3  # side of a piece, as a share of the picture's square
PIXELS = 96  # side of a piece as it is shown
PERMUTATIONS = 200
READINGS = ("mean", "deviation")  # of a channel over the picture, as the tagger reads them
SAME = 0.99  # correlation from which on two artworks count as one: prints of one block


def measure(config: ExplainConfig, subjects: Subjects, artworks: Artworks) -> tuple[dict, dict]:
    """The strongest channels of each culture asked for, and the pieces of artworks that excite
    them.

    Of each channel the tagger reads a mean and a deviation over the picture; the one that tells
    more stands for it. Channels are chosen on the training part and measured on the held-out fifth:
    the strongest of many look stronger than they are where they were chosen.

    Returns:
        The record, and `{(culture, channel): [uint8 [PIXELS, PIXELS, 3]]}`.
    """
    held, count = artworks.held, len(artworks.cultures)
    readings, labels = artworks.readings[held], artworks.labels[held]
    chosen = _chosen(config, artworks)
    every = np.unique(chosen)
    found = evidence.difference_intervals(
        readings[:, every], labels, count, config.replicates, config.seed
    )
    standard = statistics.standardised(artworks.readings)
    eta = evidence.eta_squared(readings, labels, count)
    added = _contributions(subjects, artworks)
    draws = min(PERMUTATIONS, config.replicates)
    record = {
        "tap": subjects.tap,
        "channels": readings.shape[1] // 2,
        "pictures": {"chosen_on": int((~held).sum()), "measured_on": int(held.sum())},
        "chance": evidence.chance_difference(readings, labels, count, draws, config.seed),
        "cultures": {},
    }
    pieces = {}
    for culture in config.cultures:
        number, rows = artworks.cultures.index(culture), []
        for reading in chosen[number].tolist():
            kind, channel = divmod(reading, record["channels"])
            excited = _excited(artworks, standard, channel, config.patches)
            pieces[culture, channel] = [_piece(subjects, artworks, n, channel) for n in excited]
            rows.append(
                {
                    "channel": channel,
                    "reading": READINGS[kind],
                    "difference": found[number, np.searchsorted(every, reading)].tolist(),
                    "eta_squared": float(eta[reading]),
                    "logit": float(added[number, reading]),
                    "excited_by": [
                        {
                            "artwork": artworks.source.ids[n],
                            "culture": artworks.cultures[artworks.labels[n]],
                            "peak": float(artworks.peaks[n, channel]),
                        }
                        for n in excited
                    ],
                }
            )
        record["cultures"][culture] = rows
    return record, pieces


def _chosen(config: ExplainConfig, artworks: Artworks) -> np.ndarray:
    """Numbers of the strongest readings of each culture, one a channel: `[K, config.channels]`."""
    train, count = ~artworks.held, len(artworks.cultures)
    found = evidence.channel_differences(artworks.readings[train], artworks.labels[train], count)
    found = found.reshape(count, len(READINGS), -1)
    best = evidence.strongest_channels(found.max(axis=1), config.channels)
    kind = np.take_along_axis(found.argmax(axis=1), best, axis=1)
    return kind * found.shape[2] + best


def _excited(artworks: Artworks, standard, channel: int, count: int) -> list[int]:
    """The artworks that excite a channel most, the most first; of an artwork and its cut-outs, and
    of impressions whose standardised readings `[N, 2 C]` are alike, the first alone."""
    order = np.argsort(-artworks.peaks[:, channel], kind="stable")
    belongs, chosen = parents(artworks.source.ids), []
    for number in order.tolist():
        known = {belongs[n] for n in chosen}
        like = max((_correlation(standard[number], standard[n]) for n in chosen), default=0.0)
        if belongs[number] not in known and like < SAME:
            chosen.append(number)
        if len(chosen) == count:
            break
    return chosen


def _correlation(first, second) -> float:
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / lengths) if lengths > 0.0 else 1.0


def _contributions(subjects: Subjects, artworks: Artworks) -> np.ndarray:
    """How much higher a culture's logit is for its own held-out artworks than for the others' by
    each reading alone, where the head cuts nothing: `[K, 2 C]`."""
    head = subjects.tagger.head
    size, start = artworks.readings.shape[1], 0
    grey = np.full((1, subjects.side, subjects.side, 3), 0.5, np.float32)
    for tap, value in subjects.tagger.backbone(grey).items():
        if tap == subjects.tap:
            break
        start += 2 * value.shape[-1]
    own = slice(start, start + size)
    kernel = np.asarray(head.logits.kernel, np.float64)[own]
    kernel = kernel[:, [subjects.seen.index(key) for key in artworks.cultures]]
    slopes = kernel / np.asarray(head.deviation, np.float64)[own][:, None]
    slopes /= float(np.asarray(head.temperature))
    held, count = artworks.held, len(artworks.cultures)
    means = evidence.culture_means(artworks.readings[held], artworks.labels[held], count)
    return evidence.above_others(means) * slopes.T


def _piece(subjects: Subjects, artworks: Artworks, number: int, channel: int) -> np.ndarray:
    """The piece of an artwork around the place that excites a channel most."""
    rows, columns = artworks.grid
    place = divmod(int(artworks.places[number, channel]), columns)
    stride = subjects.tagger.backbone.strides[subjects.tap]
    whole = round(PIXELS / PATCH)
    square = artworks.square(number, whole)
    corner = []
    for axis, positions in enumerate((rows, columns)):
        first = (subjects.side - 1 - stride * (positions - 1)) / 2
        middle = (first + stride * place[axis] + 0.5) * whole / subjects.side
        corner.append(int(np.clip(round(middle - PIXELS / 2), 0, whole - PIXELS)))
    top, left = corner
    return square[top : top + PIXELS, left : left + PIXELS]


def sheet(record: dict, pieces: dict, culture: str) -> np.ndarray:
    """Pieces of a culture's channels, a row each; white where a channel has fewer than others."""
    rows = [row["channel"] for row in record["cultures"][culture]]
    columns = max(len(pieces[culture, channel]) for channel in rows)
    white = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
    cells = []
    for channel in rows:
        own = pieces[culture, channel]
        cells += [*own, *[white] * (columns - len(own))]
    return images.grid(cells, columns, row_labels=[f"channel {channel}" for channel in rows])
