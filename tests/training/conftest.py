"""Fixtures for tests of the culture GAN's step."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.networks.sizes import DiscriminatorConfig
from stylegan_culture.training.culture import settings
from stylegan_culture.training.culture.trainer import CultureTrainer, Previews
from stylegan_culture.training.discriminators import DiscriminatorLossConfig
from stylegan_culture.training.loop import LoopConfig

CULTURES = ("alpha", "beta", "gamma")
STEPS = 40
EVERY = settings.LossConfig(
    layout=1.0,
    content_features=1.0,
    style_features=1.0,
    total_variation=1.0,
    plain=1.0,
    stability=1.0,
    feature_matching=1.0,
)

RELABELLED = DiscriminatorLossConfig(relabelled=0.5)


@pytest.fixture(scope="module")
def make_trainer(small_sizes, vgg_archive):
    """A builder of small trainers; `backbone` adds the terms over a distilled VGG-19."""

    def make(
        batch,
        backbone=False,
        precision="float32",
        losses=EVERY,
        trunk=8,
        of_discriminators=RELABELLED,
        **optimizer,
    ):
        config = settings.TrainConfig(
            precision=precision,
            loop=LoopConfig(steps=STEPS),
            generator=small_sizes,
            discriminator=DiscriminatorConfig(trunk_width=trunk, trunk_layers=3, head_width=8),
            losses=losses,
            discriminator_losses=of_discriminators,
            optimizer=settings.OptimizerConfig(**optimizer),
            backbone=settings.BackboneConfig("vgg19_16x" if backbone else "", str(vgg_archive)),
        )
        tf.keras.utils.set_random_seed(0)  # the same start, whatever ran before
        previews = Previews(batch["content"][:2], batch["style"][:3])
        return CultureTrainer(CULTURES, config, batch, previews)

    return make


@pytest.fixture(scope="module")
def batch():
    """Four contents (a photograph, then one of each culture) and four style pictures."""
    generator = np.random.default_rng(11)
    contents, styles = generator.uniform(size=(2, 4, 8, 8, 3)).repeat(8, 2).repeat(8, 3)
    return {
        "content": tf.constant(contents, tf.float32),
        "content_culture": tf.constant([-1, 0, 1, 2]),
        "style": tf.constant(styles, tf.float32),
        "culture": tf.constant([0, 1, 1, 2]),
    }
