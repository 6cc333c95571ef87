"""Distillation: each part of the loss by its formula, who learns, and what a checkpoint holds."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.features import linalg
from stylegan_culture.features.backbones import build_backbone, save_weights
from stylegan_culture.networks.distillation import FOLLOWS
from stylegan_culture.training import checkpoint
from stylegan_culture.training.backbone import (
    BackboneTrainConfig,
    DistillationConfig,
    DistillationTrainer,
    principal_colours,
    style_relations,
)
from stylegan_culture.training.loop import LoopConfig

CULTURES = ("alpha", "beta")
SIZE, STEPS, WARM_UP, RATE = 64, 50, 10, 2e-3


@pytest.fixture(scope="module")
def make_trainer(vgg_archive):
    """A builder of trainers whose teacher has few channels."""

    def make(batch, precision="float32", start=""):
        keras.utils.set_random_seed(4)
        teacher = build_backbone("vgg19_16x", str(vgg_archive), dtype=precision)
        config = BackboneTrainConfig(
            loop=LoopConfig(steps=STEPS),
            precision=precision,
            start=start,
            distillation=DistillationConfig(RATE, WARM_UP, relations=1.0, culture=0.3, dropout=0.5),
        )
        return DistillationTrainer(CULTURES, config, teacher, batch, _pictures(batch)[:3])

    return make


@pytest.fixture(scope="module")
def batch():
    """Two contents, a photograph and one of the second culture, and two style pictures."""
    generator = np.random.default_rng(11)
    contents, styles = generator.uniform(size=(2, 2, 16, 16, 3)).repeat(4, 2).repeat(4, 3)
    return {
        "content": tf.constant(contents, tf.float32),
        "content_culture": tf.constant([-1, 1]),
        "style": tf.constant(styles, tf.float32),
        "culture": tf.constant([0, 1]),
    }


@pytest.fixture(scope="module")
def shared(make_trainer, batch):
    """A trainer whose step is compiled once, and its first state; see `trainer`."""
    trainer = make_trainer(batch)
    return trainer, _snapshot(trainer)


@pytest.fixture
def trainer(shared):
    """The shared trainer as it was when it was new."""
    trainer, start = shared
    for name, variable in trainer.state().items():
        variable.assign(start[name])
    return trainer


def _snapshot(trainer):
    return {name: np.array(variable) for name, variable in trainer.state().items()}


def _pictures(batch):
    return np.concatenate([batch["content"], batch["style"]])


def _standardised(values, moments_of):
    """Mean 0 and deviation 1 by other pictures' moments, with the floor of a tenth of the mean."""
    values, moments_of = np.asarray(values, np.float64), np.asarray(moments_of, np.float64)
    deviation = moments_of.std(axis=(0, 1, 2))
    deviation = np.maximum(deviation, 0.1 * deviation.mean())
    return (values - moments_of.mean(axis=(0, 1, 2))) / deviation


def _projected(layer, features):
    kernel, bias = (np.asarray(x, np.float64) for x in (layer.kernel, layer.bias))
    return np.einsum("bhwc,cf->bhwf", np.asarray(features, np.float64), kernel[0, 0]) + bias


def _seen(heads, features):
    """The heads' answers: relu5_1 of means of four positions, relu1_1 of four pixels each."""
    found = {}
    for tap, own in FOLLOWS.items():
        value = np.asarray(features[own], np.float64)
        if tap == "relu5_1":
            count, height, width, channels = value.shape
            value = value.reshape(count, height // 2, 2, width // 2, 2, channels).mean((2, 4))
        value = _projected(heads.project[tap], value)
        if tap == "relu1_1":
            count, height, width, channels = value.shape
            value = value.reshape(count, height, width, 2, 2, channels // 4)
            value = value.transpose(0, 1, 3, 2, 4, 5).reshape(count, 2 * height, 2 * width, -1)
        found[tap] = value
    return found


def _statistics(features):
    parts = []
    for value in features.values():
        value = np.asarray(value, np.float64)
        parts += [value.mean(axis=(1, 2)), np.sqrt(value.var(axis=(1, 2)) + 1e-6)]
    return np.concatenate(parts, axis=1)


def _distances(features):
    """Style distances by loops: Gram matrices, pairs, taps; see tests/test_losses.py."""
    total = 0.0
    for value in features.values():
        grams = [oracles.gram(np.asarray(picture)) for picture in value]
        apart = np.array([[np.linalg.norm(a - b) for a in grams] for b in grams])
        total = total + apart / apart[~np.eye(len(grams), dtype=bool)].mean()
    return total / len(features)


def test_every_part_is_its_formula(trainer, batch, monkeypatch, eagerly):
    """All in float64 from the pictures as the step disturbs them and from the networks' taps,
    which have tests of their own; dropout is off."""
    monkeypatch.setattr(trainer.heads.dropout, "rate", 0.0)
    seed = tf.constant([0, 3])
    pictures = trainer._disturb(tf.constant(_pictures(batch)), seed)
    features, wanted = trainer.student.aligned(pictures), trainer.teacher(pictures)
    fitted = trainer.teacher(_pictures(batch))
    seen, errors = _seen(trainer.heads, features), {}
    for tap, value in wanted.items():
        errors[tap] = ((seen[tap] - _standardised(value, fitted[tap])) ** 2).mean()
    statistics = _statistics(features)
    normal = (statistics - statistics.mean(0)) / np.sqrt(statistics.var(0) + 1e-3)
    classify = trainer.heads.classify
    logits = normal @ np.asarray(classify.kernel, np.float64) + np.asarray(classify.bias)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    labels = np.eye(3)[[2, 1, 0, 1]]  # the photograph is of the class after the cultures
    smooth = 0.9 * labels + 0.1 / 3
    parts = {
        "features": np.mean(list(errors.values())),
        "relations": ((_distances(features) - _distances(wanted)) ** 2).mean(),
        "culture": -(smooth * logits).sum(axis=1).mean(),
        "named": (logits.argmax(1) == labels.argmax(1)).mean(),
    }
    weights = trainer.config
    total = weights.features * parts["features"] + weights.relations * parts["relations"]
    total += weights.culture * parts["culture"]
    found = {name: float(value) for name, value in trainer.train(batch, 3).items()}
    assert found == pytest.approx(parts | errors | {"total": total}, rel=2e-3, abs=1e-6)


def test_relations_are_zero_for_the_teacher_itself_and_have_no_gradient_to_it(generator):
    taps = {"tap": tf.constant(generator.normal(size=(3, 6, 6, 4)), tf.float32)}
    other = {"tap": tf.constant(generator.normal(size=(3, 6, 6, 4)), tf.float32)}
    assert float(style_relations(taps, taps)) < 1e-8 < float(style_relations(other, taps))
    with tf.GradientTape() as tape:
        tape.watch([taps["tap"], other["tap"]])
        value = style_relations(other, taps)
    to_teacher, to_student = tape.gradient(value, [taps["tap"], other["tap"]])
    assert to_teacher is None and np.abs(to_student).max() > 0


def test_style_statistics_are_means_and_deviations_of_every_channel(generator):
    taps = {"a": generator.normal(size=(2, 4, 5, 3)), "b": generator.normal(2, 3, (2, 2, 2, 4))}
    found = linalg.descriptors({name: value.astype(np.float32) for name, value in taps.items()})
    np.testing.assert_allclose(found, _statistics(taps), rtol=1e-4, atol=1e-5)


def test_pictures_are_disturbed_by_colour_and_every_other_one_by_noise(trainer, batch):
    """Blocks of 4 pixels stay flat under changes of colour alone, clipped or not."""
    pictures = _pictures(batch)
    changed = np.asarray(trainer._disturb(tf.constant(pictures), tf.constant([0, 5])))
    again = np.asarray(trainer._disturb(tf.constant(pictures), tf.constant([0, 5])))
    np.testing.assert_array_equal(changed, again)
    assert changed.min() >= 0.0 and changed.max() <= 1.0
    assert np.abs(changed - pictures).mean(axis=(1, 2, 3)).min() > 1e-3
    blocks = changed.reshape(4, 16, 4, 16, 4, 3)
    rough = blocks.std(axis=(2, 4)).max(axis=(1, 2, 3))
    assert rough[[0, 2]].max() < 1e-6 and rough[[1, 3]].min() > 1e-3
    other = trainer._disturb(tf.constant(pictures), tf.constant([0, 6]))
    assert np.abs(np.asarray(other) - changed).mean(axis=(1, 2, 3)).min() > 1e-3


@pytest.mark.slow
def test_steps_on_one_batch_lower_the_loss(trainer, batch):
    """The same pictures with the same disturbances: dropout alone differs."""
    found = [trainer.train(batch, WARM_UP) for _ in range(12)]
    for name, share in (("total", 0.7), ("features", 0.7)):
        assert float(found[-1][name]) < share * float(found[0][name]), name
    assert all(np.isfinite(float(value)) for parts in found for value in parts.values())


def test_a_step_trains_student_and_heads_and_nothing_else(trainer, batch):
    """The teacher, the moments by which its taps are standardised and those of the student's own
    normalisations stay."""
    teacher = [np.array(variable) for variable in trainer.teacher.variables]
    moments = [np.array(variable) for variable in trainer.standard.variables]
    before = {name: np.array(v) for name, v in trainer.student.named_variables().items()}
    heads = [np.array(variable) for variable in trainer.heads.trainable_variables]
    trainer.train(batch, 2)  # not 0, whose rate is 0
    for old, variable in zip(teacher, trainer.teacher.variables, strict=True):
        np.testing.assert_array_equal(variable, old)
    for old, variable in zip(moments, trainer.standard.variables, strict=True):
        np.testing.assert_array_equal(variable, old)
    for name, variable in trainer.student.named_variables().items():
        fixed = name.endswith(("mean", "variance"))
        assert np.array_equal(variable, before[name]) == fixed, name
    for old, variable in zip(heads, trainer.heads.trainable_variables, strict=True):
        assert not np.array_equal(variable, old)


def test_building_calibrates_the_student_on_the_batch(trainer, batch):
    """Its first layer's moments are those of its convolution of the batch's pictures."""
    first = trainer.student.layers_in_order()[0]
    convolved = tf.nn.conv2d(2.0 * _pictures(batch) - 1.0, first.kernel, 2, "VALID")
    convolved = np.asarray(convolved, np.float64)
    np.testing.assert_allclose(first.mean, convolved.mean(axis=(0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(first.variance, convolved.var(axis=(0, 1, 2)), rtol=1e-3)


def test_a_student_may_begin_with_the_weights_of_a_file(make_trainer, batch, inception, tmp_path):
    save_weights(tmp_path / "begun.npz", inception)
    student = make_trainer(batch, start=str(tmp_path / "begun.npz")).student
    begun = build_backbone("inception_resnet_v2", str(tmp_path / "begun.npz"))
    for mine, theirs in zip(student.variables, begun.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_heads_are_no_part_of_the_student(trainer, inception, tmp_path):
    """What is saved are the arrays of the backbone alone, and a backbone is made of them."""
    named = trainer.student.named_variables()
    plain = inception.named_variables()
    assert {n: v.shape for n, v in named.items()} == {n: v.shape for n, v in plain.items()}
    of_student = {id(variable) for variable in trainer.student.variables}
    assert of_student == {id(variable) for variable in named.values()}
    assert not of_student & {id(variable) for variable in trainer.heads.variables}
    save_weights(tmp_path / "weights.npz", trainer.student)
    loaded = build_backbone("inception_resnet_v2", str(tmp_path / "weights.npz"))
    for name, variable in loaded.named_variables().items():
        np.testing.assert_allclose(variable, named[name], rtol=1e-3, atol=1e-6)


def test_a_checkpoint_holds_everything_that_the_next_steps_depend_on(
    trainer, make_trainer, batch, tmp_path, eagerly
):
    """A new trainer, restored, goes on as the old one: optimiser, norms and dropout included."""
    trainer.train(batch, 1)
    path = checkpoint.save(tmp_path, trainer.state(), 2)
    other = make_trainer({name: tf.reverse(value, [0]) for name, value in batch.items()})
    assert checkpoint.restore(path, other.state()) == 2
    expected, found = (
        {name: float(value) for name, value in t.train(batch, 2).items()} for t in (trainer, other)
    )
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    restored = _snapshot(other)
    for name, value in _snapshot(trainer).items():
        np.testing.assert_allclose(restored[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_the_rate_rises_and_falls(trainer, batch):
    """Half of its height in the middle of the warm-up, 0 at the end; see `test_schedule.py`."""
    assert float(trainer.rate(STEPS)) == pytest.approx(0.0, abs=1e-9)
    trainer.train(batch, WARM_UP // 2)
    assert float(trainer.optimizer.learning_rate) == pytest.approx(RATE / 2, rel=1e-5)


def test_half_precision_keeps_float32_weights_and_finite_losses(make_trainer, batch, eagerly):
    trainer = make_trainer(batch, precision="mixed_bfloat16")
    parts = trainer.train(batch, 0)
    assert all(np.isfinite(float(value)) for value in parts.values())
    assert not any(value.dtype.itemsize == 2 for value in _snapshot(trainer).values())


def test_the_sheet_shows_every_tap_of_teacher_and_student(trainer, batch):
    assert trainer.codes() == {}
    (sheet,) = trainer.samples().values()
    sheet = np.asarray(sheet)
    assert sheet.shape[1] == 11 * (SIZE + 2) - 2 and sheet.shape[0] > 3 * SIZE
    assert sheet.min() >= 0.0 and sheet.max() <= 1.0
    for column in range(11):
        left = column * (SIZE + 2)
        assert sheet[-SIZE:, left : left + SIZE].std() > 0.01


def test_principal_colours_are_the_first_components_in_deviations(generator):
    """Maps along three axes: their components come back, largest last, up to their signs; what a
    student sees twice as strong is twice as far from grey."""
    values = generator.normal(size=(2, 4, 4, 3)) * [0.1, 3.0, 1.0]
    values -= values.mean(axis=(0, 1, 2))
    basis = np.linalg.qr(generator.normal(size=(8, 8)))[0][:3]
    teacher, student = principal_colours(values @ basis, 2.0 * values @ basis, 8)
    assert teacher.shape == student.shape == (2, 8, 8, 3)
    samples = values.reshape(-1, 3)
    variances, vectors = np.linalg.eigh(np.cov(samples, rowvar=False))
    for component in range(3):
        shown = (values @ vectors[:, component]) / np.sqrt(variances[component])
        found = 4.0 * (teacher[:, ::2, ::2, component] - 0.5)
        sign = np.sign((found * shown).sum())
        np.testing.assert_allclose(found, np.clip(sign * shown, -2, 2), atol=1e-4)
        doubled = 4.0 * (student[:, 1::2, 1::2, component] - 0.5)
        np.testing.assert_allclose(doubled, np.clip(2 * sign * shown, -2, 2), atol=1e-4)
