"""The motion that OpenCV finds, against films whose motion is known."""

import clips
import numpy as np
import pytest
import scipy.ndimage

from stylegan_culture.features import flow
from stylegan_culture.measures import flicker

pytest.importorskip("cv2", reason="OpenCV (extra `video`) is not installed")


@pytest.fixture(scope="module")
def pan():
    """Two frames of a view that goes 3.5 px to the right and 1.225 px down."""
    pictures = [clips.texture(np.random.default_rng(4), 200, 300)]
    film = clips.Film(frames=3, height=144, width=240, scene=3, speed=3.5, flicker=0.0)
    found = list(clips.frames(film, pictures))
    return found[1].astype(np.float32) / 255, found[2].astype(np.float32) / 255


def test_the_motion_of_a_pan_is_found(pan):
    """Pixels of the second frame were 3.5 px to the right and 1.225 px below in the first."""
    before, now = pan
    found, seen = flow.between(before, now)
    inner = found[16:-16, 16:-16]
    assert np.abs(np.median(inner, axis=(0, 1)) - [3.5, 1.225]).max() < 0.15
    assert seen[16:-16, 16:-16].mean() > 0.9


def test_a_change_of_exposure_is_no_motion(pan):
    found = flow.estimate(pan[0], 0.9 * pan[0])
    assert np.abs(found).mean() < 0.15


@pytest.mark.parametrize(("height", "width"), [(18, 30), (36, 60)])
def test_maps_are_carried_in_their_own_pixels(pan, height, width):
    before, now = ((255 * frame).astype(np.uint8) for frame in pan)
    factor = 240 // width
    pooled = []
    for frame in (before, now):  # soft, as interpolation between places asks for
        soft = scipy.ndimage.gaussian_filter(frame.astype(np.float32), (8, 8, 0))
        pooled.append(soft.reshape(height, factor, width, factor, 3).mean((1, 3)))
    carried, seen = flow.carrier(before, now)(pooled[0])
    assert carried.shape == (height, width, 3) and seen.shape == (height, width)
    weight = seen[..., None]
    moved, unmoved = ((weight * np.abs(m - pooled[1])).mean() for m in (carried, pooled[0]))
    assert moved < 0.35 * unmoved
    assert seen.min() >= 0.0 and seen.max() <= 1.0 and seen.mean() > 0.8


def test_the_motion_of_frames_lowers_their_own_error(pan):
    found, seen = flow.between(*pan)
    still, _ = flicker.pair_error(*pan, np.zeros_like(found), seen)
    assert flicker.pair_error(*pan, found, seen)[0] < 0.2 * still
