"""The step of restoration: what it asks for, what follows it, and that it learns."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError, from_dict
from stylegan_culture.networks.sizes import DamageConfig, RestorationConfig
from stylegan_culture.training import restore
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.restore import (
    LearningConfig,
    RestorationTrainConfig,
    RestorationTrainer,
    damaged,
    what_counts,
)

SIZES = RestorationConfig(blocks=1, code_size=8, refining_width=8, refining_blocks=1)
STEPS = 40


def _make(damage, learning, previews):
    config = RestorationTrainConfig(
        loop=LoopConfig(steps=STEPS),
        precision="float32",
        damage=damage,
        sizes=SIZES,
        learning=learning,
    )
    return RestorationTrainer(config, previews)


@pytest.fixture(scope="module")
def trained():
    """A trainer of two kinds after forty steps on one batch, and its reports."""
    generator = np.random.default_rng(5)
    pictures = generator.uniform(0.2, 0.8, (2, 2, 4, 4, 3)).repeat(4, 2).repeat(4, 3)
    batch = dict(zip(("content", "style"), tf.constant(pictures, tf.float32), strict=True))
    tf.keras.utils.set_random_seed(0)
    learning = LearningConfig(rate=4e-3, warm_up=5)
    damage = DamageConfig("denoise,colourise", 20.0, 20.0)
    trainer = _make(damage, learning, pictures[0].astype(np.float32))
    reports = [trainer.train(batch, 0)]
    before = trainer.average.get_weights()
    reports.append(trainer.train(batch, 1))
    young = before, trainer.model.get_weights(), trainer.average.get_weights()
    reports += [trainer.train(batch, number) for number in range(2, STEPS)]
    return trainer, reports, young, batch


@pytest.mark.slow
def test_training_brings_colours_nearer_to_the_truth_than_grey_is(trained):
    trainer, truth = trained[0], trained[-1]["style"]
    given = damaged("colourise", truth, tf.constant([7, 7]))
    restored = trainer.average.restore(given, tf.fill([2], trainer.kinds.index("colourise")))
    before, after = (np.abs(x - truth).mean() for x in (given[..., :3], restored))
    assert after < 0.8 * before


def test_of_a_picture_with_holes_the_holes_alone_count(trained, monkeypatch):
    """Two pictures, one of them with three missing pixels of sixteen, by NumPy."""
    mask = np.zeros((2, 4, 4, 1), np.float32)
    mask[1, 0, 1:] = 1.0
    weights = np.asarray(what_counts(tf.constant(mask)))
    np.testing.assert_array_equal(weights[0], 1.0)
    np.testing.assert_allclose(weights[1], mask[1] * 16 / 3, rtol=1e-6)
    trainer = _make(DamageConfig("inpaint"), LearningConfig(), None)
    pictures = tf.concat([trained[-1][name] for name in ("content", "style")], 0)
    given = damaged("inpaint", pictures, tf.constant([0, 3]))
    restored = trainer.model(given, tf.zeros([4], tf.int32))
    monkeypatch.setattr(restore, "mixed", lambda *a: given)
    total = trainer.train(trained[-1], 3)["total"]
    hole = np.asarray(given[..., 3]) > 0.5
    error = np.abs(restored - pictures).mean(-1)
    expected = np.mean([e[h].mean() for e, h in zip(error, hole, strict=True)])
    assert hole.any() and not hole.all() and float(total) == pytest.approx(expected, rel=1e-4)


def test_the_average_follows_the_model(trained):
    """At step 1 the decay is 2 / 11, so the average takes nine elevenths of the way."""
    before, model, after = trained[2]
    for old, new, mean in zip(before, model, after, strict=True):
        np.testing.assert_allclose(mean, old + 9 / 11 * (new - old), atol=1e-6)
    assert max(np.abs(new - old).max() for old, new in zip(before, model, strict=True)) > 1e-4


def test_the_state_is_all_that_a_step_depends_on(trained):
    """What was saved and put back goes on bit for bit, whatever was trained in between."""
    trainer, batch = trained[0], trained[-1]
    saved = {name: np.array(value) for name, value in trainer.state().items()}
    ways = []
    for _ in range(2):
        for name, variable in trainer.state().items():
            variable.assign(saved[name])
        for number in (STEPS - 9, STEPS - 8):
            trainer.train(batch, number)
        ways.append({name: np.array(value) for name, value in trainer.state().items()})
    for name, value in ways[0].items():
        np.testing.assert_array_equal(value, ways[1][name], err_msg=name)
    assert any((ways[0][name] != saved[name]).any() for name in saved if "average" in name)


def test_sheets_show_damaged_restored_and_true_pictures_of_every_kind(trained):
    trainer = trained[0]
    sheets = trainer.samples()
    assert set(sheets) == {"denoise", "colourise"}
    truth = trainer.previews[0]
    for sheet in sheets.values():
        assert np.abs(sheet[-16:, -16:] - trainer.previews[1]).max() < 0.003
        assert sheet.shape[1] == 3 * truth.shape[1] + 2 * 2
    assert trainer.codes()["kinds"].shape == (2, 8)


@pytest.mark.parametrize(("rate", "clip", "average"), [(0.0, 1.0, 0.9), (1.0, 0.0, 0.9), (1, 1, 1)])
def test_settings_that_teach_nothing_are_refused(rate, clip, average):
    with pytest.raises(InputError):
        from_dict(LearningConfig, {"rate": rate, "clip": clip, "average": average})
