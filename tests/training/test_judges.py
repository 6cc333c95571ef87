"""The discriminators' own updates: what they are asked, what moves, and what must stand still."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.networks.discriminator import DiscriminatorConfig
from stylegan_culture.training.culture.discriminators import Judges
from stylegan_culture.training.culture.settings import OptimizerConfig
from stylegan_culture.training.optimisers import LinearDecay

K, B = 3, 4
TAPS = {"first": (32, 32, 4), "early": (16, 16, 6), "late": (8, 8, 8)}
WEIGHTS = {"restyled": 1.0, "foreign": 1.0, "relabelled": 0.0}
SEED = tf.constant([0, 5], tf.int32)


def _judges(taps=(), trunk=8, **settings):
    settings = OptimizerConfig(**{"augmentation": "", **settings})
    config = DiscriminatorConfig(trunk_width=trunk, trunk_layers=3, head_width=8)
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
    return (
        images,
        features,
        {
            "culture": culture,
            "foreign": np.float32([1, 0, 1, 1]),
            "other": np.int32([0, 0, 1, 2]),
            "weights": WEIGHTS,
        },
    )


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


def test_heads_sit_on_every_tap_but_the_first():
    judges = _judges(TAPS)
    assert set(judges.networks["features"].heads) == {"early", "late"}
    assert set(_judges().networks) == {"picture"}


def test_verdicts_are_the_generators_losses_and_move_nothing(batch):
    images, features, plan = batch
    judges = _judges(TAPS)
    before = _snapshot(judges)
    parts = judges.verdicts(images, features, plan["culture"], SEED)
    logits = judges.logits(images, features, SEED, training=False)
    (picture,), heads = logits["picture"], logits["features"]
    assert len(heads) == 2  # the first tap is left to the picture discriminator
    expected = oracles.softplus(-_picked(picture, plan["culture"])).mean()
    assert float(parts["adversarial"]) == pytest.approx(expected, rel=1e-4)
    expected = np.mean([oracles.softplus(-_picked(x, plan["culture"])).mean() for x in heads])
    assert float(parts["feature_adversarial"]) == pytest.approx(expected, rel=1e-4)
    for name, values in _snapshot(judges).items():
        assert _same(values, before[name])


def test_feature_matching_asks_for_what_the_judges_see_in_real_pictures(batch):
    """Nothing, where the restyled pictures are the real ones; the gradient reaches no real one."""
    images, features, plan = batch
    judges = _judges(TAPS)
    own = {tap: tf.constant(value[:B]) for tap, value in features.items()}
    other = {tap: tf.constant(value[B : 2 * B]) for tap, value in features.items()}
    culture, real = plan["culture"][:B], images[B : 2 * B]
    assert "feature_matching" not in judges.verdicts(images[:B], own, culture, SEED)
    same = judges.verdicts(images[:B], own, culture, SEED, (images[:B], own))
    assert float(same["feature_matching"]) == 0.0
    with tf.GradientTape() as tape:
        tape.watch([own, other])
        found = judges.verdicts(images[:B], own, culture, SEED, (real, other))
        total = found["feature_matching"]
    assert float(total) > 0.01
    moved, still = tape.gradient(total, [own["late"], other["late"]])
    assert still is None and np.abs(moved).max() > 0.0


SIDES = {  # of a logit: what a picture that is, and one that is not, of the culture costs
    False: (lambda logit: oracles.softplus(-logit), oracles.softplus),
    True: (lambda logit: np.maximum(0.0, 1.0 - logit), lambda logit: np.maximum(0.0, 1.0 + logit)),
}


@pytest.mark.parametrize("hinge", [False, True])
@pytest.mark.parametrize("given", [(1.0, 1.0, 0.0), (0.5, 0.3, 0.2)])
def test_the_loss_is_real_plus_restyled_plus_foreign_plus_relabelled(batch, hinge, given):
    """Foreign sample 1 is of the culture asked about: it counts for nothing. Real pictures are
    relabelled by the culture of the one before: 0, 1, 2, 0 by 0, 0, 1, 2, and the first is its
    own."""
    images, features, plan = batch
    judges, (real, fake) = _judges(hinge=hinge), SIDES[hinge]
    (logits,) = judges.logits(images, {}, SEED, training=False)["picture"]
    own = _picked(logits, plan["culture"])
    weights = dict(zip(WEIGHTS, given, strict=True))
    expected = real(own[:B]).mean() + weights["restyled"] * fake(own[B : 2 * B]).mean()
    expected += weights["foreign"] * fake(own[2 * B :][[0, 2, 3]]).mean()
    expected += weights["relabelled"] * fake(_picked(logits[:B], [0, 0, 1, 2])[1:]).mean()
    found = judges.train(images, {}, plan | {"weights": weights}, SEED)["discriminator"]
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_the_hinge_asks_the_generator_for_higher_logits(batch):
    images, features, plan = batch
    judges = _judges(hinge=True)
    (logits,) = judges.logits(images, {}, SEED, training=False)["picture"]
    found = judges.verdicts(images, {}, plan["culture"], SEED)["adversarial"]
    assert float(found) == pytest.approx(-_picked(logits, plan["culture"]).mean(), rel=1e-4)


def test_without_a_picture_discriminator_every_tap_has_a_head(batch):
    images, features, plan = batch
    judges = _judges(TAPS, trunk=0)
    assert set(judges.networks) == {"features"}
    parts = judges.verdicts(images, features, plan["culture"], SEED)
    assert set(parts) == {"feature_adversarial"}
    logits = judges.logits(images, features, SEED, training=False)
    assert set(logits) == {"features"} and len(logits["features"]) == len(TAPS)
    assert np.isfinite(float(judges.train(images, features, plan, SEED)["discriminator"]))


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
    (logits,) = judges.logits(images, features, SEED, training=False)["picture"]
    picture = _picked(logits, plan["culture"])
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
