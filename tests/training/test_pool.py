"""The image pool against a plain list, and what becomes of pictures over time."""

import random

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.training.cyclegan import ImagePool

SHAPE = (2, 2, 3)


def _pictures(start, count):
    """Pictures that are their number all over."""
    numbers = np.arange(start, start + count, dtype=np.float32)
    return tf.constant(numbers[:, None, None, None] * np.ones(SHAPE, np.float32))


def _oracle(kept, size, made, swapped, places):
    """The published rule over a list, one picture after the other."""
    given = []
    for picture, swap, place in zip(made, swapped, places, strict=True):
        if len(kept) < size:
            kept.append(picture)
            given.append(picture)
        elif swap:
            given.append(kept[place])
            kept[place] = picture
        else:
            given.append(picture)
    return given


@pytest.mark.parametrize("batch", [1, 3])
def test_the_pool_does_what_a_list_does(batch):
    pool, kept = ImagePool(4, SHAPE), []
    for step in range(12):
        seed = tf.constant([7, step])
        swapped = np.asarray(tf.random.stateless_uniform([batch], seed)) < 0.5
        places = np.asarray(tf.random.stateless_uniform([batch], seed + 1, 0, 4, tf.int32))
        made = _pictures(step * batch, batch)
        given = np.asarray(pool.exchange(made, seed))
        numbers = list(range(step * batch, (step + 1) * batch))
        expected = _oracle(kept, 4, numbers, swapped, places)
        np.testing.assert_array_equal(given, np.asarray(expected)[:, None, None, None] + 0 * given)
        held = np.asarray(pool.pictures)[: len(kept), 0, 0, 0]
        np.testing.assert_array_equal(held, kept)
        assert int(pool.count) == len(kept)


def test_about_half_of_what_is_given_is_older_once_the_pool_is_full():
    """Of 200 pictures 100 +- 3 deviations, as of a fair coin; each place of the pool is used."""
    pool = ImagePool(5, SHAPE)
    pool.exchange(_pictures(0, 5), tf.constant([0, 0]))
    older, places = 0, set()
    exchange = tf.function(pool.exchange)
    for step in range(1, 51):
        before = np.asarray(pool.pictures)[:, 0, 0, 0]
        made = _pictures(4 * step + 10, 4)
        given = np.asarray(exchange(made, tf.constant([3, step])))[:, 0, 0, 0]
        older += int((given != np.asarray(made)[:, 0, 0, 0]).sum())
        places |= set(np.flatnonzero(before != np.asarray(pool.pictures)[:, 0, 0, 0]))
    assert abs(older - 100) < 22
    assert places == set(range(5))


def test_the_same_seed_gives_the_same_and_no_pool_gives_what_came():
    one, two = ImagePool(3, SHAPE), ImagePool(3, SHAPE)
    for step in range(8):
        random.random()
        made, seed = _pictures(step, 2), tf.constant([1, step])
        np.testing.assert_array_equal(one.exchange(made, seed), two.exchange(made, seed))
    none = ImagePool(0, SHAPE)
    made = _pictures(5, 2)
    np.testing.assert_array_equal(none.exchange(made, tf.constant([0, 0])), made)
    assert none.variables == []
