"""Trains restoration on synthetic damage: `python -m stylegan_culture.train --trainer restore
--damage KIND,KIND --content folder:PHOTOGRAPHS --run DIR`. It learns from --data and --content
alike. Its results are likely, not certain: they are no evidence of what was there.

Pictures are `[B, H, W, 3]` in [0, 1]; damaged ones `[B, H, W, 4]`: RGB of the same size and a plane
that is 1 where nothing is known. A seed is int32 `[2]`, of TensorFlow's stateless draws.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError, bounded, fraction, option
from stylegan_culture.networks.sizes import DamageConfig, RestorationConfig, parse_kinds
from stylegan_culture.pipelines.input import DataConfig, evaluation_arrays
from stylegan_culture.pipelines.preprocess import DETAIL
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import later, runs
from stylegan_culture.training.loop import CosineConfig, LoopConfig, Trainer
from stylegan_culture.training.replicas import normal, uniform, update

keras, tf = later("keras"), later("tensorflow")
arrays, losses = later("stylegan_culture.arrays"), later("stylegan_culture.losses")
attacks = later("stylegan_culture.measures.attacks")
colour = later("stylegan_culture.measures.colour")
holed = later("stylegan_culture.networks.holes")
measures = later("stylegan_culture.measures.truth")
networks = later("stylegan_culture.networks.restoration")
optimisers = later("stylegan_culture.training.optimisers")

LEAST_SIZE = 32  # pixels
STRIDE = 8  # pixels of the generator's coarsest position
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
RECTANGLES, STROKES = 3, 3  # holes of a picture
RECTANGLE = (0.08, 0.3)  # least and greatest side, in sides of the picture
STROKE = (0.01, 0.035)  # least and greatest half width, likewise
FLATNESS = (0.35, 0.95)  # what is left of contrast
MIDDLE = (0.3, 0.7)  # the brightness that contrast is taken about
GAMMA = (0.65, 1.55)


def damaged(
    kind: str, pictures: "tf.Tensor", seed: "tf.Tensor", noise: tuple[float, float] = (25.0, 25.0)
) -> "tf.Tensor":
    """Pictures with one kind of damage; `noise` are the ends of its deviation, in 1/255."""
    if kind == "inpaint":
        return holed.with_holes(pictures, holes(pictures.shape, seed))
    if kind == "denoise":
        return holed.known(noisy(pictures, seed, noise))
    if kind == "contrast":
        return holed.known(flattened(pictures, seed))
    if kind == "colourise":
        return holed.known(grey(pictures))
    return holed.known(reduced(pictures, int(kind[-1])))


def mixed(
    kinds: tuple[str, ...],
    pictures: "tf.Tensor",
    chosen: "tf.Tensor",
    seed: "tf.Tensor",
    noise: tuple[float, float],
) -> "tf.Tensor":
    """Each picture with the kind of damage whose number in `kinds` stands in `chosen [B]`."""
    result = tf.zeros([*pictures.shape[:3], 4])
    for number, kind in enumerate(kinds):
        of_kind = (chosen == number)[:, None, None, None]
        result = tf.where(of_kind, damaged(kind, pictures, seed + 8 * number, noise), result)
    return result


def reduced(pictures: "tf.Tensor", factor: int) -> "tf.Tensor":
    """Antialiased bicubic reduction by a factor and bicubic enlargement to the old size."""
    height, width = pictures.shape[1:3]
    small = (height // factor, width // factor)
    fine = tf.image.resize(pictures, small, "bicubic", antialias=True)
    # Clipped before enlarging, since a file of the reduced picture holds no overshoot.
    fine = tf.image.resize(
        tf.clip_by_value(fine, 0.0, 1.0), (height, width), "bicubic", False, True
    )
    return tf.clip_by_value(fine, 0.0, 1.0)


def grey(pictures: "tf.Tensor") -> "tf.Tensor":
    """Luminance in three equal channels."""
    luminance = tf.tensordot(pictures, tf.constant(LUMINANCE), [[-1], [0]])
    return tf.repeat(luminance[..., None], 3, -1)


def noisy(pictures: "tf.Tensor", seed: "tf.Tensor", deviations: tuple[float, float]) -> "tf.Tensor":
    """`clip(x + d n)`, n standard normal, d drawn for each picture between two ends in 1/255."""
    count = pictures.shape[0]
    least, most = deviations
    deviation = uniform([count, 1, 1, 1], seed, least, most) if most > least else float(most)
    noise = normal(pictures.shape, seed + 1) * (deviation / 255.0)
    return tf.clip_by_value(pictures + noise, 0.0, 1.0)


def flattened(pictures: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
    """`m + c (x^g - m)`: contrast c, brightness m and gamma g drawn for each picture."""
    draws = uniform([pictures.shape[0], 3], seed)
    contrast, middle, gamma = (
        tf.reshape(low + (high - low) * draws[:, number], [-1, 1, 1, 1])
        for number, (low, high) in enumerate((FLATNESS, MIDDLE, GAMMA))
    )
    bent = tf.exp(gamma * tf.math.log(tf.maximum(pictures, 1e-4)))
    return tf.clip_by_value(middle + contrast * (bent - middle), 0.0, 1.0)


def holes(shape: tuple, seed: "tf.Tensor") -> "tf.Tensor":
    """Masks `[B, H, W, 1]`, 1 in holes: rectangles and strokes at random places."""
    count, height, width = shape[:3]
    row = tf.reshape((tf.range(height, dtype=tf.float32) + 0.5) / height, [1, 1, -1, 1])
    column = tf.reshape((tf.range(width, dtype=tf.float32) + 0.5) / width, [1, 1, 1, -1])
    draws = uniform([count, RECTANGLES, 4, 1, 1], seed)
    low, high = RECTANGLE
    sides = low + (high - low) * draws[:, :, 2:]
    inside = (tf.abs(row - draws[:, :, 0]) < 0.5 * sides[:, :, 0]) & (
        tf.abs(column - draws[:, :, 1]) < 0.5 * sides[:, :, 1]
    )
    draws = uniform([count, STROKES, 5, 1, 1], seed + 1)
    top, left = draws[:, :, 0], draws[:, :, 1]
    down, right = draws[:, :, 2] - top, draws[:, :, 3] - left
    along = ((row - top) * down + (column - left) * right) / (down**2 + right**2 + 1e-6)
    along = tf.clip_by_value(along, 0.0, 1.0)
    distance = (row - top - along * down) ** 2 + (column - left - along * right) ** 2
    low, high = STROKE
    stroke = distance < (low + (high - low) * draws[:, :, 4]) ** 2
    either = tf.reduce_any(tf.concat([inside, stroke], 1), 1)
    return tf.cast(either, tf.float32)[..., None]


@dataclasses.dataclass(frozen=True)
class LearningConfig(CosineConfig):
    """How the network follows its gradients."""

    clip: float = option(
        0.5, "greatest norm of all gradients together; longer ones are shortened", above=0.0
    )
    average: float = fraction(0.995, "decay of the weight average (EMA) that is shown and kept")


@dataclasses.dataclass(frozen=True)
class RestorationTrainConfig(runs.RunConfig):
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(batch_size=12, content_share=1.0, least_scale=1.0)
    damage: DamageConfig = DamageConfig()
    sizes: RestorationConfig = RestorationConfig()
    learning: LearningConfig = LearningConfig()
    loop: LoopConfig = LoopConfig(steps=3000)

    def checked(self, devices: int) -> "RestorationTrainConfig":
        parse_kinds(self.damage.damage)
        bounded("--image-size", self.data.image_size, low=LEAST_SIZE, multiple_of=STRIDE)
        if self.damage.least_noise > self.damage.most_noise:
            raise InputError("--least-noise is above --most-noise")
        return self


class RestorationTrainer(Trainer):
    """A network for several kinds of damage, and the step that trains it by absolute difference.

    Contents and styles count alike, and the kind of damage of a row changes from step to step. The
    loss rewards the most likely picture: certain detail is sharp and the rest soft, where an
    adversarial loss would invent detail. Of a picture with holes only the holes count.

    Args:
        config: with the precision decided.
        previews: pictures for the sheets, `[N, S, S, 3]`.
    """

    def __init__(self, config: RestorationTrainConfig, previews: np.ndarray):
        damage, learning = config.damage, config.learning
        self.kinds, self.noise = parse_kinds(damage.damage), (damage.least_noise, damage.most_noise)
        self.seed, self.previews = config.data.seed, previews
        policy = keras.DTypePolicy(config.precision)
        self.pair(
            lambda: networks.RestorationModel(self.kinds, config.sizes, dtype=policy),
            learning.average,
        )
        self.rate = optimisers.warm_cosine(learning.rate, config.loop.steps, learning.warm_up)
        self.optimizer = keras.optimizers.Adam(
            learning.rate, beta_2=0.99, global_clipnorm=learning.clip
        )
        self.optimizer.build(self.model.trainable_variables)

    def step(self, batch: dict, seed: "tf.Tensor") -> dict:
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        pictures = tf.concat([batch["content"], batch["style"]], 0)
        chosen = (tf.range(pictures.shape[0]) + seed[1]) % len(self.kinds)
        given = mixed(self.kinds, pictures, chosen, seed, self.noise)
        with tf.GradientTape() as tape:
            restored = self.model(given, chosen)
            total = tf.reduce_mean(what_counts(given[..., 3:]) * tf.abs(restored - pictures))
        update(self.optimizer, tape, total, self.model.trainable_variables)
        return {"total": total, "damage": losses.absolute_difference(given[..., :3], pictures)}

    def samples(self) -> dict:
        """A sheet for each kind: damaged, restored, and the truth."""
        sheets = {}
        for number, kind in enumerate(self.kinds):
            given = damaged(kind, tf.constant(self.previews), tf.constant([self.seed, 0]))
            restored = self.average.restore(given, tf.fill([len(self.previews)], number))
            restored = holed.kept_around(given, restored)
            rows = zip(np.asarray(given[..., :3]), np.asarray(restored), self.previews, strict=True)
            cells = [picture for row in rows for picture in row]
            sheets[kind] = images.grid(cells, 3, column_labels=["damaged", "restored", "truth"])
        return sheets

    def codes(self) -> dict:
        """The kinds' codes for histograms."""
        return {"kinds": np.asarray(self.average.codes.codes)}


def what_counts(mask: "tf.Tensor") -> "tf.Tensor":
    """Weights `[B, H, W, 1]` of a picture's pixels, of mean 1: of its holes only, where it has any.

    The rest of a picture with holes is kept bit for bit when it is restored. If it counted, to
    change nothing would be nearly right, and after 9,000 steps the network still changed nothing.
    """
    share = tf.reduce_mean(mask, axis=[1, 2, 3], keepdims=True)
    return tf.where(share > 0.0, mask / tf.maximum(share, 1e-6), 1.0)


PRESETS = {
    "restore64": (
        RestorationTrainConfig(),
        "about 12 minutes on 2 cores: crops of 64 px of --data and --content, all kinds of damage "
        "by one network",
    ),
    "smoke": (
        RestorationTrainConfig(
            data=DataConfig(batch_size=2, content_share=1.0, least_scale=1.0),
            sizes=RestorationConfig(blocks=1, code_size=8, refining_width=16, refining_blocks=1),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
        ),
        "under a minute: shows that everything runs, teaches nothing",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, measures on held-out pictures, and fills the run folder."""
    run = runs.begin(arguments, __doc__, PRESETS)
    if run is None:
        return
    source, content = run.sources()
    trainer = RestorationTrainer(run.config, run.previews())
    facts = {"kinds": list(trainer.kinds), "parameters": trainer.average.count_params()}
    metrics = run.train(trainer, source, content, facts)
    weights = run.folder / "model.weights.h5"
    if metrics is not None:
        arrays.save_weights(trainer.average, weights)
        held_out, size = run.sources("held_out"), run.config.data.image_size
        tint = usual_tint(source, content, size)
        metrics["held_out"] = measure(trainer.average, size, *held_out, tint)
        run.finish(metrics)
    with run.measures() as metrics:
        print(table(metrics["held_out"]))
    run.announce(trainer.kinds[0], weights=weights)


MOST = 256  # pictures of a source that are measured
PIXELS = 2**19  # that pass the network at once
NOISE = 25.0  # deviation in 1/255
BLURS = (0.6, 0.8, 1.0, 1.2, 1.5)  # deviations in pixels, of which the best is taken
SEED = 1_000_003  # of the damage: none that a training draws
TINTS = 400  # pictures, and pixels of each, from which the usual tint is taken


def measure(
    model: "networks.RestorationModel",
    size: int,
    source: Source,
    content: Source | None,
    tint: np.ndarray,
) -> dict:
    """`{"data": {kind: {measure: mean}}, "content": ...}` for the sources that hold pictures.

    Args:
        model: `RestorationModel`.
        size: of the training crops, pixels.
        source, content: held-out parts; content may be None.
        tint: (a, b) that is best for all training pictures, see `usual_tint`.
    """
    figures, restore = {}, tf.function(model.restore, reduce_retracing=True)
    for name, part, side in (("data", source, size), ("content", content, DETAIL * size)):
        if part is None or not len(part):
            continue
        chosen = runs.spread(len(part), min(MOST, len(part)))
        truth = evaluation_arrays(part.select(chosen), side)[0]
        kinds = {}
        for number, kind in enumerate(model.kinds):
            given = damaged(kind, tf.constant(truth), tf.constant([SEED, number]), (NOISE, NOISE))
            given = given.numpy()
            restored = _restored(restore, given, number)
            kinds[kind] = _measure_kind(kind, given, restored, truth, tint)
        figures[name] = {"pictures": len(truth), "side": side, "kinds": kinds}
    return figures


def usual_tint(source: Source, content: Source | None, size: int) -> np.ndarray:
    """The (a, b) of CIELAB that is nearest to the colours of all training pictures."""
    draw, colours = np.random.default_rng(0), []
    for part in (source, content):
        if part is not None:
            chosen = part.select(runs.spread(len(part), min(TINTS, len(part))))
            pixels = evaluation_arrays(chosen, size)[0].reshape(len(chosen), -1, 3)
            drawn = draw.permuted(pixels, axis=1)[:, :TINTS]
            colours.append(colour.lab(drawn)[..., 1:].reshape(-1, 2))
    return measures.median_tint(np.concatenate(colours))


def table(measured: dict) -> str:
    """The measures as lines of text."""
    lines = []
    for name, part in measured.items():
        lines.append(f"held-out --{name}: {part['pictures']} pictures at {part['side']} px")
        for kind, values in part["kinds"].items():
            texts = ", ".join(
                f"{key.replace('_', ' ')} {value:.2f}" for key, value in values.items()
            )
            lines.append(f"  {kind}: {texts}")
    return "\n".join(lines)


def _restored(restore: Callable, given: np.ndarray, number: int) -> np.ndarray:
    """All of `given [N, H, W, 4]` restored, `PIXELS` at once."""
    step = max(1, PIXELS // (given.shape[1] * given.shape[2]))
    parts = np.split(given, range(step, len(given), step))
    whole = [holed.kept_around(part, restore(part, tf.fill([len(part)], number))) for part in parts]
    return np.concatenate([np.asarray(part) for part in whole])


def _measure_kind(
    kind: str, given: np.ndarray, restored: np.ndarray, truth: np.ndarray, tint: np.ndarray
) -> dict:
    colours = given[..., :3]
    before, after = measures.psnr(colours, truth), measures.psnr(restored, truth)
    figures = {"psnr_damaged": before, "psnr_restored": after, "psnr_gain": after - before}
    if kind == "denoise":
        blurs = [measures.psnr(attacks.blurred(colours, width), truth) for width in BLURS]
        figures["psnr_gain_of_blur"] = max(blurs, key=np.mean) - before
    if kind == "colourise":
        figures |= {
            "lab_error_grey": measures.colour_error(colours, truth),
            "lab_error_restored": measures.colour_error(restored, truth),
            "lab_error_best_tint": measures.best_tint_error(colours, truth),
            "lab_error_usual_tint": measures.tint_error(colours, truth, tint),
        }
    return {name: float(values.mean()) for name, values in figures.items()}
