"""Trains and judges the culture tagger: `python -m stylegan_culture.train --trainer classifier
--data folder:PATH --run DIR`. A few minutes; there is nothing to resume."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tqdm

from stylegan_culture.config import WEIGHTS_HELP, InputError, bounded, fraction, option, share
from stylegan_culture.files import write_result, write_run
from stylegan_culture.pipelines.input import load_source
from stylegan_culture.pipelines.preprocess import center_crop
from stylegan_culture.pipelines.sampling import Source, never_held, parents
from stylegan_culture.training import later, runs

keras, tf = later("keras"), later("tensorflow")
attacks = later("stylegan_culture.measures.attacks")
backbones = later("stylegan_culture.features.backbones")
losses, models = later("stylegan_culture.losses"), later("stylegan_culture.models")
networks = later("stylegan_culture.networks.classifier")
statistics = later("stylegan_culture.measures.statistics")
tagging = later("stylegan_culture.measures.tagging")

DESCRIPTORS = 256  # descriptors in a batch
TEMPERATURES = (0.05, 20.0)  # searched for the one that fits


@dataclasses.dataclass(frozen=True)
class TaggingConfig:
    """How a head is trained."""

    epochs: int = option(30, "passes over the descriptors", low=1)
    rate: float = option(3e-3, "learning rate (Adam), falling to 0 along a cosine", low=0.0)
    decay: float = option(3e-2, "weight decay (AdamW)", low=0.0)
    dropout: float = fraction(0.5, "share of the descriptors left out")
    focus: float = option(1.0, "of the focal loss: 0 is cross-entropy, 2 heeds hard tags")
    balance: float = fraction(0.99, "of class-balanced weights: 0 none, near 1 all cultures alike")


def train_head(
    descriptors: np.ndarray, tags: np.ndarray, config: TaggingConfig, seed: int = 0
) -> "networks.CultureHead":
    """A `CultureHead` fitted to descriptors `[N, D]` and multi-hot tags `[N, K]`, uncalibrated.

    Each tag is learnt by itself, against all other pictures. Where every picture has just one tag,
    the head's probabilities are a softmax of the same logits, which was better calibrated than a
    head trained with a softmax. Equal seeds give equal heads.
    """
    descriptors, tags = np.asarray(descriptors, np.float32), np.asarray(tags, np.float32)
    exclusive = bool(np.all(tags.sum(axis=1) == 1.0))
    head = networks.CultureHead(tags.shape[1], exclusive, config.dropout, seed)
    head.build(descriptors.shape)
    deviation = descriptors.std(axis=0)
    head.mean.assign(descriptors.mean(axis=0))
    head.deviation.assign(np.where(deviation > 1e-6, deviation, 1.0))
    share = np.clip(tags.mean(axis=0), 1e-3, 1.0 - 1e-3)
    head.logits.bias.assign(np.log(share / (1.0 - share)))  # else probabilities start at a half
    weights = np.asarray(losses.class_balanced(tags, config.balance))
    steps = config.epochs * -(-len(tags) // DESCRIPTORS)
    rate = keras.optimizers.schedules.CosineDecay(config.rate, steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.decay)
    optimizer.build(head.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(batch, wanted, weight):
        with tf.GradientTape() as tape:
            loss = losses.focal(head(batch, training=True), wanted, config.focus, weight)
        optimizer.apply(tape.gradient(loss, head.trainable_variables))

    generator = np.random.default_rng(seed)
    for _ in range(config.epochs):
        order = generator.permutation(len(tags))
        for start in range(0, len(tags), DESCRIPTORS):
            chosen = order[start : start + DESCRIPTORS]
            step(*(tf.constant(array[chosen]) for array in (descriptors, tags, weights)))
    return head


def temperature(logits: np.ndarray, tags: np.ndarray, exclusive: bool) -> float:
    """The divisor of logits `[N, K]` that makes probabilities shares of pictures.

    The temperature of least cross-entropy (arXiv 1706.04599), by golden-section search of its
    logarithm. The logits are of pictures that their head was not trained on; `exclusive` is that
    of `CultureHead`.
    """
    logits, tags = np.asarray(logits, np.float64), np.asarray(tags, np.float64)

    def loss(logarithm):
        scaled = logits / np.exp(logarithm)
        if not exclusive:
            return np.logaddexp(0.0, -scaled * (2.0 * tags - 1.0)).mean()
        every = np.logaddexp.reduce(scaled, axis=1)
        return (every - (tags * scaled).sum(axis=1)).mean()

    low, high = np.log(TEMPERATURES)
    golden = (5**0.5 - 1) / 2
    while high - low > 1e-4:
        first, second = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, second) if loss(first) < loss(second) else (first, high)
    return float(np.exp((low + high) / 2))


ATTACKED = 16  # pictures that are attacked at once


@dataclasses.dataclass(frozen=True)
class HardeningConfig:
    """How pictures are attacked for a head to learn from."""

    adversarial_radius: float = share(
        0.0, "largest change of a value in attacked training pictures, of full brightness; 0: none"
    )
    adversarial_rounds: int = option(
        3, "attacks, each on the head that learnt from the last", low=1
    )
    adversarial_steps: int = option(3, "steps of each attack (PGD)", low=1)


def hardened_views(
    tagger: "networks.CultureTagger",
    source: Source,
    side: int,
    views: np.ndarray,
    fit: Callable[[np.ndarray], "networks.CultureHead"],
    config: HardeningConfig,
) -> np.ndarray:
    """Descriptors `[V, N, D]` with those of attacked pictures added: `[V + rounds, N, D]`.

    Args:
        tagger: whose backbone is attacked.
        source: the N pictures that `views` describe, none of them held out.
        side: pixels a side of their middle squares.
        views: at least the plain ones.
        fit: descriptors `[V, N, D]` to a head.
        config: radius, rounds and steps.
    """
    for number in range(config.adversarial_rounds):
        # A new one each time: Keras lets no head be replaced in a tagger that has been called.
        current = networks.CultureTagger(tagger.backbone, fit(views))
        attacked = _attacked(current, source, side, config, number)
        views = np.concatenate([views, attacked[None]])
    return views


def _attacked(
    tagger: "networks.CultureTagger", source: Source, side: int, config: HardeningConfig, seed: int
) -> np.ndarray:
    """Descriptors `[N, D]` of pictures changed to mislead the tagger's head."""
    logits_of = tf.function(lambda batch: tagger(batch), reduce_retracing=True)
    describe = tf.function(tagger.describe, reduce_retracing=True)
    ball = attacks.Ball("linf", config.adversarial_radius)
    described = []
    for rows, pictures in _squares(source, side, ATTACKED, "attacked"):
        objective = _wrongness(logits_of, source.tags[rows], tagger.head.exclusive)
        changed = attacks.pgd(objective, pictures, ball, config.adversarial_steps, seed=seed)
        described.append(np.asarray(describe(changed)))
    return np.concatenate(described)


def _squares(source: Source, side: int, most: int, what: str) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of a source and their middle squares `[N, side, side, 3]` in [0, 1], N up to `most`."""
    for start in tqdm.tqdm(range(0, len(source), most), what, disable=None):
        rows = slice(start, min(start + most, len(source)))
        squares = [center_crop(source.read(row), side) for row in range(rows.start, rows.stop)]
        yield rows, np.stack(squares).astype(np.float32) / 255


def _wrongness(logits_of: Callable, tags: np.ndarray, exclusive: bool) -> Callable:
    """How wrong pictures are tagged, `[B]`: cross-entropy of the one tag, or of every tag."""
    if exclusive:
        return attacks.misnamed(logits_of, tags.argmax(axis=1))
    tags = tf.constant(tags, tf.float32)
    return lambda pictures: tf.reduce_sum(
        tf.nn.sigmoid_cross_entropy_with_logits(tags, logits_of(pictures)), axis=1
    )


BATCH = 16  # pictures that pass the backbone at once
INNER_FOLDS = 4  # whose logits the temperature is taken from
LEAST = 2  # works of a culture that a head learns from: one is in every inner training part


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
    """Everything that decides a run; saved in its run.json."""

    tagging: TaggingConfig = TaggingConfig()
    hardening: HardeningConfig = HardeningConfig()
    data: str = option(
        "",
        "folder:PATH (sub-folders or a CSV of tags), records:DIR or tfds:NAME",
        table=True,
        metavar="SOURCE",
    )
    backbone: str = option(
        "inception_resnet_v2", "the fixed network under the head", metavar="NAME"
    )
    weights: str = option("culture", f"its weights: {WEIGHTS_HELP}")
    side: int = option(160, "pixels a side of the pictures' middle squares", low=1)
    folds: int = option(5, "of the cross-validation over all pictures, 2 or more; 0: none", low=0)
    seed: int = option(0, "seed of folds, order and dropout")


@dataclasses.dataclass(frozen=True)
class TaggerRecord:
    """What a run gave: its measures on the held-out fifth (`held_out`) and over `folds`, the
    cultures, and the run folder."""

    measures: dict[str, "tagging.TaggerFigures"]
    cultures: tuple[str, ...]
    folder: pathlib.Path


def main(arguments: list[str] | None = None) -> TaggerRecord | None:
    """Parses flags, trains, measures on the held-out fifth, and writes the run folder."""
    flags, config = runs.parse(arguments, __doc__, {"": (ClassifierConfig(), "")})
    if flags is None:
        return None
    folder = pathlib.Path(flags.run)
    _check(config, folder)
    runs.claim(flags, config)
    source = load_source(config.data, config.side, "all")
    _check_pictures(source, config)
    backbone = backbones.build_backbone(config.backbone, config.weights)
    bounded("--side", config.side, low=backbone.least_size)
    tagger = networks.CultureTagger(backbone)
    views = _describe(tagger, source, config.side)
    measures = _measure(tagger, views, source, config)
    facts = {name: getattr(config, name) for name in ("backbone", "weights", "side")}
    cultures = runs.described(source)
    models.save_tagger(folder / "classifier.npz", tagger, {**facts, "cultures": cultures})
    write_run(
        folder,
        config,
        trainer="classifier",
        cultures=cultures,
        command=f"{runs.PROGRAM} {flags.command}",
    )
    runs.report_skipped(folder, source)
    head = tagger.head
    metrics = {"temperature": float(np.asarray(head.temperature)), "exclusive": head.exclusive}
    metrics |= {part: dataclasses.asdict(figures) for part, figures in measures.items()}
    write_result(folder / "metrics.json", metrics)
    return TaggerRecord(measures, source.cultures, folder)


def _check(config: ClassifierConfig, folder: pathlib.Path) -> None:
    if not config.data:
        raise InputError("--data is missing; --help says what it is")
    if folder.is_file():
        raise InputError(f"--run {folder} is a file; name a folder")
    if (folder / "run.json").exists():
        raise InputError(f"{folder} holds a run already; name another folder")
    if config.folds == 1:
        raise InputError("--folds is 0, for none, or at least 2")
    if config.hardening.adversarial_radius and config.folds:
        raise InputError(
            "--adversarial-radius would need all pictures attacked anew for every fold; add "
            "--folds 0"
        )


def _check_pictures(source: Source, config: ClassifierConfig) -> None:
    """Every culture needs works to learn from beside each fold, and a held-out one; a work is a
    picture with its cut-outs."""
    distinct = np.array(parents(source.ids))
    needed = 2 * LEAST if config.folds == 2 else LEAST + 1
    for number, culture in enumerate(source.cultures):
        rows = source.of_culture(number)
        every, kept = (len(set(distinct[part])) for part in (rows, rows[~source.held[rows]]))
        left = every - -(-every // config.folds) if config.folds else every
        if min(kept, left) < LEAST or not source.held[rows].any():
            raise InputError(
                f"culture {culture!r} has {every} pictures that are no cut-outs of each other, too "
                f"few to train, calibrate and measure; give it {needed} or more, or leave it out"
            )


def _describe(tagger: "networks.CultureTagger", source: Source, side: int) -> np.ndarray:
    """Descriptors of each picture's middle square and of its mirror image: `[2, N, D]`."""
    describe, views = tf.function(tagger.describe, reduce_retracing=True), ([], [])
    for _, squares in _squares(source, side, BATCH, "features"):
        for view, pictures in zip(views, (squares, squares[:, :, ::-1]), strict=True):
            view.append(np.asarray(describe(tf.constant(pictures))))
    return np.stack([np.concatenate(view) for view in views])


def _measure(
    tagger: "networks.CultureTagger", views: np.ndarray, source: Source, config: ClassifierConfig
) -> dict[str, "tagging.TaggerFigures"]:
    """Measures on the held-out fifth, by the head that stays in `tagger`, and over folds.

    What the shipped backbone was trained on is no more learnt from than the rest of that fifth, but
    not judged either.
    """
    tags, names, held = source.tags, source.cultures, source.held
    judged = never_held(source, models.backbone_pictures(config.weights)).held
    identifiers = np.array(source.ids)
    kept = views[:, ~held]
    if config.hardening.adversarial_radius:
        kept = hardened_views(
            tagger,
            source.select(np.flatnonzero(~held)),
            config.side,
            kept,
            lambda every: _head(every, tags[~held], config),
            config.hardening,
        )
    tagger.head = _calibrated(kept, tags[~held], identifiers[~held], config)
    works = np.array(parents(source.ids))
    probabilities = _probabilities(tagger.head, views[0, judged])
    figures = tagging.TaggerFigures.of(probabilities, tags[judged], names, works[judged])
    measures = {"held_out": figures}
    if config.folds:
        part, pooled = _folds(source.ids, tags, config.folds, config.seed), np.zeros(tags.shape)
        for fold in tqdm.tqdm(range(config.folds), "folds", disable=None):
            test = part == fold
            head = _calibrated(views[:, ~test], tags[~test], identifiers[~test], config)
            pooled[test] = _probabilities(head, views[0, test])
        measures["folds"] = tagging.TaggerFigures.of(pooled, tags, names, works)
    return measures


def _calibrated(
    views: np.ndarray, tags: np.ndarray, identifiers: list[str], config: ClassifierConfig
) -> "networks.CultureHead":
    """A head trained on descriptors `[V, N, D]`, its temperature taken from inner folds of them."""
    part = _folds(identifiers, tags, INNER_FOLDS, config.seed)
    logits = np.zeros(tags.shape, np.float32)
    for fold in range(part.max() + 1):
        test = part == fold
        logits[test] = _head(views[:, ~test], tags[~test], config)(views[0, test])
    head = _head(views, tags, config)
    head.temperature.assign(temperature(logits, tags, head.exclusive))
    return head


def _head(views: np.ndarray, tags: np.ndarray, config: ClassifierConfig) -> "networks.CultureHead":
    rows = views.reshape(-1, views.shape[-1])
    return train_head(rows, np.tile(tags, (len(views), 1)), config.tagging, config.seed)


def _folds(identifiers: Sequence[str], tags: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Each picture's fold `[N]`; cut-outs of a picture share one. Works of several tags are dealt
    by the rarest, so that no rare tag falls into one fold whole."""
    works, tags = np.array(parents(identifiers)), np.asarray(tags, bool)
    carried = np.array([len(set(works[column])) for column in tags.T])
    rarest = np.where(tags, carried, len(works) + 1).argmin(axis=1)
    return statistics.folds_of_works(works, rarest, count, seed)


def _probabilities(head: "networks.CultureHead", descriptors: np.ndarray) -> np.ndarray:
    return np.asarray(head.probabilities(head(descriptors)))
