"""Warping, occlusion and the warp error, against loops, known motions and closed forms."""

import numpy as np
import pytest
import scipy.ndimage

from stylegan_culture.features import flow as features_flow
from stylegan_culture.measures import flicker


def constant_flow(height, width, x, y):
    return np.broadcast_to(np.array([x, y], np.float32), (height, width, 2)).copy()


def test_warp_agrees_with_a_brute_force_loop(generator):
    picture = generator.random((7, 9, 3)).astype(np.float32)
    flow = generator.uniform(-4, 4, (7, 9, 2)).astype(np.float32)
    expected = np.empty_like(picture)
    for row in range(7):
        for column in range(9):
            x = min(max(column + float(flow[row, column, 0]), 0.0), 8.0)
            y = min(max(row + float(flow[row, column, 1]), 0.0), 6.0)
            value = np.zeros(3)
            for near_row in range(7):
                for near_column in range(9):
                    weight = max(0.0, 1 - abs(y - near_row)) * max(0.0, 1 - abs(x - near_column))
                    value += weight * picture[near_row, near_column]
            expected[row, column] = value
    np.testing.assert_allclose(features_flow.warp(picture, flow), expected, atol=1e-5)


def test_warp_agrees_with_scipy_on_channels_of_features(generator):
    values = generator.random((6, 8, 5)).astype(np.float32)
    flow = generator.uniform(-2, 2, (6, 8, 2)).astype(np.float32)
    places = np.mgrid[:6, :8] + np.stack([flow[..., 1], flow[..., 0]])
    for channel in range(5):
        expected = scipy.ndimage.map_coordinates(
            values[..., channel], places, order=1, mode="nearest"
        )
        np.testing.assert_allclose(
            features_flow.warp(values, flow)[..., channel], expected, atol=1e-5
        )


def test_a_known_translation_is_undone(generator):
    """A picture moved 2 to the right and 1 down: each pixel was 2 to the left and 1 up."""
    before = generator.random((20, 24, 3)).astype(np.float32)
    now = np.roll(before, (1, 2), axis=(0, 1))
    warped = features_flow.warp(before, constant_flow(20, 24, -2, -1))
    np.testing.assert_allclose(warped[1:, 2:], now[1:, 2:], atol=1e-6)


def test_consistent_motion_is_visible_but_what_came_into_the_frame():
    mask = features_flow.visible(constant_flow(10, 12, -3, 0), constant_flow(10, 12, 3, 0))
    assert mask[:, 3:].all() and not mask[:, :3].any()


def test_a_hidden_background_and_the_border_of_motion_are_left_out():
    """A block goes 4 px to the right over a still background: what it bares was hidden."""
    height, width = 20, 40
    forward = np.zeros((height, width, 2), np.float32)
    forward[5:15, 10:20, 0] = 4
    flow = np.zeros_like(forward)
    flow[5:15, 14:24, 0] = -4
    mask = features_flow.visible(flow, forward)
    assert not mask[6:14, 10:14].any()  # bared
    assert not mask[6:14, [13, 14, 23, 24]].any()  # the flow breaks
    assert mask[7:13, 16:22].all()  # the block itself
    assert mask[:3].all() and mask[:, 30:].all()  # the still background


@pytest.mark.parametrize(("apart", "seen"), [(0.5, True), (0.9, False)])
def test_flows_may_disagree_by_the_published_threshold(apart, seen):
    """|w' + w|^2 against 0.01 (|w'|^2 + |w|^2) + 0.5: for w = (2, 0) about 0.76 px."""
    mask = features_flow.visible(constant_flow(9, 15, -2, 0), constant_flow(9, 15, 2 + apart, 0))
    assert mask[4, 8] == seen


def test_the_error_of_moving_frames_is_zero_and_of_flicker_its_square(generator):
    scene = generator.random((16, 60, 3)).astype(np.float32) * 0.5
    one, two = (scene[:, 3 * t : 3 * t + 30] for t in range(2))  # the view goes 3 px to the right
    flow, forward = constant_flow(16, 30, 3, 0), constant_flow(16, 30, -3, 0)
    mask = features_flow.visible(flow, forward)
    error, count = flicker.pair_error(one, two, flow, mask)
    assert mask.sum() == count == 16 * 27 and error < 1e-9
    error, count = flicker.pair_error(one, two + 0.1, flow, mask)
    assert error / count == pytest.approx(0.01, rel=1e-4)


def test_the_error_counts_every_visible_pixel_and_no_other(generator):
    before, now = generator.random((2, 5, 6, 3)).astype(np.float32)
    mask = generator.random((5, 6)) < 0.5
    expected = np.square(before - now).mean(-1)[mask].astype(np.float64).sum()
    error, count = flicker.pair_error(before, now, np.zeros((5, 6, 2)), mask)
    assert error == pytest.approx(expected, rel=1e-6) and count == mask.sum()
