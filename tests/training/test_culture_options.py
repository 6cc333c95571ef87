"""What of a culture GAN's step is left out, or done otherwise, by its settings."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.training.culture import settings as command
from stylegan_culture.training.culture.settings import LossConfig

NONE = {
    **dict.fromkeys(("adversarial", "cycle", "identity", "content_return", "style_code"), 0.0),
    **dict.fromkeys(("diversity", "layout", "style_prior", "total_variation"), 0.0),
}


pytestmark = pytest.mark.usefixtures("eagerly")


def test_losses_without_a_weight_are_not_calculated(make_trainer, batch, monkeypatch):
    losses = LossConfig(**NONE, content_features=1.0)
    trainer = make_trainer(batch, backbone=True, losses=losses, trunk=0, examples=0.0)
    seen, generate = [], trainer.model.generator.call

    def watch(image, code, strength, grain=None):
        seen.append(len(image))
        return generate(image, code, strength, grain)

    monkeypatch.setattr(trainer.model.generator, "call", watch)
    encoder = np.array(trainer.model.encoder.last.layer.kernel)
    parts = trainer.train(batch, 1)
    assert seen == [4]  # one pass of the four contents
    reports = {"total", "discriminator", "spread", "saturated"}
    assert set(parts) - reports == {"content_features", "feature_adversarial"}
    np.testing.assert_array_equal(trainer.model.encoder.last.layer.kernel, encoder)
    assert set(trainer.discriminators.networks) == {"features"}


@pytest.mark.parametrize(
    ("examples", "diversity", "order"),
    [
        (0.5, 1.0, [0, 0, 1, 2]),  # default, noise on the same content, two examples
        (0.5, 0.0, [0, 1, 2, 3]),
        (0.0, 1.0, [0, 1, 0, 1]),
        (0.0, 0.0, [0, 1, 2, 3]),
    ],
)
def test_which_contents_are_restyled(make_trainer, batch, examples, diversity, order):
    losses = LossConfig(**(NONE | {"diversity": diversity, "style_prior": 0.01}))
    trainer = make_trainer(batch, losses=losses, examples=examples)
    restyled, parts = trainer._restyle(batch, tf.constant([0, 1]))
    assert restyled.plan.order == order
    np.testing.assert_array_equal(restyled.culture, np.array(batch["culture"])[order])
    named = round(4 * (1 - examples))
    np.testing.assert_array_equal(restyled.plan.is_example, [0.0] * named + [1.0] * (4 - named))
    assert ("diversity" in parts) == bool(diversity)
    assert ("style_prior" in parts) == bool(examples)
    assert restyled.pictures.shape == batch["content"].shape


@pytest.mark.parametrize(
    ("group", "changed", "said"),
    [
        ("discriminator", {"trunk_width": 0}, "--trunk-width 0"),
        ("losses", {"identity": 0.0, "content_return": 0.0}, "--warm-up"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_named(group, changed, said):
    config = command.ORNAMENTS64
    changed = dataclasses.replace(getattr(config, group), **changed)
    with pytest.raises(InputError, match=said):
        dataclasses.replace(config, **{group: changed}).checked(1)


def test_the_encoder_decoder_preset_is_content_style_and_adversarial_losses(make_trainer, batch):
    """Over VGG19 and nothing else: nothing returns, and no backbone but that one is asked."""
    config = command.ENCODER_DECODER
    config.checked(1)
    assert config.backbone.backbone == "vgg19"
    trainer = make_trainer(batch, backbone=True, losses=config.losses, examples=0.25)
    parts = trainer.train(batch, 1)
    assert set(parts) - {"total", "discriminator", "spread", "saturated", "style_prior"} == {
        *("content_features", "style_features", "adversarial"),
        *("feature_adversarial", "feature_matching"),
    }
