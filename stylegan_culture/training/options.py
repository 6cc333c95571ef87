"""What a culture run may be told: weights of the losses, optimisers, backbone."""

import dataclasses

import keras
import tensorflow as tf

from stylegan_culture.config import option


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the generator's losses and of the discriminators' penalty; 0 leaves one out."""

    adversarial: float = option(1.0, "weight of the picture discriminator's verdict")
    feature_adversarial: float = option(1.0, "weight of the verdict on backbone features")
    cycle: float = option(4.0, "weight of contents recovered from restyled pictures")
    identity: float = option(4.0, "weight of style pictures recovered by their own code")
    content_return: float = option(4.0, "weight of contents returned at strength 0")
    style_code: float = option(1.0, "weight of style codes recovered from restyled pictures")
    diversity: float = option(1.0, "weight of the difference between two codes of a culture")
    layout: float = option(0.0, "weight of the contents' colours in squares of 8 pixels")
    content_features: float = option(0.0, "weight of content over a backbone tap")
    style_features: float = option(0.0, "weight of style (Gram) over backbone taps")
    style_prior: float = option(0.01, "weight of the KL term of the style encoder")
    total_variation: float = option(0.0, "weight of total variation")
    r1: float = option(1.0, "weight of the gradient penalty on real pictures")
    r1_interval: int = option(16, "steps between gradient penalties")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How networks follow their gradients."""

    generator_rate: float = option(4e-4, "generator's learning rate (Adam)")
    discriminator_rate: float = option(4e-4, "discriminators' learning rate (Adam)")
    warm_up: int = option(0, "steps at the start that teach reconstruction alone")
    momentum: float = option(0.5, "first-moment decay of Adam, 0 to 1")
    decay_from: float = option(0.6, "share of the run after which both rates fall linearly to 0")
    average: float = option(0.998, "decay of the weight average (EMA) that is shown and exported")
    augmentation: str = option("cutout", "DiffAugment: any of translation,cutout,colour")


@dataclasses.dataclass(frozen=True)
class BackboneConfig:
    """The fixed network whose features carry content, style and the feature discriminator."""

    backbone: str = option("", "inception_resnet_v2 or vgg19_16x; empty: no backbone terms")
    backbone_weights: str = option("random", "its weights: random, imagenet or a path")


@keras.saving.register_keras_serializable("stylegan_culture")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """`rate` until step `start`, then linearly to 0 over `length` steps."""

    def __init__(self, rate: float, start: int, length: int):
        self.rate, self.start, self.length = rate, start, length

    def __call__(self, step):
        past = tf.cast(step, tf.float32) - self.start
        return self.rate * tf.clip_by_value(1.0 - past / self.length, 0.0, 1.0)

    @classmethod
    def over(cls, rate: float, steps: int, share: float):
        """Decay over what is left of a run of `steps` after its first `share`."""
        start = int(steps * share)
        return cls(rate, start, max(steps - start, 1))

    def get_config(self):
        return {"rate": self.rate, "start": self.start, "length": self.length}
