"""What the style code does: directions to cultures, walks along them, ways between two cultures."""

import numpy as np

from stylegan_culture.measures import evidence, probes, statistics
from stylegan_culture.reports.explained_artworks import Artworks
from stylegan_culture.reports.explained_subjects import Subjects
from stylegan_culture.reports.explanation_settings import ExplainConfig

STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # of a walk: 0 is the middle of all cultures, 1 the culture


def between(subjects: Subjects) -> evidence.Directions:
    """From the middle of the default codes of the generator's cultures to each."""
    return evidence.Directions.between(np.asarray(subjects.model.fusion.codes()))


def walks(config: ExplainConfig, subjects: Subjects) -> tuple[dict, dict]:
    """Every picture at `STEPS` along the direction of each culture asked for.

    Returns:
        `{culture: [{"name", "probabilities": [{culture: p} for each step]}]}`, and
        `{culture: [N, steps, S, S, 3]}`.
    """
    ways, record, pictures = between(subjects), {}, {}
    for culture in config.cultures:
        codes = ways.at(subjects.model.cultures.index(culture), STEPS)
        record[culture], pictures[culture] = _strips(subjects, codes)
    return record, pictures


def path(config: ExplainConfig, subjects: Subjects) -> tuple[dict, np.ndarray]:
    """Every picture at even steps of the mixture from one culture to another."""
    one, other = config.ends
    shares = np.linspace(0.0, 1.0, config.steps)
    codes = np.stack([subjects.code(f"{one}={1.0 - s},{other}={s}") for s in shares])
    strips, pictures = _strips(subjects, codes)
    return {"from": one, "to": other, "shares": shares.tolist(), "pictures": strips}, pictures


def measure(config: ExplainConfig, subjects: Subjects, artworks: Artworks) -> dict:
    """Where the codes that the encoder reads from artworks lie among the directions.

    Returns a dict: `cultures`; `along`, for each the mean of its held-out artworks along the
    direction to each culture, with intervals (0 the middle of the default codes, 1 the culture's
    default code); `cosine`, of the direction to a culture's default code and that to the mean code
    of its artworks; `accuracy`, of a linear discriminant of codes on held-out artworks, and the
    `shrinkage` of its covariance.
    """
    keys, count = artworks.cultures, len(artworks.cultures)
    ways = between(subjects)
    numbers = [subjects.model.cultures.index(key) for key in keys]
    held, labels = artworks.held, artworks.labels
    along = evidence.means_of_cultures(
        ways.along(artworks.codes[held])[:, numbers],
        labels[held],
        count,
        config.replicates,
        config.seed,
    )
    read = evidence.Directions.between(
        [artworks.codes[labels == number].mean(axis=0) for number in range(count)]
    )
    fitted = probes.discriminant(artworks.codes[~held], labels[~held])
    right = fitted.predict(artworks.codes[held]) == labels[held]
    return {
        "cultures": list(keys),
        "along": along.tolist(),
        "cosine": {
            key: statistics.cosine(ways.steps[number], read.steps[place])
            for place, (key, number) in enumerate(zip(keys, numbers, strict=True))
        },
        "accuracy": statistics.balanced_accuracy_interval(
            right, labels[held], config.replicates, config.seed
        ),
        "by_chance": 1.0 / count,
        "shrinkage": fitted.shrinkage,
        "held_out": int(held.sum()),
    }


def _strips(subjects: Subjects, codes) -> tuple[list, np.ndarray]:
    pictures = subjects.restyled(codes)
    probabilities = subjects.probabilities(pictures)
    record = [
        {"name": name, "probabilities": [subjects.told(one) for one in own]}
        for name, own in zip(subjects.names, probabilities, strict=True)
    ]
    return record, pictures
