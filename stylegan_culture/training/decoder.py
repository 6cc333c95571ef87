"""Trains decoders of a backbone's taps: `python -m stylegan_culture.train --trainer decoder
--backbone NAME --weights W --tap TAP,TAP --data folder:PATH --run DIR`."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.config import InputError, option
from stylegan_culture.features import operators
from stylegan_culture.features.backbones import WEIGHTS_HELP, build_backbone
from stylegan_culture.files import write_result
from stylegan_culture.models import save_decoders
from stylegan_culture.networks.decoder import Decoder
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import runs
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.optimisers import warm_cosine
from stylegan_culture.training.replicas import update


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """Weights of the losses and how decoders follow their gradients."""

    pixels: float = option(1.0, "weight of the mean absolute difference of the pictures")
    features: float = option(0.5, "weight of the features that the decoded picture has again")
    total_variation: float = option(0.05, "weight of total variation of restyled pictures")
    restyled: float = option(0.25, "share of a batch whose features are first restyled, 0 to 1")
    rate: float = option(1.5e-3, "learning rate (Adam), falling to 0 along a cosine")
    warm_up: int = option(100, "steps during which the rate rises from 0")


class DecoderTrainer:
    """Decoders of several taps of one fixed backbone, and the step that trains them all.

    Half of the features that a decoder meets at work were never seen together in a picture: they
    are a content's, brought to another picture's moments. So part of each batch is restyled by
    another picture of it, and decoded to a picture that must have those features.

    Args:
        backbone: see `features.backbones`.
        taps: names of its taps.
        config: `DecoderConfig`.
        steps: of the whole run.
        precision: Keras dtype policy.
        seed: of what is drawn in a step.
    """

    def __init__(self, backbone, taps, config: DecoderConfig, steps, precision, seed):
        unknown = [tap for tap in taps if tap not in backbone.taps]
        if unknown or not taps:
            raise InputError(
                f"{backbone.name} has no tap {unknown[0] if unknown else ''!r}; "
                f"there are {', '.join(backbone.taps)}"
            )
        self.backbone, self.config, self.seed = backbone, config, seed
        policy = keras.DTypePolicy(precision)
        self.decoders = {tap: Decoder(backbone.strides[tap], dtype=policy) for tap in taps}
        self.rate = warm_cosine(config.rate, steps, config.warm_up)
        self.optimizer = keras.optimizers.Adam(config.rate, beta_2=0.99)
        self.previews = np.zeros((0, 64, 64, 3), np.float32)

    @property
    def variables(self) -> list:
        """Trainable variables of all the decoders."""
        return [v for decoder in self.decoders.values() for v in decoder.trainable_variables]

    def build(self, batch) -> None:
        """Creates every variable from a batch's shapes."""
        features = self.backbone.aligned(batch["content"][:1], taps=tuple(self.decoders))
        for tap, decoder in self.decoders.items():
            decoder(features[tap])
        self.optimizer.build(self.variables)

    def state(self) -> dict:
        """Every variable of the training state by name, in a fixed order."""
        groups = {tap: decoder.variables for tap, decoder in self.decoders.items()}
        groups["optimizer"] = self.optimizer.variables
        return {f"{g}/{i:04d}": v for g, group in groups.items() for i, v in enumerate(group)}

    def step(self, batch, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name."""
        return self._step(batch, tf.constant([self.seed, number], tf.int32))

    @tf.function
    def _step(self, batch, seed):
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        pictures = tf.concat([batch["content"], batch["style"]], 0)
        count = round(pictures.shape[0] * self.config.restyled)
        taps = tuple(self.decoders)
        plain = self.backbone.aligned(pictures, taps=taps)
        parts = {"pixels": [], "features": [], "total_variation": []}
        with tf.GradientTape() as tape:
            for number, (tap, decoder) in enumerate(self.decoders.items()):
                features = self._mixed(tf.cast(plain[tap], tf.float32), count, seed + number)
                decoded = decoder(features)
                again = tf.cast(self.backbone.aligned(decoded, taps=(tap,))[tap], tf.float32)
                wanted = tf.nn.relu(features)  # what no encoder could answer is not asked for
                error = tf.reduce_mean((again - wanted) ** 2)
                parts["features"].append(error / tf.math.reduce_variance(wanted))
                if count < pictures.shape[0]:
                    difference = losses.absolute_difference(decoded[count:], pictures[count:])
                    parts["pixels"].append(difference)
                if count:
                    parts["total_variation"].append(losses.total_variation(decoded[:count]))
            parts = {
                name: tf.add_n(values) / len(values) for name, values in parts.items() if values
            }
            total, parts = losses.weighted_sum(parts, dataclasses.asdict(self.config))
        update(self.optimizer, tape, total, self.variables)
        return parts | {"total": total}

    def _mixed(self, features, count: int, seed):
        """The first `count` maps restyled by the following map of the batch, strengths drawn."""
        if not count:
            return features
        targets = operators.Target.of_features(tf.roll(features, -1, 0)[:count])
        strength = tf.random.stateless_uniform([count, 1, 1, 1], seed)
        changed = operators.wct(features[:count], targets, strength)
        return tf.stop_gradient(tf.concat([changed, features[count:]], 0))

    def samples(self) -> dict:
        """A sheet: each preview and what every decoder makes of it."""
        if not len(self.previews):
            return {}
        features = self.backbone.aligned(self.previews, taps=tuple(self.decoders))
        columns = [self.previews] + [
            np.clip(np.asarray(decoder(features[tap])), 0.0, 1.0)
            for tap, decoder in self.decoders.items()
        ]
        cells = [column[row] for row in range(len(self.previews)) for column in columns]
        labels = ["picture", *self.decoders]
        return {"decoded": images.grid(cells, len(columns), column_labels=labels)}

    def codes(self) -> dict:
        """Decoders have no style codes."""
        return {}


LEAST_SIZE = 64  # pixels: less leaves the deepest taps hardly a position
LEAST_POSITIONS = 3  # a side of the deepest tap's map, which a decoder's convolutions need


@dataclasses.dataclass(frozen=True)
class DecoderTrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=128, batch_size=4, content_share=0.75, least_scale=0.5)
    decoder: DecoderConfig = DecoderConfig()
    loop: LoopConfig = LoopConfig(steps=3000)
    backbone: str = option("inception_resnet_v2", "the fixed network whose features are decoded")
    weights: str = option("culture", f"its weights: {WEIGHTS_HELP}")
    tap: str = option("stem_3,stem_5,mixed_5b,block35_10", "its taps, separated by commas")
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )


PRESETS = {
    "decoders": (
        DecoderTrainConfig(),
        "about an hour on 2 cores: own pictures, crops of 128 px",
    ),
    "smoke": (
        DecoderTrainConfig(
            data=DataConfig(batch_size=2, mirror=False),
            loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
            weights="random",
            tap="mixed_5b",
        ),
        "about a minute: shows that everything runs, teaches nothing",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains the decoders, and writes `decoders.npz` into the run folder."""
    flags, config = runs.parse(arguments, __doc__, PRESETS, "decoders")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    _check_values(config)
    config = runs.begin(flags, config)
    trainer = _make_trainer(config)
    source, content = runs.load_sources(config.data)
    trainer.build(runs.first_batch(config.data, source, content))
    trainer.previews = runs.held_out_pictures(config.data)
    start = runs.first_step(trainer, flags, config.loop.steps)
    fingerprint = trainer.backbone.fingerprint
    parameters = {tap: decoder.count_params() for tap, decoder in trainer.decoders.items()}
    facts = {"fingerprint": fingerprint, "parameters": parameters}
    runs.record(flags, config, source, content, **facts)
    folder = pathlib.Path(flags.run)
    metrics = runs.train(trainer, config, source, content, folder, start)
    decoders = folder / "decoders.npz"
    if metrics is not None:
        save_decoders(decoders, trainer.decoders, fingerprint)
        write_result(folder / "metrics.json", metrics)
    runs.announce(folder, "decoded", decoders=decoders)


def _make_trainer(config: DecoderTrainConfig) -> DecoderTrainer:
    backbone = build_backbone(config.backbone, config.weights, dtype=config.precision)
    if config.data.image_size % backbone.multiple:
        raise InputError(
            f"--image-size is {config.data.image_size} and has to be a multiple of "
            f"{backbone.multiple} for {backbone.name}"
        )
    taps = tuple(tap.strip() for tap in config.tap.split(",") if tap.strip())
    trainer = DecoderTrainer(
        backbone,
        taps,
        config.decoder,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    least = LEAST_POSITIONS * max(backbone.strides[tap] for tap in trainer.decoders)
    if config.data.image_size < least:
        raise InputError(f"--image-size has to be at least {least} for the deepest of these taps")
    return trainer


def _check_values(config: DecoderTrainConfig) -> None:
    runs.check_multiples(
        (("--batch-size", config.data.batch_size, 1), *runs.loop_multiples(config.loop))
    )
    if config.data.image_size < LEAST_SIZE:
        raise InputError(f"--image-size has to be at least {LEAST_SIZE} to train decoders")
    if not 0.0 <= config.decoder.restyled <= 1.0:
        raise InputError("--restyled has to lie between 0 and 1")
