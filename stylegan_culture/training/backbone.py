"""Trains the culture backbone: `python -m stylegan_culture.train --trainer backbone --teacher FILE
--data folder:PATH --run DIR`.

The student, an InceptionResNetV2, follows the taps of a distilled VGG-19 through 1x1 heads that are
thrown away after, keeps the teacher's distances between the styles of pictures, and tells
traditions apart.
"""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from stylegan_culture import images, losses
from stylegan_culture.config import InputError, option
from stylegan_culture.features import linalg
from stylegan_culture.features.backbones import build_backbone, save_weights
from stylegan_culture.features.inception import InceptionResNetV2
from stylegan_culture.files import write_result
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import runs
from stylegan_culture.training.augment import augment
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.optimisers import warm_cosine
from stylegan_culture.training.replicas import update

# Each of the teacher's taps and the student's that sees as much of the picture.
FOLLOWS = {
    "relu1_1": "stem_3",
    "relu2_1": "stem_3",
    "relu3_1": "stem_5",
    "relu4_1": "mixed_5b",
    "relu5_1": "block35_10",
}
STYLE_TAPS = tuple(FOLLOWS)


@dataclasses.dataclass(frozen=True)
class DistillationConfig:
    """Weights of the losses and how the student follows their gradients."""

    features: float = option(1.0, "weight of the teacher's features")
    relations: float = option(1.0, "weight of the teacher's style distances between pictures")
    culture: float = option(0.3, "weight of the cross-entropy of the pictures' cultures")
    rate: float = option(1e-3, "learning rate (Adam), falling to 0 along a cosine")
    warm_up: int = option(200, "steps during which the rate rises from 0")
    noise: float = option(0.1, "largest deviation of noise added to pictures, of brightness")
    dropout: float = option(0.5, "share of style statistics hidden from the culture head")


class DistillationHeads(keras.Model):
    """What is thrown away after training: heads for the teacher's taps, and for cultures."""

    def __init__(self, channels: dict, classes: int, dropout: float, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        # relu1_1 has twice the student's resolution: four of its pixels come from one position.
        self.project = {
            tap: keras.layers.Conv2D(count * (4 if tap == "relu1_1" else 1), 1, **policy)
            for tap, count in channels.items()
        }
        self.standardise = keras.layers.BatchNormalization(center=False, scale=False, momentum=0.9)
        self.dropout = keras.layers.Dropout(dropout)
        self.classify = keras.layers.Dense(classes, dtype="float32")

    def call(self, features, training=False):
        """The teacher's taps as the student sees them, and logits `[B, K]`."""
        seen = {}
        for tap, own in FOLLOWS.items():
            value = features[own]
            if tap == "relu5_1":
                value = ops.average_pool(value, 2, 2)
            value = self.project[tap](value)
            seen[tap] = ops.depth_to_space(value, 2) if tap == "relu1_1" else value
        statistics = self.standardise(linalg.descriptors(features), training=training)
        return seen, self.classify(self.dropout(statistics, training=training))


class Standard(keras.layers.Layer):
    """The teacher's taps with mean 0 and deviation 1 per channel, by moments of one batch.

    Channels that hardly ever fire keep a tenth of the tap's mean deviation as theirs, so that they
    do not outweigh the others.
    """

    def __init__(self, channels: dict, **kwargs):
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.mean = {t: self.add_weight(shape=(c,), name=f"{t}_mean") for t, c in channels.items()}
        self.deviation = {
            t: self.add_weight(shape=(c,), initializer="ones", name=f"{t}_deviation")
            for t, c in channels.items()
        }
        self.built = True

    def fit(self, wanted: dict) -> None:
        for tap, value in wanted.items():
            mean, variance = ops.moments(ops.cast(value, "float32"), axes=(0, 1, 2))
            deviation = ops.sqrt(variance)
            self.mean[tap].assign(mean)
            self.deviation[tap].assign(ops.maximum(deviation, 0.1 * ops.mean(deviation)))

    def call(self, wanted: dict):
        return {
            tap: (ops.cast(value, "float32") - self.mean[tap]) / self.deviation[tap]
            for tap, value in wanted.items()
        }


class DistillationTrainer:
    """Student, heads, teacher and the step that trains the first two.

    Args:
        cultures: keys in order; pictures without one (culture -1) form a further class.
        config: `DistillationConfig`.
        teacher: a `DistilledVGG19`.
        steps: of the whole run.
        precision: Keras dtype policy.
        seed: of what is drawn in a step.
    """

    def __init__(self, cultures, config: DistillationConfig, teacher, steps, precision, seed):
        self.config, self.teacher, self.seed = config, teacher, seed
        policy = keras.DTypePolicy(precision)
        self.student = InceptionResNetV2(trainable=True, dtype=policy)
        channels = {
            tap: value.shape[-1] for tap, value in teacher(tf.zeros([1, 64, 64, 3])).items()
        }
        self.heads = DistillationHeads(channels, len(cultures) + 1, config.dropout, dtype=policy)
        self.standard = Standard(channels)
        self.rate = warm_cosine(config.rate, steps, config.warm_up)
        self.optimizer = keras.optimizers.Adam(config.rate, beta_2=0.99, clipnorm=5.0)
        self.previews = np.zeros((0, 64, 64, 3), np.float32)

    @property
    def variables(self) -> list:
        return self.student.trainable_variables + self.heads.trainable_variables

    def build(self, batch) -> None:
        """Calibrates the student on a batch and creates every variable."""
        pictures = tf.concat([batch["content"], batch["style"]], 0)
        self.student(pictures, calibrate=True)
        self.heads(self.student.aligned(pictures))
        self.standard.fit(self.teacher(pictures))
        self.optimizer.build(self.variables)

    def state(self) -> dict:
        """Every variable of the training state by name, in a fixed order."""
        groups = {
            "student": self.student.variables,
            "heads": self.heads.variables + self.standard.variables,
            "optimizer": self.optimizer.variables,
        }
        return {f"{g}/{i:04d}": v for g, group in groups.items() for i, v in enumerate(group)}

    def samples(self) -> dict:
        """A sheet: each preview, then every tap as the teacher has it and as the student sees it.

        Colours are the first three principal components of the teacher's tap over the previews.
        """
        if not len(self.previews):
            return {}
        wanted = self.standard(self.teacher(self.previews))
        seen, _ = self.heads(self.student.aligned(self.previews))
        columns, labels = [self.previews], ["picture"]
        for tap, target in wanted.items():
            columns += principal_colours(target, seen[tap], self.previews.shape[1])
            labels += [tap, f"{tap} seen"]
        cells = [column[row] for row in range(len(self.previews)) for column in columns]
        return {"taps": images.grid(cells, len(columns), column_labels=labels)}

    def codes(self) -> dict:
        """A backbone has no style codes."""
        return {}

    def step(self, batch, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name."""
        return self._step(batch, tf.constant([self.seed, number], tf.int32))

    @tf.function
    def _step(self, batch, seed):
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        pictures = self._disturb(tf.concat([batch["content"], batch["style"]], 0), seed)
        cultures = tf.concat([batch["content_culture"], batch["culture"]], 0)
        classes = self.heads.classify.units
        labels = tf.one_hot(tf.where(cultures < 0, classes - 1, cultures), classes)
        wanted = self.teacher(pictures)
        targets = self.standard(wanted)
        with tf.GradientTape() as tape:
            features = self.student.aligned(pictures)
            seen, logits = self.heads(features, training=True)
            missed = {
                tap: tf.reduce_mean((tf.cast(seen[tap], tf.float32) - target) ** 2)
                for tap, target in targets.items()
            }
            parts = {
                "features": tf.add_n(list(missed.values())) / len(missed),
                "relations": style_relations(features, wanted),
                "culture": tf.reduce_mean(
                    keras.losses.categorical_crossentropy(
                        labels, logits, from_logits=True, label_smoothing=0.1
                    )
                ),
            }
            total, parts = losses.weighted_sum(
                parts, {name: getattr(self.config, name) for name in parts}
            )
        update(self.optimizer, tape, total, self.variables)
        right = tf.cast(tf.argmax(logits, 1) == tf.argmax(labels, 1), tf.float32)
        return parts | missed | {"total": total, "named": tf.reduce_mean(right)}

    def _disturb(self, pictures, seed):
        """Colour changes, and noise on every other picture: what an optimised picture looks like
        on its way must be seen as the teacher sees it."""
        pictures = augment(pictures, ("colour",), seed)
        count = pictures.shape[0]
        deviation = tf.random.stateless_uniform([count, 1, 1, 1], seed + 1, 0.0, self.config.noise)
        deviation *= tf.reshape(tf.cast(tf.range(count) % 2, tf.float32), [count, 1, 1, 1])
        noise = tf.random.stateless_normal(tf.shape(pictures), seed + 2)
        return tf.clip_by_value(pictures + deviation * noise, 0.0, 1.0)


def style_relations(features: dict, wanted: dict):
    """Mean squared difference of the relative style distances between the pictures of a batch."""
    own = losses.style_distances(features)
    return ops.mean((own - ops.stop_gradient(losses.style_distances(wanted))) ** 2)


def principal_colours(target, seen, size: int) -> list:
    """Two feature maps `[B, h, w, C]` as pictures `[B, size, size, 3]` in [0, 1].

    Their colours are the first three principal components of the first, two deviations either way;
    `size` is a multiple of h and w.
    """
    samples = np.asarray(target, np.float64).reshape(-1, target.shape[-1])
    mean = samples.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(samples, rowvar=False))
    shown = vectors[:, -3:] / np.sqrt(np.maximum(variances[-3:], 1e-12))
    scale = size // target.shape[1]
    pictures = []
    for features in (target, seen):
        components = (np.asarray(ops.cast(features, "float32")) - mean) @ shown
        colours = np.clip(0.5 + components / 4.0, 0.0, 1.0)
        pictures.append(colours.repeat(scale, axis=1).repeat(scale, axis=2))
    return pictures


LEAST_SIZE = 64  # pixels that the teacher needs
GRID = 16  # pixels of the teacher's coarsest position
CALIBRATION = 16  # contents and styles each by which student and teacher are standardised


@dataclasses.dataclass(frozen=True)
class BackboneTrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=128, batch_size=8, content_share=0.4, least_scale=0.25)
    distillation: DistillationConfig = DistillationConfig(
        relations=3.0, culture=0.7, rate=2e-3, dropout=0.3
    )
    loop: LoopConfig = LoopConfig(
        steps=6000, log_interval=100, sample_interval=1000, save_interval=500
    )
    teacher: str = option("", "path of the teacher: the .npz file of a distilled VGG-19")
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )


PRESETS = {
    "culture_backbone": (
        BackboneTrainConfig(),
        "about 80 minutes on 2 cores: own pictures, crops of 128 px",
    ),
    "smoke": (
        BackboneTrainConfig(
            data=DataConfig(batch_size=2, mirror=False),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
        ),
        "about a minute: shows that everything runs, teaches nothing",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, distils the teacher, and writes `weights.npz` into the run folder."""
    flags, config = runs.parse(arguments, __doc__, PRESETS, "culture_backbone")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check_values(config)
    config = runs.begin(flags, config)
    teacher = build_backbone("vgg19_16x", config.teacher, dtype=config.precision)
    source, content = runs.load_sources(config.data)
    trainer = DistillationTrainer(
        source.cultures,
        config.distillation,
        teacher,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    trainer.build(runs.first_batch(config.data, source, content, CALIBRATION))
    trainer.previews = runs.held_out_pictures(config.data)
    start = runs.first_step(trainer, flags, config.loop.steps)
    parameters = trainer.student.count_params()
    facts = {"teacher": teacher.fingerprint, "parameters": parameters}
    runs.record(flags, config, source, content, **facts)
    folder = pathlib.Path(flags.run)
    metrics = runs.train(trainer, config, source, content, folder, start)
    weights = folder / "weights.npz"
    if metrics is not None:
        save_weights(weights, trainer.student)
        metrics["weights"] = build_backbone("inception_resnet_v2", str(weights)).fingerprint
        write_result(folder / "metrics.json", metrics)
    runs.announce(folder, "taps", weights=weights)


def _check_values(config: BackboneTrainConfig) -> None:
    if not config.teacher:
        raise InputError(
            "name the teacher with --teacher FILE, the .npz file of a distilled VGG-19 "
            "(vgg19_16x, arXiv 2003.08436)"
        )
    runs.check_multiples(
        (
            ("--image-size", config.data.image_size, GRID),
            ("--batch-size", config.data.batch_size, 1),
            *runs.loop_multiples(config.loop),
        )
    )
    if config.data.image_size < LEAST_SIZE:
        raise InputError(f"--image-size has to be at least {LEAST_SIZE} for the teacher")
    if not 0.0 <= config.distillation.dropout < 1.0:
        raise InputError("--dropout has to lie between 0 and 1 and be less than 1")
