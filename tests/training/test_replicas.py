"""What devices that share a batch draw, weigh and apply, and that one device notices nothing."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.training import replicas
from stylegan_culture.training.replicas import update

SEED = tf.constant([3, 7])


@pytest.fixture
def replica(monkeypatch):
    """Makes what follows replica `number` of `count`, whose batch has so many rows; the sum over
    replicas of a scalar is what `total` says."""

    def enter(number, count, rows, total=0.0):
        context = types.SimpleNamespace(
            num_replicas_in_sync=count,
            replica_id_in_sync_group=number,
            all_reduce=lambda operation, value: tf.constant(total),
        )
        monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
        monkeypatch.setattr(replicas._REPLICA, "rows", rows, raising=False)

    return enter


def test_a_variable_that_took_no_part_is_updated_by_zero():
    """Plain gradient descent: d(3 w)/dw = 3 moves w by -0.3, and v stays."""
    taking, other = keras.Variable(1.0), keras.Variable(2.0)
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build([taking, other])
    with tf.GradientTape() as tape:
        total = 3.0 * taking.value
    update(optimizer, tape, total, [taking, other])
    assert float(taking) == pytest.approx(0.7) and float(other) == 2.0


@pytest.mark.parametrize("shape", [(6, 5), (1, 2, 2, 1)])
def test_one_device_draws_as_tensorflow_does(shape):
    np.testing.assert_array_equal(
        replicas.normal(shape, SEED), tf.random.stateless_normal(shape, SEED)
    )
    np.testing.assert_array_equal(
        replicas.uniform(shape, SEED, -2, 9, tf.int32),
        tf.random.stateless_uniform(shape, SEED, -2, 9, tf.int32),
    )


@pytest.mark.parametrize("rows", [2, 4])
def test_replicas_draw_what_one_device_draws_for_their_rows(replica, rows):
    """Three replicas of a batch of 12 rows; fewer rows than the batch has are a share of each."""
    whole = np.asarray(tf.random.stateless_normal([3 * rows, 5], SEED))
    for number in range(3):
        replica(number, 3, 4)
        own = replicas.normal([rows, 5], SEED)
        np.testing.assert_array_equal(own, whole[number * rows : (number + 1) * rows])


def test_rows_of_several_batches_in_turn_are_taken_from_each(replica):
    """Two replicas with 2 of 4 rows, which put real, made and foreign pictures in turn."""
    whole = np.asarray(tf.random.stateless_uniform([12, 3], SEED))
    for number in range(2):
        replica(number, 2, 2)
        first = 2 * number
        wanted = [whole[part + row] for part in (0, 4, 8) for row in (first, first + 1)]
        np.testing.assert_array_equal(replicas.uniform([6, 3], SEED), wanted)


def test_rows_that_are_no_whole_batches_are_refused(replica):
    replica(0, 2, 4)
    with pytest.raises(ValueError, match="6 rows are no multiple of the 4"):
        replicas.normal([6, 3], SEED)


def test_weighted_means_of_replicas_average_to_that_of_the_whole(replica):
    weights, values = np.float32([[1, 1, 1, 0], [0, 0, 1, 0]]), np.arange(8.0).reshape(2, 4)
    found = []
    for number, (own, value) in enumerate(zip(weights, values, strict=True)):
        replica(number, 2, 4, total=float(weights.sum()))
        mean = (own * value).sum() / max(own.sum(), 1.0)
        found.append(mean * float(replicas.share(tf.constant(own))))
    assert np.mean(found) == pytest.approx((weights * values).sum() / weights.sum())


def test_one_device_has_the_whole_share():
    assert replicas.share(tf.constant([0.0, 1.0, 1.0])) == 1.0


def test_a_replica_gives_its_part_of_the_gradients(replica):
    """Gradient descent of rate 1 on 3 v, of which four replicas add up a quarter each."""
    variable, optimizer = keras.Variable(2.0), keras.optimizers.SGD(1.0)
    optimizer.build([variable])
    with tf.GradientTape() as tape:
        total = 3.0 * variable.value
    given = []
    optimizer.apply = lambda gradients, variables: given.extend(gradients)
    replica(0, 4, 1)
    update(optimizer, tape, total, [variable])
    assert [float(value) for value in given] == [0.75]
