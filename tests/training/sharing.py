"""A script: trains models on one device and on two that share the batch, and compares them.

`python sharing.py parts STEPS` takes a trainer of every part that needs care, small enough to be
compiled in seconds; `culture STEPS VGG` and `vae STEPS` take trainers of the
project. Prints JSON: the largest difference of a weight, of an optimiser's variable
and of a loss. Two logical devices have to be asked for before TensorFlow starts, which is why tests
run it as a process of its own.
"""

import functools
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.networks.discriminator import RunningScale, SpectralConvolution
from stylegan_culture.networks.sizes import DiscriminatorConfig, GeneratorConfig, SamplerConfig
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import replicas
from stylegan_culture.training.augment import KINDS, augment
from stylegan_culture.training.culture import settings
from stylegan_culture.training.culture.trainer import CultureTrainer
from stylegan_culture.training.discriminators import DiscriminatorLossConfig
from stylegan_culture.training.loop import LoopConfig, Trainer
from stylegan_culture.training.vae import VaeTrainConfig, VaeTrainer

CULTURES = ("alpha", "beta", "gamma")
EVERY = settings.LossConfig(
    layout=1.0,
    content_features=1.0,
    style_features=1.0,
    total_variation=1.0,
    plain=1.0,
    stability=1.0,
    feature_matching=1.0,
)
# Adam divides gradients by their own size: of one that is next to zero, the rounding error becomes
# a whole step, and two runs that differ by one rounding part. This keeps what is small small. The
# losses of a VAE, in nats per picture, are larger by orders of magnitude.
EPSILONS = {"parts": 1e-7, "culture": 0.1, "vae": 1e3}
OPTIMIZER = settings.OptimizerConfig(warm_up=1, augmentation="translation,cutout,colour", groups=2)


class Parts(Trainer):
    """Spectral norm, a running scale, noise, augmentation of two batches, weighted means, an
    average: each of them is wrong where replicas do not know of each other."""

    seed, follows = 1, 0.9

    def __init__(self, batch):
        self.model, self.average = (keras.layers.Dense(4, bias_initializer="ones") for _ in "ab")
        self.convolution, self.scale = SpectralConvolution(3, stride=2), RunningScale()
        self.optimizer = keras.optimizers.Adam(1e-2, global_clipnorm=0.1)

        self.convolution(batch["content"]), self.scale(batch["content"])
        for layer in (self.model, self.average):
            layer.build([None, 3])
        self.trained = self.model.trainable_variables + self.convolution.trainable_variables
        self.optimizer.build(self.trained)

    def groups(self):
        return {
            "optimizer": self.optimizer.variables,
            "average": self.average.variables,
            "model": self.model.variables,
            "judge": self.convolution.variables + self.scale.variables,
        }

    def step(self, batch, seed):
        pictures = tf.concat([batch["content"], batch["style"]], 0)
        count = batch["culture"].shape[0]
        drawn = replicas.normal([count, 3], seed + 1)
        foreign = tf.cast(batch["culture"] != batch["content_culture"], tf.float32)
        with tf.GradientTape() as tape:
            changed = self.scale(augment(pictures, KINDS, seed), training=True)
            logits = self.convolution(changed, training=True)
            answer = tf.reduce_mean(self.model(drawn), axis=1)[:, None, None, None]
            total = losses.ADVERSARIAL["non_saturating"].real(logits[:count])
            fake = losses.ADVERSARIAL["non_saturating"].fake(logits[count:] + answer, foreign)
            total += replicas.share(foreign) * fake
        replicas.update(self.optimizer, tape, total, self.trained)
        return {"total": total}


def culture(vgg: str, batch: dict) -> CultureTrainer:
    """A culture GAN with every part; its first step is one of the warm-up."""
    config = settings.TrainConfig(
        data=DataConfig(seed=3),
        loop=LoopConfig(steps=40),
        precision="float32",
        generator=GeneratorConfig(width=64, blocks=1, grain=True),
        discriminator=DiscriminatorConfig(trunk_width=8, trunk_layers=3, head_width=8),
        losses=EVERY,
        discriminator_losses=DiscriminatorLossConfig(relabelled=0.5, r1_interval=2),
        optimizer=OPTIMIZER,
        backbone=settings.BackboneConfig("vgg19_16x" if vgg else "", vgg),
    )
    return CultureTrainer(CULTURES, config, batch)


def vae(batch: dict) -> VaeTrainer:
    del batch
    config = VaeTrainConfig(
        data=DataConfig(seed=5),
        loop=LoopConfig(steps=40),
        precision="float32",
        sampler=SamplerConfig(2, 4, 4, True),
    )
    return VaeTrainer(CULTURES, config, None)


def batch(number: int, rows: int = 8) -> dict:
    """Batch `number`: some of the contents are of no culture. Pictures of noise, since on plain
    areas the generator's whitening magnifies rounding errors."""
    generator = np.random.default_rng(number)
    content, style = generator.uniform(size=(2, rows, 64, 64, 3))
    return {
        "content": tf.constant(content, tf.float32),
        "content_culture": tf.constant(generator.integers(-1, 3, rows), tf.int32),
        "style": tf.constant(style, tf.float32),
        "culture": tf.constant(generator.integers(0, 3, rows), tf.int32),
    }


def trained(make, team, steps: int, epsilon: float):
    """State and losses of a trainer after some steps."""
    tf.keras.utils.set_random_seed(0)
    with team.scope():
        trainer = make(batch=batch(0))
    for optimizer in _optimizers(trainer):
        optimizer.epsilon = epsilon
    shared, found = team.of(trainer), []
    start = {name: np.asarray(value) for name, value in trainer.state().items()}
    for number in range(steps):
        parts = shared.train(batch(number), number)
        found.append({name: float(value) for name, value in parts.items()})
    state = {name: np.asarray(value) for name, value in trainer.state().items()}
    moved = max(float(np.abs(state[n] - start[n]).max()) for n in state if n.startswith("model"))
    return state, found, moved


def _optimizers(trainer) -> list:
    """Of the generator and of its discriminators, where there are some."""
    if isinstance(trainer, CultureTrainer):
        return [trainer.optimizer, trainer.discriminators.optimizer]
    return [trainer.optimizer]


def difference(make, one, two, steps: int, epsilon: float) -> dict:
    """How far training on `two` is from that on `one`."""
    (state, found, moved), (other, others, _) = (
        trained(make, team, steps, epsilon) for team in (one, two)
    )
    assert set(state) == set(other) and [set(x) for x in found] == [set(x) for x in others]
    away = {name: float(np.abs(state[name] - other[name]).max()) for name in state}
    # Of "saturated", which counts values beyond a limit, one may pass it by a rounding.
    names = {name for parts in found for name in parts} - {"saturated"}
    steps = zip(found, others, strict=True)
    pairs = [(a[name], b[name]) for a, b in steps for name in names & set(a)]
    return {
        "moved": moved,
        "weights": max(value for name, value in away.items() if "optimizer" not in name),
        "optimizers": max(value for name, value in away.items() if "optimizer" in name),
        "worst": sorted(away, key=away.get)[-8:],
        "losses": max(abs(a - b) / max(abs(a), 1.0) for a, b in pairs),
        "names": sorted(found[-1]),
    }


if __name__ == "__main__":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    tf.config.experimental.enable_op_determinism()
    teams = replicas.Team(), replicas.join("mirrored")
    kind, steps, *more = sys.argv[1:]
    makers = {"parts": Parts, "culture": culture, "vae": vae}
    make = functools.partial(makers[kind], *more)
    found = difference(make, *teams, int(steps), EPSILONS[kind])
    print(json.dumps({"devices": teams[1].devices} | found))
