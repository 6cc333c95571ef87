"""Every loss against its closed form, a loop, or an identity that it must obey."""

import numpy as np
import oracles
import pytest
import tensorflow as tf
from keras import ops

from stylegan_culture import losses

SOFTPLUS = losses.ADVERSARIAL["non_saturating"]
LOGITS = np.linspace(-6.0, 6.0, 24).reshape(4, 2, 3).astype(np.float32)


def test_a_sum_weighs_each_part_and_returns_the_parts_unweighted():
    """2 * 3 + 0.5 * 4 = 8."""
    parts = {"cycle": tf.constant(3.0), "identity": tf.constant(4.0)}
    total, returned = losses.weighted_sum(parts, {"cycle": 2.0, "identity": 0.5, "other": 9.0})
    assert float(total) == 8.0
    assert {name: float(value) for name, value in returned.items()} == {"cycle": 3, "identity": 4}


def test_a_part_without_a_weight_raises():
    with pytest.raises(KeyError, match="sycle"):
        losses.weighted_sum({"sycle": tf.constant(3.0)}, {"cycle": 2.0})


@pytest.mark.parametrize(
    ("name", "made", "true", "false"),
    [
        (
            "non_saturating",
            oracles.softplus(-LOGITS),
            oracles.softplus(-LOGITS),
            oracles.softplus(LOGITS),
        ),
        ("hinge", -LOGITS, np.maximum(0.0, 1.0 - LOGITS), np.maximum(0.0, 1.0 + LOGITS)),
        ("least_squares", (LOGITS - 1.0) ** 2, (LOGITS - 1.0) ** 2, LOGITS**2),
    ],
)
def test_adversarial_losses_are_the_means_of_their_formulas(name, made, true, false):
    sides, weights = losses.ADVERSARIAL[name], np.array([1.0, 0.0, 1.0, 0.0], np.float32)
    np.testing.assert_allclose(sides.generator(LOGITS), made.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sides.real(LOGITS), true.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sides.fake(LOGITS), false.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        sides.fake(LOGITS, weights), false[[0, 2]].mean(), rtol=1e-5, atol=1e-6
    )
    assert float(sides.fake(LOGITS, np.zeros(4, np.float32))) == 0.0


def test_an_undecided_discriminator_loses_log_two_on_either_side():
    zeros = np.zeros((2, 3, 3), np.float32)
    for loss in (SOFTPLUS.generator, SOFTPLUS.real, SOFTPLUS.fake):
        assert float(loss(zeros)) == pytest.approx(np.log(2.0), rel=1e-6)


def test_a_least_squares_discriminator_that_cannot_tell_does_best_by_one_half():
    """Equal real and made pictures: `(d - 1)^2 + d^2` is least, 1/2, at d = 1/2."""
    sides = losses.ADVERSARIAL["least_squares"]
    shown = {value: np.full((2, 3), value, np.float32) for value in (0.25, 0.5, 0.75)}
    totals = {value: float(sides.real(x) + sides.fake(x)) for value, x in shown.items()}
    assert totals[0.5] == pytest.approx(0.5) and min(totals, key=totals.get) == 0.5


def test_the_softplus_of_a_logit_and_of_its_negative_differ_by_the_logit():
    """`softplus(x) - softplus(-x) = x`, so fake minus real is the mean logit."""
    shifted = LOGITS + 1.5
    gap = SOFTPLUS.fake(shifted) - SOFTPLUS.real(shifted)
    assert float(gap) == pytest.approx(shifted.mean(), rel=1e-5)


def test_a_certain_verdict_costs_its_logit_and_stays_finite():
    far = np.full((2, 2, 2), 500.0, np.float32)
    assert float(SOFTPLUS.generator(-far)) == 500.0
    assert float(SOFTPLUS.generator(far)) == 0.0
    assert float(SOFTPLUS.fake(far)) == 500.0


def test_bfloat16_logits_are_judged_in_float32():
    logits = tf.cast(LOGITS, tf.bfloat16)
    value = SOFTPLUS.real(logits)
    assert value.dtype == tf.float32
    expected = oracles.softplus(-np.asarray(tf.cast(logits, tf.float32))).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_the_penalty_of_a_linear_discriminator_is_half_its_squared_norm(generator):
    """`D(x) = <w, x>` has the gradient w everywhere, so R1 is `|w|^2 / 2` whatever the picture."""
    images = tf.constant(generator.uniform(size=(5, 4, 4, 3)), tf.float32)
    weight = generator.normal(size=(4, 4, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        verdict = tf.reduce_sum(images * weight)
    penalty = losses.gradient_penalty(tape.gradient(verdict, images))
    assert float(penalty) == pytest.approx(0.5 * (weight.astype(np.float64) ** 2).sum(), rel=1e-5)


def test_the_penalty_of_a_quadratic_discriminator_is_the_mean_half_square(generator):
    """`D(x) = |x|^2 / 2` has the gradient x: R1 is the batch mean of `|x|^2 / 2`."""
    images = tf.constant(generator.normal(size=(5, 3, 4, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        verdict = 0.5 * tf.reduce_sum(images**2)
    expected = 0.5 * (np.asarray(images, np.float64) ** 2).sum(axis=(1, 2, 3)).mean()
    penalty = losses.gradient_penalty(tape.gradient(verdict, images))
    assert float(penalty) == pytest.approx(expected, rel=1e-5)


def test_absolute_difference_is_the_mean_distance():
    first, second = np.float32([[1.0, 2.0], [3.0, 4.0]]), np.float32([[1.5, 0.0], [3.0, 5.0]])
    assert float(losses.absolute_difference(first, second)) == pytest.approx(3.5 / 4)
    assert float(losses.absolute_difference(first, first)) == 0.0


def test_diversity_rewards_difference_picture_by_picture_up_to_the_limit():
    """Differences 0, 0.1 and 0.6 with limit 0.2 count as 0, 0.1 and 0.2: minus their mean 0.1."""
    first = np.zeros((3, 4, 4, 3), np.float32)
    second = first + np.float32([0.0, 0.1, 0.6]).reshape(3, 1, 1, 1)
    assert float(losses.diversity(first, second)) == pytest.approx(-0.1, rel=1e-5)
    assert float(losses.diversity(second, first)) == pytest.approx(-0.1, rel=1e-5)
    assert float(losses.diversity(first, second, limit=1.0)) == pytest.approx(-0.7 / 3, rel=1e-5)


def test_the_style_prior_is_the_divergence_of_gaussians_per_dimension(generator):
    """Against the general formula with traces, inverses and determinants, by sample."""
    batch, size = 6, 5
    mean, prior = generator.normal(size=(2, batch, size))
    log_variance = generator.uniform(-3.0, 2.0, (batch, size))
    expected = [
        oracles.gaussian_divergence(m, np.diag(np.exp(v)), p, np.eye(size)) / size
        for m, v, p in zip(mean, log_variance, prior, strict=True)
    ]
    found = losses.style_prior(*(x.astype(np.float32) for x in (mean, log_variance, prior)))
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_style_prior_is_the_expected_log_ratio_of_densities(generator):
    """Monte Carlo: `KL = E_q[ln q - ln p]`; 400,000 draws leave an error of about 0.003."""
    mean, log_variance, prior = 0.7, -1.2, -0.4
    deviation = np.exp(0.5 * log_variance)
    noise = generator.normal(size=400_000)
    draws = mean + deviation * noise
    ratio = (-0.5 * noise**2 - np.log(deviation)) - (-0.5 * (draws - prior) ** 2)
    found = losses.style_prior(*(np.float32([[x]]) for x in (mean, log_variance, prior)))
    assert float(found) == pytest.approx(ratio.mean(), abs=0.01)


def test_the_style_prior_is_zero_at_the_prior_alone(generator):
    mean = generator.normal(size=(3, 4)).astype(np.float32)
    zeros = np.zeros_like(mean)
    assert float(losses.style_prior(mean, zeros, mean)) == 0.0
    assert float(losses.style_prior(mean + 0.1, zeros, mean)) > 0.0
    assert float(losses.style_prior(mean, zeros + 0.1, mean)) > 0.0


def test_total_variation_is_the_mean_step_to_each_neighbour(generator):
    image = generator.uniform(size=(2, 5, 7, 3)).astype(np.float32)
    down = np.abs(np.diff(image.astype(np.float64), axis=1)).mean()
    right = np.abs(np.diff(image.astype(np.float64), axis=2)).mean()
    assert float(losses.total_variation(image)) == pytest.approx(down + right, rel=1e-5)
    ramp = np.tile(np.arange(7, dtype=np.float32)[None, None, :, None], (1, 5, 1, 1))
    assert float(losses.total_variation(ramp)) == pytest.approx(1.0)
    assert float(losses.total_variation(np.ones((1, 4, 4, 3), np.float32))) == 0.0


def test_layout_compares_the_mean_colours_of_squares(generator):
    first, second = generator.uniform(size=(2, 2, 16, 24, 3)).astype(np.float32)
    gaps = []
    for row, column in np.ndindex(2, 3):
        square = np.s_[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        gaps.append(np.abs(first[square].mean((1, 2)) - second[square].mean((1, 2))))
    assert float(losses.coarse_colour(first, second)) == pytest.approx(np.mean(gaps), rel=1e-4)


def test_layout_does_not_see_texture_within_a_square(generator):
    image = generator.uniform(size=(1, 16, 16, 3)).astype(np.float32)
    turned = image.copy()
    turned[:, :8, :8] = turned[:, :8, :8][:, ::-1, ::-1]
    assert float(losses.coarse_colour(turned, image)) < 1e-6
    assert float(losses.coarse_colour(image[:, ::-1], image)) > 1e-3


def test_normalised_features_have_mean_0_and_deviation_1_per_picture_and_channel(generator):
    features = generator.normal(3.0, 5.0, (2, 9, 8, 4)) * np.array([1.0, 2.0, 5.0, 10.0])
    result = np.asarray(losses.normalised(features.astype(np.float32)))
    np.testing.assert_allclose(result.mean(axis=(1, 2)), 0.0, atol=1e-5)
    np.testing.assert_allclose(result.std(axis=(1, 2)), 1.0, atol=1e-4)


def test_content_does_not_see_a_channels_mean_and_contrast(generator):
    features = generator.normal(0.0, 10.0, (2, 8, 8, 4)).astype(np.float32)
    other = generator.normal(0.0, 10.0, (2, 8, 8, 4)).astype(np.float32)
    scale, shift = np.float32([0.5, 2.0, 3.0, 1.0]), np.float32([10.0, -4.0, 0.0, 1.0])
    restyled = features * scale + shift
    assert float(losses.content(restyled, features)) < 1e-8
    assert float(losses.content(features, other)) == pytest.approx(
        float(losses.content(restyled, other)), rel=1e-4
    )


def test_content_sees_where_things_are(generator):
    """Independent maps of deviation 1 differ by 2 in mean square, opposite ones by 4."""
    features = generator.normal(0.0, 10.0, (1, 64, 64, 8)).astype(np.float32)
    other = generator.normal(0.0, 10.0, (1, 64, 64, 8)).astype(np.float32)
    assert float(losses.content(features, other)) == pytest.approx(2.0, abs=0.05)
    assert float(losses.content(-features, features)) == pytest.approx(4.0, rel=1e-3)


def test_content_of_constant_features_has_a_finite_gradient():
    features = tf.zeros([1, 4, 4, 2])
    with tf.GradientTape() as tape:
        tape.watch(features)
        value = losses.content(features, tf.ones([1, 4, 4, 2]))
    assert float(value) == 0.0
    assert np.isfinite(tape.gradient(value, features)).all()


def test_a_gram_matrix_is_the_mean_product_of_every_pair_of_channels(generator):
    features = generator.normal(size=(3, 5, 6, 4)).astype(np.float32)
    expected = np.stack([oracles.gram(x) for x in features])
    np.testing.assert_allclose(losses.gram(features), expected, rtol=1e-5, atol=1e-6)


def test_a_gram_matrix_of_unknown_size_is_the_same(generator):
    features = generator.normal(size=(2, 5, 6, 4)).astype(np.float32)
    compiled = tf.function(
        losses.gram, input_signature=[tf.TensorSpec([None, None, None, 4], tf.float32)]
    )
    np.testing.assert_allclose(compiled(features), losses.gram(features), rtol=1e-6)


@pytest.fixture
def taps(generator):
    return {
        "early": generator.normal(size=(3, 8, 8, 4)).astype(np.float32),
        "late": 100.0 * generator.normal(size=(3, 4, 4, 6)).astype(np.float32),
    }


def test_the_style_loss_of_a_picture_and_itself_is_zero(taps):
    assert float(losses.style(taps, taps, np.ones(3, np.float32))) == 0.0


def test_the_style_loss_is_relative(taps):
    """Doubled features have four times the Gram matrix: (4 - 1) / (4 + 1) on any scale."""
    doubled, ones = {name: 2.0 * value for name, value in taps.items()}, np.ones(3, np.float32)
    assert float(losses.style(doubled, taps, ones)) == pytest.approx(0.6, rel=1e-4)
    assert float(losses.style(taps, doubled, ones)) == pytest.approx(0.6, rel=1e-4)
    empty = {name: ops.zeros_like(value) for name, value in taps.items()}
    assert float(losses.style(taps, empty, ones)) == pytest.approx(1.0, rel=1e-4)


def test_the_style_loss_does_not_see_where_things_are(taps, generator):
    moved = {}
    for name, value in taps.items():
        rows = value.reshape(3, -1, value.shape[-1])
        moved[name] = rows[:, generator.permutation(rows.shape[1])].reshape(value.shape)
    assert float(losses.style(moved, taps, np.ones(3, np.float32))) < 1e-5


def test_the_style_loss_is_the_mean_over_taps_and_weighted_samples(taps, generator):
    other = {name: generator.normal(size=v.shape).astype(np.float32) for name, v in taps.items()}
    weights, errors = np.float32([1.0, 0.0, 1.0]), []
    for name, value in other.items():
        for sample in (0, 2):
            target = oracles.gram(taps[name][sample])
            own = oracles.gram(value[sample])
            errors.append(np.abs(own - target).sum() / (np.abs(own) + np.abs(target)).sum())
    assert float(losses.style(other, taps, weights)) == pytest.approx(np.mean(errors), rel=1e-4)


def test_feature_matching_is_the_mean_difference_of_pooled_layers(taps, generator):
    """By loops; where the features stand does not count, and a layer counts whatever its size."""
    own = list(taps.values())
    other = [generator.normal(size=value.shape).astype(np.float32) for value in own]
    errors = []
    for first, second in zip(own, other, strict=True):
        pooled = [
            [p[..., c].mean() for p in x for c in range(p.shape[-1])] for x in (first, second)
        ]
        errors.append(np.abs(np.subtract(*pooled)).mean())
    assert float(losses.feature_matching(own, other)) == pytest.approx(np.mean(errors), rel=1e-4)
    turned = [value[:, ::-1, ::-1] for value in own]
    assert float(losses.feature_matching(own, turned)) < 1e-6


def test_the_style_loss_of_no_sample_is_zero(taps):
    nothing = {name: ops.zeros_like(value) for name, value in taps.items()}
    assert float(losses.style(nothing, taps, np.zeros(3, np.float32))) == 0.0


def test_style_distances_are_those_of_every_pair_relative_to_their_mean(taps):
    """By loops over taps and pairs: Frobenius distances of Gram matrices, each tap's divided by
    its mean over the pairs of two, so that a tap a hundred times as loud has the same say."""
    expected = np.zeros((3, 3))
    for value in taps.values():
        grams = [oracles.gram(picture) for picture in value]
        distances = np.zeros((3, 3))
        for first in range(3):
            for second in range(3):
                distances[first, second] = np.sqrt(((grams[first] - grams[second]) ** 2).sum())
        expected += distances / distances[~np.eye(3, dtype=bool)].mean() / len(taps)
    found = np.asarray(losses.style_distances(taps))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert found[~np.eye(3, dtype=bool)].mean() == pytest.approx(1.0, rel=1e-5)


def test_style_distances_of_equal_pictures_are_finite_and_so_is_their_gradient(generator):
    """Distance 0, where a root has no slope: the first two of the three are one picture."""
    picture = generator.normal(size=(1, 6, 6, 4))
    other = generator.normal(size=(1, 6, 6, 4))
    features = tf.constant(np.concatenate([picture, picture, other]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(features)
        distances = losses.style_distances({"tap": features})
        total = tf.reduce_sum(distances[0])
    assert float(distances[0, 1]) < 1e-2 < 1.0 < float(distances[0, 2])
    assert np.isfinite(tape.gradient(total, features)).all()
