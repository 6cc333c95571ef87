"""Attacks: closed forms on linear models, balls that hold, and objectives that rise."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.measures import attacks
from stylegan_culture.measures.attacks import Ball

SHAPE = (3, 6, 5, 3)


@pytest.fixture
def pictures(generator):
    return generator.uniform(0.3, 0.7, SHAPE).astype(np.float32)


@pytest.fixture
def logits_of(generator):
    weights = tf.constant(generator.normal(size=(90, 4)), tf.float32)
    return lambda x: tf.reshape(x, (-1, 90)) @ weights


def _lengths(changed, pictures, norm):
    change = np.asarray(changed, np.float64) - pictures
    if norm == "linf":
        return np.abs(change).max(axis=(1, 2, 3))
    return np.sqrt((change**2).sum(axis=(1, 2, 3)))


@pytest.mark.parametrize("norm", attacks.NORMS)
def test_on_a_linear_objective_both_attacks_are_the_closed_form(generator, pictures, norm):
    """The greatest rise of w'x in a ball: radius |w|_1 for linf, radius |w|_2 for l2."""
    weights = generator.normal(size=SHAPE[1:]).astype(np.float32)
    objective = lambda x: tf.reduce_sum(x * weights, axis=(1, 2, 3))  # noqa: E731
    ball = Ball(norm, 0.05)
    direction = np.sign(weights) if norm == "linf" else weights / np.linalg.norm(weights)
    expected = pictures + 0.05 * direction
    np.testing.assert_allclose(attacks.fgsm(objective, pictures, ball), expected, atol=1e-6)
    found = attacks.pgd(objective, pictures, ball, steps=10, seed=2)
    np.testing.assert_allclose(found, expected, atol=2e-3 if norm == "l2" else 1e-6)


def test_fgsm_of_a_linear_classifier_is_the_sign_of_its_loss_gradient(pictures, logits_of):
    tags = np.array([0, 3, 1])
    weights = np.asarray(logits_of(tf.eye(90)[..., None, None])).reshape(90, 4)
    logits = np.asarray(logits_of(pictures), np.float64)
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    gradient = ((chances - np.eye(4)[tags]) @ weights.T).reshape(SHAPE)
    found = attacks.fgsm(attacks.misnamed(logits_of, tags), pictures, Ball("linf", 0.02))
    np.testing.assert_allclose(found, pictures + 0.02 * np.sign(gradient), atol=1e-6)


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("norm", attacks.NORMS)
def test_attacks_never_leave_the_ball_nor_the_range(generator, logits_of, norm, seed):
    pictures = generator.uniform(size=SHAPE).astype(np.float32)
    pictures[0], pictures[1] = 0.0, 1.0  # at the ends of the range
    objective = attacks.misnamed(logits_of, np.array([2, 2, 0]))
    for radius in (0.0, 0.01, 0.3, 5.0):
        for changed in (
            attacks.fgsm(objective, pictures, Ball(norm, radius)),
            attacks.pgd(objective, pictures, Ball(norm, radius), 7, 0.4, seed),
        ):
            assert (_lengths(changed, pictures, norm) <= radius + 1e-5).all()
            assert np.min(changed) >= 0.0 and np.max(changed) <= 1.0


def test_more_steps_never_do_worse_and_pgd_beats_one_step(generator, pictures):
    """On a curved objective, whose steepest direction turns on the way."""
    centre = generator.uniform(size=SHAPE).astype(np.float32)

    def objective(x):
        return -tf.reduce_sum(tf.abs(x - centre) ** 1.5, axis=(1, 2, 3))

    ball = Ball("l2", 1.5)
    one = objective(attacks.fgsm(objective, pictures, ball))
    many = objective(attacks.pgd(objective, pictures, ball, 40, 0.1))
    more = objective(attacks.pgd(objective, pictures, ball, 80, 0.1))
    assert (np.asarray(many) > np.asarray(one)).all()
    assert (np.asarray(more) >= np.asarray(many)).all()


def test_targets_become_more_probable_and_truth_less(pictures, logits_of):
    wanted = np.array([1, 2, 3])
    ball = Ball("linf", 0.1)
    for build, sign in ((attacks.named_as, 1.0), (attacks.misnamed, -1.0)):
        changed = attacks.pgd(build(logits_of, wanted), pictures, ball)
        rise = np.asarray(logits_of(changed) - logits_of(pictures))
        of_wanted = rise[np.arange(3), wanted] - rise.mean(axis=1)
        assert (sign * of_wanted > 0.0).all()


def test_the_largest_change_of_a_restyling_is_found(pictures):
    """Of `restyle(x) = 3 x` the change that a linf ball allows is 9 radius^2 in the mean."""
    objective = attacks.restyled_apart(lambda x: 3.0 * x, pictures)
    assert not np.any(objective(tf.constant(pictures)))
    changed = attacks.pgd(objective, pictures, Ball("linf", 0.02), steps=10, seed=0)
    np.testing.assert_allclose(objective(changed), 9 * 0.02**2, rtol=1e-3)
