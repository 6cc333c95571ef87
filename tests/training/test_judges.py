"""The discriminators' own updates: what they are asked, what moves, and what must stand still."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.networks.discriminator import DiscriminatorConfig
from stylegan_culture.training.judges import Judges, update
from stylegan_culture.training.options import LinearDecay, OptimizerConfig

K, B = 3, 4
TAPS = {"first": (32, 32, 4), "early": (16, 16, 6), "late": (8, 8, 8)}
SEED = tf.constant([0, 5], tf.int32)


def _judges(taps=(), **settings):
    settings = OptimizerConfig(**{"augmentation": "", **settings})
    config = DiscriminatorConfig(trunk_width=8, trunk_layers=3, head_width=8)
    judges = Judges(K, tuple(taps), config, settings, 100, keras.DTypePolicy("float32"))
    judges.build(tf.zeros([B, 32, 32, 3]), {tap: tf.zeros([B, *TAPS[tap]]) for tap in taps})
    return judges


@pytest.fixture
def batch(generator):
    """Three times B pictures: reddish real ones, greenish restyled ones, bluish foreign ones."""
    images = generator.uniform(0.0, 0.6, (3 * B, 32, 32, 3)).astype(np.float32)
    for part in range(3):
        images[part * B : (part + 1) * B, ..., part] += 0.4
    features = {
        tap: generator.normal(size=(3 * B, *shape)).astype(np.float32)
        for tap, shape in TAPS.items()
    }
    culture = np.int32([0, 1, 2, 0] * 3)
    images = tf.constant(images)
    return images, features, {"culture": culture, "foreign": np.float32([1, 0, 1, 1])}


def _snapshot(judges):
    return {
        name: [np.array(variable) for variable in network.variables]
        for name, network in judges.networks.items()
    }


def _same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _picked(logits, culture):
    """Each sample's own map, float64 `[n, h, w]`."""
    logits = np.asarray(logits, np.float64)
    return np.stack([logits[sample, ..., k] for sample, k in enumerate(culture)])


def test_a_variable_that_took_no_part_is_updated_by_zero():
    """Plain gradient descent: d(3 w)/dw = 3 moves w by -0.3, and v stays."""
    taking, other = keras.Variable(1.0), keras.Variable(2.0)
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build([taking, other])
    with tf.GradientTape() as tape:
        total = 3.0 * taking.value
    update(optimizer, tape, total, [taking, other])
    assert float(taking) == pytest.approx(0.7) and float(other) == 2.0


def test_heads_sit_on_every_tap_but_the_first():
    judges = _judges(TAPS)
    assert set(judges.networks["features"].heads) == {"early", "late"}
    assert set(_judges().networks) == {"picture"}


def test_verdicts_are_the_generators_losses_and_move_nothing(batch):
    images, features, plan = batch
    judges = _judges(TAPS)
    before = _snapshot(judges)
    parts = judges.verdicts(images, features, plan["culture"], SEED)
    picture, *heads = judges.logits(images, features, SEED, training=False)
    expected = oracles.softplus(-_picked(picture, plan["culture"])).mean()
    assert float(parts["adversarial"]) == pytest.approx(expected, rel=1e-4)
    expected = np.mean([oracles.softplus(-_picked(x, plan["culture"])).mean() for x in heads])
    assert float(parts["feature_adversarial"]) == pytest.approx(expected, rel=1e-4)
    for name, values in _snapshot(judges).items():
        assert _same(values, before[name])


def test_the_loss_is_real_plus_restyled_plus_foreign(batch):
    """Foreign sample 1 is of the culture asked about: it counts for nothing."""
    images, features, plan = batch
    judges = _judges()
    (logits,) = judges.logits(images, {}, SEED, training=False)
    own = _picked(logits, plan["culture"])
    real, restyled, foreign = own[:B], own[B : 2 * B], own[2 * B :][[0, 2, 3]]
    expected = oracles.softplus(-real).mean() + oracles.softplus(restyled).mean()
    expected += oracles.softplus(foreign).mean()
    found = judges.train(images, {}, plan, SEED)["discriminator"]
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_training_moves_every_discriminator_and_teaches_it(batch):
    images, features, plan = batch
    judges = _judges(TAPS, discriminator_rate=2e-3)
    before = _snapshot(judges)
    found = [float(judges.train(images, features, plan, SEED)["discriminator"])]
    for name, values in _snapshot(judges).items():
        assert not any(
            np.array_equal(a, b)
            for a, b in zip(values, before[name], strict=True)
            if a.ndim == 4  # every kernel
        )
    for _ in range(30):
        found.append(float(judges.train(images, features, plan, SEED)["discriminator"]))
    assert found[-1] < 0.75 * found[0]
    picture = _picked(judges.logits(images, features, SEED, training=False)[0], plan["culture"])
    assert picture[:B].mean() > picture[B : 2 * B].mean() + 1.0


def test_the_penalty_is_half_the_squared_gradient_picture_by_picture(batch):
    images, _, plan = batch
    judges, expected = _judges(), []
    for image, culture in zip(tf.split(images[:B], B), plan["culture"][:B], strict=True):
        with tf.GradientTape() as tape:
            tape.watch(image)
            logits = judges.networks["picture"](image)[..., culture]
            verdict = tf.reduce_mean(logits)
        expected.append(0.5 * float(tf.reduce_sum(tape.gradient(verdict, image) ** 2)))
    found = judges.penalise(images[:B], plan["culture"][:B], 1.0, SEED)
    assert float(found["r1"]) == pytest.approx(np.mean(expected), rel=1e-3)


def test_penalties_flatten_the_picture_discriminator(batch):
    images, _, plan = batch
    judges = _judges(discriminator_rate=2e-3)
    for _ in range(10):
        judges.train(images, {}, plan, SEED)
    found = [
        float(judges.penalise(images[:B], plan["culture"][:B], 16.0, SEED)["r1"]) for _ in range(20)
    ]
    assert found[-1] < 0.5 * found[0]


def test_a_penalty_leaves_the_judge_of_features_alone(batch):
    """R1 is of the picture discriminator: momentum of the last step must not move the other."""
    images, features, plan = batch
    judges = _judges(TAPS)
    judges.train(images, features, plan, SEED)
    before = _snapshot(judges)
    judges.penalise(images[:B], plan["culture"][:B], 16.0, SEED)
    after = _snapshot(judges)
    assert not _same(after["picture"], before["picture"])
    assert _same(after["features"], before["features"])


@pytest.mark.parametrize(
    ("step", "share"), [(0, 1.0), (60, 1.0), (70, 0.75), (80, 0.5), (100, 0.0), (130, 0.0)]
)
def test_the_rate_is_constant_and_then_falls_linearly_to_zero(step, share):
    """100 steps with decay from 0.6: constant to step 60, zero at step 100."""
    schedule = LinearDecay.over(4e-4, 100, 0.6)
    assert float(schedule(step)) == pytest.approx(4e-4 * share, abs=1e-9)
    restored = keras.optimizers.schedules.deserialize(
        keras.optimizers.schedules.serialize(schedule)
    )
    assert float(restored(step)) == float(schedule(step))


@pytest.mark.parametrize(("steps", "share"), [(1, 0.6), (10, 1.0), (10, 0.0)])
def test_the_rate_is_defined_for_runs_of_any_length(steps, share):
    schedule = LinearDecay.over(1.0, steps, share)
    assert float(schedule(0)) == 1.0 and float(schedule(steps + 1)) == 0.0
