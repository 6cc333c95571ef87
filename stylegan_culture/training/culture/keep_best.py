"""Measures a model on a few held-out contents in little time, for `--keep-best` to choose by.

The figures compare checkpoints of one run and say nothing of other models: the classifier reads the
backbone that training may use as well, and the best of many checkpoints was chosen by them.
"""

import math
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture.arrays import load_weights, save_weights
from stylegan_culture.config import InputError, shortened
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.files import read_json, write_result
from stylegan_culture.measures import content as content_measures
from stylegan_culture.measures import sets, truth
from stylegan_culture.networks.classifier import OUTMOST
from stylegan_culture.pipelines.input import (
    DataConfig,
    evaluation_arrays,
    load_content,
    load_source,
)
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import runs
from stylegan_culture.training.classifier import TaggingConfig, train_head
from stylegan_culture.training.culture.settings import FEWEST, METRICS, TrainConfig

FITTED = 100  # training pictures of each class that the head is fitted to and KID compares with


class Exam:
    """Measures models on contents that are the same at every call: `exam(model) -> {name: figure}`.

    Contents are held out, of the content-only pictures where there are some. A picture of a culture
    is not restyled into that culture, where leaving it unchanged would be right.

    Args:
        config: of the run, with `best` and `data`.
        source: the artworks trained on.
        content: the content-only pictures trained on, or None.

    Raises:
        InputError: too few held-out contents.
    """

    def __init__(self, config: TrainConfig, source: Source, content: Source | None):
        best = config.best
        self.contents, sources, self.rendered = _contents(config.data, best.judged_contents)
        self.wanted = sources != np.arange(len(source.cultures))[:, None]
        if self.wanted.sum(axis=1).min() < FEWEST:
            raise InputError(
                f"--keep-best restyles {len(sources)} held-out contents, too few to judge every "
                "culture; give more pictures, a folder of --content, or more --judged-contents"
            )
        self.sight = None
        if best.keep_best != "truth":
            backbone = build_backbone(
                "inception_resnet_v2", dtype=keras.DTypePolicy(config.precision)
            )
            self.sight = Sight(backbone, source, content, self.contents)

    def __call__(self, model: keras.Model) -> dict:
        contents = tf.constant(self.contents)
        mixtures = np.eye(len(self.wanted), dtype="f")[:, None].repeat(len(contents), axis=1)
        restyled = np.stack([_restyle(model, contents, tf.constant(each)) for each in mixtures])
        figures = self.sight.figures(restyled, self.wanted) if self.sight else {}
        if self.rendered is not None:
            errors = truth.mean_square(restyled, self.rendered)
            figures["truth"] = float(errors[self.wanted].mean())
        return figures


class Sight:
    """Judges pictures by a backbone: which culture they look like, and how near their content is.

    A culture head (as the tagger's) on the backbone's descriptors is fitted to training pictures;
    content-only pictures, where there are some, are a further class. Pictures that are too small
    for the backbone are enlarged by a whole number.

    Args:
        backbone: through which every picture passes once.
        source: training artworks; `content`: training photographs, or None.
        contents: that are restyled, `[N, S, S, 3]`; all pictures are measured at this size.
    """

    def __init__(
        self, backbone: keras.Model, source: Source, content: Source | None, contents: np.ndarray
    ):
        self.backbone, size = backbone, contents.shape[1]
        self.times = -(-backbone.least_size // size)
        classes = [source.select(source.of_culture(k)) for k in range(len(source.cultures))]
        if content is not None:
            classes.append(content)
        learnt = []
        for part in classes:
            chosen = part.select(runs.spread(len(part), min(FITTED, len(part))))
            learnt.append(self._perceived(evaluation_arrays(chosen, size)[0])[0])
        tags = np.repeat(np.eye(len(learnt)), [len(part) for part in learnt], axis=0)
        self.head = train_head(np.concatenate(learnt), tags, TaggingConfig())
        self.artworks = [self._standard(part) for part in learnt[: len(source.cultures)]]
        self.codes = self._perceived(contents)[1]

    def figures(self, restyled: np.ndarray, wanted: np.ndarray) -> dict:
        """Figures of results `[K, N, S, S, 3]` where `wanted [K, N]`; see `METRICS_HELP`."""
        descriptors, codes = zip(*(self._perceived(part) for part in restyled), strict=True)
        named = [np.argmax(self.head(part), axis=1) == k for k, part in enumerate(descriptors)]
        apart = content_measures.content_distance(np.stack(codes), self.codes)
        kids = [
            sets.kid(self._standard(part[chosen]), real)
            for part, real, chosen in zip(descriptors, self.artworks, wanted, strict=True)
        ]
        share, distance = float(np.mean(np.stack(named)[wanted])), float(np.mean(apart[wanted]))
        return {
            "named": share,
            "balanced": share * (1.0 - distance / 2.0),
            "content": distance,
            "kid": float(np.mean(kids)),
        }

    def _perceived(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Descriptors `[N, D]` and content codes `[N, E]` of pictures."""
        pictures = np.asarray(pictures).repeat(self.times, axis=1).repeat(self.times, axis=2)
        return content_measures.descriptors_and_codes(self.backbone, pictures)

    def _standard(self, descriptors: np.ndarray) -> np.ndarray:
        """Descriptors with deviation 1 in every channel and outliers cut off, as in the head."""
        mean, deviation = np.asarray(self.head.mean), np.asarray(self.head.deviation)
        return np.clip((descriptors - mean) / deviation, -OUTMOST, OUTMOST)


@tf.function(reduce_retracing=True)
def _restyle(model: keras.Model, contents: tf.Tensor, mixture: tf.Tensor) -> tf.Tensor:
    return model(contents, mixture, tf.ones((tf.shape(contents)[0], 1)))


def _contents(data: DataConfig, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Held-out contents `[N, S, S, 3]`, the culture of each (-1: none), and their true renderings
    in every culture `[K, N, S, S, 3]`, or None where there are none."""
    size = data.image_size
    part = load_content(data.content, size, "held_out", data.cache_mib)
    if part is None:
        part = load_source(data.data, size, "held_out", data.cache_mib)
    # Drawn at random: evenly spaced pictures might all be of one culture.
    chosen = np.sort(np.random.default_rng(0).permutation(len(part))[:count])
    if data.data != "ornaments" or data.content:
        return *evaluation_arrays(part.select(chosen), size)[:2], None
    pictures, cultures, names = evaluation_arrays(part, size)
    scenes = [names[number].partition("/")[2] for number in chosen]
    rendered = [[names.index(f"{key}/{scene}") for scene in scenes] for key in part.cultures]
    return pictures[chosen], cultures[chosen], pictures[np.array(rendered)]


WEIGHTS, RECORD = "model.weights.h5", "best.json"


class Keeper:
    """Measures a model at every checkpoint and keeps its weights where they are the best so far.

    `keeper(step) -> {name: figure}` is the loop's hook. The step that a run was resumed from is not
    measured again; later figures, of weights that are lost, are deleted, except the best, whose
    weights are in a file. Of equally good steps the later one is kept.

    Args:
        folder: of the run.
        model: whose weights are measured and kept.
        measure: `measure(model) -> {name: figure}`.
        metric: the figure that decides, of `METRICS`.
        resumed: whether to go on with the folder's best.json; a new run begins without.

    Raises:
        InputError: best.json is damaged, of another metric, or its weights are missing.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        model: keras.Model,
        measure: Callable[[keras.Model], dict],
        metric: str,
        resumed: bool,
    ):
        self.folder, self.model, self.measure = pathlib.Path(folder), model, measure
        self.metric, self.more = metric, METRICS[metric]
        self.best, self.judged = self._read() if resumed else (None, [])

    def __call__(self, step: int) -> dict:
        known = {entry["step"]: entry for entry in self.judged}
        self.judged = [entry for entry in self.judged if entry["step"] < step]
        entry = known.get(step) or {"step": step, "figures": self.measure(self.model)}
        self.judged.append(entry)
        if step not in known and self._better(entry):
            self.best = entry
            save_weights(self.model, self.folder / WEIGHTS)
        record = {
            "metric": self.metric,
            "more_is_better": self.more,
            "best": self.best and _for_json(self.best),
            "judged": [_for_json(entry) for entry in self.judged],
        }
        # Written last: after a kill before this line, the resumed run measures the step again.
        write_result(self.folder / RECORD, record)
        return entry["figures"]

    def finish(self) -> dict | None:
        """Puts the best weights into the model; returns the best step and its figures, or None
        where no checkpoint was written, so that none was measured."""
        if self.best is None:
            return None
        load_weights(
            self.folder / WEIGHTS,
            self.model.count_params(),
            lambda: self.model,
            f"delete it and {RECORD} to keep the last step's weights",
        )
        return {"metric": self.metric, **self.best}

    def _better(self, entry: dict) -> bool:
        figure = entry["figures"][self.metric]
        if self.best is None:
            return math.isfinite(figure)
        known = self.best["figures"][self.metric]
        return figure >= known if self.more else figure <= known

    def _is_entry(self, entry: object) -> bool:
        """Whether something is a step with its figures, that of the metric among them."""
        if not isinstance(entry, dict) or type(entry.get("step")) is not int:
            return False
        figures = entry.get("figures")
        if not isinstance(figures, dict) or self.metric not in figures:
            return False
        return all(type(figure) in (int, float, type(None)) for figure in figures.values())

    def _read(self) -> tuple[dict | None, list[dict]]:
        """The best step and all judged ones of best.json; nothing where there is no file."""
        path = self.folder / RECORD
        if not path.is_file():
            return None, []
        remedy = "delete it to begin the comparison anew"
        record = read_json(path, remedy)
        best, judged, metric = (record.get(name) for name in ("best", "judged", "metric"))
        if metric != self.metric:
            raise InputError(
                f"{path} was kept by {shortened(metric)}, not by {self.metric}; {remedy}"
            )
        entries = judged if isinstance(judged, list) else [None]
        for entry in entries if best is None else [*entries, best]:
            if not self._is_entry(entry):
                raise InputError(f"{path} is damaged ({shortened(entry)} is no step); {remedy}")
        if best is not None and not (self.folder / WEIGHTS).is_file():
            raise InputError(f"{path} is there and {WEIGHTS} of its best step is not; {remedy}")
        return best and _from_json(best), [_from_json(entry) for entry in judged]


def _for_json(entry: dict) -> dict:
    """A judged step, null for figures that are not finite."""
    figures = {name: x if math.isfinite(x) else None for name, x in entry["figures"].items()}
    return {"step": entry["step"], "figures": figures}


def _from_json(entry: dict) -> dict:
    figures = {name: math.nan if x is None else x for name, x in entry["figures"].items()}
    return {"step": entry["step"], "figures": figures}
