"""What the page is made of: each tradition's portrait, and how far traditions lie apart.

Every picture is read once and passes the backbone once. A picture of several traditions counts for
its first.
"""

import dataclasses

from stylegan_culture.reports import study_data as common
from stylegan_culture.reports.study_settings import PageConfig

LEAST = 5  # pictures of a tradition that distances are taken of; the held-out rule then keeps one
MAP = "transport"
EXAMPLES = 6


@dataclasses.dataclass
class Collected:
    """What one pass over the pictures leaves.

    Fields:
        names: the traditions.
        albums: of `measures.gaps`, by tradition.
        collectors: of `features.moments` at one tap, for the parts "train" and "held_out".
        tap: its name.
        numbers: of the pictures in the source, for each part, in the collectors' order.
        small: identifiers of pictures that are too small for the backbone and were left out.
    """

    names: tuple
    albums: dict
    collectors: dict
    tap: str
    numbers: dict
    small: list

    def sampled(self, part: str, names):
        """Positions of a part's pictures of some traditions, numbered in that order."""
        import numpy as np

        from stylegan_culture.measures.gaps import Sampled

        collector = self.collectors[part]
        chosen = [k for k, own in enumerate(collector.cultures) if own[0] in names]
        rows = [collector.samples[self.tap][k] for k in chosen]
        labels = [names.index(collector.cultures[k][0]) for k in chosen]
        return Sampled(np.stack(rows), np.array(labels))

    def moments(self, part: str, names) -> dict:
        """Tradition to `Moments` of every position of a part's pictures."""
        return {name: self.collectors[part].moments[name][self.tap] for name in names}

    def measurable(self) -> list:
        """Traditions that have `LEAST` pictures, and some in both parts."""
        counts = {part: one.pictures() for part, one in self.collectors.items()}
        return [
            name
            for name in self.names
            if len(self.albums[name]) >= LEAST and all(own.get(name) for own in counts.values())
        ]


def collect(config: PageConfig, source, backbone, tap: str) -> Collected:
    """Reads every picture once: its looks into an album, its features into a collector."""
    import numpy as np

    from stylegan_culture.features.moments import Collector, aligned_features
    from stylegan_culture.measures.looks import Album

    parts = ("train", "held_out")
    found = Collected(
        names=tuple(source.cultures),
        albums={name: Album() for name in source.cultures},
        collectors={part: Collector(config.positions, config.seed) for part in parts},
        tap=tap,
        numbers={part: [] for part in parts},
        small=[],
    )
    generator, passed = np.random.default_rng(config.seed), []

    def passing():
        pictures = common.pictures(source, config.short_side)
        for number, (picture, names) in enumerate(pictures):
            if min(picture.shape[:2]) < backbone.least_size:
                found.small.append(source.ids[number])
                continue
            found.albums[names[0]].add(picture, generator)
            passed.append(number)
            yield picture, names[:1]

    for features, names in aligned_features(backbone, passing(), (tap,)):
        part = parts[int(source.held[passed[-1]])]
        found.collectors[part].add(features, names)
        found.numbers[part].append(passed[-1])
    return found


def portraits_of(collected: Collected, seed: int) -> dict:
    """Tradition to its `portrait`, with the means and deviations of its features' channels."""
    import numpy as np

    from stylegan_culture.features.moments import merge
    from stylegan_culture.measures.looks import Portrait

    found = {}
    for name in collected.names:
        album = collected.albums[name]
        if not len(album):
            continue
        parts = [
            one.moments[name][collected.tap]
            for one in collected.collectors.values()
            if name in one.moments
        ]
        whole = merge(*parts) if len(parts) == 2 else parts[0]
        held = collected.collectors["held_out"].pictures().get(name, 0)
        found[name] = {
            "pictures": len(album),
            "held_out": held,
            **dataclasses.asdict(Portrait.of(album, seed)),
            "moments": {
                "positions": whole.count,
                "mean": np.round(whole.mean, 5).tolist(),
                "deviation": np.round(np.sqrt(np.diag(whole.covariance)), 5).tolist(),
            },
        }
    return found


def gaps_of(config: PageConfig, collected: Collected, names: list) -> dict:
    """Gaps between traditions on held-out pictures before and after alignment, as
    `measures.gaps.compare_maps` measures them, and the floor of two halves of one."""
    import numpy as np
    import tqdm

    from stylegan_culture.features.alignment import CultureAlignment
    from stylegan_culture.measures import gaps, statistics

    train, held = (collected.sampled(part, names) for part in ("train", "held_out"))
    moments = collected.moments("train", names)
    unit = max(float(np.mean([np.trace(one.covariance) for one in moments.values()])), 1e-30)
    layers = {"before": None, "after": CultureAlignment.of(moments, MAP)}
    replicates = tqdm.tqdm(
        statistics.resampled(held.labels, config.replicates, config.seed),
        "replicates of gaps",
        disable=None,
    )
    compared = gaps.compare_maps(layers, train, held, replicates, unit)
    return {
        "map": MAP,
        "unit": unit,
        **{name: dataclasses.asdict(figures) for name, figures in compared.items()},
        "halves": gaps.halves(held, unit, config.seed),
    }


def plane_of(config: PageConfig, collected: Collected, names: list) -> tuple[dict, dict]:
    """The map of traditions, and {figure: {tradition: [value, low, high]}} of their features."""
    from stylegan_culture.measures import gaps

    found = gaps.survey(_whole(collected, names), config.seed)
    figures = {
        key: dict(zip(names, values.tolist(), strict=True)) for key, values in found.figures.items()
    }
    plane = {
        "points": dict(zip(names, found.points.tolist(), strict=True)),
        "ellipses": {
            name: list(gaps.ellipse(own)) for name, own in zip(names, found.scatter, strict=True)
        },
        "kept": found.kept,
        "frechet": found.frechet.tolist(),
        "variance_held": found.variance,
        "directions": gaps.DIRECTIONS,
        "replicates": gaps.MAP_REPLICATES,
    }
    return plane, figures


def shown(collected: Collected, pairs: int) -> tuple[dict, list]:
    """Numbers of the pictures that the page shows: for each tradition its examples, and the pairs
    `(picture, picture, similarity)` of nearest neighbours across traditions, similarity above 0."""
    import numpy as np

    from stylegan_culture.measures import looks

    names = [name for name in collected.names if len(collected.albums[name])]
    whole = _whole(collected, names)
    numbers = np.array(sum(collected.numbers.values(), []))
    descriptors = whole.descriptors()
    examples = {}
    for label, name in enumerate(names):
        own = np.flatnonzero(whole.labels == label)
        chosen = looks.examples(descriptors[own], EXAMPLES)
        examples[name] = numbers[own[chosen]].tolist()
    near = looks.neighbours(descriptors, whole.labels, pairs, varied=True)
    return examples, [
        (int(numbers[one]), int(numbers[two]), alike) for one, two, alike in near if alike > 0.0
    ]


def _whole(collected: Collected, names: list):
    """Both parts' positions, the training pictures first."""
    import numpy as np

    from stylegan_culture.measures.gaps import Sampled

    present = [part for part, numbers in collected.numbers.items() if numbers]
    parts = [collected.sampled(part, names) for part in present]
    return Sampled(
        np.concatenate([one.features for one in parts]),
        np.concatenate([one.labels for one in parts]),
    )
