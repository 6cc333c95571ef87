"""Which rows become what: against the rules written out row by row."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.training.culture.trainer import BatchPlan


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("examples", [0.0, 0.25, 0.5])
def test_groups_are_laid_out_as_batches_of_their_size(examples, paired):
    one, three = BatchPlan.of(8, 1, examples, paired), BatchPlan.of(24, 3, examples, paired)
    assert three.order == [8 * group + row for group in range(3) for row in one.order]
    assert three.examples == [8 * group + row for group in range(3) for row in one.examples]
    np.testing.assert_array_equal(three.is_example, np.tile(one.is_example, 3))


def test_one_group_of_eight_with_a_quarter_of_examples():
    """Three contents in default codes, the same in mapped ones, two examples."""
    plan = BatchPlan.of(8, 1, 0.25, True)
    assert plan.order == [0, 1, 2, 0, 1, 2, 3, 4] and plan.examples == [3, 4]
    np.testing.assert_array_equal(plan.is_example, [0, 0, 0, 0, 0, 0, 1, 1])
    assert BatchPlan.of(8, 1, 0.25, False).order == list(range(8))


@pytest.mark.parametrize("groups", [1, 2])
def test_rows_are_taken_of_every_group_and_put_back(groups):
    plan = BatchPlan.of(8, groups, 0.5, True)
    values = tf.constant(np.arange(16.0).reshape(8, 2))
    size = 8 // groups
    middle = [row for row in range(8) if 1 <= row % size < 3]
    np.testing.assert_array_equal(plan.rows(values, 1, 3), values.numpy()[middle])
    parts = [plan.rows(values, first, last) for first, last in ((0, 1), (1, 3), (3, size))]
    np.testing.assert_array_equal(plan.joined(parts), values)
    previous = [row - 1 if row % size else row + size - 1 for row in range(8)]
    np.testing.assert_array_equal(plan.rolled(values), values.numpy()[previous])


def test_pairs_show_the_same_contents():
    plan = BatchPlan.of(16, 2, 0.5, True)
    restyled = tf.gather(tf.range(16), plan.order)
    first, second = plan.pairs(restyled)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, [0, 1, 8, 9])


def test_spread_is_that_within_groups():
    pictures = np.float32([[0.0], [1.0], [5.0], [7.0]])
    assert float(BatchPlan.of(4, 2, 0.0, True).spread(tf.constant(pictures))) == pytest.approx(0.75)
    assert float(BatchPlan.of(4, 1, 0.0, True).spread(tf.constant(pictures))) == pytest.approx(
        pictures.std()
    )
