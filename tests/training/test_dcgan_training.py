"""One step of the DCGAN and the conditional GAN: who learns, from what, and what is repeated."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.networks.discriminator import Discriminator, SpectralConvolution
from stylegan_culture.networks.sizes import SamplerConfig, TrunkConfig
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import checkpoint, discriminators
from stylegan_culture.training.dcgan import DcganConfig, DcganTrainer, RivalConfig
from stylegan_culture.training.from_noise import real_pictures
from stylegan_culture.training.loop import LoopConfig

SIZE, STEPS = 16, 40
CULTURES = ("alpha", "beta", "gamma")


@pytest.fixture(scope="module")
def batch():
    """Two style pictures and two contents: the real pictures of a step are four."""
    styles, contents = np.random.default_rng(1).uniform(size=(2, 2, SIZE, SIZE, 3))
    return {
        "style": tf.constant(styles, tf.float32),
        "culture": tf.constant([0, 1]),
        "content": tf.constant(contents, tf.float32),
        "content_culture": tf.constant([2, 1]),
    }


@pytest.fixture(scope="module")
def make_trainer(batch):
    """A builder of small trainers, all with the same start."""

    def make(conditional=True, spectral_norm=True, **adversarial):
        keras.utils.set_random_seed(3)
        config = DcganConfig(
            data=DataConfig(image_size=SIZE, seed=5),
            loop=LoopConfig(steps=STEPS),
            precision="float32",
            sampler=SamplerConfig(2, 4, 4, conditional),
            discriminator=TrunkConfig(4, 3, spectral_norm),
            adversarial=RivalConfig(**adversarial),
        )
        return DcganTrainer(CULTURES, config, batch)

    return make


def _snapshot(trainer):
    return {name: np.array(variable) for name, variable in trainer.state().items()}


def _changed(before, trainer, group):
    after = _snapshot(trainer)
    names = (name for name in after if name.startswith(group + "/"))
    return {name for name in names if not np.array_equal(before[name], after[name])}


def test_the_discriminators_update_leaves_the_generator_unchanged(make_trainer, batch, eagerly):
    trainer = make_trainer(generator_rate=0.0)
    before = _snapshot(trainer)
    parts = trainer.train(batch, 0)
    assert "r1" in parts and all(np.isfinite(float(value)) for value in parts.values())
    assert not _changed(before, trainer, "model") and not _changed(before, trainer, "average")
    assert _changed(before, trainer, "picture_judge")


def test_the_generators_update_leaves_the_discriminators_weights_unchanged(
    make_trainer, batch, eagerly
):
    trainer = make_trainer(discriminator_rate=0.0)
    before = [np.array(variable) for variable in trainer.discriminators.variables]
    model = _snapshot(trainer)
    trainer.train(batch, 1)
    for old, variable in zip(before, trainer.discriminators.variables, strict=True):
        np.testing.assert_array_equal(variable, old)
    assert _changed(model, trainer, "model") and _changed(model, trainer, "average")


def test_a_resumed_run_repeats_an_unbroken_one_bit_for_bit(make_trainer, batch, tmp_path, eagerly):
    """Batches of a checkpointed state and step alone: noise is drawn from (seed, step)."""
    unbroken = make_trainer(r1_interval=2)
    unbroken.train(batch, 0)
    path = checkpoint.save(tmp_path, unbroken.state(), 1)
    unbroken.train(batch, 1)
    unbroken.train(batch, 2)
    resumed = make_trainer(r1_interval=2)
    resumed.train(batch, 7)  # anything else, which the checkpoint has to overwrite
    assert checkpoint.restore(path, resumed.state()) == 1
    resumed.train(batch, 1)
    resumed.train(batch, 2)
    for name, value in _snapshot(unbroken).items():
        np.testing.assert_array_equal(resumed.state()[name], value, err_msg=name)


def test_both_losses_are_verdicts_and_naming(make_trainer, batch, eagerly, monkeypatch):
    """Real as their own culture and drawn as the one asked for, by two classes and by all; NumPy's
    figures of logit maps that are given."""
    trainer = make_trainer(naming=0.25, diversity=0.0, augmentation="", r1=0.0)
    logits = np.random.default_rng(6).normal(size=(12, 2, 2, 3)).astype(np.float32)
    judged = iter((logits[8:], logits[:4], logits[4:8]))  # for the generator; real; drawn
    monkeypatch.setattr(
        trainer.discriminators, "logits", lambda *a, **k: {"picture": [tf.constant(next(judged))]}
    )
    monkeypatch.setattr(trainer.optimizer, "apply", lambda *a: None)
    monkeypatch.setattr(trainer.discriminators.optimizer, "apply", lambda *a: None)
    found = trainer.train(batch, 1)
    culture, asked = np.array([[0, 1, 2, 1], [0, 1, 0, 1]])
    softplus = np.log1p(np.exp(np.stack([logits, -logits])))
    pooled = logits.mean(axis=(1, 2))
    surprise = np.log(np.exp(pooled).sum(axis=1, keepdims=True)) - pooled
    places = np.arange(4)
    real, fake = softplus[1][places, :, :, culture], softplus[0][4 + places, :, :, asked]
    expected = real.mean() + fake.mean() + 0.25 * surprise[places, culture].mean()
    assert float(found["discriminator"]) == pytest.approx(expected, rel=1e-5)
    named, verdict = surprise[8 + places, asked].mean(), softplus[1][8 + places, :, :, asked].mean()
    assert float(found["naming"]) == pytest.approx(named, rel=1e-5)
    assert float(found["total"]) == pytest.approx(verdict + 0.25 * named, rel=1e-5)


def test_pictures_are_named_as_they_are_and_judged_augmented(
    make_trainer, batch, eagerly, monkeypatch
):
    """The naming loss does not depend on what the augmentation draws; verdicts do."""
    found = []
    for shift in (0.0, 0.5):
        trainer = make_trainer(r1=0.0, diversity=0.0, augmentation="colour")
        monkeypatch.setattr(discriminators, "augment", lambda x, *_, shift=shift: x + shift)
        found.append(trainer.train(batch, 1))
    for name, alike in (("naming", True), ("adversarial", False)):
        first, second = (float(parts[name]) for parts in found)
        assert (first == pytest.approx(second, rel=1e-6)) is alike, name


def test_two_pictures_of_one_culture_are_rewarded_for_their_difference(
    make_trainer, batch, eagerly, monkeypatch
):
    """`min(|a - b|, 0.2)` of the first and third, second and fourth picture, by NumPy."""
    trainer = make_trainer(naming=0.0, diversity=3.0)
    fakes = np.random.default_rng(8).uniform(0.4, 0.6, (4, SIZE, SIZE, 3)).astype(np.float32)
    fakes[3] += 0.4
    labels = []

    def model(points, label):
        labels.append(label.numpy())
        return tf.constant(fakes)

    model.config, model.trainable_variables = trainer.model.config, []
    model.variables = trainer.average.variables
    monkeypatch.setattr(trainer, "model", model)
    monkeypatch.setattr(trainer.optimizer, "apply", lambda *a: None)
    parts = trainer.train(batch, 10)  # of 40: three quarters of the weight are left
    assert labels[0].argmax(-1).tolist() == [0, 1, 0, 1]
    expected = -np.minimum(np.abs(fakes[:2] - fakes[2:]).mean((1, 2, 3)), 0.2).mean()
    assert float(parts["diversity"]) == pytest.approx(expected, rel=1e-4)
    total = float(parts["adversarial"]) + 0.75 * 3.0 * expected
    assert float(parts["total"]) == pytest.approx(total, rel=1e-4)


def test_an_unconditional_one_has_a_single_class(make_trainer, batch, eagerly):
    trainer = make_trainer(conditional=False)
    assert trainer.model.cultures == 1
    assert trainer.discriminators.networks["picture"].logits.filters == 1
    pictures, culture = real_pictures(batch, conditional=False)
    assert pictures.shape == (4, SIZE, SIZE, 3) and not culture.numpy().any()
    parts = trainer.train(batch, 1)
    assert "naming" not in parts and np.isfinite(float(parts["total"]))


def test_real_pictures_are_styles_and_contents_with_their_cultures(batch):
    pictures, culture = real_pictures(batch, conditional=True)
    np.testing.assert_array_equal(pictures[:2], batch["style"])
    np.testing.assert_array_equal(pictures[2:], batch["content"])
    assert culture.numpy().tolist() == [0, 1, 2, 1]


def test_spectral_norm_is_an_option(make_trainer):
    kinds = {}
    for asked in (True, False):
        judge = make_trainer(spectral_norm=asked).discriminators.networks["picture"]
        layers = [*judge.trunk, judge.logits]
        kinds[asked] = {isinstance(layer, SpectralConvolution) for layer in layers}
    assert kinds == {True: {True}, False: {False}}


def test_the_penalty_of_a_plain_linear_discriminator_is_that_of_its_kernel():
    """`D(x) = w (2 x - 1) + b` at each pixel: `|dD/dx|^2 / 2 = 2 |w|^2` where D is the mean of
    P logits, divided by P. R1 in closed form; only possible without spectral norm."""
    judge = Discriminator(1, TrunkConfig(trunk_width=4, trunk_layers=0, spectral_norm=False))
    pictures = tf.constant(np.random.default_rng(7).uniform(size=(2, 4, 4, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        verdict = tf.reduce_sum(tf.reduce_mean(judge(pictures), axis=[1, 2, 3]))
    found = float(losses.gradient_penalty(tape.gradient(verdict, pictures)))
    kernel = np.asarray(judge.logits.layer.kernel, np.float64)
    assert found == pytest.approx(2.0 * (kernel**2).sum() / 16, rel=1e-5)


def test_a_sheet_has_a_row_for_each_culture(make_trainer):
    trainer = make_trainer()
    (sheet,) = trainer.samples().values()
    assert sheet.shape[0] == 3 * (SIZE + 2) - 2
    assert sheet.shape[1] > 8 * (SIZE + 2)
    again = make_trainer().samples()["samples"]
    np.testing.assert_array_equal(sheet, again)
