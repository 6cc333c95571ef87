"""One step of CycleGAN: its losses, who learns from what, and that a resumed run is unbroken."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import losses
from stylegan_culture.networks.sizes import PatchConfig, TranslatorConfig
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import checkpoint
from stylegan_culture.training.cyclegan import CycleConfig, CycleTrainConfig, CycleTrainer
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.optimisers import LinearDecay

pytestmark = pytest.mark.usefixtures("eagerly")


def _make():
    config = CycleTrainConfig(
        data=DataConfig(seed=5),
        loop=LoopConfig(steps=20),
        precision="float32",
        translator=TranslatorConfig(filters=2, blocks=0),
        patch=PatchConfig(patch_filters=2, patch_layers=1, patch_norm="spectral"),
        cycle=CycleConfig(pool=2, augmentation="cutout"),
    )
    tf.keras.utils.set_random_seed(0)
    previews = tuple(np.asarray(_batch(1)[name]) for name in ("content", "style"))
    return CycleTrainer(("day", "night"), config, _batch(0), previews)


@pytest.fixture(scope="module")
def shared():
    """A trainer, which takes longer to make than to use, and its state when it was new."""
    trainer = _make()
    return trainer, _values(trainer)


@pytest.fixture
def trainer(shared, monkeypatch):
    """The shared trainer as it was when it was new, without augmentation."""
    trainer, start = shared
    for name, variable in trainer.state().items():
        variable.assign(start[name])
    monkeypatch.setattr(trainer, "kinds", ())
    return trainer


def _batch(number, count=2):
    pictures = np.random.default_rng(number).random((2, count, 16, 16, 3), np.float32)
    return {"content": tf.constant(pictures[0]), "style": tf.constant(pictures[1])}


def _values(trainer):
    return {name: np.array(variable) for name, variable in trainer.state().items()}


def _moved(before, trainer):
    """The groups of variables of which any is not what it was."""
    after = _values(trainer)
    return {n.split("/")[0] for n in after if not np.array_equal(after[n], before[n])}


def test_the_losses_are_those_of_the_paper(trainer):
    """Every part by NumPy from what the networks say before the step."""
    batch = _batch(1)
    first, second = (np.asarray(batch[name], np.float64) for name in ("content", "style"))
    forth, back = (
        lambda x, g=g: np.asarray(g(tf.constant(x, tf.float32)), np.float64)
        for g in (trainer.model.forth, trainer.model.back)
    )
    judged = [
        np.asarray(judge(tf.constant(made, tf.float32)))
        for judge, made in zip(trainer.discriminators, (back(second), forth(first)), strict=True)
    ]
    real = [np.asarray(j(batch[n])) for j, n in zip(trainer.discriminators, batch, strict=True)]
    expected = {
        "cycle": np.abs(back(forth(first)) - first).mean()
        + np.abs(forth(back(second)) - second).mean(),
        "identity": np.abs(forth(second) - second).mean() + np.abs(back(first) - first).mean(),
        "adversarial": sum(np.mean((logits - 1.0) ** 2) for logits in judged),
        # The pool has room, so that what was made now is what is judged.
        "discriminator": 0.5
        * sum(np.mean((r - 1.0) ** 2) + np.mean(f**2) for r, f in zip(real, judged, strict=True)),
    }
    expected["total"] = (
        expected["adversarial"] + 10.0 * expected["cycle"] + 5.0 * expected["identity"]
    )
    found = {name: float(value) for name, value in trainer.train(batch, 0).items()}
    assert set(found) == {*expected, "spread", "saturated"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_a_discriminator_update_leaves_the_generators_unchanged(trainer, monkeypatch):
    monkeypatch.setattr(trainer, "rates", [LinearDecay(0.0, 10, 10), trainer.rates[1]])
    before = _values(trainer)
    trainer.train(_batch(1), 3)
    moved = _moved(before, trainer)
    assert {"first_judge", "second_judge"} <= moved
    assert not {"model", "average"} & moved


def test_a_generator_update_leaves_the_discriminators_unchanged(trainer, monkeypatch):
    monkeypatch.setattr(trainer, "rates", [trainer.rates[0], LinearDecay(0.0, 10, 10)])
    judges = [v for judge in trainer.discriminators for v in judge.trainable_variables]
    before, state = [np.array(v) for v in judges], _values(trainer)
    trainer.train(_batch(1), 3)
    for old, variable in zip(before, judges, strict=True):
        np.testing.assert_array_equal(variable, old)
    # "first_judge" for its norms, which are no weights that learn.
    assert _moved(state, trainer) == {name.split("/")[0] for name in state}


def test_what_has_no_weight_is_left_out_and_one_picture_has_no_spread(trainer, monkeypatch):
    """The verdict is the one that was chosen: `softplus(-D)` of what was made."""
    batch = _batch(1, count=1)
    monkeypatch.setattr(trainer, "config", dataclasses.replace(trainer.config, identity=0.0))
    monkeypatch.setattr(trainer, "verdicts", losses.ADVERSARIAL["non_saturating"])
    made = (trainer.model.back(batch["style"]), trainer.model.forth(batch["content"]))
    logits = [np.asarray(judge(x)) for judge, x in zip(trainer.discriminators, made, strict=True)]
    parts = {name: float(value) for name, value in trainer.train(batch, 0).items()}
    assert set(parts) == {"adversarial", "cycle", "discriminator", "total", "saturated"}
    expected = sum(np.log1p(np.exp(-values)).mean() for values in logits)
    assert parts["adversarial"] == pytest.approx(expected, rel=1e-4)


def test_a_resumed_run_is_an_unbroken_one_bit_for_bit(trainer, monkeypatch, tmp_path):
    """The pools are full by then and hold pictures of the steps before."""
    monkeypatch.setattr(trainer, "kinds", ("cutout",))
    for number in range(2):
        trainer.train(_batch(number), number)
    path = checkpoint.save(tmp_path, trainer.state(), 2)
    whole, resumed = trainer, _make()
    assert checkpoint.restore(path, resumed.state()) == 2
    for each in (whole, resumed):
        each.train(_batch(2), 2)
    expected, found = _values(whole), _values(resumed)
    assert list(expected) == list(found)
    assert {"first_pool/0000", "second_pool/0001"} <= set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_sheets_show_each_direction_there_and_back(trainer):
    sheets = trainer.samples()
    assert set(sheets) == {"day_to_night", "night_to_day"}
    there = np.asarray(trainer.average.forth(_batch(1)["content"][:1]))[0]
    sheet = sheets["day_to_night"]
    rows, columns = (sheet.shape[i] - 16 for i in (0, 1))
    assert any(
        np.allclose(sheet[r : r + 16, c : c + 16], there, atol=0.01)
        for r in range(rows + 1)
        for c in range(columns + 1)
    )
