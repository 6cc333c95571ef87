"""Restyling operators against NumPy and SciPy in float64, by brute force where they match."""

import itertools

import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features import operators
from stylegan_culture.features.operators import Target

ALL = {
    "alpha": operators.alpha_fusion,
    "adain": operators.adain,
    "wct": operators.wct,
    "match": operators.match,
    "transport": lambda *a: operators.linear(*a, kind="transport"),
    "ddr": lambda *a: operators.linear(*a, kind="ddr"),
}


@pytest.fixture
def content(generator):
    """Correlated features `[1, 9, 11, 6]`, not centred."""
    mixing = generator.normal(size=(6, 6))
    return (generator.normal(size=(1, 9, 11, 6)) @ mixing + 0.7).astype(np.float32)


@pytest.fixture
def style(generator):
    """Features `[1, 8, 7, 6]` of another mean and covariance."""
    mixing = generator.normal(size=(6, 6))
    return (2.0 * generator.normal(size=(1, 8, 7, 6)) @ mixing - 1.3).astype(np.float32)


def rows(features):
    return np.asarray(features, np.float64).reshape(-1, features.shape[-1])


@pytest.mark.parametrize("name", ALL)
def test_strength_zero_is_the_content(content, style, name):
    found = ALL[name](content, Target.of_features(style), 0.0)
    np.testing.assert_array_equal(found, content)


@pytest.mark.parametrize("name", ALL)
def test_a_style_applied_to_itself_changes_nothing(content, name):
    found = ALL[name](content, Target.of_features(content), 1.0)
    np.testing.assert_allclose(found, content, atol=2e-3)


@pytest.mark.parametrize("name", ALL)
def test_strength_is_linear_between_content_and_full_style(content, style, name):
    target = Target.of_features(style)
    full = np.asarray(ALL[name](content, target, 1.0))
    half = np.asarray(ALL[name](content, target, 0.5))
    np.testing.assert_allclose(half, (content + full) / 2, atol=1e-4)
    assert np.abs(full - content).max() > 0.5


def test_alpha_fusion_adds_the_resized_style(content, style):
    """At the content's own size nothing is resized: `0.7 c + 0.3 s`."""
    same = np.resize(style, content.shape).astype(np.float32)
    found = operators.alpha_fusion(content, Target.of_features(same), 0.3)
    np.testing.assert_allclose(found, 0.7 * content + 0.3 * same, atol=1e-5)
    flat = np.ones((1, 4, 5, 6), np.float32) * np.arange(6, dtype=np.float32)
    found = operators.alpha_fusion(content, Target.of_features(flat), 1.0)
    np.testing.assert_allclose(found, np.broadcast_to(np.arange(6.0), content.shape), atol=1e-5)


def test_adain_takes_over_mean_and_deviation(content, style):
    found = operators.adain(content, Target.of_features(style), 1.0)
    c, s = rows(content), rows(style)
    expected = (c - c.mean(0)) / c.std(0) * s.std(0) + s.mean(0)
    np.testing.assert_allclose(rows(found), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["coral", "transport"])
def test_linear_operators_are_their_formula_and_give_the_covariance(content, style, kind):
    """coral: `Sc^1/2 Ss^-1/2`; transport: `Ss^-1/2 (Ss^1/2 Sc Ss^1/2)^1/2 Ss^-1/2`."""
    found = operators.linear(content, Target.of_features(style), 1.0, kind=kind, shrinkage=1e-6)
    (mean, source), (style_mean, wanted) = (
        oracles.moments(rows(content)),
        oracles.moments(rows(style)),
    )
    power = oracles.matrix_power
    inverse, root = power(source, -0.5), power(source, 0.5)
    matrix = power(wanted, 0.5) @ inverse
    if kind == "transport":
        matrix = inverse @ power(root @ wanted @ root, 0.5) @ inverse
    expected = (rows(content) - mean) @ matrix.T + style_mean
    assert oracles.relative_frobenius(rows(found), expected) < 1e-3
    assert oracles.relative_frobenius(oracles.moments(rows(found))[1], wanted) < 1e-3


def brute_force_match(content, style):
    """Every 3x3 patch of the standardised maps with every other, one after the other."""

    def standard(x):
        flat = x.reshape(-1, x.shape[-1])
        return (x - flat.mean(0)) / flat.std(0)

    def padded(x):
        return np.pad(x, [(1, 1), (1, 1), (0, 0)], "reflect")

    c, s = padded(standard(content)), padded(standard(style))
    raw = padded(style)
    (height, width), (rows_, columns_) = content.shape[:2], style.shape[:2]
    total, count = (
        np.zeros((height + 2, width + 2, content.shape[2])),
        np.zeros((height + 2, width + 2, 1)),
    )
    for y, x in itertools.product(range(height), range(width)):
        patch = c[y : y + 3, x : x + 3]
        best, best_value = None, -np.inf
        for j, k in itertools.product(range(rows_), range(columns_)):
            other = s[j : j + 3, k : k + 3]
            value = (patch * other).sum() / np.linalg.norm(other)
            if value > best_value:
                best, best_value = (j, k), value
        j, k = best
        total[y : y + 3, x : x + 3] += raw[j : j + 3, k : k + 3]
        count[y : y + 3, x : x + 3] += 1
    return (total / np.maximum(count, 1))[1:-1, 1:-1]


@pytest.mark.parametrize("values", [2**25, 1])  # whole, and one row of the content at a time
def test_matching_is_brute_force(content, style, monkeypatch, values):
    monkeypatch.setattr(operators, "MATCH_VALUES", values)
    found = operators.match(content, Target.of_features(style), 1.0)
    expected = brute_force_match(content[0].astype(np.float64), style[0].astype(np.float64))
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_fusion_is_the_weighted_mean_of_the_answers(content, style):
    targets = [Target.of_features(style), Target.of_features(style[:, ::-1] * 0.5)]
    found = operators.fuse(operators.wct, content, targets, [0.25, 0.75], 0.8)
    first, second = (np.asarray(operators.wct(content, t, 0.8)) for t in targets)
    np.testing.assert_allclose(found, 0.25 * first + 0.75 * second, atol=1e-4)
    only = operators.fuse(operators.wct, content, targets, [1.0, 0.0], 0.8)
    np.testing.assert_allclose(only, first, atol=1e-5)


@pytest.mark.parametrize("name", ["adain", "wct"])
def test_a_region_is_restyled_by_its_own_moments_and_the_rest_stays(content, style, name):
    """The left five columns as if they were the whole picture; the others untouched."""
    mask = np.zeros(content.shape[1:3], np.float32)
    mask[:, :5] = 1.0
    target = Target.of_features(style)
    found = np.asarray(operators.regions(ALL[name], content, [target], [mask], 1.0))
    alone = np.asarray(ALL[name](content[:, :, :5], target, 1.0))
    np.testing.assert_allclose(found[:, :, :5], alone, rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(found[:, :, 5:], content[:, :, 5:])


def test_two_regions_fill_the_picture_each_with_its_style(content, style):
    mask = np.zeros(content.shape[1:3], np.float32)
    mask[:4] = 1.0
    targets = [Target.of_features(style), Target.of_features(-style)]
    found = operators.regions(operators.adain, content, targets, [mask, 1.0 - mask], 1.0)
    upper, lower = rows(found[:, :4]), rows(found[:, 4:])
    np.testing.assert_allclose(upper.mean(0), rows(style).mean(0), atol=1e-2)
    np.testing.assert_allclose(lower.mean(0), -rows(style).mean(0), atol=1e-2)


def test_an_empty_region_changes_nothing(content, style):
    nothing = np.zeros(content.shape[1:3], np.float32)
    found = operators.regions(operators.wct, content, [Target.of_features(style)], [nothing], 1.0)
    np.testing.assert_array_equal(found, content)


@pytest.mark.parametrize("name", ["adain", "wct", "transport"])
def test_fewer_positions_than_channels_and_dead_channels_stay_finite(generator, name):
    content = generator.normal(size=(1, 3, 3, 32)).astype(np.float32)
    content[..., :4] = 0.0
    style = generator.normal(size=(1, 4, 2, 32)).astype(np.float32)
    style[..., 2:6] = 1.0
    assert np.isfinite(ALL[name](content, Target.of_features(style), 1.0)).all()


@pytest.mark.parametrize("name", ["alpha", "match"])
def test_what_needs_an_example_says_so(content, name):
    target = Target.of_moments(np.zeros(6), np.eye(6))
    with pytest.raises(InputError, match=f"{name} needs an example"):
        ALL[name](content, target, 1.0)


def test_operators_work_inside_a_graph(content, style):
    compiled = tf.function(lambda x: operators.wct(x, Target.of_features(style), 0.6))
    expected = operators.wct(content, Target.of_features(style), 0.6)
    np.testing.assert_allclose(compiled(content), expected, atol=1e-3)
