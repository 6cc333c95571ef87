"""Attacks on a linear classifier, shares with intervals, and what a stylizer amplifies."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.measures import attacks, statistics
from stylegan_culture.measures.attacks import Attack, Effort

SIZE = 6 * 6 * 3
EFFORT = Effort(steps=12, batch=4, seed=1)


@pytest.fixture
def pictures(generator):
    return generator.uniform(0.4, 0.6, (10, 6, 6, 3)).astype(np.float32)


@pytest.fixture
def weights(generator):
    return generator.normal(size=(SIZE, 2)).astype(np.float32)


@pytest.fixture
def logits_of(weights):
    """A linear classifier of two cultures whose border runs through the middle of the pictures."""

    def logits(batch):
        return tf.reshape(batch - 0.5, (-1, SIZE)) @ weights

    return logits


def _needed(pictures, weights, norm):
    """How many levels each picture is away from the border between both cultures: `[N]`."""
    normal = (weights[:, 1] - weights[:, 0]).astype(np.float64)
    apart = np.abs((pictures.reshape(len(pictures), -1) - 0.5) @ normal)
    if norm == "linf":
        return 255.0 * apart / np.abs(normal).sum()
    return 255.0 * apart / np.linalg.norm(normal) / SIZE**0.5


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("method", attacks.METHODS)
def test_a_picture_gives_way_where_its_border_is_reached(
    pictures, weights, logits_of, method, norm, targeted
):
    """Of a linear classifier the distance to the border is known: below it nothing, past it all."""
    needed = _needed(pictures, weights, norm)
    levels = tuple(np.quantile(needed, (1.5 / 9, 4.5 / 9, 8.5 / 9)))  # between two pictures
    labels = attacks.named(logits_of, pictures)
    goal = 1 - labels if targeted else labels
    attack = Attack(method, norm, targeted)
    found, changed = attacks.attack_curve(logits_of, pictures, goal, attack, levels, EFFORT)
    expected = np.array([needed < level for level in (0.0, *levels)])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found.sum(axis=1), [0, 2, 5, 9])
    reached = attacks.named(logits_of, changed) != labels
    np.testing.assert_array_equal(reached, found[-1])
    ball = attacks.ball(norm, levels[-1], SIZE)
    change = (changed - pictures).reshape(10, -1)
    lengths = np.abs(change).max(1) if norm == "linf" else np.linalg.norm(change, axis=1)
    assert (lengths <= ball.radius + 1e-5).all()


def test_the_iterated_attack_leaves_alone_what_a_smaller_change_misled(
    pictures, weights, logits_of
):
    needed = _needed(pictures, weights, "linf")
    levels = (float(np.median(needed)), 3.0 * float(needed.max()))
    labels = attacks.named(logits_of, pictures)
    attack = Attack("pgd", "linf", False)
    found, changed = attacks.attack_curve(logits_of, pictures, labels, attack, levels, EFFORT)
    change = 255.0 * np.abs(changed - pictures).max(axis=(1, 2, 3))
    assert found[-1].all() and 0 < found[1].sum() < 10
    assert (change[found[1]] <= levels[0] + 1e-3).all()
    assert (change[~found[1]] > levels[0]).all()


def test_norms_are_in_levels_of_a_value():
    assert attacks.ball("linf", 2.0, 75).radius == pytest.approx(2 / 255)
    everywhere = np.full(75, 2 / 255)
    assert attacks.ball("l2", 2.0, 75).radius == pytest.approx(np.linalg.norm(everywhere))


def test_wanted_names_are_never_the_own_and_take_turns():
    labels = np.array([0, 0, 0, 0, 2, 2, 3, 1])
    found = attacks.wanted_others(labels, 4)
    assert (found != labels).all()
    assert sorted(found[:3]) == [1, 2, 3] and found[3] == found[0]
    np.testing.assert_array_equal(attacks.wanted_others(np.array([0, 1, 1]), 2), [1, 0, 0])


def test_shares_count_every_culture_alike_and_have_widths():
    labels = np.repeat([0, 1, 3], [20, 4, 6])
    values = np.concatenate([np.arange(20) < 5, np.ones(4), np.zeros(6)])
    found = attacks.shares(values, labels, "abcd")
    shares = {name: row and row[0] for name, row in found.cultures.items()}
    assert shares == {"a": 0.25, "b": 1.0, "c": None, "d": 0.0}
    assert found.mean[0] == pytest.approx((0.25 + 1.0 + 0.0) / 3)
    for value, low, high in (found.mean, *filter(None, found.cultures.values())):
        assert 0.0 <= low <= value <= high <= 1.0 and high - low > 0.05
    # Jeffreys' interval of 5 of 20, Beta(5.5, 15.5): 0.104 to 0.466.
    np.testing.assert_allclose(found.cultures["a"][1:], [0.104, 0.466], atol=0.03)
    more = attacks.shares(np.arange(400) < 100, np.zeros(400, int), "a").mean
    assert more[2] - more[1] == pytest.approx(2 * 1.96 * (0.25 * 0.75 / 400) ** 0.5, rel=0.1)


def test_intervals_of_shares_hold_in_nineteen_of_twenty_samples(generator, monkeypatch):
    """Coverage, by simulation of 300 samples of 30 pictures of three cultures."""
    monkeypatch.setattr(attacks, "DRAWS", 2000)
    truth, held = np.array([0.9, 0.5, 0.2]), 0
    labels = np.repeat([0, 1, 2], 10)
    for number in range(300):
        drawn = generator.uniform(size=30) < truth[labels]
        _, low, high = attacks.shares(drawn, labels, "abc", seed=number).mean
        held += low <= truth.mean() <= high
    assert 0.9 < held / 300 < 0.99


def test_amplification_of_a_linear_stylizer(pictures):
    """`3 x` amplifies every change by 3; a mean over the picture only one that all values share."""
    for changed in (
        attacks.largest_changes(lambda x: 3.0 * x, pictures, 2.0, EFFORT),
        attacks.random_changes(pictures, 2.0, seed=0),
    ):
        found = attacks.output_changes(lambda x: 3.0 * x, pictures, changed, batch=3)
        np.testing.assert_allclose(found.amplification, 3.0, rtol=1e-4)
        np.testing.assert_allclose(found.input, 2.0, rtol=1e-3)
        np.testing.assert_allclose(found.output, 6.0, rtol=1e-3)

    def mean(batch):
        return tf.zeros_like(batch) + tf.reduce_mean(batch, axis=(1, 2, 3), keepdims=True)

    worst = attacks.largest_changes(mean, pictures, 2.0, EFFORT)
    by_chance = attacks.random_changes(pictures, 2.0, seed=0)
    for changed, least, most in ((worst, 0.99, 1.001), (by_chance, 0.0, 0.35)):
        found = attacks.output_changes(mean, pictures, changed).amplification
        assert (found >= least).all() and (found <= most).all()


def test_random_changes_repeat_by_seed_and_keep_the_range(generator):
    pictures = generator.uniform(size=(2, 8, 8, 3)).astype(np.float32)
    first, again, other = (attacks.random_changes(pictures, 4.0, s) for s in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and first.min() >= 0.0 and first.max() <= 1.0


def test_intervals_of_means_are_over_contents(generator):
    """Values of equal contents in three cultures are no three independent samples."""
    values = generator.normal(5.0, 1.0, 40)
    value, low, high = statistics.mean_interval(np.tile(values, (3, 1)))
    assert value == pytest.approx(values.mean())
    expected = 2 * 1.96 * values.std() / 40**0.5
    assert high - low == pytest.approx(expected, rel=0.15)
