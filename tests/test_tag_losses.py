"""Losses of tags: focal loss and class-balanced weights against loops and closed forms."""

import math

import numpy as np
import pytest

from stylegan_culture import losses


@pytest.mark.parametrize("focus", [0.0, 1.0, 2.5])
def test_focal_loss_follows_its_formula(generator, focus):
    logits = generator.normal(0.0, 3.0, (5, 4)).astype(np.float32)
    tags = generator.integers(0, 2, (5, 4))
    weights = generator.uniform(0.5, 2.0, 5).astype(np.float32)
    expected = 0.0
    for row in range(5):
        for column in range(4):
            chance = 1.0 / (1.0 + math.exp(-float(logits[row, column])))
            chance = chance if tags[row, column] else 1.0 - chance
            expected -= weights[row] * (1.0 - chance) ** focus * math.log(chance) / 5
    found = float(losses.focal(logits, tags, focus, weights))
    assert found == pytest.approx(expected, rel=1e-4)


def test_focal_loss_of_extreme_logits_is_finite():
    logits = np.array([[500.0, -500.0]], np.float32)
    assert float(losses.focal(logits, np.array([[1, 0]]))) == 0.0
    assert float(losses.focal(logits, np.array([[0, 1]]))) == pytest.approx(1000.0)


def test_class_balanced_weights_follow_effective_numbers():
    tags = np.repeat(np.eye(2), (90, 10), axis=0)
    weights = np.asarray(losses.class_balanced(tags, 0.9))
    expected = (1 - 0.9**90) / (1 - 0.9**10)
    assert weights[-1] / weights[0] == pytest.approx(expected, rel=1e-4)
    assert weights.mean() == pytest.approx(1.0, rel=1e-5)


def test_no_balance_weighs_alike_and_full_balance_gives_each_tag_the_same_say():
    tags = np.repeat(np.eye(3), (60, 30, 6), axis=0)
    np.testing.assert_allclose(losses.class_balanced(tags, 0.0), 1.0, rtol=1e-5)
    weights = np.asarray(losses.class_balanced(tags, 0.9999))
    np.testing.assert_allclose(weights @ tags, 32.0, rtol=0.01)


def test_pictures_of_several_tags_have_the_mean_weight_and_untagged_ones_weigh_1():
    tags = np.array([[1, 0]] * 8 + [[0, 1]] * 2 + [[1, 1], [0, 0]])
    weights = np.asarray(losses.class_balanced(tags, 0.9))
    assert weights[10] == pytest.approx((weights[0] + weights[8]) / 2, rel=1e-5)
    assert weights[11] == 1.0
