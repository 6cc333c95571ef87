"""What a model does to the same contents in every culture, again and again, there and back.

Everything is restyled by style codes, so that a culture, a mixture and an example are one case.
Pictures go from one restyling to the next as they are, without being rounded to 8 bits.
"""

import dataclasses
import typing

import numpy as np
import tensorflow as tf
import tqdm

from stylegan_culture.measures import content
from stylegan_culture.measures.probes import PHOTOGRAPH
from stylegan_culture.reports.tools import reduced

BATCH = 8
STEPS = 5  # successive restylings


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """What the judge makes of pictures: descriptors `[n, D]`, probabilities `[n, classes]` and
    content codes `[n, C]`."""

    features: np.ndarray
    probabilities: np.ndarray
    codes: np.ndarray

    @property
    def named(self) -> np.ndarray:
        """The class of each picture, `[n]`."""
        return self.probabilities.argmax(axis=1)

    def apart(self, other: "Seen") -> np.ndarray:
        """The content distance of each picture to the same one of others, `[n]`."""
        return content.content_distance(self.codes, other.codes)


def seen(judge, pictures) -> Seen:
    """Looks at pictures `[n, S, S, 3]`."""
    features, codes = content.descriptors_and_codes(judge.backbone, reduced(pictures))
    return Seen(features, judge.classifier.predict_proba(features), codes)


@dataclasses.dataclass(frozen=True, eq=False)
class Bench:
    """One model at work on one trial.

    Attributes:
        trial: the contents and the judge.
        sources: what the judge makes of the contents.
        restyle: `(pictures [n, S, S, 3], style codes [n, D]) -> [n, S, S, 3]`.
        encode: `pictures [n, S, S, 3] -> style codes [n, D]`.
        codes: `[K, D]`, the style code of each of the trial's cultures.
        middle: `[1, D]`, that of the uniform mixture of all the model's cultures.
    """

    trial: object
    sources: Seen
    restyle: typing.Callable
    encode: typing.Callable
    codes: np.ndarray
    middle: np.ndarray

    @classmethod
    def of(cls, model, trial, sources: Seen) -> "Bench":
        """Of a `CultureModel` that knows all the trial's cultures."""
        own = np.asarray(model.fusion.codes())
        return cls(
            trial=trial,
            sources=sources,
            restyle=_batched(
                tf.function(lambda x, code: model.stylize_with(x, code, tf.ones((BATCH, 1))))
            ),
            encode=_batched(tf.function(model.encode_style)),
            codes=own[[model.cultures.index(culture) for culture in trial.cultures]],
            middle=own.mean(axis=0, keepdims=True),
        )

    def into(self, pictures, code) -> np.ndarray:
        """Restyles all pictures by one style code `[D]`."""
        return self.restyle(pictures, np.broadcast_to(code, (len(pictures), code.shape[-1])))

    def look(self, pictures) -> Seen:
        """What the judge makes of pictures."""
        return seen(self.trial.judge, pictures)


def _batched(function):
    """Runs a function of rows by batches of one size, the last one filled up, so that TensorFlow
    traces it once."""

    def run(*arrays):
        found, count = [], len(arrays[0])
        for start in range(0, count, BATCH):
            rows = np.minimum(np.arange(start, start + BATCH), count - 1)
            parts = (tf.constant(np.asarray(array)[rows], tf.float32) for array in arrays)
            found.append(function(*parts).numpy()[: count - start])
        return np.concatenate(found)

    return run


def into_every_culture(bench: Bench, shown) -> dict:
    """Every content in every culture.

    Args:
        shown: numbers of the contents whose results are kept as pictures.

    Returns:
        `features [K, N, D]`, `probabilities [K, N, classes]`, `distance [K, N]` of content to the
        source, and `pictures [K, shown, S, S, 3]`.
    """
    found = {"features": [], "probabilities": [], "distance": [], "pictures": []}
    for code in tqdm.tqdm(bench.codes, "contents in every culture", disable=None):
        results = bench.into(bench.trial.contents, code)
        own = bench.look(results)
        found["features"].append(own.features)
        found["probabilities"].append(own.probabilities)
        found["distance"].append(own.apart(bench.sources))
        found["pictures"].append(results[shown])
    return {name: np.stack(values) for name, values in found.items()}


def drift(bench: Bench, chosen) -> dict:
    """Restyles into the same culture again and again.

    Args:
        chosen: `[n]`, numbers of the contents.

    Returns:
        `[K, STEPS, n]` each: content `distance` to the source, to the one `before`, and whether it
        is `named` as the culture; `pictures [K, STEPS, S, S, 3]` of the first content.
    """
    start = _part(bench.sources, chosen)
    found = {"distance": [], "before": [], "named": [], "pictures": []}
    for culture, code in enumerate(tqdm.tqdm(bench.codes, "again and again", disable=None)):
        pictures, last = bench.trial.contents[chosen], start
        rows = {name: [] for name in found}
        for _ in range(STEPS):
            pictures = bench.into(pictures, code)
            now = bench.look(pictures)
            rows["distance"].append(now.apart(start))
            rows["before"].append(now.apart(last))
            rows["named"].append(now.named == culture)
            rows["pictures"].append(pictures[0])
            last = now
        for name, values in rows.items():
            found[name].append(np.stack(values))
    return {name: np.stack(values) for name, values in found.items()}


def round_trips(bench: Bench, chosen) -> dict:
    """From each content into each culture and back to where it came from.

    Two ways back: by the content's own culture (`name`, of artworks alone), and by the style code
    that the style encoder reads off the content itself (`example`, of all).

    Args:
        chosen: `[n]`, numbers of the contents.

    Returns:
        For "content" (content distance to the source) and "pixels" (mean absolute difference) a
        dictionary: `once [K, n]` after one restyling; for each way `back_WAY [K, n]`, and
        `own_WAY [n]`, the content restyled into its own style at once. `artworks [n]` bool says
        which have a culture of their own; the others hold NaN in `name`. `pictures` are the first
        content's `[K, 2, S, S, 3]`: once, and back by example.
    """
    trial, contents = bench.trial, bench.trial.contents[chosen]
    start, origins = _part(bench.sources, chosen), trial.sources[chosen]
    artworks = origins < len(trial.cultures)
    ways = {"example": (np.arange(len(chosen)), bench.encode(contents))}
    if artworks.any():
        ways["name"] = (np.flatnonzero(artworks), bench.codes[origins[artworks]])
    found = {kind: {} for kind in ("content", "pixels")}

    def note(name, rows, results):
        apart = bench.look(results).apart(_part(start, rows))
        pixels = np.abs(results - contents[rows]).mean(axis=(1, 2, 3))
        for kind, values in (("content", apart), ("pixels", pixels)):
            whole = np.full(len(chosen), np.nan)
            whole[rows] = values
            found[kind].setdefault(name, []).append(whole)

    for way, (rows, codes) in ways.items():
        note(f"own_{way}", rows, bench.restyle(contents[rows], codes))
    pictures = []
    for code in tqdm.tqdm(bench.codes, "there and back", disable=None):
        once = bench.into(contents, code)
        note("once", np.arange(len(chosen)), once)
        for way, (rows, codes) in ways.items():
            back = bench.restyle(once[rows], codes)
            note(f"back_{way}", rows, back)
            if way == "example":
                pictures.append(np.stack([once[0], back[0]]))
    found = {
        kind: {
            name: values[0] if name.startswith("own") else np.stack(values)
            for name, values in own.items()
        }
        for kind, own in found.items()
    }
    return found | {"artworks": artworks, "pictures": np.stack(pictures)}


def unconditioned(bench: Bench) -> dict:
    """What is named where no culture is asked for; of photographs where there are any.

    Returns:
        `chosen [n]`, numbers of the contents, and the named classes `[n]` of them `untouched`, in
        the uniform `mixture` of all the model's cultures, and by a style code of `zeros`, with
        which the generator is left to its own habits.
    """
    trial = bench.trial
    chosen = np.arange(len(trial.contents))
    if PHOTOGRAPH in trial.classes:
        chosen = np.flatnonzero(trial.sources == trial.classes.index(PHOTOGRAPH))
    contents = trial.contents[chosen]
    codes = {"mixture": bench.middle[0], "zeros": np.zeros_like(bench.middle[0])}
    found = {"chosen": chosen, "untouched": bench.sources.named[chosen]}
    return found | {
        name: bench.look(bench.into(contents, code)).named for name, code in codes.items()
    }


def _part(whole: Seen, rows) -> Seen:
    return Seen(*(getattr(whole, field.name)[rows] for field in dataclasses.fields(Seen)))
