"""One step of the culture GAN: who learns from what, what is reported, what a checkpoint holds."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.training import checkpoint
from stylegan_culture.training.culture.settings import LossConfig
from stylegan_culture.training.discriminators import DiscriminatorLossConfig

REPORTS = {"total", "discriminator", "spread", "saturated"}
NO_WEIGHTS = {"stability_radius"}
BESIDE_A_TEACHER = {
    "distillation",
    "distilled_style",
    "distilled_codes",
}  # with --from only; test_train_warm_start


@pytest.fixture(scope="module")
def shared(make_trainer, batch):
    """A trainer with every part, its step compiled once; see `trainer`."""
    trainer = make_trainer(batch, backbone=True)
    return trainer, _snapshot(trainer)


@pytest.fixture
def trainer(shared):
    """The shared trainer as it was when it was new."""
    trainer, start = shared
    _assign(trainer, start)
    return trainer


def _snapshot(trainer):
    return {name: np.array(variable) for name, variable in trainer.state().items()}


def _assign(trainer, values):
    for name, variable in trainer.state().items():
        variable.assign(values[name])


def _changed(before, after, group):
    """Names of the variables of a group that are not what they were."""
    return {
        name
        for name, value in after.items()
        if name.startswith(group + "/") and not np.array_equal(value, before[name])
    }


def test_every_part_is_named_in_the_config_and_finite(trainer, batch):
    parts = trainer.train(batch, 1)
    weights = {field.name for field in dataclasses.fields(LossConfig)}
    weights -= NO_WEIGHTS | BESIDE_A_TEACHER
    assert set(parts) == weights | REPORTS
    assert all(np.isfinite(float(value)) for value in parts.values())
    assert float(parts["spread"]) > 0 and 0 <= float(parts["saturated"]) <= 1


def test_the_total_is_the_weighted_sum_of_the_parts(trainer, batch):
    parts = trainer.train(batch, 1)
    weights = dataclasses.asdict(trainer.weights)
    expected = sum(weights[name] * float(parts[name]) for name in set(parts) - REPORTS)
    assert float(parts["total"]) == pytest.approx(expected, rel=1e-4)


def test_the_penalty_comes_at_its_interval(trainer, batch):
    interval = trainer.of_discriminators.r1_interval
    reported = ["r1" in trainer.train(batch, number) for number in (0, 1, interval, interval + 1)]
    assert reported == [True, False, True, False]


def test_one_step_moves_the_model_and_every_discriminator(trainer, batch):
    before = _snapshot(trainer)
    trainer.train(batch, 1)
    after = _snapshot(trainer)
    for group in ("model", "average", "picture_judge", "features_judge"):
        assert _changed(before, after, group)
    for group in ("generator_optimizer", "discriminator_optimizer"):
        (counter,) = (n for n in before if n.startswith(group) and before[n].dtype.kind == "i")
        assert int(after[counter]) == 1


def test_the_average_follows_the_model_by_its_formula(trainer, batch):
    """`a <- a + (1 - d) (w - a)` with `d = min(0.998, (1 + t) / (10 + t))`, t the step number."""
    for number, decay in ((1, 2 / 11), (30, 31 / 40), (10_000, 0.998)):
        before = [np.array(v, np.float64) for v in trainer.average.variables]
        trainer.train(batch, number)
        for old, average, value in zip(
            before, trainer.average.variables, trainer.model.variables, strict=True
        ):
            expected = old + (1 - decay) * (np.asarray(value, np.float64) - old)
            np.testing.assert_allclose(average, expected, atol=1e-6)


def test_training_a_discriminator_leaves_the_generator_unchanged(make_trainer, batch, eagerly):
    trainer = make_trainer(batch, generator_rate=0.0)
    before = _snapshot(trainer)
    trainer.train(batch, 0)  # with the penalty
    after = _snapshot(trainer)
    assert not _changed(before, after, "model") and not _changed(before, after, "average")
    assert _changed(before, after, "picture_judge")


def test_training_the_generator_leaves_the_discriminator_unchanged(make_trainer, batch, eagerly):
    trainer = make_trainer(batch, discriminator_rate=0.0)
    before = [np.array(variable) for variable in trainer.discriminators.variables]
    model = _snapshot(trainer)
    trainer.train(batch, 0)
    for old, variable in zip(before, trainer.discriminators.variables, strict=True):
        np.testing.assert_array_equal(variable, old)
    assert _changed(model, _snapshot(trainer), "model")


def test_the_compiled_step_is_the_step_as_written(trainer, batch):
    start = _snapshot(trainer)
    compiled = {name: float(value) for name, value in trainer.train(batch, 3).items()}
    _assign(trainer, start)
    tf.config.run_functions_eagerly(True)
    try:
        written = {name: float(value) for name, value in trainer.train(batch, 3).items()}
    finally:
        tf.config.run_functions_eagerly(False)
    assert written == pytest.approx(compiled, rel=1e-3, abs=1e-4)


def test_a_step_is_drawn_from_its_number_alone(trainer, batch):
    start = _snapshot(trainer)
    results = []
    for number in (2, 2, 5):
        _assign(trainer, start)
        results.append({k: float(v) for k, v in trainer.train(batch, number).items()})
        tf.random.normal([2])
    assert results[1] == pytest.approx(results[0], rel=1e-5)
    assert abs(results[2]["diversity"] - results[0]["diversity"]) > 1e-6


def test_a_checkpoint_holds_everything_that_the_next_steps_depend_on(
    trainer, make_trainer, batch, tmp_path, eagerly
):
    """A new trainer, restored, goes on as the old one: optimisers, norms and scales included. Both
    the steps before and the step after have a penalty, which may have a state of its own."""
    trainer.train(batch, 0)
    path = checkpoint.save(tmp_path, trainer.state(), 16)
    other = make_trainer(batch, backbone=True)
    assert checkpoint.restore(path, other.state()) == 16
    expected, found = (
        {k: float(v) for k, v in t.train(batch, 16).items()} for t in (trainer, other)
    )
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    restored = _snapshot(other)
    for name, value in _snapshot(trainer).items():
        np.testing.assert_allclose(restored[name], value, rtol=1e-4, atol=1e-5)


def test_the_discriminators_see_real_restyled_and_foreign_pictures(
    trainer, batch, monkeypatch, eagerly
):
    """In this order, each with its features, judged as the culture that was wanted; contents 2 and
    3 are of the culture that they are set against, so they are not foreign."""
    seen = []

    def watch(shown, weights, seed):
        seen.append(shown)
        return {"discriminator": tf.zeros(())}

    monkeypatch.setattr(trainer.discriminators, "train", watch)
    restyled, _ = trainer._restyle(batch, tf.constant([0, 1]))
    trainer.train(batch, 1)
    (shown,) = seen
    pictures = np.asarray(shown.images)
    np.testing.assert_array_equal(pictures[:4], batch["style"])
    np.testing.assert_allclose(pictures[4:8], restyled.pictures, atol=1e-4)
    np.testing.assert_array_equal(pictures[8:], batch["content"])
    np.testing.assert_array_equal(shown.culture, [0, 1, 1, 2, *restyled.culture, 0, 1, 1, 2])
    np.testing.assert_array_equal(shown.foreign, [1, 1, 0, 0])
    for tap, value in trainer.backbone(pictures).items():
        np.testing.assert_allclose(shown.features[tap], value, atol=1e-4)


def test_a_content_meets_two_codes_of_one_culture(trainer, batch):
    """The first quarter of a batch is restyled twice: by the default code and by one from noise."""
    restyled, parts = trainer._restyle(batch, tf.constant([0, 1]))
    fakes = restyled.pictures
    np.testing.assert_array_equal(restyled.contents[0], restyled.contents[1])
    assert int(restyled.culture[0]) == int(restyled.culture[1])
    default = trainer.model(batch["content"][:1], np.float32([[1, 0, 0]]), tf.ones([1, 1]))
    np.testing.assert_allclose(np.clip(fakes[:1], 0.0, 1.0), default, atol=1e-4)
    gap = np.abs(np.asarray(fakes[0]) - np.asarray(fakes[1])).mean()
    assert gap > 0 and float(parts["diversity"]) == pytest.approx(-gap, rel=1e-3)


def test_half_of_the_restyled_pictures_follow_examples_of_the_culture_asked_for(trainer, batch):
    """Rows 2 and 3 are contents 1 and 2 in the codes of style pictures 1 and 2."""
    seed = tf.constant([0, 1])
    restyled, _ = trainer._restyle(batch, seed)
    np.testing.assert_array_equal(restyled.culture, [0, 0, 1, 1])
    np.testing.assert_array_equal(restyled.plan.is_example, [0, 0, 1, 1])
    np.testing.assert_array_equal(restyled.contents[2:], batch["content"][1:3])
    styles = np.array(batch["style"])
    styles[2] = 1.0 - styles[2]
    changed, _ = trainer._restyle(batch | {"style": tf.constant(styles)}, seed)
    moved = np.abs(changed.pictures - restyled.pictures).max(axis=(1, 2, 3))
    assert (moved[:3] < 1e-6).all() and moved[3] > 1e-6


def test_a_generator_that_returns_its_input_has_nothing_to_bring_back(trainer, batch, monkeypatch):
    """Cycle, identity, strength 0 and layout ask for the content itself: an identity pays none."""
    generator = trainer.model.generator
    monkeypatch.setattr(type(generator), "encode", lambda self, image: image)
    monkeypatch.setattr(type(generator), "decode", lambda self, features, *_, **__: features)
    restyled, parts = trainer._restyle(batch, tf.constant([0, 1]))
    np.testing.assert_array_equal(restyled.pictures, restyled.contents)
    for name in ("cycle", "identity", "content_return", "layout", "diversity"):
        assert float(parts[name]) == 0.0, name
    assert float(parts["style_code"]) > 0.0


def test_terms_without_a_backbone_or_a_weight_are_not_computed(make_trainer, batch, eagerly):
    parts = make_trainer(batch, losses=LossConfig(cycle=0.0)).train(batch, 1)
    absent = {"content_features", "style_features", "feature_adversarial", "cycle"}
    assert not absent & set(parts) and {"adversarial", "identity"} <= set(parts)


@pytest.mark.parametrize(("interval", "warm_up"), [(1, 0), (16, 2)])
def test_both_rates_fall_with_the_steps_of_the_run(make_trainer, batch, eagerly, interval, warm_up):
    """A lazy penalty between two steps is no step, and a step of the warm-up is one: either would
    end the discriminators' training sooner or later than the generator's."""
    penalty = DiscriminatorLossConfig(r1_interval=interval)
    trainer = make_trainer(
        batch, losses=LossConfig(), of_discriminators=penalty, decay_from=0.0, warm_up=warm_up
    )
    for number in range(warm_up + 2):
        trainer.train(batch, number)
    rates = [float(x.learning_rate) for x in (trainer.optimizer, trainer.discriminators.optimizer)]
    assert rates[0] == pytest.approx(rates[1], rel=1e-5) and rates[0] < 4e-4


def test_a_warm_up_step_teaches_reconstruction_and_no_discriminator(make_trainer, batch, eagerly):
    trainer = make_trainer(batch, warm_up=2)
    before = _snapshot(trainer)
    parts = trainer.train(batch, 1)
    assert {"identity", "content_return", "total"} <= set(parts) and "adversarial" not in parts
    weights = dataclasses.asdict(trainer.weights)
    expected = sum(weights[name] * float(parts[name]) for name in set(parts) - {"total"})
    assert float(parts["total"]) == pytest.approx(expected, rel=1e-4)
    after = _snapshot(trainer)
    assert _changed(before, after, "model") and _changed(before, after, "average")
    assert not _changed(before, after, "picture_judge")
    assert "adversarial" in trainer.train(batch, 2)


def test_half_precision_steps_keep_float32_weights_and_finite_losses(make_trainer, batch, eagerly):
    trainer = make_trainer(batch, backbone=True, precision="mixed_bfloat16")
    parts = trainer.train(batch, 0)
    assert all(np.isfinite(float(value)) for value in parts.values())
    assert {value.dtype.kind for value in _snapshot(trainer).values()} == {"f", "i"}
    assert not any(value.dtype.itemsize == 2 for value in _snapshot(trainer).values())


@pytest.mark.slow
def test_thirty_steps_learn_to_return_contents_and_own_styles(trainer, batch):
    """On one batch over and over, the losses of returned pictures have to fall by a third."""
    first = trainer.train(batch, 1)
    for number in range(2, 32):
        last = trainer.train(batch, number)
    for name in ("content_return", "identity"):
        assert float(last[name]) < 0.67 * float(first[name]), name


def test_sheets_and_codes_show_the_average(trainer):
    sheets, codes = trainer.samples(), trainer.codes()
    assert set(sheets) == {"cultures", "examples"}
    for sheet in sheets.values():
        sheet = np.asarray(sheet)
        assert sheet.ndim == 3 and sheet.shape[2] == 3
        assert sheet.min() >= 0.0 and sheet.max() <= 1.0 and sheet.std() > 0.01
    expected = trainer.average.fusion(tf.eye(3))
    np.testing.assert_allclose(codes["default"], expected, atol=1e-6)
    assert codes["examples"].shape == (3, 64)
