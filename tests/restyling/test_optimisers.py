"""L-BFGS and Adam against SciPy, closed forms, and functions that misbehave."""

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from stylegan_culture.restyling.optimisation import LBFGS, Adam


def rosenbrock(position):
    with tf.GradientTape() as tape:
        tape.watch(position)
        steep, flat = position[1:] - position[:-1] ** 2, 1.0 - position[:-1]
        value = tf.reduce_sum(100.0 * steep**2 + flat**2)
    return value, tape.gradient(value, position)


def counted(function):
    """The function, and a list that grows with every call."""
    calls = []

    def objective(position):
        calls.append(np.asarray(position))
        return function(position)

    return objective, calls


def quadratic(seed=0, size=30):
    """`f(x) = (x - a)' Q (x - a) / 2` with eigenvalues from 1 to 100; its minimum a."""
    generator = np.random.default_rng(seed)
    vectors = np.linalg.qr(generator.normal(size=(size, size)))[0]
    matrix = (vectors * np.geomspace(1.0, 100.0, size)) @ vectors.T
    minimum = generator.normal(size=size)

    def function(position):
        off = position - minimum
        gradient = tf.linalg.matvec(tf.constant(matrix), off)
        return 0.5 * tf.tensordot(off, gradient, 1), gradient

    return function, minimum


def test_rosenbrock_takes_no_more_evaluations_than_scipy_by_half():
    start = np.tile([-1.2, 1.0], 10)
    objective, calls = counted(rosenbrock)
    optimiser = LBFGS(tf.constant(start, tf.float64))
    for _ in range(400):
        if optimiser.step(objective) < 1e-12:
            break
    result = scipy.optimize.minimize(
        lambda x: tuple(np.asarray(v) for v in rosenbrock(tf.constant(x))),
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": 10, "ftol": 0.0, "gtol": 1e-7},
    )
    np.testing.assert_allclose(optimiser.position, np.ones(20), atol=1e-5)
    assert len(calls) <= 1.5 * result.nfev


def test_quadratic_falls_at_every_step_to_its_minimum():
    function, minimum = quadratic()
    optimiser = LBFGS(tf.zeros(30, tf.float64))
    values = [optimiser.step(function) for _ in range(80)]
    assert all(later <= earlier for earlier, later in zip(values, values[1:], strict=False))
    np.testing.assert_allclose(optimiser.position, minimum, atol=1e-6)


def test_kinks_do_not_stop_it():
    """`sum |x - 1| / k` has no gradient at its minimum."""
    weights = 1.0 / tf.range(1.0, 9.0, dtype=tf.float64)

    def function(position):
        return tf.reduce_sum(weights * abs(position - 1.0)), weights * tf.sign(position - 1.0)

    optimiser = LBFGS(tf.constant(np.linspace(-3.0, 5.0, 8)))
    for _ in range(100):
        value = optimiser.step(function)
    assert value < 1e-3


def test_what_is_known_is_not_evaluated_again_until_the_function_changes():
    function, _ = quadratic()
    objective, calls = counted(function)
    optimiser = LBFGS(tf.zeros(30, tf.float64))
    optimiser.step(objective)
    before, position = len(calls), np.asarray(optimiser.position)
    optimiser.step(objective)
    assert not any(np.array_equal(position, call) for call in calls[before:])
    before, position = len(calls), np.asarray(optimiser.position)
    optimiser.function_changed()
    optimiser.step(objective)
    np.testing.assert_array_equal(calls[before], position)


def test_a_drifting_function_is_followed():
    function, minimum = quadratic()
    optimiser = LBFGS(tf.zeros(30, tf.float64))
    for step in range(120):
        if step % 5 == 0:
            drift = 0.01 * np.random.default_rng(step).normal(size=30)
            optimiser.function_changed()
        optimiser.step(lambda x, drift=drift: function(x + drift))
    np.testing.assert_allclose(optimiser.position + drift, minimum, atol=0.02)


def test_at_a_minimum_it_stays():
    function, minimum = quadratic()
    optimiser = LBFGS(tf.constant(minimum))
    assert optimiser.step(function) == 0.0
    np.testing.assert_array_equal(optimiser.position, minimum)


def test_infinite_values_are_stepped_back_from():
    """`x - log x` is not defined left of 0; its minimum is 1."""

    def function(position):
        return tf.reduce_sum(position - tf.math.log(position)), 1.0 - 1.0 / position

    optimiser = LBFGS(tf.constant([3.0, 0.05], tf.float64), first_move=100.0)
    for _ in range(30):
        optimiser.step(function)
    np.testing.assert_allclose(optimiser.position, [1.0, 1.0], atol=1e-6)


def test_first_trial_moves_as_far_as_asked():
    objective, calls = counted(quadratic()[0])
    LBFGS(tf.zeros(30, tf.float64), first_move=0.01).step(objective)
    assert np.sqrt(np.mean(calls[1] ** 2)) == pytest.approx(0.01)


def test_adam_is_its_closed_form():
    gradients = [np.array([1.0, -2.0], np.float32), np.array([0.5, 3.0], np.float32)]
    optimiser = Adam(tf.zeros(2), rate=0.1)
    position, first, second = np.zeros(2), np.zeros(2), np.zeros(2)
    for number, gradient in enumerate(gradients, 1):
        loss = optimiser.step(lambda x, g=gradient: (tf.constant(7.0), tf.constant(g)))
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        corrected = first / (1 - 0.9**number), second / (1 - 0.999**number)
        position -= 0.1 * corrected[0] / (np.sqrt(corrected[1]) + 1e-7)
        assert loss == 7.0
    np.testing.assert_allclose(optimiser.position, position, rtol=1e-4)
