"""Activation smoothing: the softmax over a whole map, its limits, and what it does to entropy."""

import numpy as np
import pytest
import scipy.special

from stylegan_culture.features.operators import smooth, spread

SHAPE = (3, 5, 7, 4)


@pytest.fixture
def features(generator):
    """Maps with few high peaks, as sums of residual blocks have them; each of another scale."""
    values = np.maximum(generator.normal(size=SHAPE), 0.0) ** 3
    return (values * np.array([1.0, 3.0, 10.0])[:, None, None, None]).astype(np.float32)


def _softmax(features, temperatures):
    """The formula for one picture after another, in float64."""
    found = []
    for picture, temperature in zip(features.astype(np.float64), temperatures, strict=True):
        found.append(picture.size * scipy.special.softmax(picture / temperature))
    return np.stack(found)


def _entropy(maps):
    """Of each map taken as a distribution over positions and channels, in nats."""
    shares = np.asarray(maps, np.float64).reshape(len(maps), -1)
    shares = shares / shares.sum(axis=1, keepdims=True)
    return scipy.special.entr(shares).sum(axis=1)


def test_the_spread_is_the_deviation_over_all_values_of_a_map(features):
    expected = [picture.std() for picture in features.astype(np.float64)]
    np.testing.assert_allclose(spread(features), expected, rtol=1e-5)


@pytest.mark.parametrize("temperatures", [(0.7,) * 3, (0.5, 2.0, 9.0)])
def test_smoothing_is_the_softmax_over_the_whole_map(features, temperatures):
    """Of each picture by itself: one temperature for all, or one for each."""
    one = len(set(temperatures)) == 1
    given = temperatures[0] if one else np.array(temperatures, np.float32)
    found = np.asarray(smooth(features, given))
    assert found.shape == SHAPE and found.dtype == np.float32
    np.testing.assert_allclose(found, _softmax(features, temperatures), rtol=1e-4, atol=1e-7)


def test_maps_of_any_size_have_mean_one(generator):
    for shape in ((2, 4, 4, 3), (1, 16, 9, 8)):
        found = smooth(generator.normal(size=shape).astype(np.float32), 0.8)
        np.testing.assert_allclose(np.mean(found, axis=(1, 2, 3)), 1.0, rtol=1e-5)


def test_a_constant_added_to_a_map_changes_nothing(features):
    """And values that exp cannot hold do no harm: float32 ends at exp(88)."""
    found, shifted = (np.asarray(smooth(features + value, 2.0)) for value in (0.0, 1000.0))
    np.testing.assert_allclose(shifted, found, rtol=2e-3)
    assert np.isfinite(np.asarray(smooth(1e6 * features, 1.0))).all()


def test_high_temperatures_leave_a_constant_and_low_ones_the_peak_alone(features):
    """`n softmax(f / T)` tends to 1 + (f - mean f) / T, and to n at the highest value."""
    scale = np.asarray(spread(features))[:, None, None, None]
    hot = np.asarray(smooth(features, 1000.0 * scale), np.float64)
    centred = features - features.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(1000.0 * (hot - 1.0), centred / scale, atol=0.1)
    assert np.abs(centred / scale).max() > 5.0
    cold = np.asarray(smooth(features, 1e-3)).reshape(3, -1)
    peaks = features.reshape(3, -1).argmax(axis=1)
    expected = np.zeros_like(cold)
    expected[np.arange(3), peaks] = cold.shape[1]
    np.testing.assert_allclose(cold, expected, atol=1e-3)


def test_smoothing_keeps_the_order_of_values(features):
    found = np.asarray(smooth(features, spread(features))).reshape(3, -1)
    for own, smoothed in zip(features.reshape(3, -1), found, strict=True):
        assert (np.diff(smoothed[np.argsort(own)]) >= 0.0).all()


def test_at_twice_the_spread_entropy_rises_whatever_the_scale_of_a_map(features):
    """By the map's own spread, peaked maps of any scale come nearer to a uniform distribution."""
    most = np.log(features[0].size)
    before = _entropy(features)
    after = _entropy(smooth(features, 2.0 * spread(features)))
    assert (after > before + 0.5).all() and (after < most).all()
    scaled = _entropy(smooth(100.0 * features, 2.0 * spread(100.0 * features)))
    np.testing.assert_allclose(scaled, after, rtol=1e-5)
    hotter = _entropy(smooth(features, 4.0 * spread(features)))
    assert (hotter > after).all()


def test_half_precision_is_smoothed_in_single(features):
    found = smooth(features.astype(np.float16), 0.5)
    assert np.asarray(found).dtype == np.float32
    assert np.asarray(spread(features.astype(np.float16))).dtype == np.float32
    rounded = features.astype(np.float16).astype(np.float64)
    np.testing.assert_allclose(found, _softmax(rounded, [0.5] * 3), rtol=1e-3, atol=1e-7)
