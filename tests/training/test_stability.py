"""Stability of restyling: the loss of a linear restyling in closed form, and what training by it
does to networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError, from_dict
from stylegan_culture.measures import attacks
from stylegan_culture.training.culture.settings import LossConfig
from stylegan_culture.training.culture.trainer import instability, shifted

SEED = tf.constant([3, 4])
NONE = {
    **dict.fromkeys(("adversarial", "cycle", "identity", "content_return", "style_code"), 0.0),
    **dict.fromkeys(("diversity", "layout", "style_prior", "total_variation"), 0.0),
}


def _double(contents):
    return 2.0 * contents


@pytest.fixture
def contents(generator):
    return tf.constant(generator.uniform(0.2, 0.8, (2, 6, 5, 3)), tf.float32)


def test_of_a_linear_restyling_it_is_the_closed_form(contents):
    """`G(x) = 2 x`: every value goes on the way that its start went, to the edge of the ball, where
    the change is 2 radius; 4 radius^2 in the mean."""
    found = instability(_double, contents, _double(contents), 0.03, SEED)
    assert float(found) == pytest.approx(4 * 0.03**2, rel=1e-3)


def test_it_is_0_without_a_radius_and_grows_with_it(contents):
    restyle = lambda x: tf.sin(20.0 * x)  # noqa: E731
    found = [
        float(instability(restyle, contents, restyle(contents), radius, SEED))
        for radius in (0.0, 0.002, 0.01, 0.05)
    ]
    assert found[0] == 0.0 and 0.0 < found[1] < found[2] < found[3]


def test_a_step_finds_more_than_chance(contents):
    """Of a blur, which evens out changes of neighbours that do not agree."""
    kernel = tf.tile(tf.eye(3)[None, None] / 9.0, [3, 3, 1, 1])
    restyle = lambda x: tf.nn.conv2d(x, kernel, 1, "SAME")  # noqa: E731
    random = contents + 0.02 * tf.sign(tf.random.stateless_normal(contents.shape, [5, 6]))
    by_chance = tf.reduce_mean((restyle(random) - restyle(contents)) ** 2)
    found = instability(restyle, contents, restyle(contents), 0.02, SEED)
    assert float(found) > 2.0 * float(by_chance)


def test_contents_stay_in_the_ball_and_in_range(generator):
    contents = tf.constant(generator.uniform(size=(2, 8, 8, 3)), tf.float32)
    moved = shifted(_double, contents, _double(contents), 0.1, SEED)
    assert np.abs(moved - contents).max() <= 0.1 + 1e-6
    assert np.min(moved) >= 0.0 and np.max(moved) <= 1.0
    assert np.abs(moved - contents).mean() > 0.08


def test_no_gradient_leads_back_through_the_search(contents):
    """Second derivatives would cost as much as the rest of a step, for the sign has none."""
    with tf.GradientTape() as tape:
        tape.watch(contents)
        moved = shifted(_double, contents, _double(contents), 0.03, SEED)
    assert tape.gradient(moved, contents) is None


def test_its_gradient_is_that_of_the_network_alone():
    """`G(x) = w x`: d/dw of `mean (w d)^2` is `2 w mean d^2`, with d held fixed."""
    contents = tf.fill([1, 4, 4, 3], 0.5)
    weight = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        restyle = lambda x: weight * x  # noqa: E731
        loss = instability(restyle, contents, restyle(contents), 0.02, SEED)
    assert float(tape.gradient(loss, weight)) == pytest.approx(2 * 3.0 * 0.02**2, rel=1e-3)


def test_without_a_weight_the_step_is_what_it_was(make_trainer, batch, monkeypatch):
    """The other losses see the same pictures, and the generator is not asked again."""
    found, passes = [], []
    for changed in ({"stability_radius": 0.5}, {"stability": 1.0}):
        losses = LossConfig(**(NONE | {"layout": 1.0}), **changed)
        trainer = make_trainer(batch, losses=losses, examples=0.0)
        generate, seen = trainer.model.generator.call, []

        def watch(*given, generate=generate, seen=seen, **named):
            seen.append(1)
            return generate(*given, **named)

        monkeypatch.setattr(trainer.model.generator, "call", watch)
        restyled, parts = trainer._restyle(batch, tf.constant([0, 1]))
        found.append({name: float(value) for name, value in parts.items()})
        found[-1]["picture"] = float(tf.reduce_mean(restyled.pictures**2))
        passes.append(len(seen))
    plain, added = found
    assert "stability" not in plain and passes == [1, 3]
    assert added.pop("stability") > 0.0
    assert added == pytest.approx(plain, rel=1e-5)


def test_training_by_it_lowers_the_amplification(generator):
    """A small network learns to sharpen; with the loss its attacked output moves less."""
    contents = generator.uniform(0.2, 0.8, (4, 8, 8, 3)).repeat(2, 1).repeat(2, 2)
    contents = tf.constant(contents, tf.float32)
    wanted = contents + 2.0 * (contents - tf.nn.avg_pool2d(contents, 3, 1, "SAME"))
    measured = {}
    for weight in (0.0, 300.0):
        measured[weight] = _amplification(_trained(contents, wanted, weight), contents.numpy())
    assert measured[300.0] < 0.8 * measured[0.0]


def _trained(contents, wanted, weight: float):
    """Two convolutions after 60 steps towards `wanted`."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.layers.Conv2D(16, 3, padding="same", activation="tanh"),
            keras.layers.Conv2D(3, 3, padding="same"),
        ]
    )
    network.build(contents.shape)
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(seed):
        with tf.GradientTape() as tape:
            restyled = network(contents)
            loss = tf.reduce_mean((restyled - wanted) ** 2)
            loss += weight * instability(network, contents, restyled, 0.008, seed)
        optimizer.apply(tape.gradient(loss, network.trainable_variables))

    for number in range(60):
        step(tf.constant([0, number]))
    return network


def _amplification(restyle, contents) -> float:
    changed = attacks.largest_changes(restyle, contents, 2.0, attacks.Effort(steps=5))
    return float(attacks.output_changes(restyle, contents, changed).amplification.mean())


@pytest.mark.parametrize(
    "changed", [{"stability": -1.0}, {"stability_radius": 0.0}, {"stability_radius": 1.5}]
)
def test_nonsense_is_refused(changed):
    with pytest.raises(InputError, match="stability"):
        from_dict(LossConfig, changed)
