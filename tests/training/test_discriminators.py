"""The discriminators' updates: what they learn from, what moves, and what must stand still."""

import dataclasses

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.networks.sizes import DiscriminatorConfig
from stylegan_culture.training.discriminators import (
    AdversarialConfig,
    DiscriminatorLossConfig,
    Discriminators,
    Shown,
)
from stylegan_culture.training.optimisers import LinearDecay

K, B = 3, 4
TAPS = {"first": (32, 32, 4), "early": (16, 16, 6), "late": (8, 8, 8)}
WEIGHTS = DiscriminatorLossConfig()
SEED = tf.constant([0, 5], tf.int32)


def _make(taps=(), trunk=8, **settings):
    settings = AdversarialConfig(**{"augmentation": "", **settings})
    config = DiscriminatorConfig(trunk_width=trunk, trunk_layers=3, head_width=8)
    discriminators = Discriminators(
        K, tuple(taps), config, settings, 100, keras.DTypePolicy("float32")
    )
    discriminators.build(tf.zeros([B, 32, 32, 3]), {tap: tf.zeros([B, *TAPS[tap]]) for tap in taps})
    return discriminators


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
    return Shown(images, features, culture, np.float32([1, 0, 1, 1]), np.int32([0, 0, 1, 2]))


def _snapshot(discriminators):
    return {
        name: [np.array(variable) for variable in network.variables]
        for name, network in discriminators.networks.items()
    }


def _same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _picked(logits, culture):
    """Each sample's own map, float64 `[n, h, w]`."""
    logits = np.asarray(logits, np.float64)
    return np.stack([logits[sample, ..., k] for sample, k in enumerate(culture)])


def test_heads_sit_on_every_tap_but_the_first():
    discriminators = _make(TAPS)
    assert set(discriminators.networks["features"].heads) == {"early", "late"}
    assert set(_make().networks) == {"picture"}


def test_verdicts_are_the_generators_losses_and_move_nothing(batch):
    images, features = batch.images, batch.features
    discriminators = _make(TAPS)
    before = _snapshot(discriminators)
    parts = discriminators.verdicts(images, features, batch.culture, SEED)
    logits = discriminators.logits(images, features, SEED, training=False)
    (picture,), heads = logits["picture"], logits["features"]
    assert len(heads) == 2  # the first tap is left to the picture discriminator
    expected = oracles.softplus(-_picked(picture, batch.culture)).mean()
    assert float(parts["adversarial"]) == pytest.approx(expected, rel=1e-4)
    expected = np.mean([oracles.softplus(-_picked(x, batch.culture)).mean() for x in heads])
    assert float(parts["feature_adversarial"]) == pytest.approx(expected, rel=1e-4)
    for name, values in _snapshot(discriminators).items():
        assert _same(values, before[name])


def test_feature_matching_asks_for_what_the_discriminators_see_in_real_pictures(batch):
    """Nothing, where the restyled pictures are the real ones; the gradient reaches no real one."""
    images, features = batch.images, batch.features
    discriminators = _make(TAPS)
    own = {tap: tf.constant(value[:B]) for tap, value in features.items()}
    other = {tap: tf.constant(value[B : 2 * B]) for tap, value in features.items()}
    culture, real = batch.culture[:B], images[B : 2 * B]
    assert "feature_matching" not in discriminators.verdicts(images[:B], own, culture, SEED)
    same = discriminators.verdicts(images[:B], own, culture, SEED, (images[:B], own))
    assert float(same["feature_matching"]) == 0.0
    with tf.GradientTape() as tape:
        tape.watch([own, other])
        found = discriminators.verdicts(images[:B], own, culture, SEED, (real, other))
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
    images = batch.images
    discriminators, (real, fake) = _make(hinge=hinge), SIDES[hinge]
    (logits,) = discriminators.logits(images, {}, SEED, training=False)["picture"]
    own = _picked(logits, batch.culture)
    weights = DiscriminatorLossConfig(1.0, 16, *given)
    expected = real(own[:B]).mean() + weights.restyled * fake(own[B : 2 * B]).mean()
    expected += weights.foreign * fake(own[2 * B :][[0, 2, 3]]).mean()
    expected += weights.relabelled * fake(_picked(logits[:B], [0, 0, 1, 2])[1:]).mean()
    found = discriminators.train(dataclasses.replace(batch, features={}), weights, SEED)[
        "discriminator"
    ]
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_the_hinge_asks_the_generator_for_higher_logits(batch):
    images = batch.images
    discriminators = _make(hinge=True)
    (logits,) = discriminators.logits(images, {}, SEED, training=False)["picture"]
    found = discriminators.verdicts(images, {}, batch.culture, SEED)["adversarial"]
    assert float(found) == pytest.approx(-_picked(logits, batch.culture).mean(), rel=1e-4)


def test_without_a_picture_discriminator_every_tap_has_a_head(batch):
    images, features = batch.images, batch.features
    discriminators = _make(TAPS, trunk=0)
    assert set(discriminators.networks) == {"features"}
    parts = discriminators.verdicts(images, features, batch.culture, SEED)
    assert set(parts) == {"feature_adversarial"}
    logits = discriminators.logits(images, features, SEED, training=False)
    assert set(logits) == {"features"} and len(logits["features"]) == len(TAPS)
    assert np.isfinite(float(discriminators.train(batch, WEIGHTS, SEED)["discriminator"]))


def test_training_moves_every_discriminator_and_teaches_it(batch):
    images, features = batch.images, batch.features
    discriminators = _make(TAPS, discriminator_rate=2e-3)
    before = _snapshot(discriminators)
    found = [float(discriminators.train(batch, WEIGHTS, SEED)["discriminator"])]
    for name, values in _snapshot(discriminators).items():
        assert not any(
            np.array_equal(a, b)
            for a, b in zip(values, before[name], strict=True)
            if a.ndim == 4  # every kernel
        )
    for _ in range(30):
        found.append(float(discriminators.train(batch, WEIGHTS, SEED)["discriminator"]))
    assert found[-1] < 0.75 * found[0]
    (logits,) = discriminators.logits(images, features, SEED, training=False)["picture"]
    picture = _picked(logits, batch.culture)
    assert picture[:B].mean() > picture[B : 2 * B].mean() + 1.0


def test_the_penalty_is_half_the_squared_gradient_picture_by_picture(batch):
    images = batch.images
    discriminators, expected = _make(), []
    for image, culture in zip(tf.split(images[:B], B), batch.culture[:B], strict=True):
        with tf.GradientTape() as tape:
            tape.watch(image)
            logits = discriminators.networks["picture"](image)[..., culture]
            verdict = tf.reduce_mean(logits)
        expected.append(0.5 * float(tf.reduce_sum(tape.gradient(verdict, image) ** 2)))
    found = discriminators.penalise(images[:B], batch.culture[:B], 1.0, SEED)
    assert float(found["r1"]) == pytest.approx(np.mean(expected), rel=1e-3)


def test_penalties_flatten_the_picture_discriminator(batch):
    images = batch.images
    discriminators = _make(discriminator_rate=2e-3)
    for _ in range(10):
        discriminators.train(dataclasses.replace(batch, features={}), WEIGHTS, SEED)
    found = [
        float(discriminators.penalise(images[:B], batch.culture[:B], 16.0, SEED)["r1"])
        for _ in range(20)
    ]
    assert found[-1] < 0.5 * found[0]


def test_a_penalty_leaves_the_discriminator_of_features_alone(batch):
    """R1 is of the picture discriminator: momentum of the last step must not move the other."""
    images = batch.images
    discriminators = _make(TAPS)
    discriminators.train(batch, WEIGHTS, SEED)
    before = _snapshot(discriminators)
    discriminators.penalise(images[:B], batch.culture[:B], 16.0, SEED)
    after = _snapshot(discriminators)
    assert not _same(after["picture"], before["picture"])
    assert _same(after["features"], before["features"])


@pytest.mark.parametrize(
    ("step", "share"), [(0, 1.0), (60, 1.0), (70, 0.75), (80, 0.5), (100, 0.0), (130, 0.0)]
)
def test_the_rate_is_constant_and_then_falls_linearly_to_zero(step, share):
    """100 steps with decay from 0.6: constant to step 60, zero at step 100."""
    schedule = LinearDecay.over(4e-4, 100, 0.6)
    assert float(schedule(step)) == pytest.approx(4e-4 * share, abs=1e-9)


@pytest.mark.parametrize(("steps", "share"), [(1, 0.6), (10, 1.0), (10, 0.0)])
def test_the_rate_is_defined_for_runs_of_any_length(steps, share):
    schedule = LinearDecay.over(1.0, steps, share)
    assert float(schedule(0)) == 1.0 and float(schedule(steps + 1)) == 0.0
