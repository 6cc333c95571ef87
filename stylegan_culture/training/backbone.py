"""Trains the culture backbone: `python -m stylegan_culture.train --trainer backbone --teacher FILE
--data folder:PATH --run DIR`.

The student, an InceptionResNetV2, follows the taps of a distilled VGG-19 through 1x1 heads that are
thrown away after, keeps the teacher's distances between the styles of pictures, and tells
traditions apart.
"""

import dataclasses

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError, bounded, fraction, option, weight
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import later, runs
from stylegan_culture.training.augment import augment
from stylegan_culture.training.loop import CosineConfig, LoopConfig, Trainer
from stylegan_culture.training.replicas import update

keras, tf = later("keras"), later("tensorflow")
backbones = later("stylegan_culture.features.backbones")
inception = later("stylegan_culture.features.inception")
losses = later("stylegan_culture.losses")
networks = later("stylegan_culture.networks.distillation")
optimisers = later("stylegan_culture.training.optimisers")

LEAST_SIZE = 64  # pixels that the teacher needs
GRID = 16  # pixels of the teacher's coarsest position
CALIBRATION = 16  # contents and styles each by which student and teacher are standardised


@dataclasses.dataclass(frozen=True)
class DistillationConfig(CosineConfig):
    """Weights of the losses and how the student follows their gradients."""

    features: float = weight(1.0, "the teacher's features")
    relations: float = weight(3.0, "the teacher's style distances between pictures")
    culture: float = weight(0.7, "the cross-entropy of the pictures' cultures")
    noise: float = option(
        0.1, "largest deviation of noise added to pictures, of brightness", low=0.0
    )
    dropout: float = fraction(0.3, "share of style statistics hidden from the culture head")


@dataclasses.dataclass(frozen=True)
class BackboneTrainConfig(runs.RunConfig):
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=128, batch_size=8, content_share=0.4, least_scale=0.25)
    distillation: DistillationConfig = DistillationConfig(rate=2e-3, warm_up=200)
    loop: LoopConfig = LoopConfig(
        steps=6000, log_interval=100, sample_interval=1000, save_interval=500
    )
    teacher: str = option("", "the .npz file of a distilled VGG-19", metavar="FILE")
    start: str = option(
        "",
        "weights of the student to begin from: culture, or an .npz file; empty: random ones",
        metavar="WEIGHTS",
    )

    def checked(self, devices: int) -> "BackboneTrainConfig":
        if not self.teacher:
            raise InputError(
                "name the teacher with --teacher FILE, the .npz file of a distilled VGG-19 "
                "(vgg19_16x, arXiv 2003.08436)"
            )
        bounded("--image-size", self.data.image_size, low=LEAST_SIZE, multiple_of=GRID)
        return self


class DistillationTrainer(Trainer):
    """Student, heads, teacher and the step that trains the first two.

    Args:
        cultures: keys in order; pictures without one (culture -1) form a further class.
        config: with the precision decided.
        teacher: a `DistilledVGG19`.
        batch: by which student and teacher are standardised.
        previews: pictures for the sheet, `[N, S, S, 3]`.
    """

    def __init__(
        self,
        cultures: tuple[str, ...],
        config: BackboneTrainConfig,
        teacher: "keras.Model",
        batch: dict,
        previews: np.ndarray,
    ):
        self.config, self.teacher, self.seed = config.distillation, teacher, config.data.seed
        self.previews, policy = previews, keras.DTypePolicy(config.precision)
        self.student = inception.InceptionResNetV2(trainable=True, dtype=policy)
        channels = {
            tap: value.shape[-1] for tap, value in teacher(tf.zeros([1, 64, 64, 3])).items()
        }
        self.heads = networks.DistillationHeads(
            channels, len(cultures) + 1, self.config.dropout, dtype=policy
        )
        self.standard = networks.Standard(channels)
        self.rate = optimisers.warm_cosine(self.config.rate, config.loop.steps, self.config.warm_up)
        self.optimizer = keras.optimizers.Adam(self.config.rate, beta_2=0.99, clipnorm=5.0)
        pictures = tf.concat([batch["content"], batch["style"]], 0)
        self.student(pictures, calibrate=True)
        if config.start:
            begun = backbones.build_backbone("inception_resnet_v2", config.start)
            self.student.set_weights(begun.get_weights())
        self.heads(self.student.aligned(pictures))
        self.standard.fit(self.teacher(pictures))
        self.optimizer.build(self.variables)

    @property
    def variables(self) -> list:
        """Trainable variables of student and heads."""
        return self.student.trainable_variables + self.heads.trainable_variables

    def groups(self) -> dict:
        return {
            "student": self.student.variables,
            "heads": self.heads.variables + self.standard.variables,
            "optimizer": self.optimizer.variables,
        }

    def samples(self) -> dict:
        """A sheet: each preview, then every tap as the teacher has it and as the student sees it.

        Colours are the first three principal components of the teacher's tap over the previews.
        """
        wanted = self.standard(self.teacher(self.previews))
        seen, _ = self.heads(self.student.aligned(self.previews))
        columns, labels = [self.previews], ["picture"]
        for tap, target in wanted.items():
            columns += principal_colours(target, seen[tap], self.previews.shape[1])
            labels += [tap, f"{tap} seen"]
        cells = [column[row] for row in range(len(self.previews)) for column in columns]
        return {"taps": images.grid(cells, len(columns), column_labels=labels)}

    def step(self, batch: dict, seed: "tf.Tensor") -> dict:
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

    def _disturb(self, pictures: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Colour changes, and noise on every other picture, since the student must follow the
        teacher on unfinished pictures of an optimisation as well."""
        pictures = augment(pictures, ("colour",), seed)
        count = pictures.shape[0]
        deviation = tf.random.stateless_uniform([count, 1, 1, 1], seed + 1, 0.0, self.config.noise)
        deviation *= tf.reshape(tf.cast(tf.range(count) % 2, tf.float32), [count, 1, 1, 1])
        noise = tf.random.stateless_normal(tf.shape(pictures), seed + 2)
        return tf.clip_by_value(pictures + deviation * noise, 0.0, 1.0)


def style_relations(features: dict, wanted: dict) -> "tf.Tensor":
    """Mean squared difference of the relative style distances between the pictures of a batch."""
    seen, aim = losses.style_distances(features), losses.style_distances(wanted)
    return tf.reduce_mean((seen - tf.stop_gradient(aim)) ** 2)


def principal_colours(target: "tf.Tensor", seen: "tf.Tensor", size: int) -> list[np.ndarray]:
    """Two feature maps `[B, h, w, C]` as pictures `[B, size, size, 3]` in [0, 1].

    Their colours are the first three principal components of `target`, two deviations either way;
    `size` is a multiple of h and w.
    """
    samples = np.asarray(target, np.float64).reshape(-1, target.shape[-1])
    mean = samples.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(samples, rowvar=False))
    shown = vectors[:, -3:] / np.sqrt(np.maximum(variances[-3:], 1e-12))
    scale = size // target.shape[1]
    pictures = []
    for features in (target, seen):
        components = (np.asarray(tf.cast(features, tf.float32)) - mean) @ shown
        colours = np.clip(0.5 + components / 4.0, 0.0, 1.0)
        pictures.append(colours.repeat(scale, axis=1).repeat(scale, axis=2))
    return pictures


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
    run = runs.begin(arguments, __doc__, PRESETS)
    if run is None:
        return
    config, weights = run.config, run.folder / "weights.npz"
    teacher = backbones.build_backbone("vgg19_16x", config.teacher, dtype=config.precision)
    source, content = run.sources()
    batch = run.first_batch(source, content, CALIBRATION)
    trainer = DistillationTrainer(source.cultures, config, teacher, batch, run.previews())
    facts = {"teacher": teacher.fingerprint, "parameters": trainer.student.count_params()}
    metrics = run.train(trainer, source, content, facts)
    if metrics is not None:
        backbones.save_weights(weights, trainer.student)
        student = backbones.build_backbone("inception_resnet_v2", str(weights))
        metrics["weights"] = student.fingerprint
        run.finish(metrics)
    run.announce("taps", weights=weights)
