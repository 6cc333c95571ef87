"""One step of the VAE: its two terms against NumPy and SciPy, and that a resumed run repeats it."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from stylegan_culture.networks.sizes import SamplerConfig
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import checkpoint, vae
from stylegan_culture.training.loop import LoopConfig

SIZE = 16
CULTURES = ("alpha", "beta")


@pytest.fixture(scope="module")
def batch():
    styles, contents = np.random.default_rng(1).uniform(size=(2, 2, SIZE, SIZE, 3))
    return {
        "style": tf.constant(styles, tf.float32),
        "culture": tf.constant([0, 1]),
        "content": tf.constant(contents, tf.float32),
        "content_culture": tf.constant([1, 1]),
    }


@pytest.fixture(scope="module")
def make_trainer(batch, uncompiled):
    """A builder of small trainers, all with the same start; their steps run line by line."""

    def make(conditional=True, **settings):
        keras.utils.set_random_seed(3)
        config = vae.VaeTrainConfig(
            data=DataConfig(image_size=SIZE, seed=5),
            loop=LoopConfig(steps=40),
            precision="float32",
            sampler=SamplerConfig(2, 4, 4, conditional),
            vae=vae.VaeConfig(**settings),
        )
        pictures = np.concatenate([batch["style"], batch["content"]])
        return vae.VaeTrainer(CULTURES, config, vae.Previews(pictures, np.array([0, 1, 1, 1])))

    with uncompiled():
        yield make


def test_the_divergence_is_that_of_monte_carlo():
    """`E_q[log q(z) - log p(z)]` over many draws, by SciPy's densities."""
    generator = np.random.default_rng(2)
    mean, log_variance = generator.normal(size=(2, 3, 4)).astype(np.float32)
    found = float(vae.divergence(tf.constant(mean), tf.constant(log_variance)))
    deviation = np.exp(0.5 * log_variance)
    drawn = mean + deviation * generator.standard_normal((100_000, 3, 4))
    terms = scipy.stats.norm.logpdf(drawn, mean, deviation) - scipy.stats.norm.logpdf(drawn)
    assert found == pytest.approx(terms.sum(-1).mean(), rel=0.01)
    assert float(vae.divergence(tf.zeros((3, 4)), tf.zeros((3, 4)))) == 0.0


def test_the_total_is_the_bound_with_the_warmed_weight(make_trainer, batch, monkeypatch):
    """At step 4 of a warm-up of 10 half of beta counts; both terms by NumPy from what was drawn."""
    trainer = make_trainer(beta=2.0, beta_warm_up=10)
    drawn = np.random.default_rng(4).standard_normal((4, 4)).astype(np.float32)
    monkeypatch.setattr(
        "stylegan_culture.training.vae.replicas.normal", lambda shape, seed: tf.constant(drawn)
    )
    pictures = np.concatenate([batch["style"], batch["content"]])
    mean, log_variance = (np.asarray(x, np.float64) for x in trainer.model.encoder(pictures))
    labels = np.eye(2, dtype="f4")[[0, 1, 1, 1]]
    codes = (mean + np.exp(log_variance / 2) * drawn).astype(np.float32)
    decoded = np.asarray(trainer.model.decoder(codes, labels), np.float64)
    error = ((decoded - pictures) ** 2).sum((1, 2, 3)).mean() / (2 * vae.DEVIATION**2)
    kl = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(-1).mean()
    parts = trainer.train(batch, 4)
    assert float(parts["reconstruction"]) == pytest.approx(error, rel=1e-4)
    assert float(parts["kl"]) == pytest.approx(kl, rel=1e-4)
    assert float(parts["total"]) == pytest.approx(error + 2.0 * 0.5 * kl, rel=1e-4)


def test_encoder_decoder_and_average_learn(make_trainer, batch):
    trainer = make_trainer(rate_warm_up=0)
    before = {name: np.array(v) for name, v in trainer.state().items()}
    encoder = [np.array(v) for v in trainer.model.encoder.trainable_variables]
    decoder = [np.array(v) for v in trainer.model.decoder.trainable_variables]
    trainer.train(batch, 3)
    for old, part in ((encoder, trainer.model.encoder), (decoder, trainer.model.decoder)):
        moved = [np.abs(a - b).max() for a, b in zip(old, part.trainable_variables, strict=True)]
        assert max(moved) > 0.0
    averaged = [name for name in before if name.startswith("average/")]
    assert any(not np.array_equal(before[name], trainer.state()[name]) for name in averaged)


def test_a_resumed_run_repeats_an_unbroken_one_bit_for_bit(make_trainer, batch, tmp_path):
    unbroken = make_trainer()
    unbroken.train(batch, 0)
    path = checkpoint.save(tmp_path, unbroken.state(), 1)
    unbroken.train(batch, 1)
    resumed = make_trainer()
    resumed.train(batch, 6)
    assert checkpoint.restore(path, resumed.state()) == 1
    resumed.train(batch, 1)
    for name, value in unbroken.state().items():
        np.testing.assert_array_equal(np.array(resumed.state()[name]), np.array(value))


def test_sheets_show_samples_reconstructions_and_the_ways_between_previews(make_trainer):
    trainer = make_trainer()
    pictures = trainer.previews.pictures
    sheets = trainer.samples()
    assert set(sheets) == {"samples", "reconstructions", "interpolations"}
    cell = SIZE + 2
    assert sheets["interpolations"].shape == (2 * cell - 2, 10 * cell - 2, 3)
    assert sheets["reconstructions"].shape[0] == 2 * cell - 2
    first = sheets["interpolations"][:SIZE, :SIZE]
    np.testing.assert_allclose(first, pictures[0], atol=1 / 255)
    decoded = np.asarray(trainer.average(pictures[:1], np.eye(2, dtype="f4")[:1]))[0]
    beside = sheets["interpolations"][:SIZE, cell : cell + SIZE]
    np.testing.assert_allclose(beside, decoded, atol=0.01)
