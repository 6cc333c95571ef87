"""Trains decoders of a backbone's taps: `python -m stylegan_culture.train --trainer decoder
--backbone NAME --weights W --tap TAP,TAP --data folder:PATH --run DIR`."""

import dataclasses

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import WEIGHTS_HELP, InputError, bounded, option, share, weight
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import later, runs
from stylegan_culture.training.loop import CosineConfig, LoopConfig, Trainer
from stylegan_culture.training.replicas import update

keras, tf = later("keras"), later("tensorflow")
backbones = later("stylegan_culture.features.backbones")
operators = later("stylegan_culture.features.operators")
losses, models = later("stylegan_culture.losses"), later("stylegan_culture.models")
networks = later("stylegan_culture.networks.decoder")
optimisers = later("stylegan_culture.training.optimisers")

LEAST_SIZE = 64  # pixels: less leaves the deepest taps hardly a position
LEAST_POSITIONS = 3  # a side of the deepest tap's map, which a decoder's convolutions need


@dataclasses.dataclass(frozen=True)
class DecoderConfig(CosineConfig):
    """Weights of the losses and how decoders follow their gradients."""

    pixels: float = weight(1.0, "the mean absolute difference of the pictures")
    features: float = weight(0.5, "the features that the decoded picture has again")
    total_variation: float = weight(0.05, "total variation of restyled pictures")
    restyled: float = share(0.25, "share of a batch whose features are first restyled")


@dataclasses.dataclass(frozen=True)
class DecoderTrainConfig(runs.RunConfig):
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=128, batch_size=4, content_share=0.75, least_scale=0.5)
    decoder: DecoderConfig = DecoderConfig(rate=1.5e-3)
    loop: LoopConfig = LoopConfig(steps=3000)
    backbone: str = option(
        "inception_resnet_v2", "the fixed network whose features are decoded", metavar="NAME"
    )
    weights: str = option("culture", f"its weights: {WEIGHTS_HELP}")
    tap: str = option(
        "stem_3,stem_5,mixed_5b,block35_10", "its taps, separated by commas", metavar="TAPS"
    )

    def checked(self, devices: int) -> "DecoderTrainConfig":
        bounded("--image-size", self.data.image_size, low=LEAST_SIZE)
        return self


class DecoderTrainer(Trainer):
    """Decoders of several taps of one fixed backbone, and the step that trains them all.

    In use a decoder gets a content's features with another picture's moments, as no single picture
    has them. So part of each batch is restyled by another picture of the batch, and decoded to a
    picture that must have the restyled features.

    Args:
        backbone: see `features.backbones`.
        config: with the precision decided; `InputError` where `tap` names none of the backbone's.
        batch: of the run, whose shapes decide those of the decoders.
        previews: pictures for the sheet, `[N, S, S, 3]`.
    """

    def __init__(
        self, backbone: "keras.Model", config: DecoderTrainConfig, batch: dict, previews: np.ndarray
    ):
        self.backbone, self.config = backbone, config.decoder
        self.seed, self.previews = config.data.seed, previews
        policy = keras.DTypePolicy(config.precision)
        self.decoders = {
            tap: networks.Decoder(backbone.strides[tap], dtype=policy)
            for tap in taps_of(backbone, config.tap)
        }
        self.rate = optimisers.warm_cosine(self.config.rate, config.loop.steps, self.config.warm_up)
        self.optimizer = keras.optimizers.Adam(self.config.rate, beta_2=0.99)
        features = backbone.aligned(batch["content"][:1], taps=tuple(self.decoders))
        for tap, decoder in self.decoders.items():
            decoder(features[tap])
        self.optimizer.build(self.variables)

    @property
    def variables(self) -> list:
        """Trainable variables of all the decoders."""
        return [v for decoder in self.decoders.values() for v in decoder.trainable_variables]

    def groups(self) -> dict:
        groups = {tap: decoder.variables for tap, decoder in self.decoders.items()}
        return groups | {"optimizer": self.optimizer.variables}

    def step(self, batch: dict, seed: "tf.Tensor") -> dict:
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
                wanted = tf.nn.relu(features)  # no encoder gives negative features
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

    def _mixed(self, features: "tf.Tensor", count: int, seed: "tf.Tensor") -> "tf.Tensor":
        """The first `count` maps restyled by the following map of the batch, strengths drawn."""
        if not count:
            return features
        targets = operators.Target.of_features(tf.roll(features, -1, 0)[:count])
        strength = tf.random.stateless_uniform([count, 1, 1, 1], seed)
        changed = operators.wct(features[:count], targets, strength)
        return tf.stop_gradient(tf.concat([changed, features[count:]], 0))

    def samples(self) -> dict:
        """A sheet: each preview and what every decoder makes of it."""
        features = self.backbone.aligned(self.previews, taps=tuple(self.decoders))
        columns = [self.previews] + [
            np.clip(np.asarray(decoder(features[tap])), 0.0, 1.0)
            for tap, decoder in self.decoders.items()
        ]
        cells = [column[row] for row in range(len(self.previews)) for column in columns]
        labels = ["picture", *self.decoders]
        return {"decoded": images.grid(cells, len(columns), column_labels=labels)}


def taps_of(backbone: "keras.Model", text: str) -> tuple[str, ...]:
    """The taps that a text names, separated by commas; `InputError` for one that is unknown."""
    taps = tuple(tap.strip() for tap in text.split(",") if tap.strip())
    unknown = [tap for tap in taps if tap not in backbone.taps]
    if unknown or not taps:
        raise InputError(
            f"{backbone.name} has no tap {unknown[0] if unknown else ''!r}; "
            f"there are {', '.join(backbone.taps)}"
        )
    return taps


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
    run = runs.begin(arguments, __doc__, PRESETS)
    if run is None:
        return
    config, decoders = run.config, run.folder / "decoders.npz"
    backbone = _backbone(config)
    source, content = run.sources()
    trainer = DecoderTrainer(backbone, config, run.first_batch(source, content), run.previews())
    parameters = {tap: decoder.count_params() for tap, decoder in trainer.decoders.items()}
    facts = {"fingerprint": backbone.fingerprint, "parameters": parameters}
    metrics = run.train(trainer, source, content, facts)
    if metrics is not None:
        models.save_decoders(decoders, trainer.decoders, backbone.fingerprint)
        run.finish(metrics)
    run.announce("decoded", decoders=decoders)


def _backbone(config: DecoderTrainConfig) -> "keras.Model":
    """The backbone of a run; `InputError` where its pictures are of a size that does not fit."""
    backbone = backbones.build_backbone(config.backbone, config.weights, dtype=config.precision)
    size, taps = config.data.image_size, taps_of(backbone, config.tap)
    if size % backbone.multiple:
        raise InputError(
            f"--image-size is {size} and has to be a multiple of {backbone.multiple} for "
            f"{backbone.name}"
        )
    least = LEAST_POSITIONS * max(backbone.strides[tap] for tap in taps)
    if size < least:
        raise InputError(f"--image-size has to be at least {least} for the deepest of these taps")
    return backbone
